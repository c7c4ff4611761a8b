"""The losses agree with TRL's on the student's own scores, and each weight acts on its own term alone."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_config, tiny_samples, tiny_student
from torch import Tensor, nn
from trl import DPOTrainer

from learner.algorithms import Scored, make_algorithm
from learner.batching import Batcher
from learner.learner import Learner
from learner.losses import dpo_loss, observation_loss, reply_logprob
from learner.packing import score
from student.student import Student
from student.types import Sample


class _ScoredByStudent(nn.Module):
    """What TRL calls a model: gives the student's log-probability of every token."""

    is_gradient_checkpointing = False

    def __init__(self, student: Student, rows: dict[str, Tensor]) -> None:
        super().__init__()
        self.student, self.rows = student, rows

    def forward(self, **_: Any) -> SimpleNamespace:
        log_probs = self.student.policy(**self.rows).token_logprobs[:, 1:]
        still = torch.zeros_like(log_probs)
        return SimpleNamespace(log_probs=log_probs, entropy=still, mean_logits=still, is_top1=still.bool())


def _same(value: Tensor) -> Tensor:
    return value


def trl_loss(
    student: Student, reference: Student, samples: list[Sample], beta: float, types: dict[str, float]
) -> float:
    """TRL's own loss code on these samples' scores."""
    prompts = [s.prompt for s in samples] * 2
    rows = student.reply_batch(prompts, [s.chosen for s in samples] + [s.rejected for s in samples])
    trainer = DPOTrainer.__new__(DPOTrainer)
    trainer.model = _ScoredByStudent(student, rows)
    trainer.ref_model = _ScoredByStudent(reference, rows)
    trainer.accelerator = SimpleNamespace(device="cpu", gather_for_metrics=_same, gather=_same)
    trainer.args = SimpleNamespace(gradient_checkpointing_kwargs=None)
    trainer.beta, trainer.loss_types, trainer.loss_weights = beta, list(types), list(types.values())
    trainer.f_divergence_type, trainer.label_smoothing, trainer.ld_alpha = "reverse_kl", 0.0, None
    trainer.aux_loss_enabled = trainer.precompute_ref_logps = trainer.use_weighting = False
    trainer._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
    trainer._total_train_tokens, trainer._tp_size = 0, 1
    inputs = {key: rows[key] for key in ("input_ids", "attention_mask")}
    inputs["completion_mask"] = rows["reply_mask"]
    return float(trainer._compute_loss(trainer.model, inputs, return_outputs=False).detach())


def learner_loss(student: Student, reference: Student, samples: list[Sample], **changes: object) -> float:
    config = tiny_config(batch=len(samples), micro_batch=0, obs_weight=0.0, **changes)
    learner = Learner(config, student, reference)
    learner.train_shares([samples])
    return learner.losses[0]


@pytest.mark.parametrize(("length_average", "kind"), [(False, "sigmoid"), (True, "sigmoid_norm")])
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo_equals_trl(length_average: bool, kind: str, beta: float) -> None:
    samples = tiny_samples(12, pairs=1.0)
    reference = tiny_student(1)
    reference.load_weights(_vision(tiny_student(0)))
    ours = learner_loss(
        tiny_student(0), reference, samples, beta=beta, nll_weight=0.0, length_average=length_average
    )
    theirs = trl_loss(tiny_student(0), reference, samples, beta, {kind: 1.0})
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert abs(ours - 0.6931) > 1e-4, "two different students must not score alike"


def test_dpo_with_nll_equals_trl_on_replies_of_one_length() -> None:
    """TRL's "sft" term is a mean over all tokens; over equally long replies that is the mean of the means."""
    student, reference = tiny_student(0), tiny_student(1)
    reference.load_weights(_vision(student))
    samples = [s for s in tiny_samples(60, pairs=1.0) if len(student.encode_reply(s.chosen)) == 6][:8]
    assert len(samples) == 8
    theirs = trl_loss(student, reference, samples, 0.3, {"sigmoid_norm": 1.0, "sft": 0.5})
    ours = learner_loss(student, reference, samples, beta=0.3, nll_weight=0.5, length_average=True)
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_without_a_rejected_reply_only_the_likelihood_counts() -> None:
    samples = tiny_samples(8, pairs=0.0)
    both = learner_loss(tiny_student(), tiny_student(), samples, nll_weight=0.5)
    alone = learner_loss(tiny_student(), tiny_student(), samples, algorithm="bc")
    assert both == pytest.approx(0.5 * alone, abs=1e-6)


numbers = st.lists(st.floats(-20, 0), min_size=4, max_size=4).map(torch.tensor)


@given(numbers, numbers, numbers, numbers, st.floats(0.01, 2))
def test_dpo_falls_exactly_when_the_margin_grows(
    a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float
) -> None:
    loss = dpo_loss(a, b, c, d, beta)
    assert torch.all(dpo_loss(a + 1, b, c, d, beta) <= loss)
    assert torch.all(dpo_loss(a, b + 1, c, d, beta) >= loss)
    assert torch.allclose(dpo_loss(a, b, a, b, beta), torch.tensor(2.0).log().expand(4))


def test_k_acts_on_the_observation_term_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = [torch.randn(n, generator=generator) for n in (5, 3, 3, 3)]
    scored = Scored(*scores, torch.tensor([0, 2, 4]), torch.rand(5, generator=generator))
    for name in ("dagger_dpo", "dagger_ce"):
        config, doubled = (tiny_config(algorithm=name, obs_weight=k) for k in (0.3, 0.6))
        terms = make_algorithm(config).terms(scored, config)
        twice = make_algorithm(config).terms(scored, doubled)
        assert terms.keys() == twice.keys()
        for key in terms:
            assert torch.equal(twice[key], 2 * terms[key] if key == "obs" else terms[key])


def test_the_observation_term_is_zero_without_a_next_frame() -> None:
    predicted, target = torch.randn(3, 4), torch.randn(3, 4)
    loss = observation_loss(predicted, target, torch.tensor([True, False, True]))
    assert loss[1] == 0
    assert loss[0] == pytest.approx(float((predicted[0] - target[0]).square().mean()))


def test_reply_logprob_is_a_sum_or_a_mean() -> None:
    total, tokens = torch.tensor([-6.0, -4.0]), torch.tensor([3, 2])
    assert reply_logprob(total, tokens, True).tolist() == [-2.0, -2.0]
    assert reply_logprob(total, tokens, False).tolist() == [-6.0, -4.0]


def _vision(student: Student) -> dict[str, Tensor]:
    return {k: v for k, v in student.policy.state_dict().items() if "vision_tower" in k}


@pytest.mark.parametrize("freeze_vision", [True, False])
def test_replies_that_share_a_prompt_score_as_they_do_alone(freeze_vision: bool) -> None:
    student = tiny_student(freeze_vision=freeze_vision)
    samples = tiny_samples(24, seed=9, pairs=0.6)
    packed = Batcher(student, student, 8).packed(samples, prefers=True)
    logprob, hidden = score(student.policy, packed)
    paired = [s for s in samples if s.rejected]
    assert 0 < len(paired) < len(samples)
    rows = student.reply_batch(
        [s.prompt for s in (*samples, *paired)], [s.chosen for s in samples] + [s.rejected for s in paired]
    )
    alone = student.policy(**rows)
    assert torch.allclose(logprob, alone.logprob, atol=1e-5)
    assert torch.allclose(hidden, alone.last_hidden[: len(samples)], atol=1e-5)
    assert packed["lengths"].tolist() == alone.tokens.tolist()
