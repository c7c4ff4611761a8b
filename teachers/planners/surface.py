"""The walkable surface of a voxel world, as far as it is known.

Invariant: a column that is not known contributes nothing of its blocks: it is taken as open ground on
the walker's own level, so a plan never uses a fact that the map setting withholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel import data

FREE, SHUT, WET = np.uint8(0), np.uint8(1), np.uint8(2)
UNKNOWN_LEVEL = -1

_NAMES = data.BLOCK_NAMES
_PLANT = np.array([name.endswith(("_leaves", "_log")) or name == "cactus" for name in _NAMES])
_DEADLY = np.array([name in ("lava", "cactus", "fire", "magma_block") for name in _NAMES])


@dataclass(frozen=True)
class Surface:
    """`level` (X, Z) int16: height of the feet on each column (-1: not known); `kind` (X, Z) uint8:
    FREE, SHUT (a trunk, lava, no headroom) or WET (swimming)."""

    level: NDArray[np.int16]
    kind: NDArray[np.uint8]


@njit(cache=True)
def _scan(blocks, known, solid, liquid, plant, deadly, level, kind):  # type: ignore[no-untyped-def]
    size_x, size_z, size_y = blocks.shape
    for x in range(size_x):
        for z in range(size_z):
            level[x, z] = -1
            kind[x, z] = 0
            if not known[x, z]:
                continue
            y = size_y - 1
            while y > 0:
                block = blocks[x, z, y]
                if deadly[block] or liquid[block] or (solid[block] and not plant[block]):
                    break
                y -= 1
            feet = y + 1
            top = blocks[x, z, y]
            if deadly[top]:
                kind[x, z] = 1
            elif liquid[top]:
                kind[x, z] = 2
                feet = y
            for head in range(max(feet, y + 1), min(feet + 2, size_y)):
                if solid[blocks[x, z, head]]:
                    kind[x, z] = 1
            level[x, z] = feet


def surface(blocks_XZY: NDArray[np.uint8], known_XZ: NDArray[np.bool_]) -> Surface:
    """The surface of the known columns: the highest ground under leaves and trunks."""
    level = np.empty(known_XZ.shape, np.int16)
    kind = np.empty(known_XZ.shape, np.uint8)
    _scan(blocks_XZY, known_XZ, data.SOLID, data.LIQUID, _PLANT, _DEADLY, level, kind)
    return Surface(level, kind)
