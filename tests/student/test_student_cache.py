"""What the cache remembers is what would be read anew: trie after trie in ragged batches, word by word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from small import SIZES
from torch import Tensor

from student.config import StudentConfig
from student.policy import positions
from student.scoring import build_trie, follow, score_tries
from student.student import Student
from student.types import Prompt
from worlds.base import join_reply, split_reply

MakePrompt = Callable[..., Prompt]
Words = tuple[int, ...]


def whole(student: Student, prompt: Prompt, words: Words) -> Tensor:
    """Log-probabilities (T, vocabulary) after the prompt and each of `words`, from one pass."""
    features = student.image_features(prompt.images)
    ids = torch.tensor([[*student.encode_prompts([prompt], features.shape[1])[0], *words]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        hidden = student.policy.hidden(student.policy.embed(ids, features), mask, positions(mask))
        return torch.log_softmax(student.policy.logits(hidden[0, -len(words) - 1 :]), -1)


def total(student: Student, prompt: Prompt, before: Words, words: Words) -> float:
    logprobs = whole(student, prompt, before + words)[len(before) :]
    return sum(float(logprobs[place, word]) for place, word in enumerate(words))


def candidates(rng: np.random.Generator) -> list[Words]:
    """Few words, so that many candidates share their beginnings; some are one word, some begin another."""
    found = {(*rng.integers(10, 13, rng.integers(0, 4)).tolist(), 2) for _ in range(rng.integers(1, 7))}
    return sorted(found)


@pytest.mark.parametrize("seed", range(4))
def test_trie_after_trie_scores_as_the_whole_text_does(
    student: Student, make_prompt: MakePrompt, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    prompts = [make_prompt(int(number)) for number in rng.integers(0, 9, 3)]
    said: list[Words] = [()] * 3
    with torch.inference_mode():
        state, lead = student.encode(prompts), ()
        for _ in range(3):
            offered = [candidates(rng) for _ in prompts]
            tries = [build_trie(some, lead) for some in offered]
            scores = score_tries(student.policy, state, tries)
            chosen = [int(rng.integers(len(some))) for some in offered]
            for row, (prompt, some) in enumerate(zip(prompts, offered, strict=True)):
                wanted = [total(student, prompt, said[row], words) for words in some]
                assert scores[row, : len(some)].tolist() == pytest.approx(wanted, abs=2e-4)
                assert torch.isinf(scores[row, len(some) :]).all()
                said[row] += some[chosen[row]]
            follow(state, tries, chosen)
            lead = (2,)  # the end of what was chosen is not in the cache yet


@pytest.mark.parametrize("seed", range(6))
def test_a_trie_holds_every_proper_prefix_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lead = tuple(rng.integers(20, 22, rng.integers(0, 3)).tolist())
    some = candidates(rng)
    trie = build_trie(some, lead)
    paths = [tuple(trie.tokens[np.flatnonzero(row)].tolist()) for row in trie.ancestors]
    prefixes = {(lead + words)[:length] for words in some for length in range(1, len(lead + words))}
    assert set(paths) == prefixes
    assert trie.size == len(paths) == len(set(paths))
    assert [len(path) - 1 for path in paths] == trie.depths.tolist()
    for row, words in enumerate(some):
        read = [() if reader == 0 else paths[reader - 1] for reader in trie.readers[row, : len(words)]]
        assert read == [lead + words[:place] for place in range(len(words))]
        assert tuple(trie.targets[row, : len(words)].tolist()) == words
        assert trie.weights[row].tolist() == [1.0] * len(words) + [0.0] * (trie.weights.shape[1] - len(words))


def test_a_candidate_is_tokenised_as_the_reply_that_it_is_trained_as(
    student: Student, make_prompt: MakePrompt
) -> None:
    """The way through the two tries, joined, is the reply that a sample would hold."""
    prompt = make_prompt(
        1, actions=("forward 2", "goto the far-left pumpkin", "turn left 45", "say it's 4711!")
    )
    end = (student.tokenizer.eos_token_id,)
    notes = student._trie(prompt.notes, student.separator)
    actions = student._trie(prompt.actions, end, student.separator[-1:])
    for row, note in enumerate(prompt.notes):
        for column, action in enumerate(prompt.actions):
            head = notes.targets[row][notes.weights[row] > 0].tolist()
            tail = actions.targets[column][actions.weights[column] > 0].tolist()
            reply = join_reply(note, action)
            assert head + tail == student.encode_reply(reply)
            assert split_reply(reply) == (note, action)


@pytest.mark.parametrize("most", [1, 3, 7])
def test_what_is_written_word_by_word_is_what_rereading_the_whole_would_write(
    make_prompt: MakePrompt, most: int
) -> None:
    student = Student.fresh(StudentConfig(decode="generate", max_reply_tokens=most), seed=4, **SIZES)
    prompts = [make_prompt(seed, actions=()) for seed in range(5)]
    likeliest = [int(whole(student, prompt, ())[-1].argmax()) for prompt in prompts]
    assert len(set(likeliest)) > 1
    # One reply ends at once, while others are still being written.
    student.tokenizer.eos_token = student.tokenizer.convert_ids_to_tokens(likeliest[0])
    calls: list[int] = []
    hook = student.policy.model.model.language_model.register_forward_hook(lambda *_: calls.append(1))
    decisions = student.decide(prompts, 0.0, [0] * 5)
    hook.remove()
    assert len(calls) <= most, "one call reads the prompts, each other one adds a word"
    end = student.tokenizer.eos_token_id
    for prompt, decision in zip(prompts, decisions, strict=True):
        words: Words = ()
        logprob = 0.0
        while len(words) < most and end not in words:
            last = whole(student, prompt, words)[-1]
            words += (int(last.argmax()),)
            logprob += float(last.max())
        note, action = split_reply(student.tokenizer.decode([word for word in words if word != end]))
        assert (decision.note, decision.action) == (note, action)
        assert decision.logprob == pytest.approx(logprob, abs=1e-3)
