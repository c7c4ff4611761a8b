"""Exact decisions-to-go of turn and walk skills over (x, z, heading in 8).

Invariant: `CostToGo.values` is a function of the surface, the targets and the pose alone; a cost counts
decisions (one skill = 1), and walking obeys the world's rules: one block up per step if the head has
room, at most 3 down, a narrow obstacle is passed on a side. No plan ends a walk on a tree top: its edges
may be too deep to leave it.

Positions are blocks, x east and z south; heading k looks `45 k` degrees clockwise from north.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from teachers.planners.surface import Surface
from worlds.voxel.moves import TURNS, WALKS

MAX_DROP = 3
HALF_WIDTH = 0.3
STEP = 0.5
"""Blocks between two checks of a walk."""
DETOURS = 2
LOOK_AHEAD = 0.8
"""Blocks ahead at which a walker stops before an edge."""
ASIDE = (0.4, -0.4, 0.7, -0.7, 1.0, -1.0, 1.3, -1.3)
"""Blocks to the right that a walker tries when the way ahead is shut, in this order."""
MARGIN = 0.2
"""Blocks by which a walk may end short: arrival is planned so much inside the target's reach."""
FAR = 60
"""Decisions-to-go of a pose from which no target can be reached."""

_TURN_CODES = np.array(list(TURNS.values()), np.int64)
_WALK_CODES = np.array(list(WALKS.values()), np.int64)
_STRIDES = np.array([(n, math.floor(0.5 + n * math.sqrt(0.5))) for n in WALKS.values()], np.int64)
"""Columns passed by each walk from a cell's centre, straight and diagonal."""
_DX = np.array([0, 1, 1, 1, 0, -1, -1, -1])
_DZ = np.array([-1, -1, 0, 1, 1, 1, 0, -1])
_TURNS_BETWEEN = (0, 1, 1, 2, 1, 2, 1, 1)
"""Turn skills needed for a turn of so many eighths."""


@njit(cache=True)
def _stand(x, z, feet, level, bottom, top, deadly):  # type: ignore[no-untyped-def]
    """The height at which a body coming from height `feet` stands at (x, z), -1 unknown, -2 cannot."""
    height = -1
    x0, x1 = math.floor(x - HALF_WIDTH), math.floor(x + HALF_WIDTH)
    z0, z1 = math.floor(z - HALF_WIDTH), math.floor(z + HALF_WIDTH)
    if x0 < 0 or z0 < 0 or x1 >= level.shape[0] or z1 >= level.shape[1]:
        return -2
    for cx in range(x0, x1 + 1):
        for cz in range(z0, z1 + 1):
            ground, roof = level[cx, cz], top[cx, cz]
            if ground < 0:
                continue
            if deadly[cx, cz]:
                return -2
            if feet >= 0 and roof <= feet + 1:
                height = max(height, roof)
            elif bottom[cx, cz] < max(ground, feet) + 2 or (feet >= 0 and ground > feet + 1):
                return -2
            else:
                height = max(height, ground)
    return height


@njit(cache=True)
def _headroom(x, z, feet, bottom):  # type: ignore[no-untyped-def]
    """Whether a body at (x, z), inside the grid, has room to rise by one block."""
    for cx in range(math.floor(x - HALF_WIDTH), math.floor(x + HALF_WIDTH) + 1):
        for cz in range(math.floor(z - HALF_WIDTH), math.floor(z + HALF_WIDTH) + 1):
            if feet < bottom[cx, cz] < feet + 3:
                return False
    return True


@njit(cache=True)
def _edge(x, z, feet, level, top):  # type: ignore[no-untyped-def]
    """Whether the column at (x, z) lies too deep below height `feet`."""
    cx, cz = math.floor(x), math.floor(z)
    if feet < 0 or cx < 0 or cz < 0 or cx >= level.shape[0] or cz >= level.shape[1] or level[cx, cz] < 0:
        return False
    return (top[cx, cz] if top[cx, cz] <= feet + 1 else level[cx, cz]) < feet - MAX_DROP


@njit(cache=True)
def _walk(x, z, feet, heading, level, bottom, top, deadly, blocks, out):  # type: ignore[no-untyped-def]
    """Fill out[i] = (x, z, height of the feet) after walking blocks[i]; blocks ascend."""
    dx, dz = math.sin(math.radians(45.0 * heading)), -math.cos(math.radians(45.0 * heading))
    gone, stopped, detours = 0.0, False, 0
    for i in range(len(blocks)):
        while not stopped and gone < blocks[i] - 1e-6:
            if _edge(x + dx * LOOK_AHEAD, z + dz * LOOK_AHEAD, feet, level, top):
                stopped = True
                break
            nx, nz = x + dx * STEP, z + dz * STEP
            height = _stand(nx, nz, feet, level, bottom, top, deadly)
            if height == -2 or (height > feet >= 0 and not _headroom(x, z, feet, bottom)):
                stopped = True
                if detours == DETOURS:
                    break
                detours += 1
                for aside in ASIDE:
                    sx, sz = x - dz * aside, z + dx * aside
                    height = _stand(sx, sz, feet, level, bottom, top, deadly)
                    if (
                        not _edge(sx, sz, feet, level, top)
                        and height != -2
                        and (height <= feet or _headroom(x, z, feet, bottom))
                        and _stand(sx + dx * 0.7, sz + dz * 0.7, feet, level, bottom, top, deadly) != -2
                    ):
                        x, z, stopped = sx, sz, False
                        break
                continue
            if height >= 0:
                feet = height
            x, z, gone = nx, nz, gone + STEP
        out[i, 0], out[i, 1], out[i, 2] = x, z, feet


@njit(cache=True)
def _passes(x, z, tx, tz, level, bottom, top, deadly):  # type: ignore[no-untyped-def]
    """Whether a body steps from the ground of column (x, z) to that of its neighbour (tx, tz)."""
    if tx < 0 or tz < 0 or tx >= level.shape[0] or tz >= level.shape[1] or deadly[tx, tz]:
        return False
    feet, ground = level[x, z], level[tx, tz]
    if ground < 0:
        return True
    if bottom[tx, tz] < max(ground, feet) + 2:
        return False
    if feet < 0:
        return True
    if ground > feet and bottom[x, z] < feet + 3:
        return False
    return feet - MAX_DROP <= ground <= feet + 1 and (top[tx, tz] == ground or top[tx, tz] > feet + 1)


@njit(cache=True)
def _steps(level, bottom, top, deadly):  # type: ignore[no-untyped-def]
    """bool (X, Z, 8): whether one step leads from a column's ground to its neighbour's; a diagonal one needs
    both columns beside it."""
    size_x, size_z = level.shape
    steps = np.zeros((size_x, size_z, 8), np.bool_)
    for x in range(size_x):
        for z in range(size_z):
            for k in range(0, 8, 2):
                dx, dz = _DX[k], _DZ[k]
                steps[x, z, k] = _passes(x, z, x + dx, z + dz, level, bottom, top, deadly)
            for k in range(1, 8, 2):
                if steps[x, z, k - 1] and steps[x, z, (k + 1) % 8]:
                    steps[x, z, k] = _passes(x, z, x + _DX[k], z + _DZ[k], level, bottom, top, deadly)
    return steps


@njit(cache=True)
def _transitions(level, bottom, top, deadly, strides):  # type: ignore[no-untyped-def]
    """int32 (X * Z * 8, walks): the pose after each walk; strides (walks, 2) are its steps, straight and
    diagonal. A shut step is passed over a column aside (the next heading but one), as `_walk` does."""
    size_x, size_z = level.shape
    steps = _steps(level, bottom, top, deadly)
    after = np.empty((size_x * size_z * 8, len(strides)), np.int32)
    for x in range(size_x):
        for z in range(size_z):
            for k in range(8):
                cx, cz, gone, detours, stopped = x, z, 0, 0, False
                for i in range(len(strides)):
                    while not stopped and gone < strides[i, k % 2]:
                        if steps[cx, cz, k]:
                            cx, cz, gone = cx + _DX[k], cz + _DZ[k], gone + 1
                            continue
                        stopped = True
                        if detours == DETOURS:
                            break
                        detours += 1
                        for side in ((k + 2) % 8, (k + 6) % 8):
                            if steps[cx, cz, side] and steps[cx + _DX[side], cz + _DZ[side], k]:
                                cx, cz, stopped = cx + _DX[side], cz + _DZ[side], False
                                break
                    after[(x * size_z + z) * 8 + k, i] = (cx * size_z + cz) * 8 + k
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


@njit(cache=True)
def _left(x, z, heading, targets, reach, cost):  # type: ignore[no-untyped-def]
    """Decisions left at a pose: 0 on arrival, else at least 1, interpolated over the 4 nearest cells."""
    for i in range(len(targets)):
        if math.hypot(targets[i, 0] - x, targets[i, 1] - z) <= reach:
            return 0.0
    own = float(cost[int(x), int(z), heading])
    x0, z0 = math.floor(x - 0.5), math.floor(z - 0.5)
    total, weight = 0.0, 0.0
    for i in range(2):
        for j in range(2):
            if 0 <= x0 + i < cost.shape[0] and 0 <= z0 + j < cost.shape[1]:
                share = (1.0 - abs(x0 + i + 0.5 - x)) * (1.0 - abs(z0 + j + 0.5 - z))
                near = float(cost[x0 + i, z0 + j, heading])
                if abs(near - own) <= 2.0:
                    total, weight = total + share * near, weight + share
    return max(1.0, total / weight if weight > 0.0 else own)


@njit(cache=True)
def _expand(x, z, feet, shut, targets, reach, cost, level, bottom, top, deadly, blocks, walked):  # type: ignore[no-untyped-def]
    """Fill walked[k, i]: decisions left after walk i in heading k from this very spot; the limit for a walk
    that does not get away, that is known to be shut, or that ends on a tree top."""
    out = np.empty((len(blocks), 3))
    for k in range(8):
        walked[k] = FAR
        if shut[k]:
            continue
        _walk(x, z, feet, k, level, bottom, top, deadly, blocks, out)
        for i in range(len(blocks)):
            to_x, to_z = out[i, 0], out[i, 1]
            cx, cz = int(to_x), int(to_z)
            treed = top[cx, cz] > level[cx, cz] and out[i, 2] >= top[cx, cz]
            if math.hypot(to_x - x, to_z - z) > STEP and not treed:
                walked[k, i] = _left(to_x, to_z, k, targets, reach, cost)


Content = tuple[tuple[int, int], bytes, bytes, bytes, bytes]
"""A surface by content: shape and the bytes of its arrays."""


@lru_cache(maxsize=8)
def _moves(content: Content) -> NDArray[np.int32]:
    """The transitions of one surface: the ground changes less often than the targets."""
    shape, level, bottom, top, deadly = content
    levels = [np.frombuffer(part, np.int16).reshape(shape) for part in (level, bottom, top)]
    hurts = np.frombuffer(deadly, np.bool_).reshape(shape)
    after: NDArray[np.int32] = _transitions(*levels, hurts, _STRIDES)
    return after


@lru_cache(maxsize=32)
def _costs(content: Content, targets: bytes, reach: float) -> NDArray[np.uint8]:
    """Decisions-to-go (X, Z, 8)."""
    shape = content[0]
    grid_x, grid_z = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    away = np.full(shape, np.inf)
    for x, z in np.frombuffer(targets, np.float64).reshape(-1, 2):
        away = np.minimum(away, np.hypot(grid_x - x, grid_z - z))
    costs: NDArray[np.uint8] = _cost_to_go(_moves(content), _TURN_CODES, (away <= reach).ravel(), FAR)
    return costs.reshape(*shape, 8)


class CostToGo:
    """Decisions to come within `reach` blocks of any of `targets` (n, 2) on `ground`.
    Results are cached by content, not by identity."""

    def __init__(self, ground: Surface, targets: NDArray[np.float64], reach: float) -> None:
        self._reach = max(0.5, reach - MARGIN)
        content = (
            (ground.level.shape[0], ground.level.shape[1]),
            ground.level.tobytes(),
            ground.bottom.tobytes(),
            ground.top.tobytes(),
            ground.deadly.tobytes(),
        )
        self._cost = _costs(content, targets.astype(np.float64).tobytes(), self._reach)
        self._ground, self._targets = ground, targets.astype(np.float64)

    def values(
        self, x: float, z: float, feet: int, yaw_deg: float, shut_deg: frozenset[float] = frozenset()
    ) -> dict[str, float]:
        """Skill -> minus the decisions left after it (at least `-FAR`).

        The present spot is expanded exactly, in all 8 headings, so turning never looks better than the best
        walk it leads to. Walks in the headings `shut_deg` are known to lead nowhere from here."""
        own = round(yaw_deg / 45.0) % 8
        shut = np.array([45.0 * k in shut_deg for k in range(8)])
        ground = self._ground
        walked = np.empty((8, len(WALKS)))
        _expand(
            x, z, feet, shut, self._targets, self._reach, self._cost,
            ground.level, ground.bottom, ground.top, ground.deadly, _WALK_CODES, walked,
        )  # fmt: skip
        best = [1.0 + float(left) for left in walked.min(axis=1)]
        values = {
            skill: -min(float(FAR), *(_TURNS_BETWEEN[(k - own - turn) % 8] + best[k] for k in range(8)))
            for skill, turn in TURNS.items()
        }
        values.update({skill: -float(left) for skill, left in zip(WALKS, walked[own], strict=True)})
        return values
