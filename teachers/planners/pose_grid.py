"""Exact decisions-to-go of turn and walk skills over (x, z, heading in 8).

Invariant: `CostToGo.values` is a function of the surface, the targets and the pose alone; a cost counts
decisions (one skill = 1), and walking obeys the world's rule: one block up per step, any safe drop down,
a stop at the first step that is blocked and cannot be passed within 1.3 blocks to a side.

Positions are blocks, x east and z south; heading k looks `45 k` degrees clockwise from north.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from teachers.planners.surface import SHUT, Surface

TURNS: Mapping[str, int] = {
    "turn left 45": -1,
    "turn right 45": 1,
    "turn left 90": -2,
    "turn right 90": 2,
    "turn around": 4,
}
"""Skill -> eighths of a turn, clockwise."""

WALKS: Mapping[str, int] = {"forward 2": 2, "forward 4": 4, "forward 8": 8}
"""Skill -> blocks along the heading."""

MAX_DROP = 3
HALF_WIDTH = 0.3
STEP = 0.5
DETOURS = 2
LOOK_AHEAD = 0.8
"""Blocks ahead at which a walker stops before an edge."""
ASIDE = (0.4, -0.4, 0.7, -0.7, 1.0, -1.0, 1.3, -1.3)
"""Blocks to the right that a walker tries when the way ahead is shut, in this order."""
FAR = 60
"""Decisions-to-go of a pose from which no target can be reached."""

_TURN_CODES = np.array(list(TURNS.values()), np.int64)
_WALK_CODES = np.array(list(WALKS.values()), np.int64)


@njit(cache=True)
def _stand(x, z, feet, level, kind):  # type: ignore[no-untyped-def]
    """The height at which a body coming from height `feet` stands at (x, z), -1 unknown, -2 cannot."""
    top = -1
    for corner in range(4):
        cx = math.floor(x + (HALF_WIDTH if corner % 2 else -HALF_WIDTH))
        cz = math.floor(z + (HALF_WIDTH if corner // 2 else -HALF_WIDTH))
        if cx < 0 or cz < 0 or cx >= level.shape[0] or cz >= level.shape[1] or kind[cx, cz] == 1:
            return -2
        top = max(top, level[cx, cz])
    if top >= 0 and feet >= 0 and top > feet + 1:
        return -2
    return top


@njit(cache=True)
def _edge(x, z, feet, level):  # type: ignore[no-untyped-def]
    """Whether the column at (x, z) lies too deep below height `feet`."""
    cx, cz = math.floor(x), math.floor(z)
    if cx < 0 or cz < 0 or cx >= level.shape[0] or cz >= level.shape[1]:
        return False
    return level[cx, cz] >= 0 and feet >= 0 and level[cx, cz] < feet - MAX_DROP


@njit(cache=True)
def _walk(x, z, yaw_deg, level, kind, blocks, out):  # type: ignore[no-untyped-def]
    """Fill out[i] = (x, z) after walking blocks[i]; blocks ascend. A narrow obstacle is passed by stepping
    aside, at most `DETOURS` times."""
    dx, dz = math.sin(math.radians(yaw_deg)), -math.cos(math.radians(yaw_deg))
    feet = level[min(max(int(x), 0), level.shape[0] - 1), min(max(int(z), 0), level.shape[1] - 1)]
    gone, stopped, detours = 0.0, False, 0
    for i in range(len(blocks)):
        while not stopped and gone < blocks[i] - 1e-6:
            if _edge(x + dx * LOOK_AHEAD, z + dz * LOOK_AHEAD, feet, level):
                stopped = True
                break
            nx, nz = x + dx * STEP, z + dz * STEP
            top = _stand(nx, nz, feet, level, kind)
            if top == -2:
                stopped = True
                if detours == DETOURS:
                    break
                detours += 1
                for aside in ASIDE:
                    sx, sz = x - dz * aside, z + dx * aside
                    if (
                        not _edge(sx, sz, feet, level)
                        and _stand(sx, sz, feet, level, kind) != -2
                        and _stand(sx + dx * 0.7, sz + dz * 0.7, feet, level, kind) != -2
                    ):
                        x, z, stopped = sx, sz, False
                        break
                continue
            if top >= 0:
                feet = top
            x, z, gone = nx, nz, gone + STEP
        out[i, 0], out[i, 1] = x, z


@njit(cache=True)
def _transitions(level, kind, blocks):  # type: ignore[no-untyped-def]
    """int32 (X * Z * 8, len(blocks)): the pose after each walk from the centre of each cell."""
    size_x, size_z = level.shape
    after = np.empty((size_x * size_z * 8, len(blocks)), np.int32)
    out = np.empty((len(blocks), 2))
    for x in range(size_x):
        for z in range(size_z):
            for k in range(8):
                pose = (x * size_z + z) * 8 + k
                _walk(x + 0.5, z + 0.5, 45.0 * k, level, kind, blocks, out)
                for i in range(len(blocks)):
                    after[pose, i] = (int(out[i, 0]) * size_z + int(out[i, 1])) * 8 + k
    return after


@njit(cache=True)
def _cost_to_go(after, turns, done, limit):  # type: ignore[no-untyped-def]
    """uint8 (poses,): breadth-first decisions to a pose where `done` holds, `limit` where none."""
    poses, walks = after.shape
    count = np.zeros(poses + 1, np.int64)
    for pose in range(poses):
        for i in range(walks):
            count[after[pose, i] + 1] += 1
    for pose in range(poses):
        count[pose + 1] += count[pose]
    before = np.empty(poses * walks, np.int32)
    fill = count[:-1].copy()
    for pose in range(poses):
        for i in range(walks):
            target = after[pose, i]
            before[fill[target]] = pose
            fill[target] += 1
    cost = np.full(poses, limit, np.uint8)
    queue = np.empty(poses, np.int32)
    head, tail = 0, 0
    for pose in range(poses):
        if done[pose // 8]:
            cost[pose] = 0
            queue[tail] = pose
            tail += 1
    while head < tail:
        pose = queue[head]
        head += 1
        step = cost[pose] + 1
        if step >= limit:
            break
        for j in range(count[pose], count[pose + 1]):
            origin = before[j]
            if cost[origin] == limit:
                cost[origin] = step
                queue[tail] = origin
                tail += 1
        base, k = pose - pose % 8, pose % 8
        for j in range(len(turns)):
            origin = base + (k - turns[j]) % 8
            if cost[origin] == limit:
                cost[origin] = step
                queue[tail] = origin
                tail += 1
    return cost


@lru_cache(maxsize=8)
def _moves(shape: tuple[int, int], level: bytes, kind: bytes) -> NDArray[np.int32]:
    """The transitions of one surface, by content: the ground changes less often than the targets."""
    levels = np.frombuffer(level, np.int16).reshape(shape)
    kinds = np.frombuffer(kind, np.uint8).reshape(shape)
    after: NDArray[np.int32] = _transitions(levels, kinds, _WALK_CODES)
    return after


@lru_cache(maxsize=32)
def _costs(
    shape: tuple[int, int], level: bytes, kind: bytes, targets: bytes, reach: float
) -> NDArray[np.uint8]:
    """Decisions-to-go (X, Z, 8), by content."""
    grid_x, grid_z = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    away = np.full(shape, np.inf)
    for x, z in np.frombuffer(targets, np.float64).reshape(-1, 2):
        away = np.minimum(away, np.hypot(grid_x - x, grid_z - z))
    done = (away <= reach) & (np.frombuffer(kind, np.uint8).reshape(shape) != SHUT)
    after = _moves(shape, level, kind)
    costs: NDArray[np.uint8] = _cost_to_go(after, _TURN_CODES, done.ravel(), FAR)
    return costs.reshape(*shape, 8)


class CostToGo:
    """Decisions to come within `reach` blocks of any of `targets` (n, 2) on `ground`.
    Results are cached by content, not by identity."""

    def __init__(self, ground: Surface, targets: NDArray[np.float64], reach: float) -> None:
        shape = (ground.level.shape[0], ground.level.shape[1])
        level, kind = ground.level.tobytes(), ground.kind.tobytes()
        self._cost = _costs(shape, level, kind, targets.astype(np.float64).tobytes(), reach)
        self._ground, self._targets, self._reach = ground, targets, reach

    def _left(self, x: float, z: float, heading: int) -> float:
        """Decisions left at a pose: 0 on arrival, else at least 1, interpolated over the 4 nearest cells."""
        if (
            len(self._targets)
            and np.hypot(self._targets[:, 0] - x, self._targets[:, 1] - z).min() <= self._reach
        ):
            return 0.0
        size_x, size_z = self._ground.level.shape
        own = float(self._cost[int(x), int(z), heading])
        x0, z0 = math.floor(x - 0.5), math.floor(z - 0.5)
        fx, fz = x - 0.5 - x0, z - 0.5 - z0
        total = weight = 0.0
        for i, wx in ((0, 1 - fx), (1, fx)):
            for j, wz in ((0, 1 - fz), (1, fz)):
                if 0 <= x0 + i < size_x and 0 <= z0 + j < size_z:
                    near = float(self._cost[x0 + i, z0 + j, heading])
                    if abs(near - own) <= 2:
                        total, weight = total + wx * wz * near, weight + wx * wz
        return max(1.0, total / weight) if weight > 0 else max(1.0, own)

    def values(self, x: float, z: float, yaw_deg: float) -> dict[str, float]:
        """Skill -> minus the decisions left after it (at least `-FAR`); smooth in the pose, as the cost is
        interpolated between cell centres."""
        k = round(yaw_deg / 45.0) % 8
        out = np.empty((len(_WALK_CODES), 2))
        _walk(x, z, 45.0 * k, self._ground.level, self._ground.kind, _WALK_CODES, out)
        values = {skill: -self._left(x, z, (k + turn) % 8) for skill, turn in TURNS.items()}
        for (skill, _), (to_x, to_z) in zip(WALKS.items(), out, strict=True):
            values[skill] = -self._left(float(to_x), float(to_z), k)
        return values
