"""How animals wander: each walks for 64 ticks in a random direction, stands for 96, and so on.

Invariant: an animal moves from standing place to standing place (two free cells over something
solid, at most one block up or down per move), never into liquid nor out of the grid, and its only
randomness is the world's own generator. Animals move every eighth tick, by eight ticks' way, and look
at blocks only where they enter a new column: twelve in every world would else cost more than the bodies.
"""

from __future__ import annotations

import math

from numba import njit

from worlds.voxel.physics import block_at
from worlds.voxel.rng import uniform
from worlds.voxel.tables import Arrays, Tables

STRIDE_TICKS = 8
WALK_TICKS = 64
CYCLE_TICKS = 160
SETTLE_TICKS = 32
"""How often a standing animal notices that the ground under it is gone."""
OFFSET_TICKS = 40
"""Between the cycles of two animals, so that they do not all start at once."""


@njit(cache=True, nogil=True)
def tick_animals(s: Arrays, t: Tables, b: int) -> None:
    """Every eighth tick: eight ticks of every animal of world `b`."""
    tick = s.tick[b]
    if tick % STRIDE_TICKS != 0:
        return
    for n in range(s.animal_kind.shape[1]):
        if s.animal_kind[b, n] > 0:
            phase = (tick + n * OFFSET_TICKS) % CYCLE_TICKS
            if phase == 0:
                s.animal_yaw_deg[b, n] = 360.0 * uniform(s.rng, b)
            if phase < WALK_TICKS:
                _walk(s, t, b, n)
            elif phase % SETTLE_TICKS == 0:
                _settle(s, t, b, n)


@njit(cache=True, nogil=True)
def _settle(s: Arrays, t: Tables, b: int, n: int) -> None:
    """Fall by a block where the ground has been dug away."""
    x, z = math.floor(s.animal_position[b, n, 0]), math.floor(s.animal_position[b, n, 2])
    ground = block_at(s.blocks, b, x, z, math.floor(s.animal_position[b, n, 1] + 0.5) - 1)
    if ground >= 0 and not t.solid[ground] and t.liquid[ground] == 0:
        s.animal_position[b, n, 1] -= 1.0


@njit(cache=True, nogil=True)
def _walk(s: Arrays, t: Tables, b: int, n: int) -> None:
    kind = s.animal_kind[b, n]
    angle = math.radians(s.animal_yaw_deg[b, n])
    sine, cosine = math.sin(angle), math.cos(angle)
    way = t.animal_speed[kind] * STRIDE_TICKS
    old_x, old_z = s.animal_position[b, n, 0], s.animal_position[b, n, 2]
    x, z = old_x + way * sine, old_z - way * cosine
    half = t.animal_size[kind, 0] / 2
    y = math.floor(s.animal_position[b, n, 1] + 0.5)
    feet = y
    if _enters_column(old_x + half * sine, old_z - half * cosine, x + half * sine, z - half * cosine):
        feet = standing_height(s, t, b, math.floor(x + half * sine), math.floor(z - half * cosine), y)
    if feet >= 0:
        feet = y
        if _enters_column(old_x, old_z, x, z):
            feet = standing_height(s, t, b, math.floor(x), math.floor(z), y)
    if feet < 0:
        s.animal_yaw_deg[b, n] = (s.animal_yaw_deg[b, n] + 90.0 + 180.0 * uniform(s.rng, b)) % 360.0
        _settle(s, t, b, n)
        return
    s.animal_position[b, n, 0], s.animal_position[b, n, 1], s.animal_position[b, n, 2] = x, float(feet), z


@njit(cache=True, nogil=True)
def _enters_column(old_x: float, old_z: float, x: float, z: float) -> bool:
    return math.floor(x) != math.floor(old_x) or math.floor(z) != math.floor(old_z)


@njit(cache=True, nogil=True)
def standing_height(s: Arrays, t: Tables, b: int, x: int, z: int, y: int) -> int:
    """The y within one block of `y` at which an animal can stand in column (x, z), or -1."""
    for feet in (y, y + 1, y - 1):
        ground = block_at(s.blocks, b, x, z, feet - 1)
        body = block_at(s.blocks, b, x, z, feet)
        head = block_at(s.blocks, b, x, z, feet + 1)
        inside = ground >= 0 and body >= 0 and head >= 0
        if inside and t.solid[ground] and not (t.solid[body] or t.liquid[body] or t.solid[head]):
            return feet
    return -1
