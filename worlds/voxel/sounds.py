"""What a body hears: every animal within earshot, with bearing and loudness.

Invariant: a sound tells its source's kind, direction and nearness and nothing else; it passes through walls,
as in Minecraft, and two bodies at one place with one heading hear the same.
"""

from __future__ import annotations

import math

from worlds.types import Sound
from worlds.voxel.data import ANIMALS
from worlds.voxel.state import VoxelState

EARSHOT_BLOCKS = 24.0
"""Loudness falls in a straight line from 1 at the source to 0 here (Minecraft's attenuation is linear
too, over 16 blocks for a mob; wider here, so that a search by ear has something to go by)."""


def hear(state: VoxelState, b: int, a: int) -> tuple[Sound, ...]:
    """The sounds at body `a` of world `b`, loudest first (ties: the lower animal index)."""
    x, y, z = state.position[b, a]
    heard: list[tuple[float, int, Sound]] = []
    for index, kind in enumerate(state.animal_kind[b]):
        if kind == 0:
            continue
        dx, dy, dz = state.animal_position[b, index] - (x, y, z)
        distance = math.sqrt(dx * dx + dy * dy + dz * dz)
        if distance >= EARSHOT_BLOCKS:
            continue
        # Yaw is clockwise from north (-Z), so east (+X) is at 90 degrees.
        bearing = math.degrees(math.atan2(dx, -dz)) - float(state.yaw_deg[b, a])
        loudness = 1.0 - distance / EARSHOT_BLOCKS
        heard.append((-loudness, index, Sound(ANIMALS[kind].name, _half_turn(bearing), loudness)))
    return tuple(sound for _, _, sound in sorted(heard, key=lambda entry: entry[:2]))


def _half_turn(angle_deg: float) -> float:
    """The same angle in (-180, 180]."""
    return 180.0 - (180.0 - angle_deg) % 360.0
