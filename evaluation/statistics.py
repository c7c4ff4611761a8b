"""Intervals: what a success count or a mean is worth.

Invariant: no rate leaves this package without the number of episodes behind it and a 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


def wilson(successes: int, episodes: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a success rate (Wilson 1927), both ends in 0..1.

    Raises ValueError for `successes` outside 0..`episodes`; no episodes give (0, 1).
    """
    if not 0 <= successes <= episodes:
        raise ValueError(f"{successes} successes of {episodes} episodes is no count")
    if episodes == 0:
        return 0.0, 1.0
    rate = successes / episodes
    scale = 1 + z * z / episodes
    centre = (rate + z * z / (2 * episodes)) / scale
    half = z * math.sqrt(rate * (1 - rate) / episodes + z * z / (4 * episodes**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_mean(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile-bootstrap interval of the mean, deterministic in `seed`; (nan, nan) when empty."""
    if not values:
        return math.nan, math.nan
    data = np.asarray(values, np.float64)
    picks = np.random.default_rng(seed).integers(0, len(data), (draws, len(data)))
    low, high = np.percentile(data[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def disjoint(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two intervals have no point in common."""
    return a[1] < b[0] or b[1] < a[0]
