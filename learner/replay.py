"""Which samples make up which batch: the fresh ones exactly once, the rest drawn from older ones.

Invariant: a schedule is a function of (fresh samples, pool, first step, config): every fresh sample stands
in exactly one batch, every batch has exactly `config.batch` entries, and what is replayed at a step depends
on (seed, step) and the pool alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Protocol

import numpy as np

from learner.config import LearnerConfig
from student.types import Sample


class ReplaySource(Protocol):
    """All older samples, by their places 0..n-1 in the order in which they came."""

    def __len__(self) -> int: ...

    def places(self, seed: int, step: int, count: int) -> list[int]:
        """`count` places, a function of the arguments and of what the source holds, in what order."""
        ...

    def fetch(self, places: Sequence[int]) -> list[Sample]:
        """The samples at these places."""
        ...


class Draws:
    """Places drawn with replacement, by weight: `weights` maps a suite to its relative weight (absent: 1)."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._mass = array("d")

    def __len__(self) -> int:
        return len(self._mass)

    def add(self, suite: str) -> None:
        """One more place, of a sample of `suite`."""
        self._mass.append((self._mass[-1] if self._mass else 0.0) + self._weights.get(suite, 1.0))

    def places(self, seed: int, step: int, count: int) -> list[int]:
        """See `ReplaySource.places`. Raises ValueError when no sample may be drawn."""
        if count and (not self._mass or self._mass[-1] <= 0):
            raise ValueError(
                "No older sample may be replayed: the pool is empty, or learner.replay_weights is 0 for all "
                "its suites. Give some suite a positive weight, or hand the learner fresh samples."
            )
        points = np.random.default_rng([seed, step]).random(count) * (self._mass[-1] if count else 0.0)
        last = len(self) - 1
        return [min(last, bisect_right(self._mass, point)) for point in points]


class ReplayPool(Draws):
    """A replay source in memory."""

    def __init__(self, weights: Mapping[str, float] | None = None, samples: Iterable[Sample] = ()) -> None:
        super().__init__(weights)
        self._samples: list[Sample] = []
        self.extend(samples)

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add samples at the end."""
        for sample in samples:
            self._samples.append(sample)
            self.add(sample.suite)

    def fetch(self, places: Sequence[int]) -> list[Sample]:
        """See `ReplaySource.fetch`."""
        return [self._samples[place] for place in places]


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
    shares = [list(fresh[low:high]) for low, high in pairwise(bounds)]
    drawn = [
        source.places(config.seed, first_step + index, config.batch - len(share))
        for index, share in enumerate(shares)
    ]
    # One fetch for all: a source on a disk reads each of its files once.
    older = iter(source.fetch([place for places in drawn for place in places]))
    return [share + list(islice(older, len(places))) for share, places in zip(shares, drawn, strict=True)]


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
