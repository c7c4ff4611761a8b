"""Health, hunger and breath: simple versions of Minecraft's (minecraft.wiki: Damage, Drowning, Hunger).

Invariant: health, food and air stay within 0..20, 0..20 and 0..300; a body with no health is dead and
acts no more. Armour takes 4 % off a hit per point. There is no saturation: food is what is left of
20 points, eaten up by sprinting, jumping, digging, hitting and healing (4 exhaustion = 1 point).
"""

from __future__ import annotations

import math

from numba import njit

from worlds.voxel.physics import (
    EYE_HEIGHT,
    HALF_WIDTH,
    JUMPING,
    LAVA,
    SKIN,
    SPRINTING,
    WATER,
    block_at,
    liquid_at,
)
from worlds.voxel.tables import Arrays, Tables

SAFE_FALL = 3.0  # blocks
FULL_AIR = 300.0  # ticks
DROWN_TICKS = 20
DROWN_DAMAGE = 2.0
HURT_TICKS = 10
LAVA_DAMAGE = 4.0
CONTACT_DAMAGE = 1.0  # cactus, magma
HEAL_TICKS = 80
HEAL_FOOD = 18.0
HEAL_COST = 1.5  # food points: 6 exhaustion
SPRINT_COST = 0.1 / 4.0  # per block
JUMP_COST = 0.05 / 4.0
ARMOR_SHARE = 0.04


@njit(cache=True, nogil=True)
def hurt(s: Arrays, t: Tables, b: int, a: int, damage: float) -> None:
    """Take `damage` half-hearts off, less what the armour stops."""
    points = 0
    for part in range(s.armor.shape[2]):
        points += t.armor_points[s.armor[b, a, part]]
    s.health[b, a] = max(0.0, s.health[b, a] - damage * (1.0 - ARMOR_SHARE * points))


@njit(cache=True, nogil=True)
def tick_vitals(s: Arrays, t: Tables, b: int, a: int, fallen: float, walked: float, mode: int) -> None:
    """One tick of body `a`: `fallen` blocks landed after, `walked` blocks gone, `mode` of moving."""
    if fallen > SAFE_FALL:
        s.health[b, a] = max(0.0, s.health[b, a] - math.ceil(fallen - SAFE_FALL - SKIN))
    if mode == SPRINTING:
        s.food[b, a] = max(0.0, s.food[b, a] - SPRINT_COST * walked)
    elif mode == JUMPING and s.velocity[b, a, 1] > 0.3:
        s.food[b, a] = max(0.0, s.food[b, a] - JUMP_COST)

    x, y, z = s.position[b, a, 0], s.position[b, a, 1], s.position[b, a, 2]
    if liquid_at(s.blocks, t.liquid, b, x, y + EYE_HEIGHT, z) == WATER:
        s.air[b, a] = max(0.0, s.air[b, a] - 1.0)
        if s.air[b, a] == 0.0 and s.tick[b] % DROWN_TICKS == 0:
            s.health[b, a] = max(0.0, s.health[b, a] - DROWN_DAMAGE)
    else:
        s.air[b, a] = min(FULL_AIR, s.air[b, a] + 4.0)
    if s.tick[b] % HURT_TICKS == 0:
        if liquid_at(s.blocks, t.liquid, b, x, y + 0.4, z) == LAVA:
            hurt(s, t, b, a, LAVA_DAMAGE)
        elif _touches_harm(s, t, b, x, y, z):
            hurt(s, t, b, a, CONTACT_DAMAGE)
    if s.tick[b] % HEAL_TICKS == 0 and s.health[b, a] > 0.0:
        if s.food[b, a] >= HEAL_FOOD and s.health[b, a] < 20.0:
            s.health[b, a] = min(20.0, s.health[b, a] + 1.0)
            s.food[b, a] -= HEAL_COST
        elif s.food[b, a] <= 0.0 and s.health[b, a] > 1.0:
            s.health[b, a] = max(1.0, s.health[b, a] - 1.0)


@njit(cache=True, nogil=True)
def _touches_harm(s: Arrays, t: Tables, b: int, x: float, y: float, z: float) -> bool:
    """Whether the body touches a block that hurts: underfoot or beside it."""
    reach = HALF_WIDTH + 0.01
    for k in range(5):
        dx = reach if k == 1 else (-reach if k == 2 else 0.0)
        dz = reach if k == 3 else (-reach if k == 4 else 0.0)
        dy = -0.01 if k == 0 else 0.5
        cell = block_at(s.blocks, b, math.floor(x + dx), math.floor(z + dz), math.floor(y + dy))
        if cell > 0 and t.hurts[cell]:
            return True
    return False
