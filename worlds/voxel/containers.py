"""Chests and furnaces: what lies in them and how a furnace works.

Invariant: moving items between a body and a container conserves them, and smelting turns one input
into one output per 200 ticks while fuel burns (minecraft.wiki: Smelting), counted in strides of 4. A
chest uses its 27 slots, a furnace slots 0 input, 1 fuel, 2 output and, in the count of slot 3, the
ticks that its fuel still burns. A container slot has no durability of its own: the count of a tool is
1 + the uses it has lost.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import SMELT_TICKS
from worlds.voxel.inventory import add_item, take_from_slot
from worlds.voxel.tables import BUCKET, FURNACE, LAVA_BUCKET, Arrays, Tables

INPUT, FUEL, OUTPUT, BURN = range(4)
FURNACE_SLOTS = 3
STRIDE_TICKS = 4
"""Furnaces work every fourth tick; the ticks of all fuels and of smelting are multiples of it."""


@njit(cache=True, nogil=True)
def container_at(s: Arrays, b: int, x: int, z: int, y: int) -> int:
    """The index of the container whose block is the cell (x, z, y), or -1."""
    for c in range(s.container_cell.shape[1]):
        cell = s.container_cell[b, c]
        if cell[0] == x and cell[1] == z and cell[2] == y:
            return c
    return -1


@njit(cache=True, nogil=True)
def open_container(s: Arrays, b: int, x: int, z: int, y: int) -> int:
    """Claim an empty container for a newly placed block; -1 when the world has no more."""
    c = container_at(s, b, -1, -1, -1)
    if c >= 0:
        s.container_cell[b, c, 0], s.container_cell[b, c, 1], s.container_cell[b, c, 2] = x, z, y
        s.container_item[b, c, :] = 0
        s.container_count[b, c, :] = 0
        s.smelt_ticks[b, c] = 0
    return c


@njit(cache=True, nogil=True)
def is_furnace(s: Arrays, t: Tables, b: int, c: int) -> bool:
    """Whether container `c` is a furnace (else a chest)."""
    cell = s.container_cell[b, c]
    return bool(s.blocks[b, cell[0], cell[1], cell[2]] == t.special[FURNACE])


@njit(cache=True, nogil=True)
def take(s: Arrays, t: Tables, b: int, a: int, c: int, slot: int, number: int) -> int:
    """Move up to `number` items of container slot `slot` to body `a`. Returns how many moved."""
    item = int(s.container_item[b, c, slot])
    if item == 0 or number <= 0:
        return 0
    if t.durability[item] > 0:
        uses_left = int(t.durability[item]) + 1 - int(s.container_count[b, c, slot])
        moved = 1 - add_item(s, t, b, a, item, 1, uses_left)
        left = 1 - moved
    else:
        number = min(number, int(s.container_count[b, c, slot]))
        moved = number - add_item(s, t, b, a, item, number, 0)
        left = int(s.container_count[b, c, slot]) - moved
    if left == 0:
        s.container_item[b, c, slot] = 0
        s.container_count[b, c, slot] = 0
    elif t.durability[item] == 0:
        s.container_count[b, c, slot] = left
    return moved


@njit(cache=True, nogil=True)
def take_all(s: Arrays, t: Tables, b: int, a: int, c: int) -> bool:
    """Move everything that fits (from a furnace: its output alone). Returns whether it is empty now."""
    furnace = is_furnace(s, t, b, c)
    for slot in range(OUTPUT if furnace else 0, FURNACE_SLOTS if furnace else s.container_item.shape[2]):
        take(s, t, b, a, c, slot, int(s.container_count[b, c, slot]))
    return _is_empty(s, b, c)


@njit(cache=True, nogil=True)
def empty_for_removal(s: Arrays, t: Tables, b: int, a: int, c: int) -> bool:
    """Move everything, a furnace's input and fuel too; the slot is free when it returns True."""
    slots = FURNACE_SLOTS if is_furnace(s, t, b, c) else s.container_item.shape[2]
    for slot in range(slots):
        take(s, t, b, a, c, slot, int(s.container_count[b, c, slot]))
    if not _is_empty(s, b, c):
        return False
    s.container_cell[b, c, :] = -1
    s.container_count[b, c, :] = 0
    s.smelt_ticks[b, c] = 0
    return True


@njit(cache=True, nogil=True)
def _is_empty(s: Arrays, b: int, c: int) -> bool:
    return bool((s.container_item[b, c] == 0).all())


@njit(cache=True, nogil=True)
def store(s: Arrays, t: Tables, b: int, a: int, c: int, slot: int, number: int) -> int:
    """Move up to `number` items of inventory slot `slot` into container `c`; a furnace takes what
    smelts as input and what burns as fuel. Returns how many moved."""
    item = int(s.item[b, a, slot])
    number = min(number, int(s.count[b, a, slot]))
    if item == 0 or number <= 0:
        return 0
    first, last = 0, s.container_item.shape[2]
    if is_furnace(s, t, b, c):
        if t.smelts_to[item] > 0:
            first, last = INPUT, INPUT + 1
        elif t.fuel_ticks[item] > 0:
            first, last = FUEL, FUEL + 1
        else:
            return 0
    return _store_within(s, t, b, a, c, slot, number, first, last)


@njit(cache=True, nogil=True)
def _store_within(
    s: Arrays, t: Tables, b: int, a: int, c: int, slot: int, number: int, first: int, last: int
) -> int:
    item = int(s.item[b, a, slot])
    tool = t.durability[item] > 0
    lost_uses = int(t.durability[item]) - int(s.durability[b, a, slot]) if tool else 0
    moved = 0
    for only_stacks in (True, False):
        for place in range(first, last):
            held = s.container_item[b, c, place]
            if moved < number and ((held == item and not tool) if only_stacks else held == 0):
                step = min(number - moved, int(t.stack[item]) - int(s.container_count[b, c, place]))
                if step > 0:
                    s.container_item[b, c, place] = item
                    s.container_count[b, c, place] += step + lost_uses
                    moved += step
    take_from_slot(s, b, a, slot, moved)
    return moved


@njit(cache=True, nogil=True)
def smelt_into(s: Arrays, t: Tables, b: int, a: int, c: int, raw: int) -> bool:
    """Serve furnace `c` for the raw item `raw` (0: only fetch): fetch its output, add one `raw` and,
    when neither fuel nor fire is left, one fuel. Returns whether anything moved."""
    moved = take(s, t, b, a, c, OUTPUT, int(s.container_count[b, c, OUTPUT])) > 0
    if raw == 0:
        return moved
    for slot in range(s.item.shape[2]):
        if s.item[b, a, slot] == raw:
            moved |= _store_within(s, t, b, a, c, slot, 1, INPUT, INPUT + 1) > 0
            break
    if s.container_item[b, c, FUEL] == 0 and s.container_count[b, c, BURN] == 0:
        fuel_slot = _cheapest_fuel(s, t, b, a)
        if fuel_slot >= 0:
            moved |= _store_within(s, t, b, a, c, fuel_slot, 1, FUEL, FUEL + 1) > 0
    return moved


@njit(cache=True, nogil=True)
def _cheapest_fuel(s: Arrays, t: Tables, b: int, a: int) -> int:
    """The slot of the fuel that burns shortest but still smelts an item, tools left aside; or -1."""
    best, best_ticks = -1, 32767
    for slot in range(s.item.shape[2]):
        item = s.item[b, a, slot]
        if SMELT_TICKS <= t.fuel_ticks[item] < best_ticks and t.durability[item] == 0:
            best, best_ticks = slot, int(t.fuel_ticks[item])
    return best


@njit(cache=True, nogil=True)
def tick_furnaces(s: Arrays, t: Tables, b: int) -> None:
    """Every fourth tick: four ticks of every furnace of world `b`."""
    if s.tick[b] % STRIDE_TICKS != 0:
        return
    for c in range(s.container_cell.shape[1]):
        if s.container_cell[b, c, 0] < 0 or not is_furnace(s, t, b, c):
            continue
        item, count = s.container_item[b, c], s.container_count[b, c]
        made = int(t.smelts_to[item[INPUT]])
        out_free = item[OUTPUT] == 0 or (item[OUTPUT] == made and count[OUTPUT] < t.stack[made])
        if made > 0 and out_free:
            if count[BURN] == 0 and t.fuel_ticks[item[FUEL]] > 0:
                _light(t, item, count)
            if count[BURN] > 0:
                if s.smelt_ticks[b, c] == 0:
                    s.smelt_ticks[b, c] = SMELT_TICKS
                s.smelt_ticks[b, c] -= STRIDE_TICKS
                if s.smelt_ticks[b, c] == 0:
                    item[OUTPUT] = made
                    count[OUTPUT] += 1
                    count[INPUT] -= 1
                    if count[INPUT] == 0:
                        item[INPUT] = 0
            else:
                s.smelt_ticks[b, c] = 0
        else:
            s.smelt_ticks[b, c] = 0
        if count[BURN] > 0:
            count[BURN] -= STRIDE_TICKS


@njit(cache=True, nogil=True)
def _light(t: Tables, item: NDArray[np.int16], count: NDArray[np.int16]) -> None:
    """Burn one fuel; a lava bucket leaves its bucket, a tool is one fuel whatever its wear."""
    fuel = int(item[FUEL])
    count[BURN] = t.fuel_ticks[fuel]
    if fuel == t.special[LAVA_BUCKET]:
        item[FUEL], count[FUEL] = t.special[BUCKET], 1
        return
    count[FUEL] = 0 if t.durability[fuel] > 0 else count[FUEL] - 1
    if count[FUEL] == 0:
        item[FUEL] = 0
