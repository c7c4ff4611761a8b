"""Blocks, items, recipes and animals: the tables of `data/minecraft.json` as numpy arrays and tuples.

Invariant: ids are positions in the file, block 0 is air and item 0 is "no item", so an id means the
same in every process and in every snapshot. The file is made by `data/reduce_minecraft_data.py` from
the MIT-licensed minecraft-data tables for Minecraft 1.16.5; drops are deterministic (see there).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)
_TABLES: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "minecraft.json").read_text())
_BLOCK_ROWS: list[dict[str, Any]] = _TABLES["blocks"]
_ITEM_ROWS: list[dict[str, Any]] = [{"name": "", "stack": 0}, *_TABLES["items"]]

BLOCK_NAMES: tuple[str, ...] = tuple(row["name"] for row in _BLOCK_ROWS)
BLOCK: dict[str, int] = {name: index for index, name in enumerate(BLOCK_NAMES)}
ITEM_NAMES: tuple[str, ...] = tuple(row["name"] for row in _ITEM_ROWS)
ITEM: dict[str, int] = {name: index for index, name in enumerate(ITEM_NAMES) if name}

NO_TOOL, PICKAXE, AXE, SHOVEL, SWORD, HOE, SHEARS = range(7)
TOOL_CLASSES = ("", "pickaxe", "axe", "shovel", "sword", "hoe", "shears")
SHAPE_AIR, SHAPE_CUBE, SHAPE_CROSS, SHAPE_LIQUID = range(4)
SHAPES = ("air", "cube", "cross", "liquid")
ARMOR_SLOTS = ("boots", "leggings", "chestplate", "helmet")

AIR = 0
WATER = BLOCK["water"]
LAVA = BLOCK["lava"]
SEE_THROUGH_CUBES = ("glass", "slime_block", "honeycomb_block", "ice")


def _column(
    rows: list[dict[str, Any]], dtype: type[_T], value: Callable[[dict[str, Any]], Any]
) -> NDArray[_T]:
    """One property of every row, read-only."""
    array = np.array([value(row) for row in rows], dtype)
    array.setflags(write=False)
    return array


# -- by block id ----------------------------------------------------------------------------------
SHAPE = _column(_BLOCK_ROWS, np.uint8, lambda row: SHAPES.index(row["shape"]))
SOLID = _column(_BLOCK_ROWS, np.bool_, lambda row: row["shape"] == "cube")
"""Bodies collide with it."""
OPAQUE = _column(
    _BLOCK_ROWS, np.bool_, lambda row: row["shape"] == "cube" and row["name"] not in SEE_THROUGH_CUBES
)
"""Sight and light stop at it."""
LIQUID = _column(_BLOCK_ROWS, np.bool_, lambda row: row["shape"] == "liquid")
REPLACEABLE = _column(
    _BLOCK_ROWS,
    np.bool_,
    lambda row: row["shape"] in ("air", "liquid") or row["name"] in ("grass", "fern", "dead_bush"),
)
"""A block may be placed into it."""
HURTS = _column(_BLOCK_ROWS, np.bool_, lambda row: row["name"] in ("cactus", "lava", "magma_block"))
HARDNESS = _column(_BLOCK_ROWS, np.float64, lambda row: row["hardness"])
"""Minecraft's hardness; -1 where the block cannot be dug."""
TOOL_CLASS = _column(_BLOCK_ROWS, np.uint8, lambda row: TOOL_CLASSES.index(row["tool"]))
"""The tool that digs it faster (0: none does)."""
TIER_NEEDED = _column(_BLOCK_ROWS, np.uint8, lambda row: row["tier"])
"""The lowest tier of that tool with which it drops anything (0: it drops for a bare hand)."""
LIGHT = _column(_BLOCK_ROWS, np.uint8, lambda row: row["light"])
DROP_ITEM = _column(_BLOCK_ROWS, np.int16, lambda row: ITEM[row["drop"][0]] if row["drop"] else 0)
DROP_COUNT = _column(_BLOCK_ROWS, np.int16, lambda row: row["drop"][1] if row["drop"] else 0)

# -- by item id -----------------------------------------------------------------------------------
STACK = _column(_ITEM_ROWS, np.int16, lambda row: row["stack"])
DURABILITY = _column(_ITEM_ROWS, np.int16, lambda row: row.get("durability", 0))
ITEM_TOOL_CLASS = _column(_ITEM_ROWS, np.uint8, lambda row: TOOL_CLASSES.index(row.get("tool", "")))
ITEM_TIER = _column(_ITEM_ROWS, np.uint8, lambda row: row.get("tier", 0))
"""1 wood or gold, 2 stone, 3 iron, 4 diamond."""
ITEM_SPEED = _column(_ITEM_ROWS, np.float64, lambda row: row.get("speed", 1))
"""Digging speed on blocks of the item's tool class."""
ITEM_DAMAGE = _column(_ITEM_ROWS, np.float64, lambda row: row.get("damage", 1))
ITEM_FOOD = _column(_ITEM_ROWS, np.int16, lambda row: row.get("food", 0))
PLACES_BLOCK = _column(_ITEM_ROWS, np.uint8, lambda row: BLOCK[row["places"]] if "places" in row else 0)
ARMOR_POINTS = _column(_ITEM_ROWS, np.int16, lambda row: row.get("armor", 0))
ARMOR_SLOT = _column(_ITEM_ROWS, np.int8, lambda row: ARMOR_SLOTS.index(row["wear"]) if "wear" in row else -1)
"""0 feet, 1 legs, 2 chest, 3 head; -1 where it cannot be worn."""


@dataclass(frozen=True)
class Recipe:
    """`count` of item `result` from `cells`: rows of item ids (0 empty), at most 3x3. A shapeless
    recipe has one row and takes its items in any order; a shaped one may lie anywhere in the grid,
    or mirrored. `leftovers` are the items given back (the buckets of a cake)."""

    result: int
    count: int
    cells: tuple[tuple[int, ...], ...]
    shapeless: bool
    leftovers: tuple[int, ...]

    @property
    def ingredients(self) -> dict[int, int]:
        """Item id -> how many of it."""
        flat = [cell for row in self.cells for cell in row if cell]
        return {item: flat.count(item) for item in dict.fromkeys(flat)}

    @property
    def needs_table(self) -> bool:
        """Whether the 2x2 grid of the inventory is too small."""
        if self.shapeless:
            return len(self.cells[0]) > 4
        return len(self.cells) > 2 or len(self.cells[0]) > 2


@dataclass(frozen=True)
class Animal:
    """A kind of animal; `speed` in blocks per tick, `drops` as (item id, count), `sound` its call."""

    name: str
    width: float
    height: float
    health: float
    speed: float
    drops: tuple[tuple[int, int], ...]
    sound: str


def _recipe(row: dict[str, Any]) -> Recipe:
    rows = row["shape"] if "shape" in row else [row["any"]]
    cells = tuple(tuple(ITEM[cell] if cell else 0 for cell in line) for line in rows)
    buckets = sum(cell == ITEM["milk_bucket"] for line in cells for cell in line)
    return Recipe(ITEM[row["result"]], row["count"], cells, "any" in row, (ITEM["bucket"],) * buckets)


RECIPES: tuple[Recipe, ...] = tuple(_recipe(row) for row in _TABLES["recipes"])
SMELTING: dict[int, int] = {ITEM[raw]: ITEM[made] for raw, made in _TABLES["smelting"]}
"""Item id -> item id that a furnace makes of it."""
SMELT_TICKS = 200
FUEL: dict[int, int] = {ITEM[name]: ticks for name, ticks in _TABLES["fuel"]}
"""Item id -> ticks that it burns."""
ANIMALS: tuple[Animal, ...] = (
    Animal("", 0.0, 0.0, 0.0, 0.0, (), ""),
    *(
        Animal(
            row["name"],
            row["width"],
            row["height"],
            row["health"],
            row["speed"],
            tuple((ITEM[item], count) for item, count in row["drops"]),
            row["sound"],
        )
        for row in _TABLES["animals"]
    ),
)
"""Indexed by `VoxelState.animal_kind`; 0 is none."""
ANIMAL_KIND: dict[str, int] = {animal.name: kind for kind, animal in enumerate(ANIMALS) if kind}
