"""What a body hears: animals near it, running water and bubbling lava.

Invariant: a sound is a function of the state. Loudness falls linearly with the distance, to nothing
at `HEARING` blocks, and blocks between do not muffle it (as in Minecraft).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.types import Sound
from worlds.voxel.data import ANIMALS, LAVA, WATER
from worlds.voxel.state import VoxelState

HEARING = 32.0
"""Blocks at which an animal's call fades out."""
LIQUID_HEARING = 8
_LIQUID_SOUNDS = ((WATER, "water"), (LAVA, "lava"))


def bearing_deg(dx: float, dz: float, yaw_deg: float) -> float:
    """Degrees clockwise from the heading to the direction (dx east, dz south), in (-180, 180]."""
    turn = np.rad2deg(np.arctan2(dx, -dz)) - yaw_deg
    return float(180.0 - (180.0 - turn) % 360.0)


@njit(cache=True)
def _nearest(
    world: NDArray[np.uint8], x: int, z: int, y: int, block: int, reach: int
) -> tuple[int, int, int]:
    """The cell (x, z, y) of `block` nearest to a cell within `reach`, (-1, -1, -1) if there is none."""
    best, found = reach * reach + 1, (-1, -1, -1)
    for i in range(max(0, x - reach), min(world.shape[0], x + reach + 1)):
        for k in range(max(0, z - reach), min(world.shape[1], z + reach + 1)):
            for j in range(max(0, y - reach), min(world.shape[2], y + reach + 1)):
                if world[i, k, j] == block:
                    away = (i - x) ** 2 + (k - z) ** 2 + (j - y) ** 2
                    if away < best:
                        best, found = away, (i, k, j)
    return found


def hear(state: VoxelState, b: int, a: int) -> tuple[Sound, ...]:
    """The sounds that body `a` of world `b` hears now, loudest first."""
    x, y, z = (float(v) for v in state.position[b, a])
    yaw = float(state.yaw_deg[b, a])
    heard = []
    for n in np.flatnonzero(state.animal_kind[b]):
        dx, dy, dz = (float(v) for v in state.animal_position[b, n] - state.position[b, a])
        loudness = 1.0 - float(np.sqrt(dx * dx + dy * dy + dz * dz)) / HEARING
        if loudness > 0.0:
            name = ANIMALS[state.animal_kind[b, n]].sound
            heard.append(Sound(name, bearing_deg(dx, dz, yaw), loudness))
    for block, name in _LIQUID_SOUNDS:
        i, k, j = _nearest(state.blocks[b], int(x), int(z), int(y), block, LIQUID_HEARING)
        if i >= 0:
            dx, dz = i + 0.5 - x, k + 0.5 - z
            away = float(np.sqrt(dx * dx + dz * dz + (j + 0.5 - y) ** 2))
            heard.append(
                Sound(name, bearing_deg(dx, dz, yaw), max(0.0, 0.6 * (1.0 - away / (LIQUID_HEARING + 2))))
            )
    return tuple(sorted(heard, key=lambda sound: -sound.loudness))
