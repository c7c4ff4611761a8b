"""What the kernels are handed: `Tables` (constant properties by id) and `Arrays` (the state's arrays).

Invariant: kernels take every table as an argument and close over none, because numba bakes globals
into its on-disk cache, where a later change of `data/minecraft.json` would go unnoticed. Both are
numba structrefs, that is pointers: as named tuples of 57 arrays they made compilation 3x slower.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numba import njit, types
from numba.experimental import structref
from numpy.typing import NDArray

from worlds.voxel import data
from worlds.voxel.physics import LAVA, WATER
from worlds.voxel.state import VoxelState

MAX_INGREDIENTS = 9
CRAFT_ARGS = 244
"""The size of MineDojo's craft argument."""


@structref.register
class _TablesType(types.StructRef):
    pass


@structref.register
class _ArraysType(types.StructRef):
    pass


class Tables(structref.StructRefProxy):
    """By block id: up to `places_...`; by item id: from `stack`; by recipe and craft argument: the rest."""

    solid: NDArray[np.bool_]
    liquid: NDArray[np.uint8]  # 0, physics.WATER or physics.LAVA
    replaceable: NDArray[np.bool_]
    hurts: NDArray[np.bool_]
    hardness: NDArray[np.float64]
    tool_class: NDArray[np.uint8]
    tier_needed: NDArray[np.uint8]
    drop_item: NDArray[np.int16]
    drop_count: NDArray[np.int16]
    special: NDArray[np.int64]  # ids: see the SPECIAL_... positions
    # by item id
    stack: NDArray[np.int16]
    durability: NDArray[np.int16]
    item_tool_class: NDArray[np.uint8]
    item_tier: NDArray[np.uint8]
    item_speed: NDArray[np.float64]
    item_damage: NDArray[np.float64]
    food: NDArray[np.int16]
    places_block: NDArray[np.uint8]
    armor_slot: NDArray[np.int8]
    armor_points: NDArray[np.int16]
    smelts_to: NDArray[np.int16]  # 0: cannot be smelted
    fuel_ticks: NDArray[np.int16]
    # by animal kind
    animal_size: NDArray[np.float64]  # (K, 2) width, height
    animal_speed: NDArray[np.float64]
    animal_drops: NDArray[np.int16]  # (K, D, 2) item, count; 0 pads
    # by recipe
    recipe_items: NDArray[np.int16]  # (R, 9, 2) ingredient item, count; 0 pads
    recipe_result: NDArray[np.int16]  # (R, 2) item, count
    recipe_leftover: NDArray[np.int16]  # (R, 2) item given back, count
    recipe_needs_table: NDArray[np.bool_]
    # by craft argument (see crafting.py)
    craft_first: NDArray[np.int16]  # first row of `craft_recipes`; -1 where the argument means nothing
    craft_count: NDArray[np.int16]
    craft_smelts: NDArray[np.bool_]
    craft_recipes: NDArray[np.int16]  # recipe ids, or item ids to smelt, in order of preference


CHEST, FURNACE, CRAFTING_TABLE, WATER_BLOCK, BUCKET, WATER_BUCKET, LAVA_BLOCK, LAVA_BUCKET = range(8)
"""Positions in `Tables.special`."""


class Arrays(structref.StructRefProxy):
    """The arrays of a `VoxelState`, under the same names (`seen` is the renderer's alone)."""

    blocks: NDArray[np.uint8]
    tick: NDArray[np.int64]
    rng: NDArray[np.uint64]
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    yaw_deg: NDArray[np.float64]
    pitch_deg: NDArray[np.float64]
    on_ground: NDArray[np.bool_]
    health: NDArray[np.float64]
    food: NDArray[np.float64]
    air: NDArray[np.float64]
    item: NDArray[np.int16]
    count: NDArray[np.int16]
    durability: NDArray[np.int16]
    selected: NDArray[np.int8]
    armor: NDArray[np.int16]
    dig_cell: NDArray[np.int32]
    dig_ticks: NDArray[np.float64]
    animal_kind: NDArray[np.uint8]
    animal_position: NDArray[np.float64]
    animal_yaw_deg: NDArray[np.float64]
    animal_health: NDArray[np.float64]
    container_cell: NDArray[np.int32]
    container_item: NDArray[np.int16]
    container_count: NDArray[np.int16]
    smelt_ticks: NDArray[np.int32]


def _kernel_digest() -> str:
    """A digest of the sources of all kernels. As a field of `Arrays` it is part of every kernel's
    signature: numba's cache watches only a kernel's own file, and would go on calling what the other
    files held when it was compiled."""
    names = "animals containers crafting data interact inventory observe physics rng sim tables vitals"
    folder = Path(__file__).parent
    return hashlib.sha256(
        b"".join((folder / f"{name}.py").read_bytes() for name in names.split())
    ).hexdigest()


structref.define_proxy(Tables, _TablesType, list(Tables.__annotations__))
structref.define_proxy(Arrays, _ArraysType, [*Arrays.__annotations__, f"kernels_{_kernel_digest()}"])


# The proxies' own constructors are compiled anew in every process; these are cached.
@njit(cache=True)
def _bind_tables(*arrays: NDArray[np.generic]) -> Tables:
    return Tables(*arrays)


@njit(cache=True)
def _bind_arrays(*arrays: NDArray[np.generic]) -> Arrays:
    return Arrays(*arrays, 0)


def arrays_of(state: VoxelState) -> Arrays:
    """A view: kernels that write to it write to `state`."""
    return _bind_arrays(*(getattr(state, name) for name in Arrays.__annotations__))


def _by_item(values: dict[int, int]) -> NDArray[np.int16]:
    table = np.zeros(len(data.ITEM_NAMES), np.int16)
    for item, value in values.items():
        table[item] = value
    return table


def _craft_arguments() -> tuple[tuple[tuple[str, int], ...], list[list[int]]]:
    """((result item, needs) per argument) and the recipe (or raw item) ids of each, as MineDojo
    orders them: crafted by hand, crafted at a table, smelted; within each by recipe order."""
    groups: tuple[dict[int, list[int]], ...] = ({}, {}, {})
    for index, recipe in enumerate(data.RECIPES):
        groups[int(recipe.needs_table)].setdefault(recipe.result, []).append(index)
    for result in [item for item in groups[1] if item in groups[0]]:
        groups[0][result] += groups[1].pop(result)
    for raw, made in data.SMELTING.items():
        groups[2].setdefault(made, []).append(raw)
    names = tuple((data.ITEM_NAMES[item], needs) for needs in range(3) for item in groups[needs])
    return names, [ids for group in groups for ids in group.values()]


CRAFT_NAMES, _CRAFT_IDS = _craft_arguments()
"""What each craft argument makes, as (item name, needs) with needs 0 hand, 1 table, 2 furnace; the
arguments from `len(CRAFT_NAMES)` to 243 mean nothing here and are always masked."""


def _build() -> Tables:
    kinds = len(data.ANIMALS)
    drops = np.zeros((kinds, max(len(animal.drops) for animal in data.ANIMALS), 2), np.int16)
    for kind, animal in enumerate(data.ANIMALS):
        drops[kind, : len(animal.drops)] = np.array(animal.drops, np.int16).reshape(-1, 2)
    recipes = len(data.RECIPES)
    items = np.zeros((recipes, MAX_INGREDIENTS, 2), np.int16)
    leftover = np.zeros((recipes, 2), np.int16)
    for index, recipe in enumerate(data.RECIPES):
        items[index, : len(recipe.ingredients)] = list(recipe.ingredients.items())
        if recipe.leftovers:
            leftover[index] = recipe.leftovers[0], len(recipe.leftovers)
    sizes = [len(ids) for ids in _CRAFT_IDS]
    padding = CRAFT_ARGS - len(sizes)
    liquid = np.zeros(len(data.BLOCK_NAMES), np.uint8)
    liquid[data.WATER], liquid[data.LAVA] = WATER, LAVA
    block, item = data.BLOCK, data.ITEM
    special = [block["chest"], block["furnace"], block["crafting_table"], data.WATER]
    special += [item["bucket"], item["water_bucket"], data.LAVA, item["lava_bucket"]]
    columns: dict[str, NDArray[np.generic]] = {
        "solid": data.SOLID.copy(),
        "liquid": liquid,
        "replaceable": data.REPLACEABLE.copy(),
        "hurts": data.HURTS.copy(),
        "hardness": data.HARDNESS.copy(),
        "tool_class": data.TOOL_CLASS.copy(),
        "tier_needed": data.TIER_NEEDED.copy(),
        "drop_item": data.DROP_ITEM.copy(),
        "drop_count": data.DROP_COUNT.copy(),
        "special": np.array(special, np.int64),
        "stack": data.STACK.copy(),
        "durability": data.DURABILITY.copy(),
        "item_tool_class": data.ITEM_TOOL_CLASS.copy(),
        "item_tier": data.ITEM_TIER.copy(),
        "item_speed": data.ITEM_SPEED.copy(),
        "item_damage": data.ITEM_DAMAGE.copy(),
        "food": data.ITEM_FOOD.copy(),
        "places_block": data.PLACES_BLOCK.copy(),
        "armor_slot": data.ARMOR_SLOT.copy(),
        "armor_points": data.ARMOR_POINTS.copy(),
        "smelts_to": _by_item(data.SMELTING),
        "fuel_ticks": _by_item(data.FUEL),
        "animal_size": np.array([(animal.width, animal.height) for animal in data.ANIMALS]),
        "animal_speed": np.array([animal.speed for animal in data.ANIMALS]),
        "animal_drops": drops,
        "recipe_items": items,
        "recipe_result": np.array([(recipe.result, recipe.count) for recipe in data.RECIPES], np.int16),
        "recipe_leftover": leftover,
        "recipe_needs_table": np.array([recipe.needs_table for recipe in data.RECIPES]),
        "craft_first": np.array([*np.cumsum([0, *sizes[:-1]]), *[-1] * padding], np.int16),
        "craft_count": np.array([*sizes, *[0] * padding], np.int16),
        "craft_smelts": np.array([*(needs == 2 for _, needs in CRAFT_NAMES), *[False] * padding]),
        "craft_recipes": np.array([i for ids in _CRAFT_IDS for i in ids], np.int16),
    }
    return _bind_tables(*(columns[name] for name in Tables.__annotations__))


TABLES = _build()
