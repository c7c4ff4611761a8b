"""The loss comparison: CE, DPO + NLL and pure DPO from one reference, on equal data, over several seeds.

Invariant: the trials of one seed differ in the loss alone: they start from the same reference, see the same
samples of a finished run's ledger in the same order, and play the same held-out episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actors.codec import decode, order_of
from actors.policies import StudentPolicy
from cluster.config import RunConfig, load_config
from cluster.run import RunFolder
from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate
from evaluation.records import Score
from learner.learner import Learner
from learner.replay import ReplayPool
from ledger import Ledger
from student.student import Student
from student.types import Sample

LOSSES: dict[str, dict[str, Any]] = {
    "ce": {"algorithm": "dagger_ce"},
    "dpo+nll": {"algorithm": "dagger_dpo"},
    "pure dpo": {"algorithm": "dagger_dpo", "nll_weight": 0.0, "obs_weight": 0.0},
}
"""The rows of the comparison, as changes to the run's own learner config."""


@dataclass(frozen=True)
class Trial:
    """One loss with one seed."""

    loss: str
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial: success over `episodes` held-out episodes of all suites, and two figures of its
    training: the mean log-probability of the chosen reply (health), and the pair accuracy (none)."""

    loss: str
    seed: int
    successes: int
    episodes: int
    chosen_logprob: float
    pair_accuracy: float
    seconds: float


def trials(losses: Sequence[str], seeds: int) -> list[Trial]:
    """All trials. Raises ValueError for an unknown loss."""
    unknown = [loss for loss in losses if loss not in LOSSES]
    if unknown:
        raise ValueError(f"there is no loss {unknown[0]!r} to compare; choose among {', '.join(LOSSES)}")
    return [Trial(loss, seed) for loss in losses for seed in range(seeds)]


def run_trial(run: Path, trial: Trial, steps: int, episodes: int) -> TrialResult:
    """Train `steps` steps from the run's reference on its distillation samples; play `episodes` per suite of
    the validation split. Raises ValueError for a run that has not got that far."""
    import torch

    torch.set_num_threads(1)
    folder = RunFolder.open(run)
    config = load_config(folder.config_file)
    reference = replace(config.student, path=str(folder.export("reference")), lora=0)
    samples = distil_samples(folder)
    losses = replace(config.learner, seed=trial.seed, **LOSSES[trial.loss])
    learner = Learner.load(losses, reference, reference)
    # All samples are old ones: every loss draws the same batches from (seed, step).
    metrics = learner.train([], ReplayPool(config.learner.replay_weights, samples), steps)
    student = Student.load(reference)
    student.load_weights(learner.snapshot().tensors)
    learner.close()
    scores = _play(config, student, episodes)
    return TrialResult(
        loss=trial.loss,
        seed=trial.seed,
        successes=sum(score.successes for score in scores),
        episodes=sum(score.episodes for score in scores),
        chosen_logprob=metrics["health_chosen_logprob"],
        pair_accuracy=metrics["diagnostic_pair_accuracy"],
        seconds=metrics["seconds"],
    )


def distil_samples(folder: RunFolder) -> list[Sample]:
    """The teacher-labelled samples of a run, in training order. Raises ValueError where there are none."""
    with Ledger.open(folder.ledger, writable=False) as ledger:
        records = [record for batch in ledger.scan() for record in batch]
    # Chunk 0 holds the rule-based expert's labels, which made the reference.
    found = [decode(record) for record in records if record.order >= order_of(1)]
    kept = [sample for sample in found if sample.valid]
    if not any(sample.rejected for sample in kept):
        raise ValueError(f"{folder.path} holds no preference pair yet: finish its distillation rounds first")
    return kept


def _play(config: RunConfig, student: Student, episodes: int) -> list[Score]:
    settings = EvaluationConfig(
        episodes=episodes,
        split="validation",
        policies=("student",),
        difficulty=config.evaluation.difficulty,
        traced=0,
    )
    policy, notes = StudentPolicy(student), config.student.memory_notes
    return [
        evaluate(settings, suite, "student", policy, config.frame_size, config.seed, notes)
        for suite in config.suites
    ]
