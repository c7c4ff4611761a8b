"""Shortest walks over the columns that a body knows.

Invariant: a path uses only columns where `known` is true, and below a roof of the ground (in a cave, a house)
only cells to which the eye has a free line from where the walk begins: what is known of a column is what one
sees of it from above. Cells are (x, z, y) of the feet; a cell can be
stood in when its floor is solid and feet and head are free, or when it is the surface of water.

Costs are tenths of a block: 10 straight, 14 diagonal, +6 for a step up, +30 in water.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK_NAMES, HURTS, LIQUID, SOLID
from worlds.voxel.free_lines import free_line

MAX_DROP = 3
"""Blocks: a deeper fall hurts (Minecraft takes health beyond 3), so no path uses one."""
ROOF = SOLID & ~np.array([name.endswith(("_leaves", "_log")) for name in BLOCK_NAMES])
"""Bool by block id: what hides the cells below it from above. One walks under trees."""
FAR = np.iinfo(np.int32).max
_DX = np.array([1, -1, 0, 0, 1, 1, -1, -1], np.int64)
_DZ = np.array([0, 0, 1, -1, 1, -1, 1, -1], np.int64)


@njit(cache=True)
def stand_kind(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    liquid: NDArray[np.bool_],
    hurts: NDArray[np.bool_],
    x: int,
    z: int,
    y: int,
) -> int:
    """0: a body cannot be in cell (x, z, y); 1: it can stand there; 2: it can swim there."""
    top = blocks.shape[2]
    if y < 1 or y + 1 >= top:
        return 0
    feet, head, floor = blocks[x, z, y], blocks[x, z, y + 1], blocks[x, z, y - 1]
    if solid[feet] or solid[head] or hurts[feet] or hurts[floor] or liquid[head]:
        return 0
    if liquid[feet]:
        return 2
    return 1 if solid[floor] else 0


@njit(cache=True)
def _landing(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    liquid: NDArray[np.bool_],
    hurts: NDArray[np.bool_],
    x: int,
    z: int,
    y: int,
    max_drop: int,
) -> int:
    """The feet height after moving from height `y` into column (x, z), or -1: a step up of one, level,
    or a fall of at most `max_drop` through free cells."""
    if stand_kind(blocks, solid, liquid, hurts, x, z, y + 1) > 0:
        return y + 1
    if y + 1 >= blocks.shape[2] or solid[blocks[x, z, y]] or solid[blocks[x, z, y + 1]]:
        return -1
    for drop in range(max_drop + 1):
        if y - drop < 1:
            return -1
        if stand_kind(blocks, solid, liquid, hurts, x, z, y - drop) > 0:
            return y - drop
        if solid[blocks[x, z, y - drop]]:
            return -1
    return -1


@njit(cache=True)
def _dijkstra(
    blocks: NDArray[np.uint8],
    known: NDArray[np.bool_],
    solid: NDArray[np.bool_],
    liquid: NDArray[np.bool_],
    hurts: NDArray[np.bool_],
    start: tuple[int, int, int],
    goals: NDArray[np.bool_],
    limit: int,
    max_drop: int,
    far: int,
    roof: NDArray[np.int32],
    eye: tuple[float, float, float],
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """(costs, parents, flat index of the first cell reached in a goal column or -1)."""
    nx, nz, ny = blocks.shape
    cost = np.full(nx * nz * ny, far, np.int32)
    parent = np.full(nx * nz * ny, -1, np.int32)
    first = (start[0] * nz + start[1]) * ny + start[2]
    cost[first] = 0
    heap = [(0, first)]
    while heap:
        here_cost, here = heapq.heappop(heap)
        if here_cost > cost[here]:
            continue
        y, column = here % ny, here // ny
        x, z = column // nz, column % nz
        if goals[x, z]:
            return cost, parent, here
        # In a jump the head needs the cell above it.
        can_rise = y + 2 < ny and not solid[blocks[x, z, y + 2]]
        for k in range(8):
            tx, tz = x + _DX[k], z + _DZ[k]
            if tx < 0 or tz < 0 or tx >= nx or tz >= nz or not known[tx, tz]:
                continue
            ty = _landing(blocks, solid, liquid, hurts, tx, tz, y, max_drop)
            if ty < 0 or (ty > y and not can_rise):
                continue
            if roof[tx, tz] > ty + 1 and not free_line(blocks, solid, eye, (tx + 0.5, ty + 0.5, tz + 0.5)):
                continue
            step = 10
            if k >= 4:
                # Diagonals only over level ground with both corners open: nothing to catch on.
                if ty != y:
                    continue
                if stand_kind(blocks, solid, liquid, hurts, tx, z, y) == 0:
                    continue
                if stand_kind(blocks, solid, liquid, hurts, x, tz, y) == 0:
                    continue
                step = 14
            if ty > y:
                step += 6
            if liquid[blocks[tx, tz, ty]]:
                step += 30
            there = (tx * nz + tz) * ny + ty
            total = here_cost + step
            if total < cost[there] and total <= limit:
                cost[there] = total
                parent[there] = here
                heapq.heappush(heap, (total, there))
    return cost, parent, -1


def find_path(
    blocks_XZY: NDArray[np.uint8],
    known_XZ: NDArray[np.bool_],
    start_cell: tuple[int, int, int],
    goals_XZ: NDArray[np.bool_],
    limit: int,
    eye: tuple[float, float, float],
) -> list[tuple[int, int, int]] | None:
    """The cheapest known walk (a list of feet cells, the start first) into any column of `goals_XZ`, or
    None when there is none of cost at most `limit` (tenths of a block). `eye` is (x, y, z)."""
    nz, ny = blocks_XZY.shape[1:]
    roof = (blocks_XZY.shape[2] - 1 - np.argmax(ROOF[blocks_XZY][:, :, ::-1], axis=2)).astype(np.int32)
    _, parent, here = _dijkstra(
        blocks_XZY, known_XZ, SOLID, LIQUID, HURTS, start_cell, goals_XZ, limit, MAX_DROP, FAR, roof, eye
    )
    if here < 0:
        return None
    path = []
    while here >= 0:
        path.append((here // ny // nz, here // ny % nz, here % ny))
        here = int(parent[here])
    return path[::-1]
