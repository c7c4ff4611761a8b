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

UNKNOWN = -1
_PLANT = np.array([name.endswith(("_leaves", "_log")) for name in data.BLOCK_NAMES])


@dataclass(frozen=True)
class Surface:
    """Three heights of the feet per column, int16 (X, Z): `level` on the ground (in water: at its surface;
    -1: not known), `bottom` of the lowest solid block above it (of a trunk it is `level`), `top` on the
    highest one (`level` where nothing is above). `deadly` (X, Z) marks ground that hurts."""

    level: NDArray[np.int16]
    bottom: NDArray[np.int16]
    top: NDArray[np.int16]
    deadly: NDArray[np.bool_]

    @property
    def open(self) -> NDArray[np.bool_]:
        """(X, Z) columns on whose ground a body has room."""
        return (self.bottom - self.level >= 2) & ~self.deadly


@njit(cache=True)
def _scan(blocks, known, solid, liquid, plant, hurts, level, bottom, top, deadly):  # type: ignore[no-untyped-def]
    size_x, size_z, size_y = blocks.shape
    for x in range(size_x):
        for z in range(size_z):
            level[x, z], bottom[x, z], top[x, z], deadly[x, z] = -1, size_y + 2, -1, False
            if not known[x, z]:
                continue
            ground = size_y - 1
            while ground > 0:
                block = blocks[x, z, ground]
                if hurts[block] or liquid[block] or (solid[block] and not plant[block]):
                    below = ground - 1
                    if below < 2 or solid[blocks[x, z, below]] or solid[blocks[x, z, below - 1]]:
                        break
                    if liquid[block] or liquid[blocks[x, z, below]]:
                        break
                ground -= 1
            feet = ground if liquid[blocks[x, z, ground]] else ground + 1
            level[x, z] = top[x, z] = feet
            deadly[x, z] = hurts[blocks[x, z, ground]]
            for y in range(size_y - 1, ground, -1):
                if solid[blocks[x, z, y]]:
                    top[x, z] = max(top[x, z], y + 1)
                    bottom[x, z] = y


def surface(blocks_XZY: NDArray[np.uint8], known_XZ: NDArray[np.bool_]) -> Surface:
    """The surface of the known columns: the highest ground under leaves, trunks and roofs of one block."""
    shape = known_XZ.shape
    level, bottom, top = (np.empty(shape, np.int16) for _ in range(3))
    deadly = np.empty(shape, np.bool_)
    solid, liquid = data.SOLID.astype(np.bool_), data.LIQUID.astype(np.bool_)
    _scan(blocks_XZY, known_XZ, solid, liquid, _PLANT, data.HURTS, level, bottom, top, deadly)
    return Surface(level, bottom, top, deadly)
