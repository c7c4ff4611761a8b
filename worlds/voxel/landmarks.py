"""Where things may stand and whether a walker gets there: sites, the walk map, the flood fill.

Invariant: a column that `reachable` marks can be walked to from the spawn with steps of at most one
block up and three down, dry, beside nothing that hurts. Arrays are (X, Z); -1 marks "cannot stand".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK_NAMES, HURTS, LIQUID, SOLID
from worlds.voxel.rng import hash_below

MAX_DROP = 3
LANDMARK_RADIUS = 1
"""A landmark is a plus of 3x3 columns, five blocks high, with one more block on its centre."""
LANDMARK_HEIGHT = 5
_LEAF = np.array(["leaves" in name for name in BLOCK_NAMES])


@njit(cache=True)
def walk_map(blocks: NDArray[np.uint8], feet_XZ: NDArray[np.int16]) -> None:
    """Into `feet_XZ`: the y at which a body's feet stand on a column's surface (leaves are not one)."""
    size_x, size_z, size_y = blocks.shape
    for x in range(size_x):
        for z in range(size_z):
            column = blocks[x, z]
            feet_XZ[x, z] = -1
            y = size_y - 1
            while y > 0 and (not SOLID[column[y]] or _LEAF[column[y]]) and not LIQUID[column[y]]:
                y -= 1
            if y + 2 >= size_y or LIQUID[column[y]] or HURTS[column[y]]:
                continue
            low, high = column[y + 1], column[y + 2]
            if not (SOLID[low] or SOLID[high] or HURTS[low]):
                feet_XZ[x, z] = y + 1


@njit(cache=True)
def reachable(feet_XZ: NDArray[np.int16], x: int, z: int) -> NDArray[np.bool_]:
    """The columns that a walker reaches from column (x, z), bool (X, Z)."""
    size_x, size_z = feet_XZ.shape
    found = np.zeros((size_x, size_z), np.bool_)
    queue = np.empty(size_x * size_z, np.int32)
    head, tail = 0, 0
    if feet_XZ[x, z] >= 0:
        found[x, z] = True
        queue[0] = x * size_z + z
        tail = 1
    while head < tail:
        x, z = queue[head] // size_z, queue[head] % size_z
        head += 1
        for way in range(4):
            i, k = x + (1, -1, 0, 0)[way], z + (0, 0, 1, -1)[way]
            if i < 0 or k < 0 or i >= size_x or k >= size_z or found[i, k] or feet_XZ[i, k] < 0:
                continue
            rise = feet_XZ[i, k] - feet_XZ[x, z]
            if -MAX_DROP <= rise <= 1:
                found[i, k] = True
                queue[tail] = i * size_z + k
                tail += 1
    return found


@njit(cache=True)
def main_land(heights_XZ: NDArray[np.int16], sea: int) -> NDArray[np.bool_]:
    """The largest connected dry land, bool (X, Z)."""
    size_x, size_z = heights_XZ.shape
    feet = np.where(heights_XZ > sea, heights_XZ, np.int16(-1)).astype(np.int16)
    seen = np.zeros((size_x, size_z), np.bool_)
    best = np.zeros((size_x, size_z), np.bool_)
    best_count = 0
    for x in range(size_x):
        for z in range(size_z):
            if feet[x, z] >= 0 and not seen[x, z]:
                part = reachable(feet, x, z)
                count = 0
                for i in range(size_x):
                    for k in range(size_z):
                        seen[i, k] |= part[i, k]
                        count += part[i, k]
                if count > best_count:
                    best, best_count = part, count
    return best


@njit(cache=True)
def pick_site(
    seed: np.uint64,
    salt: int,
    land_XZ: NDArray[np.bool_],
    keep_XZ: NDArray[np.bool_],
    heights_XZ: NDArray[np.int16],
    radius: int,
    origin: tuple[int, int],
    nearest: float,
    farthest: float,
) -> tuple[int, int]:
    """A column whose square of `radius` (and one more column round it) is land that nothing else
    stands on, at most one block uneven per two of radius, at `nearest` to `farthest` blocks from
    `origin`; (-1, -1) when 400 draws found none."""
    size_x, size_z = land_XZ.shape
    margin = radius + 2
    if size_x <= 2 * margin or size_z <= 2 * margin:
        return -1, -1
    for draw in range(400):
        x = margin + hash_below(seed, salt, 61, draw, size_x - 2 * margin)
        z = margin + hash_below(seed, salt, 62, draw, size_z - 2 * margin)
        distance = np.hypot(x - origin[0], z - origin[1])
        if distance < nearest or distance > farthest:
            continue
        low, high, free = 1000, 0, True
        for i in range(x - radius - 1, x + radius + 2):
            for k in range(z - radius - 1, z + radius + 2):
                free = free and land_XZ[i, k] and not keep_XZ[i, k]
                low, high = min(low, int(heights_XZ[i, k])), max(high, int(heights_XZ[i, k]))
        if free and high - low <= 1 + radius // 2:
            return x, z
    return -1, -1


@njit(cache=True)
def level_site(
    heights_XZ: NDArray[np.int16], keep_XZ: NDArray[np.bool_], x: int, z: int, radius: int
) -> None:
    """Lower the square round (x, z) to its lowest column and keep it (with its rim) for one thing."""
    square = heights_XZ[x - radius - 1 : x + radius + 2, z - radius - 1 : z + radius + 2]
    square[:] = square.min()
    keep_XZ[x - radius - 1 : x + radius + 2, z - radius - 1 : z + radius + 2] = True


@njit(cache=True)
def build_landmark(blocks: NDArray[np.uint8], x: int, z: int, base: int, block: int) -> None:
    """Set the landmark's blocks; `base` is the y of its lowest layer."""
    for y in range(base, base + LANDMARK_HEIGHT):
        for i in range(-LANDMARK_RADIUS, LANDMARK_RADIUS + 1):
            blocks[x + i, z, y] = block
            blocks[x, z + i, y] = block
    blocks[x, z, base + LANDMARK_HEIGHT] = block


@njit(cache=True)
def approachable(
    found_XZ: NDArray[np.bool_], feet_XZ: NDArray[np.int16], x: int, z: int, radius: int, base: int
) -> bool:
    """Whether a reachable column lies beside the square, level with `base` within one block."""
    for i in range(x - radius - 1, x + radius + 2):
        for k in range(z - radius - 1, z + radius + 2):
            if (
                max(abs(i - x), abs(k - z)) == radius + 1
                and found_XZ[i, k]
                and abs(feet_XZ[i, k] - base) <= 1
            ):
                return True
    return False
