"""The 36 slots of a body: adding, removing and counting stacks.

Invariant: a slot is empty (item 0, count 0, durability 0) or holds 1 .. STACK of one item; nothing
here creates or destroys an item but by the number that the caller names.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.tables import Arrays, Tables


@njit(cache=True, nogil=True)
def count_item(item: NDArray[np.int16], count: NDArray[np.int16], b: int, a: int, wanted: int) -> int:
    """How many of item `wanted` body `a` of world `b` carries."""
    total = 0
    for slot in range(item.shape[2]):
        if item[b, a, slot] == wanted:
            total += count[b, a, slot]
    return total


@njit(cache=True, nogil=True)
def add_item(s: Arrays, t: Tables, b: int, a: int, added: int, number: int, uses_left: int) -> int:
    """Put `number` of item `added` into the first stacks and then the first empty slots that take
    them; `uses_left` is the durability (0: as new). Returns how many did not fit."""
    stack = int(t.stack[added])
    if t.durability[added] > 0 and uses_left == 0:
        uses_left = int(t.durability[added])
    for only_stacks in (True, False):
        for slot in range(s.item.shape[2]):
            if number == 0:
                return 0
            held = s.item[b, a, slot]
            if (held == added) if only_stacks else (held == 0):
                moved = min(number, stack - s.count[b, a, slot])
                if moved > 0:
                    s.item[b, a, slot] = added
                    s.count[b, a, slot] += moved
                    s.durability[b, a, slot] = uses_left
                    number -= moved
    return number


@njit(cache=True, nogil=True)
def take_from_slot(s: Arrays, b: int, a: int, slot: int, number: int) -> None:
    """Remove `number` items from a slot that holds at least as many."""
    s.count[b, a, slot] -= number
    if s.count[b, a, slot] <= 0:
        s.item[b, a, slot] = 0
        s.count[b, a, slot] = 0
        s.durability[b, a, slot] = 0


@njit(cache=True, nogil=True)
def remove_item(s: Arrays, b: int, a: int, removed: int, number: int) -> int:
    """Remove `number` of item `removed`, first slots first. Returns how many were missing."""
    for slot in range(s.item.shape[2]):
        if number > 0 and s.item[b, a, slot] == removed:
            moved = min(number, int(s.count[b, a, slot]))
            take_from_slot(s, b, a, slot, moved)
            number -= moved
    return number


@njit(cache=True, nogil=True)
def wear(s: Arrays, t: Tables, b: int, a: int, uses: int) -> None:
    """Wear the tool in hand down; at zero it breaks and is gone."""
    slot = np.int64(s.selected[b, a])
    if t.durability[s.item[b, a, slot]] > 0:
        s.durability[b, a, slot] -= uses
        if s.durability[b, a, slot] <= 0:
            take_from_slot(s, b, a, slot, 1)


@njit(cache=True, nogil=True)
def equip(s: Arrays, t: Tables, b: int, a: int, slot: int) -> None:
    """Wear the armour in `slot` (it changes places with the piece worn), select a hotbar slot, or
    bring the stack of another slot into the hand."""
    held = s.item[b, a, slot]
    part = t.armor_slot[held]
    if held == 0:
        return
    if part >= 0:
        worn = s.armor[b, a, part]
        take_from_slot(s, b, a, slot, 1)
        s.armor[b, a, part] = held
        if worn > 0:
            add_item(s, t, b, a, worn, 1, 0)
    elif slot < 9:
        s.selected[b, a] = slot
    else:
        hand = np.int64(s.selected[b, a])
        for array in (s.item, s.count, s.durability):
            array[b, a, slot], array[b, a, hand] = array[b, a, hand], array[b, a, slot]
