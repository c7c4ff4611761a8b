"""Whether a body's eye has a free line to something, in whatever direction it looks.

Invariant: cubes hide what is behind them (leaves too); liquids, plants and air do not.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_INSET = 0.01
"""Blocks: how far inside a cell the middles of its faces are looked for."""
_FAR = 1e30


@njit(cache=True, nogil=True)
def free_line(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    eye: tuple[float, float, float],
    point: tuple[float, float, float],
) -> bool:
    """Whether nothing solid lies between `eye` and `point` (both x, y, z) in `blocks` (X, Z, Y); the cells of
    the two do not count."""
    x, y, z = math.floor(eye[0]), math.floor(eye[1]), math.floor(eye[2])
    last = (math.floor(point[0]), math.floor(point[1]), math.floor(point[2]))
    dx, dy, dz = point[0] - eye[0], point[1] - eye[1], point[2] - eye[2]
    step_x, step_y, step_z = (1 if dx > 0 else -1), (1 if dy > 0 else -1), (1 if dz > 0 else -1)
    per_x = abs(1.0 / dx) if dx != 0.0 else _FAR
    per_y = abs(1.0 / dy) if dy != 0.0 else _FAR
    per_z = abs(1.0 / dz) if dz != 0.0 else _FAR
    next_x = ((x + 1 - eye[0]) if dx > 0 else (eye[0] - x)) * per_x
    next_y = ((y + 1 - eye[1]) if dy > 0 else (eye[1] - y)) * per_y
    next_z = ((z + 1 - eye[2]) if dz > 0 else (eye[2] - z)) * per_z
    first = True
    while (x, y, z) != last:
        inside = 0 <= x < blocks.shape[0] and 0 <= z < blocks.shape[1] and 0 <= y < blocks.shape[2]
        if inside and not first and solid[blocks[x, z, y]]:
            return False
        first = False
        if next_x <= next_y and next_x <= next_z:
            if next_x > 1.0:
                return True  # rounding led past the last cell
            x, next_x = x + step_x, next_x + per_x
        elif next_y <= next_z:
            if next_y > 1.0:
                return True
            y, next_y = y + step_y, next_y + per_y
        else:
            if next_z > 1.0:
                return True
            z, next_z = z + step_z, next_z + per_z
    return True


@njit(cache=True, nogil=True)
def sees_cell(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    eye: tuple[float, float, float],
    x: int,
    z: int,
    y: int,
) -> bool:
    """Whether the middle of a face of cell (x, z, y) is on a free line from `eye` (x, y, z)."""
    for axis in range(3):
        for end in (_INSET, 1.0 - _INSET):
            point = (
                x + (end if axis == 0 else 0.5),
                y + (end if axis == 1 else 0.5),
                z + (end if axis == 2 else 0.5),
            )
            if free_line(blocks, solid, eye, point):
                return True
    return False
