"""The known land around a body as rows of characters, and back.

Invariant: `read_map(write_map(...))` has the same ground within the window, up to what one character a column
can say: no roofs that one walks under, and heights within 26 below and 9 above the feet.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teachers.planners.surface import UNKNOWN, Surface

RADIUS = 20
"""Blocks that the window reaches from the body to each side."""
_UP, _DOWN = "0123456789", "abcdefghijklmnopqrstuvwxyz"
_HEIGHTS = np.frombuffer((_DOWN[::-1] + _UP).encode(), np.uint8)
"""The character of each height from the lowest to the highest."""
_HIGH = 1000


def write_map(ground: Surface, x: float, z: float, feet: int) -> tuple[str, list[str]]:
    """A heading such as "columns x 0 to 40, rows z 3 to 43", and the rows (z, north first)."""
    size_x, size_z = ground.level.shape
    x0, x1 = max(0, math.floor(x) - RADIUS), min(size_x, math.floor(x) + RADIUS + 1)
    z0, z1 = max(0, math.floor(z) - RADIUS), min(size_z, math.floor(z) + RADIUS + 1)
    window = (slice(x0, x1), slice(z0, z1))
    level = ground.level[window]
    up = level.astype(np.int64) - feet
    characters = _HEIGHTS[np.clip(up, -len(_DOWN), len(_UP) - 1) + len(_DOWN)]
    characters[~ground.open[window] | (up >= len(_UP))] = ord("#")
    characters[ground.deadly[window]] = ord("!")
    characters[level == UNKNOWN] = ord("?")
    return f"columns x {x0} to {x1 - 1}, rows z {z0} to {z1 - 1}", [
        row.tobytes().decode() for row in characters.T
    ]


def read_map(rows: list[str], x0: int, z0: int, size: tuple[int, int], feet: int) -> Surface:
    """The surface that the rows tell; what is outside of them, or no character of a map, is not known."""
    level: NDArray[np.int16] = np.full(size, UNKNOWN, np.int16)
    bottom, top = np.full(size, _HIGH, np.int16), np.full(size, -1, np.int16)
    deadly = np.zeros(size, np.bool_)
    for row, text in enumerate(rows):
        for column, character in enumerate(text):
            x, z = x0 + column, z0 + row
            if not (0 <= x < size[0] and 0 <= z < size[1]):
                continue
            if character in _UP:
                level[x, z] = top[x, z] = feet + _UP.index(character)
            elif character in _DOWN:
                level[x, z] = top[x, z] = feet - _DOWN.index(character) - 1
            elif character in "#!":
                level[x, z], bottom[x, z], top[x, z] = feet, feet if character == "#" else _HIGH, _HIGH
                deadly[x, z] = character == "!"
    return Surface(level, bottom, top, deadly)
