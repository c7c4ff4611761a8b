"""Which column to walk to so that the map grows most per decision.

Invariant: the gain of a column counts unseen columns alone, so a map that is complete has no goal.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from teachers.planners.surface import Surface

SIGHT = 12.0
"""Blocks that a look around is taken to show; hills and woods hide what is farther."""
STRIDE = 4
WALK_BLOCKS = 8.0
OVERHEAD = 2.0
"""Decisions that a place costs beside the walk: a turn and a look around."""


@njit(cache=True)
def _best(seen, shut, x, z, leave, stride, sight, walk, overhead):  # type: ignore[no-untyped-def]
    """(x, z, gain) of the column with the most unseen columns in sight per decision."""
    size_x, size_z = seen.shape
    best, best_x, best_z, best_gain = 0.0, -1, -1, 0
    reach = int(sight)
    for cx in range(stride // 2, size_x, stride):
        for cz in range(stride // 2, size_z, stride):
            away = np.hypot(cx + 0.5 - x, cz + 0.5 - z)
            if shut[cx, cz] or away < leave:
                continue
            gain = 0
            for i in range(max(0, cx - reach), min(size_x, cx + reach + 1)):
                for k in range(max(0, cz - reach), min(size_z, cz + reach + 1)):
                    if not seen[i, k] and (i - cx) ** 2 + (k - cz) ** 2 <= sight * sight:
                        gain += 1
            rate = gain / (away / walk + overhead)
            if rate > best:
                best, best_x, best_z, best_gain = rate, cx, cz, gain
    return best_x, best_z, best_gain


def frontier(
    seen_XZ: NDArray[np.bool_], ground: Surface, x: float, z: float, leave: float
) -> tuple[float, float] | None:
    """Centre (x, z) of the column to look around from next, None when nothing is unseen.
    Columns nearer than `leave` blocks do not count: what they hide, another look from here would not show."""
    cx, cz, gain = _best(seen_XZ, ~ground.open, x, z, leave, STRIDE, SIGHT, WALK_BLOCKS, OVERHEAD)
    return (cx + 0.5, cz + 0.5) if gain else None
