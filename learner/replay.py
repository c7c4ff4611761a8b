"""Which samples make up which batch: the fresh ones exactly once, the rest drawn from older ones.

Invariant: a schedule is a function of (fresh samples, pool, first step, config): every fresh sample stands
in exactly one batch, every batch has exactly `config.batch` entries, and what is replayed at a step depends
on (seed, step) and the pool alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from learner.config import LearnerConfig
from student.types import Sample


class ReplaySource(Protocol):
    """All older samples."""

    def __len__(self) -> int: ...

    def draw(self, seed: int, step: int, count: int) -> Sequence[Sample]:
        """`count` samples, a function of the arguments and of what the source holds, in what order."""
        ...


class ReplayPool:
    """A replay source in memory; `weights` maps a suite to its relative weight (absent: 1)."""

    def __init__(self, weights: Mapping[str, float] | None = None, samples: Iterable[Sample] = ()) -> None:
        self._weights = dict(weights or {})
        self._samples: list[Sample] = []
        self._mass: list[float] = []
        self.extend(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add samples at the end."""
        for sample in samples:
            self._samples.append(sample)
            self._mass.append((self._mass[-1] if self._mass else 0.0) + self._weights.get(sample.suite, 1.0))

    def draw(self, seed: int, step: int, count: int) -> list[Sample]:
        """With replacement, by weight. Raises ValueError when no sample may be drawn."""
        if count and (not self._mass or self._mass[-1] <= 0):
            raise ValueError(
                "No older sample may be replayed: the pool is empty, or learner.replay_weights is 0 for all "
                "its suites. Give some suite a positive weight, or hand the learner fresh samples."
            )
        points = np.random.default_rng([seed, step]).random(count) * (self._mass[-1] if count else 0.0)
        last = len(self._samples) - 1
        return [self._samples[min(last, bisect_right(self._mass, point))] for point in points]


def schedule(
    fresh: Sequence[Sample], pool: ReplaySource, first_step: int, config: LearnerConfig, steps: int = 0
) -> list[list[Sample]]:
    """The batches of the optimiser steps from `first_step` on: `steps` of them (0:
    `config.steps_per_version`), or as many more as the fresh samples need beside the replayed share. Before
    there is an older sample, the fresh ones fill up the batches a second time.

    Raises ValueError when there is nothing to train on."""
    if not fresh and not len(pool):
        raise ValueError("There is nothing to train on: no fresh sample and no older one.")
    source = pool if len(pool) else ReplayPool(config.replay_weights, fresh)
    room = config.batch - (round(config.batch * config.replay_fraction) if len(pool) else 0)
    room = max(1, room)
    steps = max(steps or config.steps_per_version, -(-len(fresh) // room))
    bounds = [len(fresh) * i // steps for i in range(steps + 1)]
    batches = []
    for index in range(steps):
        own = list(fresh[bounds[index] : bounds[index + 1]])
        batches.append(own + list(source.draw(config.seed, first_step + index, config.batch - len(own))))
    return batches


def rank_share(batches: Sequence[Sequence[Sample]], rank: int, world_size: int) -> list[list[Sample]]:
    """One rank's part of every batch: each `world_size`-th sample, so that fresh and old ones are spread
    evenly."""
    return [list(batch[rank::world_size]) for batch in batches]


def fresh_figures(fresh: Sequence[Sample], version: int) -> dict[str, float]:
    """How many fresh samples a version gets, and how many versions behind `version` their policies were."""
    lags = [version - sample.policy_version for sample in fresh]
    figures = {"fresh": float(len(fresh))}
    if lags:
        figures |= {"lag_mean": sum(lags) / len(lags), "lag_max": float(max(lags))}
    return figures
