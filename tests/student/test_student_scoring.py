"""Cached scoring equals the full re-encode; a decision depends on its own prompt and seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from student.scoring import PrefixState, build_trie, score_tries
from student.student import Student, draw
from student.types import Prompt
from worlds.base import join_reply

MakePrompt = Callable[..., Prompt]


def test_scores_equal_the_full_reencode(student: Student, make_prompt: MakePrompt) -> None:
    prompts = [make_prompt(seed) for seed in range(6)]
    for prompt, decision in zip(prompts, student.decide(prompts, 0.0, [0] * 6), strict=True):
        replies = [join_reply(decision.note, action) for action, _ in decision.alternatives]
        with torch.no_grad():
            whole = student.policy(**student.reply_batch([prompt] * len(replies), replies)).logprob
            notes = student.policy(
                **student.reply_batch([prompt] * 4, [join_reply(n, decision.action) for n in prompt.notes])
            ).token_logprobs
        given_note = [logprob for _, logprob in decision.alternatives]
        shift = decision.logprob - dict(decision.alternatives)[decision.action]
        assert np.allclose(whole.numpy(), np.array(given_note) + shift, atol=1e-4)
        heads = [len(student.encode_text(" " + note)) + 1 for note in prompt.notes]
        tail = len(student.encode_text(" " + decision.action)) + 1
        sums = [float(row[-tail - head : -tail].sum()) for row, head in zip(notes, heads, strict=True)]
        assert prompt.notes[int(np.argmax(sums))] == decision.note
        assert decision.logprob - dict(decision.alternatives)[decision.action] == pytest.approx(
            max(sums), abs=1e-4
        )


def test_a_batch_decides_as_each_prompt_alone(student: Student, make_prompt: MakePrompt) -> None:
    prompts = [make_prompt(seed) for seed in range(8)]
    prompts[2] = make_prompt(2, notes=())
    prompts[5] = make_prompt(5, actions=("forward 2", "done"))
    together = student.decide(prompts, 0.7, range(8), version=4)
    for seed, (prompt, decision) in enumerate(zip(prompts, together, strict=True)):
        alone = student.decide([prompt], 0.7, [seed])[0]
        assert (alone.note, alone.action) == (decision.note, decision.action)
        assert alone.logprob == pytest.approx(decision.logprob, abs=1e-4)
        assert alone.legal_mass == pytest.approx(decision.legal_mass, abs=1e-4)
        assert decision.version == 4
        assert decision.action in prompt.actions
        assert (decision.note in prompt.notes) == bool(prompt.notes)


def test_alternatives_are_sorted_and_sum_to_the_legal_mass(student: Student, make_prompt: MakePrompt) -> None:
    decision = student.decide([make_prompt(1)], 0.0, [0])[0]
    logprobs = [logprob for _, logprob in decision.alternatives]
    assert logprobs == sorted(logprobs, reverse=True)
    assert decision.action == decision.alternatives[0][0]
    assert 0 < decision.legal_mass <= 1 + 1e-6
    assert decision.legal_mass == pytest.approx(float(np.exp(logprobs).sum()))


def test_draws_follow_the_softmax_and_their_seed() -> None:
    logprobs = np.log(np.array([0.5, 0.3, 0.2]))
    drawn = [draw(logprobs, 1.0, np.random.default_rng(seed)) for seed in range(3000)]
    assert np.allclose(np.bincount(drawn) / 3000, [0.5, 0.3, 0.2], atol=0.03)
    sharp = [draw(logprobs, 0.1, np.random.default_rng(seed)) for seed in range(300)]
    assert np.mean(np.array(sharp) == 0) > 0.98
    assert draw(logprobs, 0.0, np.random.default_rng(1)) == 0


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(st.integers(10, 13), min_size=1, max_size=4).map(lambda body: (*body, 2)),
        min_size=1, max_size=6, unique=True,
    ),
    st.booleans(),
)  # fmt: skip
def test_any_trie_scores_as_sequences_do(
    student: Student, make_prompt: MakePrompt, candidates: list[tuple[int, ...]], led: bool
) -> None:
    lead = (11,) if led else ()
    with torch.inference_mode():
        state = student.encode([make_prompt(0)])
        scores = score_tries(student.policy, state, [build_trie(candidates, lead)])[0]
        for candidate, score in zip(candidates, scores, strict=True):
            plain: PrefixState = student.encode([make_prompt(0)])
            hidden, total = plain.hidden, 0.0
            for place, token in enumerate((*lead, *candidate)):
                if place >= len(lead):
                    total += float(torch.log_softmax(student.policy.logits(hidden), -1)[0, token])
                seen = torch.ones(1, plain.visible.shape[1] + place + 1, dtype=torch.long)
                embeds = student.policy.model.get_input_embeddings()(torch.tensor([[token]]))
                hidden = student.policy.hidden(embeds, seen, plain.used[:, None] + place, plain.cache)[:, -1]
            assert float(score) == pytest.approx(total, abs=1e-4)
