"""Every algorithm's loss, the packed rows and what they are made of, against plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_samples, tiny_student

from learner.algorithms import Scored, make_algorithm
from learner.batching import Batcher
from learner.packing import PROMPT, attention, pack, score
from learner.reference import Reference
from student.student import Student


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def random_scored(rng: np.random.Generator, count: int) -> Scored:
    pairs = np.flatnonzero(rng.random(count) < 0.6)
    size = float(rng.choice([1.0, 30.0, 3000.0]))  # far from each other the losses must stay finite

    def logprobs(n: int) -> torch.Tensor:
        return torch.from_numpy(-size * rng.random(n))

    observation = torch.from_numpy(rng.random(count) * (rng.random(count) < 0.5))
    few = len(pairs)
    return Scored(
        logprobs(count), logprobs(few), logprobs(few), logprobs(few), torch.from_numpy(pairs), observation
    )


@pytest.mark.parametrize("algorithm", ["bc", "dagger_ce", "dagger_dpo"])
def test_each_loss_is_the_one_of_its_formula_for_each_sample_alone(algorithm: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        beta, weight, k = (float(value) for value in rng.random(3) + 0.01)
        config = tiny_config(algorithm=algorithm, beta=beta, nll_weight=weight, obs_weight=k)
        scored = random_scored(rng, int(rng.integers(1, 9)))
        chosen = scored.chosen.tolist()
        wanted = [-value * (weight if algorithm == "dagger_dpo" else 1.0) for value in chosen]
        if algorithm != "bc":
            wanted = [loss + k * seen for loss, seen in zip(wanted, scored.observation.tolist(), strict=True)]
        if algorithm == "dagger_dpo":
            others = (scored.rejected, scored.reference_chosen, scored.reference_rejected)
            for sample, *rest in zip(scored.pairs.tolist(), *(o.tolist() for o in others), strict=True):
                rejected, by_reference, by_reference_rejected = rest
                gain = (chosen[sample] - by_reference) - (rejected - by_reference_rejected)
                wanted[sample] -= log_sigmoid(beta * gain)
        terms = make_algorithm(config).terms(scored, config)
        assert sum(terms.values()).tolist() == pytest.approx(wanted, rel=1e-9)  # type: ignore[union-attr]


def test_the_gradient_of_a_pair_is_beta_times_how_wrong_the_policy_is() -> None:
    """The gradient of DPO's equation 7: both replies weigh alike, with opposite signs."""
    rng, config = np.random.default_rng(1), tiny_config(beta=0.3, nll_weight=0.0)
    for _ in range(20):
        scored = random_scored(rng, 6)
        for leaf in (scored.chosen, scored.rejected):
            leaf.requires_grad_()
        make_algorithm(config).terms(scored, config)["dpo"].sum().backward()
        pull = [0.0] * 6
        for row, sample in enumerate(scored.pairs.tolist()):
            gain = float(scored.chosen[sample].detach() - scored.reference_chosen[row])
            gain -= float(scored.rejected[row].detach() - scored.reference_rejected[row])
            pull[sample] = config.beta * math.exp(log_sigmoid(-config.beta * gain))
        assert scored.chosen.grad is not None
        assert scored.chosen.grad.tolist() == pytest.approx([-value for value in pull], abs=1e-12)
        if len(scored.pairs):
            assert scored.rejected.grad is not None
            assert scored.rejected.grad.tolist() == pytest.approx([pull[i] for i in scored.pairs], abs=1e-12)


def words(rng: np.random.Generator, least: int) -> list[int]:
    return rng.integers(5, 90, rng.integers(least, 6)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_packed_rows_read_back_as_the_prompts_and_replies_they_were_made_of(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 6))
    prompts, chosen = ([words(rng, 1) for _ in range(count)] for _ in range(2))
    rejected = [words(rng, 1) if rng.random() < 0.6 else [] for _ in range(count)]
    packed = pack(prompts, chosen, rejected)
    width = packed["input_ids"].shape[1]
    assert width == max(map(len, (p + c + r for p, c, r in zip(prompts, chosen, rejected, strict=True))))
    seen = attention(packed["segments"], torch.float32)[:, 0] == 0
    ids, at = packed["input_ids"].flatten(), packed["position_ids"].flatten()
    replies = [(row, reply) for row, reply in enumerate(chosen)]
    replies += [(row, reply) for row, reply in enumerate(rejected) if reply]
    assert packed["lengths"].tolist() == [len(reply) for _, reply in replies]
    for number, (row, reply) in enumerate(replies):
        mine = packed["owners"] == number
        assert packed["targets"][mine].tolist() == reply
        told: list[int] = []
        for source in packed["sources"][mine].tolist():
            # What predicts a reply's next token has seen the prompt and the reply so far, and no more.
            visible = torch.nonzero(seen[row, source - row * width])[:, 0] + row * width
            assert ids[visible].tolist() == prompts[row] + told
            assert at[visible].tolist() == list(range(len(visible)))
            told.append(reply[len(told)])
    for row, (prompt, reply) in enumerate(zip(prompts, chosen, strict=True)):
        assert packed["lasts"][row] == row * width + len(prompt) + len(reply) - 1


def test_a_reply_is_moved_by_its_own_row_alone_and_never_by_its_rival() -> None:
    student, samples = tiny_student(), tiny_samples(10, seed=4, pairs=0.7)
    packed = Batcher(student, student, 8).packed(samples, prefers=True)
    before = score(student.policy, packed)[0]
    chosen_of = {name: row for row, name in enumerate(s.sample_id for s in samples)}
    owners = [*range(len(samples)), *(chosen_of[s.sample_id] for s in samples if s.rejected)]
    picture = student.policy.model.config.image_token_id
    for row in range(len(samples)):
        for segment in (PROMPT, 2, 3):
            where = (packed["segments"] == segment) & (packed["input_ids"] != picture)
            where[torch.arange(len(samples)) != row] = False
            changed = dict(packed, input_ids=torch.where(where, 7, packed["input_ids"]))
            moved = (score(student.policy, changed)[0] - before).abs() > 1e-4
            for reply, owner in enumerate(owners):
                mine = segment == PROMPT or segment == (2 if reply < len(samples) else 3)
                assert bool(moved[reply]) == (owner == row and mine), (row, segment, reply)


def alone(student: Student, prompts: list[object], replies: list[str]) -> list[float]:
    with torch.no_grad():
        return [
            float(student.policy(**student.reply_batch([prompt], [reply])).logprob)  # type: ignore[list-item]
            for prompt, reply in zip(prompts, replies, strict=True)
        ]


def test_the_reference_says_what_it_says_alone_and_says_it_once() -> None:
    student, frozen = tiny_student(0), tiny_student(1)
    batcher, reference = Batcher(student, frozen, 8), Reference(frozen)
    samples = tiny_samples(9, seed=2, pairs=1.0)
    asked: list[int] = []
    frozen.policy.model.model.language_model.register_forward_hook(lambda *_: asked.append(1))
    rows = [samples[index] for index in (3, 0, 3, 8, 1)]  # one of them twice in a batch
    chosen, rejected = reference.logprobs(rows, batcher)
    assert len(asked) == 1
    assert chosen.tolist() == pytest.approx(
        alone(frozen, [s.prompt for s in rows], [s.chosen for s in rows]), abs=1e-4
    )
    assert rejected.tolist() == pytest.approx(
        alone(frozen, [s.prompt for s in rows], [s.rejected for s in rows]), abs=1e-4
    )
    asked.clear()
    again = reference.logprobs([samples[1], *rows], batcher)
    assert not asked
    assert again[0].tolist() == [float(chosen[4]), *chosen.tolist()]
    assert not any(p.requires_grad for p in frozen.policy.parameters())
    assert [part.shape for part in reference.logprobs([], batcher)] == [(0,), (0,)]


@pytest.mark.parametrize("frozen", [True, False])
def test_next_frames_become_normalised_means_in_their_own_rows(frozen: bool) -> None:
    student = tiny_student(freeze_vision=frozen)
    samples = tiny_samples(7, seed=3, nexts=0.5)
    batch = Batcher(student, student, 8).micro_batch(samples, prefers=True, predicts=True)
    assert batch.pairs.tolist() == [row for row, sample in enumerate(samples) if sample.rejected]
    assert batch.present.tolist() == [sample.next_frame is not None for sample in samples]
    assert batch.target is not None
    for row, sample in enumerate(samples):
        wanted = np.zeros(batch.target.shape[1])
        if sample.next_frame is not None:
            mean = student.image_features([sample.next_frame])[0].double().numpy().mean(0)
            wanted = (mean - mean.mean()) / np.sqrt(mean.var() + 1e-5)
        assert batch.target[row].tolist() == pytest.approx(wanted.tolist(), abs=1e-4)
    assert Batcher(student, student, 8).micro_batch(samples, False, False).target is None
