"""What a hand does: digging, placing, hitting, using, within reach of the eye and along the look.

Invariant: a block never appears inside a body or an animal, and a dug container has been emptied into
the digger's inventory first. Formulas and constants are those of Minecraft Java 1.16
(minecraft.wiki: Breaking, Damage, Hunger). There are no item entities: drops go straight into the
inventory, and what does not fit is lost.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from worlds.voxel.containers import container_at, empty_for_removal, open_container, store, take_all
from worlds.voxel.inventory import add_item, take_from_slot, wear
from worlds.voxel.physics import EYE_HEIGHT, HALF_WIDTH, HEIGHT, SKIN, block_at, liquid_at
from worlds.voxel.tables import (
    BUCKET,
    CHEST,
    FURNACE,
    LAVA_BLOCK,
    LAVA_BUCKET,
    WATER_BLOCK,
    WATER_BUCKET,
    Arrays,
    Tables,
)

REACH = 4.5
"""Blocks from the eye (Breaking: survival)."""
HIT_REACH = 3.0
"""Blocks from the eye to an animal."""
HARVEST_TICKS, NO_HARVEST_TICKS = 30.0, 100.0
"""Per unit of hardness at speed 1: 1.5 s with what harvests the block, 5 s without."""
PENALTY = 5.0
"""Slow-down in the air, and again with the head under water."""
HURT_TICKS = 10.0
"""An animal that was hit cannot be hit again for so long."""
FAR = 1e9


@njit(cache=True, nogil=True)
def look_vector(s: Arrays, b: int, a: int) -> tuple[float, float, float]:
    """The unit vector (x, y, z) of a body's look."""
    yaw, pitch = math.radians(s.yaw_deg[b, a]), math.radians(s.pitch_deg[b, a])
    flat = math.cos(pitch)
    return flat * math.sin(yaw), -math.sin(pitch), -flat * math.cos(yaw)


@njit(cache=True, nogil=True)
def target_block(
    s: Arrays, t: Tables, b: int, a: int, liquids: bool
) -> tuple[float, int, int, int, int, int, int]:
    """The first block on the look within `REACH`: (distance, x, z, y, and the cell x, z, y before
    it). Air is passed through, and liquids too unless `liquids`. The distance is -1 without one."""
    dx, dy, dz = look_vector(s, b, a)
    ox, oy, oz = s.position[b, a, 0], s.position[b, a, 1] + EYE_HEIGHT, s.position[b, a, 2]
    x, y, z = math.floor(ox), math.floor(oy), math.floor(oz)
    step_x, step_y, step_z = (1 if dx > 0 else -1), (1 if dy > 0 else -1), (1 if dz > 0 else -1)
    per_x = abs(1.0 / dx) if dx != 0.0 else FAR
    per_y = abs(1.0 / dy) if dy != 0.0 else FAR
    per_z = abs(1.0 / dz) if dz != 0.0 else FAR
    next_x = ((x + 1 - ox) if dx > 0 else (ox - x)) * per_x
    next_y = ((y + 1 - oy) if dy > 0 else (oy - y)) * per_y
    next_z = ((z + 1 - oz) if dz > 0 else (oz - z)) * per_z
    before_x, before_y, before_z = x, y, z
    distance = 0.0
    while distance <= REACH:
        cell = block_at(s.blocks, b, x, z, y)
        if cell < 0:
            break
        if cell > 0 and (liquids or t.liquid[cell] == 0):
            return distance, x, z, y, before_x, before_z, before_y
        before_x, before_y, before_z = x, y, z
        if next_x <= next_y and next_x <= next_z:
            distance, x, next_x = next_x, x + step_x, next_x + per_x
        elif next_y <= next_z:
            distance, y, next_y = next_y, y + step_y, next_y + per_y
        else:
            distance, z, next_z = next_z, z + step_z, next_z + per_z
    return -1.0, -1, -1, -1, -1, -1, -1


@njit(cache=True, nogil=True)
def target_animal(s: Arrays, t: Tables, b: int, a: int, limit: float) -> int:
    """The index of the nearest animal whose box the look enters within `limit` blocks, or -1."""
    look = look_vector(s, b, a)
    best, found = limit, -1
    for n in range(s.animal_kind.shape[1]):
        kind = s.animal_kind[b, n]
        if kind == 0:
            continue
        enter, leave = 0.0, best
        for axis in range(3):
            eye = s.position[b, a, axis] + (EYE_HEIGHT if axis == 1 else 0.0)
            half = t.animal_size[kind, 0] / 2
            low = s.animal_position[b, n, axis] - (0.0 if axis == 1 else half) - eye
            high = low + (t.animal_size[kind, 1] if axis == 1 else 2 * half)
            if abs(look[axis]) < 1e-12:
                if low > 0.0 or high < 0.0:
                    enter = FAR
                continue
            first, second = low / look[axis], high / look[axis]
            enter = max(enter, min(first, second))
            leave = min(leave, max(first, second))
        if enter <= leave:
            best, found = enter, n
    return found


@njit(cache=True, nogil=True)
def can_harvest(t: Tables, block: int, tool: int) -> bool:
    """Whether a block drops anything to item `tool`."""
    needed = t.tier_needed[block]
    return bool(
        needed == 0 or (t.item_tool_class[tool] == t.tool_class[block] and t.item_tier[tool] >= needed)
    )


@njit(cache=True, nogil=True)
def dig_progress(t: Tables, block: int, tool: int, in_air: bool, head_wet: bool) -> float:
    """The part of a block that one tick of digging removes (Breaking: calculation); 0 where the
    block cannot be dug."""
    hardness = t.hardness[block]
    if hardness < 0.0:
        return 0.0
    if hardness == 0.0:
        return 1.0
    helps = t.tool_class[block] > 0 and t.item_tool_class[tool] == t.tool_class[block]
    speed = t.item_speed[tool] if helps else 1.0
    if head_wet:
        speed /= PENALTY
    if in_air:
        speed /= PENALTY
    return speed / hardness / (HARVEST_TICKS if can_harvest(t, block, tool) else NO_HARVEST_TICKS)


@njit(cache=True, nogil=True)
def stop_digging(s: Arrays, b: int, a: int) -> None:
    """Let go of the block (or animal) in hand's way; its progress is lost."""
    s.dig_cell[b, a, 0], s.dig_cell[b, a, 1], s.dig_cell[b, a, 2] = -1, -1, -1
    s.dig_ticks[b, a] = 0.0


@njit(cache=True, nogil=True)
def attack(s: Arrays, t: Tables, b: int, a: int) -> None:
    """One tick of the attack key: hit the animal in the way, else dig the block in the way.
    While an animal is being hit, `dig_cell` is (-1, -1, its index)."""
    distance, x, z, y, _, _, _ = target_block(s, t, b, a, False)
    animal = target_animal(s, t, b, a, HIT_REACH if distance < 0 else min(HIT_REACH, distance))
    if animal >= 0:
        _hit(s, t, b, a, animal)
        return
    if distance < 0:
        stop_digging(s, b, a)
        return
    if s.dig_cell[b, a, 0] != x or s.dig_cell[b, a, 1] != z or s.dig_cell[b, a, 2] != y:
        s.dig_cell[b, a, 0], s.dig_cell[b, a, 1], s.dig_cell[b, a, 2] = x, z, y
        s.dig_ticks[b, a] = 0.0
    block = int(s.blocks[b, x, z, y])
    tool = int(s.item[b, a, np.int64(s.selected[b, a])])
    eye_y = s.position[b, a, 1] + EYE_HEIGHT
    wet = liquid_at(s.blocks, t.liquid, b, s.position[b, a, 0], eye_y, s.position[b, a, 2]) > 0
    s.dig_ticks[b, a] += dig_progress(t, block, tool, not s.on_ground[b, a], wet)
    if s.dig_ticks[b, a] >= 1.0 - 1e-9:
        break_block(s, t, b, a, x, z, y)
        stop_digging(s, b, a)


@njit(cache=True, nogil=True)
def break_block(s: Arrays, t: Tables, b: int, a: int, x: int, z: int, y: int) -> bool:
    """Turn a cell to air and give its drop to body `a`. Returns False, and leaves the block, when
    it is a container whose contents do not all fit."""
    block = int(s.blocks[b, x, z, y])
    if block == t.special[CHEST] or block == t.special[FURNACE]:
        c = container_at(s, b, x, z, y)
        if c >= 0 and not empty_for_removal(s, t, b, a, c):
            return False
    tool = int(s.item[b, a, np.int64(s.selected[b, a])])
    s.blocks[b, x, z, y] = 0
    if t.drop_item[block] > 0 and can_harvest(t, block, tool):
        add_item(s, t, b, a, t.drop_item[block], t.drop_count[block], 0)
    if t.hardness[block] > 0:
        wear(s, t, b, a, 1)
    s.food[b, a] = max(0.0, s.food[b, a] - 0.005 / 4.0)
    return True


@njit(cache=True, nogil=True)
def _hit(s: Arrays, t: Tables, b: int, a: int, animal: int) -> None:
    fresh = s.dig_cell[b, a, 0] != -1 or s.dig_cell[b, a, 2] != animal
    s.dig_cell[b, a, 0], s.dig_cell[b, a, 1], s.dig_cell[b, a, 2] = -1, -1, animal
    s.dig_ticks[b, a] = 1.0 if fresh else s.dig_ticks[b, a] + 1.0 / HURT_TICKS
    if s.dig_ticks[b, a] < 1.0 - 1e-9:
        return
    s.dig_ticks[b, a] = 0.0
    s.animal_health[b, animal] -= t.item_damage[s.item[b, a, np.int64(s.selected[b, a])]]
    s.food[b, a] = max(0.0, s.food[b, a] - 0.1 / 4.0)
    wear(s, t, b, a, 1)
    if s.animal_health[b, animal] <= 0.0:
        kind = s.animal_kind[b, animal]
        for drop in range(t.animal_drops.shape[1]):
            if t.animal_drops[kind, drop, 0] > 0:
                add_item(s, t, b, a, t.animal_drops[kind, drop, 0], t.animal_drops[kind, drop, 1], 0)
        s.animal_kind[b, animal] = 0
        stop_digging(s, b, a)


@njit(cache=True, nogil=True)
def cell_is_occupied(s: Arrays, t: Tables, b: int, x: int, z: int, y: int) -> bool:
    """Whether any body or animal of world `b` overlaps a cell."""
    for a in range(s.position.shape[1]):
        px, py, pz = s.position[b, a, 0], s.position[b, a, 1], s.position[b, a, 2]
        if _overlaps(x, z, y, px, py, pz, HALF_WIDTH, HEIGHT):
            return True
    for n in range(s.animal_kind.shape[1]):
        kind = s.animal_kind[b, n]
        if kind > 0:
            px, py, pz = s.animal_position[b, n, 0], s.animal_position[b, n, 1], s.animal_position[b, n, 2]
            if _overlaps(x, z, y, px, py, pz, t.animal_size[kind, 0] / 2, t.animal_size[kind, 1]):
                return True
    return False


@njit(cache=True, nogil=True)
def _overlaps(
    x: int, z: int, y: int, px: float, py: float, pz: float, half_width: float, height: float
) -> bool:
    return bool(
        abs(x + 0.5 - px) < 0.5 + half_width - SKIN
        and abs(z + 0.5 - pz) < 0.5 + half_width - SKIN
        and py + height > y + SKIN
        and py < y + 1 - SKIN
    )


@njit(cache=True, nogil=True)
def place(s: Arrays, t: Tables, b: int, a: int, slot: int, sneaking: bool) -> bool:
    """Place the block in inventory slot `slot` against the block in sight; in front of a chest or
    furnace, move the whole stack into it instead (unless `sneaking`). Returns whether it was done."""
    distance, x, z, y, px, pz, py = target_block(s, t, b, a, False)
    held = int(s.item[b, a, slot])
    if distance < 0 or held == 0:
        return False
    target = int(s.blocks[b, x, z, y])
    if not sneaking and (target == t.special[CHEST] or target == t.special[FURNACE]):
        c = container_at(s, b, x, z, y)
        return c >= 0 and store(s, t, b, a, c, slot, int(s.count[b, a, slot])) > 0
    block = int(t.places_block[held])
    if block == 0:
        return False
    if t.replaceable[target]:
        px, pz, py = x, z, y
    if not put_block(s, t, b, px, pz, py, block):
        return False
    take_from_slot(s, b, a, slot, 1)
    return True


@njit(cache=True, nogil=True)
def put_block(s: Arrays, t: Tables, b: int, x: int, z: int, y: int, block: int) -> bool:
    """Set a replaceable cell that nobody stands in; chests and furnaces get a container. Returns
    False where that cannot be."""
    old = block_at(s.blocks, b, x, z, y)
    if old < 0 or y >= s.blocks.shape[3] or not t.replaceable[old]:
        return False
    if t.solid[block] and cell_is_occupied(s, t, b, x, z, y):
        return False
    if (block == t.special[CHEST] or block == t.special[FURNACE]) and open_container(s, b, x, z, y) < 0:
        return False
    s.blocks[b, x, z, y] = block
    return True


@njit(cache=True, nogil=True)
def use(s: Arrays, t: Tables, b: int, a: int, sneaking: bool) -> bool:
    """The use key: empty the chest (or fetch a furnace's output) in sight, else use what is in hand:
    eat, fill or empty a bucket, place a block. Returns whether anything was done."""
    slot = np.int64(s.selected[b, a])
    held = int(s.item[b, a, slot])
    distance, x, z, y, px, pz, py = target_block(s, t, b, a, held == t.special[BUCKET])
    if distance >= 0 and not sneaking:
        target = int(s.blocks[b, x, z, y])
        if target == t.special[CHEST] or target == t.special[FURNACE]:
            c = container_at(s, b, x, z, y)
            if c >= 0:
                take_all(s, t, b, a, c)
                return True
    if t.food[held] > 0 and s.food[b, a] < 20.0:
        s.food[b, a] = min(20.0, s.food[b, a] + t.food[held])
        take_from_slot(s, b, a, slot, 1)
        return True
    if distance < 0:
        return False
    if held == t.special[BUCKET]:
        return _fill_bucket(s, t, b, a, slot, x, z, y)
    if held == t.special[WATER_BUCKET] or held == t.special[LAVA_BUCKET]:
        liquid = t.special[WATER_BLOCK] if held == t.special[WATER_BUCKET] else t.special[LAVA_BLOCK]
        if not put_block(s, t, b, px, pz, py, liquid):
            return False
        s.item[b, a, slot] = t.special[BUCKET]
        return True
    return place(s, t, b, a, slot, sneaking)


@njit(cache=True, nogil=True)
def _fill_bucket(s: Arrays, t: Tables, b: int, a: int, slot: int, x: int, z: int, y: int) -> bool:
    """Take the liquid of a cell into one bucket of a stack; it needs room for the full bucket."""
    block = int(s.blocks[b, x, z, y])
    if t.liquid[block] == 0:
        return False
    full = t.special[WATER_BUCKET] if block == t.special[WATER_BLOCK] else t.special[LAVA_BUCKET]
    take_from_slot(s, b, a, slot, 1)
    if add_item(s, t, b, a, full, 1, 0) > 0:
        add_item(s, t, b, a, t.special[BUCKET], 1, 0)
        return False
    s.blocks[b, x, z, y] = 0
    return True
