"""Training throughput of the learner beside a bare torch loop over the same model, samples and loss.

The peer is what one would write without the learner: torch's AdamW, the same rows, features of the frozen
encoder and reference log-probabilities computed beforehand, one forward pass for chosen and rejected replies.
Both run in this process on one thread, alternately, and the better of two rounds counts for each.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bench.rows import row
from learner.config import LearnerConfig
from learner.learner import Learner
from learner.replay import ReplayPool
from student.config import StudentConfig
from student.student import Student
from student.types import Prompt, Sample

STEPS = 12
WORDS = "see none left right near far turn go forward ahead north south goal find the red house actor ok"
ACTIONS = ("turn left", "turn right", "go forward", "go ahead")


def run() -> list[dict[str, Any]]:
    """One row, `train_samples_per_s`, for dagger_dpo with its defaults (batch 32)."""
    torch.set_num_threads(1)
    config = LearnerConfig()
    samples = _samples(4 * config.batch)
    learner = Learner(config, _student(), _student())
    pool = ReplayPool(samples=samples)
    bare = _BareLoop(config, samples)
    learner.train([], pool, 4)
    bare.train(2)
    ours, theirs = [], []
    for _ in range(2):
        ours.append(learner.train([], pool, STEPS)["samples_per_s"])
        theirs.append(bare.train(STEPS))
    learner.close()
    return [row("train_samples_per_s", max(ours), "samples/s", "bare torch loop", max(theirs), 1)]


class _BareLoop:
    """DPO + NLL in plain torch."""

    def __init__(self, config: LearnerConfig, samples: list[Sample]) -> None:
        self.config, self.samples, self.student = config, samples, _student()
        self.optimizer = torch.optim.AdamW(
            [p for p in self.student.policy.parameters() if p.requires_grad], lr=config.lr
        )
        self.features = [self.student.image_features(s.prompt.images) for s in samples]
        with torch.no_grad():
            self.reference = torch.cat([self._logprob([i]).view(2, 1) for i in range(len(samples))], dim=1)

    def _logprob(self, chosen: list[int]) -> torch.Tensor:
        picked = [self.samples[i] for i in chosen]
        rows = self.student.reply_batch(
            [s.prompt for s in picked] * 2,
            [s.chosen for s in picked] + [s.rejected for s in picked],
            torch.cat([self.features[i] for i in chosen] * 2),
        )
        scores = self.student.policy(**rows)
        return scores.logprob / scores.tokens

    def train(self, steps: int) -> float:
        """Samples per second over `steps` steps."""
        started = time.perf_counter()
        for step in range(steps):
            picked = list(np.random.default_rng(step).integers(0, len(self.samples), self.config.batch))
            chosen, rejected = self._logprob(picked).chunk(2)
            margin = (chosen - self.reference[0, picked]) - (rejected - self.reference[1, picked])
            loss = -functional.logsigmoid(self.config.beta * margin) - self.config.nll_weight * chosen
            self.optimizer.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.student.policy.parameters(), self.config.grad_clip)
            self.optimizer.step()
        loss.sum().item()  # a GPU has then done it all
        return steps * self.config.batch / (time.perf_counter() - started)


def _student() -> Student:
    return Student.fresh(StudentConfig(path="bench"), 0, WORDS.split())


def _samples(count: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    samples = []
    for index in range(count):
        frame = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        history = " ; ".join(f"left near {rng.choice(ACTIONS)}" for _ in range(8))
        prompt = Prompt(
            f"<image> actor ; {history} ; north ; goal find the red house :", (frame,), (), ACTIONS
        )
        chosen, rejected = rng.permutation(ACTIONS)[:2]
        samples.append(
            Sample(
                sample_id=str(index),
                suite="bench/one",
                split="train",
                index=index,
                episode=str(index),
                step=0,
                role="actor",
                prompt=prompt,
                chosen=f"see left near | {chosen}",
                rejected=f"see none | {rejected}",
                next_frame=frame,
                executed="teacher",
                policy_version=0,
                teacher_version="bench",
                beta=1.0,
            )
        )
    return samples
