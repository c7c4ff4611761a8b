"""Crafting by name, as MineDojo's `craft` action does it: the argument names a result, and the first
recipe (or raw item) of it that the body can pay for is used.

Invariant: a craft either removes exactly the recipe's ingredients and adds its result and leftovers,
or it changes nothing. A recipe larger than 2x2 needs a crafting table within `NEAR` blocks to which
the eye has a free line: none serves through rock. Unlike MineDojo's, smelting takes its time: the argument
serves the nearest such furnace (`containers.smelt_into`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.containers import OUTPUT, container_at, smelt_into
from worlds.voxel.free_lines import sees_cell
from worlds.voxel.inventory import add_item, count_item, remove_item
from worlds.voxel.physics import EYE_HEIGHT, block_at
from worlds.voxel.tables import CRAFTING_TABLE, FURNACE, Arrays, Tables

NEAR = 4
"""Blocks along each axis from the feet: about the reach of a hand (4.5)."""


@njit(cache=True, nogil=True)
def nearest_block(s: Arrays, t: Tables, b: int, a: int, wanted: int) -> tuple[int, int, int]:
    """The cell (x, z, y) of the nearest block `wanted` within `NEAR` of body `a` to which its eye has a free
    line, wherever it looks; (-1, -1, -1) if none."""
    x0 = math.floor(s.position[b, a, 0])
    y0 = math.floor(s.position[b, a, 1])
    z0 = math.floor(s.position[b, a, 2])
    eye = (s.position[b, a, 0], s.position[b, a, 1] + EYE_HEIGHT, s.position[b, a, 2])
    found, best = (-1, -1, -1), 3 * NEAR * NEAR + 1
    for x in range(x0 - NEAR, x0 + NEAR + 1):
        for z in range(z0 - NEAR, z0 + NEAR + 1):
            for y in range(y0 - NEAR, y0 + NEAR + 1):
                distance = (x - x0) ** 2 + (z - z0) ** 2 + (y - y0) ** 2
                if distance >= best or block_at(s.blocks, b, x, z, y) != wanted:
                    continue
                if sees_cell(s.blocks[b], t.solid, eye, x, z, y):
                    found, best = (x, z, y), distance
    return found


@njit(cache=True, nogil=True)
def item_counts(s: Arrays, t: Tables, b: int, a: int) -> NDArray[np.int64]:
    """How many of each item body `a` carries, (items,)."""
    counts = np.zeros(t.stack.shape[0], np.int64)
    for slot in range(s.item.shape[2]):
        counts[s.item[b, a, slot]] += s.count[b, a, slot]
    return counts


@njit(cache=True, nogil=True)
def has_ingredients(t: Tables, counts: NDArray[np.int64], recipe: int) -> bool:
    """Whether `counts` (see `item_counts`) cover a recipe."""
    for entry in range(t.recipe_items.shape[1]):
        if counts[t.recipe_items[recipe, entry, 0]] < t.recipe_items[recipe, entry, 1]:
            return False
    return True


@njit(cache=True, nogil=True)
def craft_mask(s: Arrays, t: Tables, b: int, a: int, table: bool, furnace: int) -> NDArray[np.int8]:
    """Which craft arguments have something to work on, (244,) of 0 and 1, given whether a crafting
    table is near and which container the nearest furnace is (-1 if none)."""
    counts = item_counts(s, t, b, a)
    mask = np.zeros(t.craft_count.shape[0], np.int8)
    for argument in range(mask.shape[0]):
        first = int(t.craft_first[argument])
        for entry in range(first, first + int(t.craft_count[argument])):
            choice = int(t.craft_recipes[entry])
            if t.craft_smelts[argument]:
                ready = s.container_item[b, furnace, OUTPUT] == t.smelts_to[choice]
                mask[argument] |= furnace >= 0 and (counts[choice] > 0 or ready)
            elif table or not t.recipe_needs_table[choice]:
                mask[argument] |= has_ingredients(t, counts, choice)
    return mask


@njit(cache=True, nogil=True)
def near_furnace(s: Arrays, t: Tables, b: int, a: int) -> int:
    """The container of the nearest furnace within `NEAR` blocks that can be seen from there, or -1."""
    x, z, y = nearest_block(s, t, b, a, t.special[FURNACE])
    return container_at(s, b, x, z, y) if x >= 0 else -1


@njit(cache=True, nogil=True)
def near_table(s: Arrays, t: Tables, b: int, a: int) -> bool:
    """Whether a crafting table is within `NEAR` blocks and can be seen from where the body stands."""
    return nearest_block(s, t, b, a, t.special[CRAFTING_TABLE])[0] >= 0


@njit(cache=True, nogil=True)
def craft_recipe(s: Arrays, t: Tables, b: int, a: int, recipe: int) -> bool:
    """Craft one recipe once. Returns False, and changes nothing, without ingredients or room."""
    if not has_ingredients(t, item_counts(s, t, b, a), recipe):
        return False
    item, count, uses = s.item[b, a].copy(), s.count[b, a].copy(), s.durability[b, a].copy()
    for entry in range(t.recipe_items.shape[1]):
        if t.recipe_items[recipe, entry, 0] > 0:
            remove_item(s, b, a, t.recipe_items[recipe, entry, 0], t.recipe_items[recipe, entry, 1])
    unplaced = add_item(s, t, b, a, t.recipe_result[recipe, 0], t.recipe_result[recipe, 1], 0)
    if t.recipe_leftover[recipe, 0] > 0:
        unplaced += add_item(s, t, b, a, t.recipe_leftover[recipe, 0], t.recipe_leftover[recipe, 1], 0)
    if unplaced > 0:
        s.item[b, a, :], s.count[b, a, :], s.durability[b, a, :] = item, count, uses
    return unplaced == 0


@njit(cache=True, nogil=True)
def craft(s: Arrays, t: Tables, b: int, a: int, argument: int) -> bool:
    """Carry out MineDojo's craft argument 0..243. Returns whether anything was done."""
    first = int(t.craft_first[argument])
    count = int(t.craft_count[argument])
    if count == 0:
        return False
    if t.craft_smelts[argument]:
        furnace = near_furnace(s, t, b, a)
        if furnace < 0:
            return False
        for entry in range(first, first + count):
            if count_item(s.item, s.count, b, a, t.craft_recipes[entry]) > 0:
                return smelt_into(s, t, b, a, furnace, t.craft_recipes[entry])
        return smelt_into(s, t, b, a, furnace, 0)
    for entry in range(first, first + count):
        recipe = int(t.craft_recipes[entry])
        feasible = not t.recipe_needs_table[recipe] or near_table(s, t, b, a)
        if feasible and craft_recipe(s, t, b, a, recipe):
            return True
    return False
