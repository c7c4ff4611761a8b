"""Where to look around next so that a body's own map grows most per decision: coverage, as the map on a
player's screen shows it.

Invariant: nothing enters but what the body has seen, and the gain of a column counts unseen columns alone, so
a map that is complete has no goal.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.directions import BEARINGS, octant
from worlds.voxel.landmarks import walk_map
from worlds.voxel.skills_body import Body

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
    seen_XZ: NDArray[np.bool_], shut_XZ: NDArray[np.bool_], x: float, z: float, leave: float
) -> tuple[float, float] | None:
    """Centre (x, z) of the column to look around from next, None when nothing is unseen; never one of
    `shut_XZ`. Columns nearer than `leave` blocks do not count: what they hide, another look from here would
    not show."""
    cx, cz, gain = _best(seen_XZ, shut_XZ, x, z, leave, STRIDE, SIGHT, WALK_BLOCKS, OVERHEAD)
    return (cx + 0.5, cz + 0.5) if gain else None


LEAVE = 6.0
"""Blocks: so near, a body does not move on."""


def unseen_direction(body: Body) -> str:
    """The one of `BEARINGS` that leads to the frontier of what the body itself has seen ("": all is seen)."""
    seen = body.state.seen[body.b, body.a]
    feet = np.empty(seen.shape, np.int16)
    walk_map(body.blocks, feet)
    x, _, z = body.position
    goal = frontier(seen, seen & (feet < 0), x, z, LEAVE)
    if goal is None:
        return ""
    return BEARINGS[octant(float(np.degrees(np.arctan2(goal[0] - x, z - goal[1]))) - body.yaw_deg)]
