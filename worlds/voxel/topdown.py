"""A map of a world from above, for reports.

Invariant: pixel (row z, column x) shows the highest block of column (x, z); north is up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.types import Frame
from worlds.voxel.textures import FACE_TOP, TEXELS

_COLOURS = np.stack([TEXELS[:, FACE_TOP, -1] >> shift & 255 for shift in (0, 8, 16)], axis=-1)
"""(blocks, 3): the mean colour of each block's top."""
_SHADE = 0.04
"""How much lighter each block of height above the mean makes a column."""


def top_down(blocks_XZY: NDArray[np.uint8]) -> Frame:
    """The map (Z, X, 3) uint8 of one world."""
    filled = blocks_XZY != 0
    top = blocks_XZY.shape[2] - 1 - np.argmax(filled[:, :, ::-1], axis=2)
    highest = np.take_along_axis(blocks_XZY, top[:, :, None], axis=2)[:, :, 0]
    light = 1.0 + _SHADE * (top - top.mean())
    colours = _COLOURS[highest] * np.clip(light, 0.5, 1.5)[:, :, None]
    colours[~filled.any(axis=2)] = 0.0
    return np.clip(colours, 0, 255).astype(np.uint8).transpose(1, 0, 2)
