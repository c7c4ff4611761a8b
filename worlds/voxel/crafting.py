"""Crafting by name, as MineDojo's `craft` action does it: the argument names a result, and the first
recipe (or raw item) of it that the body can pay for is used.

Invariant: a craft either removes exactly the recipe's ingredients and adds its result and leftovers,
or it changes nothing. A recipe larger than 2x2 needs a crafting table within `NEAR` blocks. Unlike
MineDojo's, smelting takes its time: the argument serves the nearest furnace (`containers.smelt_into`).
"""

from __future__ import annotations

import math

from numba import njit

from worlds.voxel.containers import OUTPUT, container_at, smelt_into
from worlds.voxel.inventory import add_item, count_item, remove_item
from worlds.voxel.physics import block_at
from worlds.voxel.tables import CRAFTING_TABLE, FURNACE, Arrays, Tables

NEAR = 4
"""Blocks along each axis from the feet: about the reach of a hand (4.5)."""


@njit(cache=True, nogil=True)
def nearest_block(s: Arrays, b: int, a: int, wanted: int) -> tuple[int, int, int]:
    """The cell (x, z, y) of the nearest block `wanted` within `NEAR` of body `a`; (-1, -1, -1) if none."""
    x0 = math.floor(s.position[b, a, 0])
    y0 = math.floor(s.position[b, a, 1])
    z0 = math.floor(s.position[b, a, 2])
    found, best = (-1, -1, -1), 3 * NEAR * NEAR + 1
    for x in range(x0 - NEAR, x0 + NEAR + 1):
        for z in range(z0 - NEAR, z0 + NEAR + 1):
            for y in range(y0 - NEAR, y0 + NEAR + 1):
                distance = (x - x0) ** 2 + (z - z0) ** 2 + (y - y0) ** 2
                if distance < best and block_at(s.blocks, b, x, z, y) == wanted:
                    found, best = (x, z, y), distance
    return found


@njit(cache=True, nogil=True)
def has_ingredients(s: Arrays, t: Tables, b: int, a: int, recipe: int) -> bool:
    """Whether body `a` carries what a recipe needs."""
    for entry in range(t.recipe_items.shape[1]):
        item, needed = t.recipe_items[recipe, entry]
        if item > 0 and count_item(s.item, s.count, b, a, item) < needed:
            return False
    return True


@njit(cache=True, nogil=True)
def can_craft(s: Arrays, t: Tables, b: int, a: int, argument: int, table: bool, furnace: int) -> bool:
    """Whether craft argument `argument` would do something, given whether a crafting table is near
    and which container the nearest furnace is (-1 if none)."""
    first = int(t.craft_first[argument])
    for entry in range(first, first + int(t.craft_count[argument])):
        choice = int(t.craft_recipes[entry])
        if t.craft_smelts[argument]:
            if furnace >= 0:
                if count_item(s.item, s.count, b, a, choice) > 0:
                    return True
                if s.container_item[b, furnace, OUTPUT] == t.smelts_to[choice]:
                    return True
        elif (table or not t.recipe_needs_table[choice]) and has_ingredients(s, t, b, a, choice):
            return True
    return False


@njit(cache=True, nogil=True)
def near_furnace(s: Arrays, t: Tables, b: int, a: int) -> int:
    """The container of the nearest furnace within `NEAR` blocks, or -1."""
    x, z, y = nearest_block(s, b, a, t.special[FURNACE])
    return container_at(s, b, x, z, y) if x >= 0 else -1


@njit(cache=True, nogil=True)
def near_table(s: Arrays, t: Tables, b: int, a: int) -> bool:
    """Whether a crafting table is within `NEAR` blocks."""
    return nearest_block(s, b, a, t.special[CRAFTING_TABLE])[0] >= 0


@njit(cache=True, nogil=True)
def craft_recipe(s: Arrays, t: Tables, b: int, a: int, recipe: int) -> bool:
    """Craft one recipe once. Returns False, and changes nothing, without ingredients or room."""
    if not has_ingredients(s, t, b, a, recipe):
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
    table = near_table(s, t, b, a)
    for entry in range(first, first + count):
        recipe = int(t.craft_recipes[entry])
        if (table or not t.recipe_needs_table[recipe]) and craft_recipe(s, t, b, a, recipe):
            return True
    return False
