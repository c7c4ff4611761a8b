"""Buildings: a desert pyramid with a chest of loot, a well, a house. Each fits a square of `RADIUS`.

Invariant: a building stands on levelled ground, its lowest layer at `base`, and every room has an
opening two blocks high at ground level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, ITEM, WATER
from worlds.voxel.state import VoxelState

Blocks = NDArray[np.uint8]
LOOT: tuple[tuple[str, int], ...] = (
    ("diamond", 2), ("emerald", 2), ("gold_ingot", 4), ("iron_ingot", 4), ("bone", 4), ("string", 4), ("bread", 3)
)  # fmt: skip


def _pyramid(blocks: Blocks, x: int, z: int, base: int) -> tuple[int, int, int]:
    """A stepped, hollow pyramid; returns the cell (x, z, y) of its chest."""
    for layer in range(5):
        reach = 4 - layer
        blocks[x - reach : x + reach + 1, z - reach : z + reach + 1, base + layer] = BLOCK["sandstone"]
        if layer < 3:
            room = reach - 1
            blocks[x - room : x + room + 1, z - room : z + room + 1, base + layer] = 0
    for corner_x, corner_z in ((-4, -4), (-4, 4), (4, -4), (4, 4)):
        blocks[x + corner_x, z + corner_z, base : base + 2] = BLOCK["chiseled_sandstone"]
    blocks[x, z + 3 : z + 5, base : base + 2] = 0
    blocks[x, z, base - 1] = BLOCK["terracotta"]
    blocks[x, z - 2, base] = BLOCK["chest"]
    return x, z - 2, base


def _well(blocks: Blocks, x: int, z: int, base: int) -> None:
    """A stone ring round water, under a small roof on two posts."""
    blocks[x - 1 : x + 2, z - 1 : z + 2, base] = BLOCK["mossy_cobblestone"]
    blocks[x, z, max(1, base - 2) : base + 1] = WATER
    for post in (-1, 1):
        blocks[x + post, z, base + 1 : base + 3] = BLOCK["cobblestone"]
    blocks[x - 1 : x + 2, z - 1 : z + 2, base + 3] = BLOCK["stone_bricks"]


def _house(blocks: Blocks, x: int, z: int, base: int) -> tuple[int, int, int]:
    """A timber room with door, windows, a workplace and a chest; returns the chest's cell."""
    blocks[x - 2 : x + 3, z - 2 : z + 3, base - 1] = BLOCK["cobblestone"]
    blocks[x - 2 : x + 3, z - 2 : z + 3, base : base + 3] = BLOCK["oak_planks"]
    blocks[x - 1 : x + 2, z - 1 : z + 2, base : base + 3] = 0
    for corner_x, corner_z in ((-2, -2), (-2, 2), (2, -2), (2, 2)):
        blocks[x + corner_x, z + corner_z, base : base + 3] = BLOCK["oak_log"]
    blocks[x - 2 : x + 3, z - 2 : z + 3, base + 3] = BLOCK["spruce_planks"]
    blocks[x - 1 : x + 2, z - 1 : z + 2, base + 4] = BLOCK["spruce_planks"]
    blocks[x, z + 2, base : base + 2] = 0
    blocks[x - 2, z, base + 1] = blocks[x + 2, z, base + 1] = blocks[x, z - 2, base + 1] = BLOCK["glass"]
    blocks[x - 1, z - 1, base] = BLOCK["crafting_table"]
    blocks[x + 1, z - 1, base] = BLOCK["furnace"]
    blocks[x - 1, z + 1, base] = BLOCK["chest"]
    return x - 1, z + 1, base


BUILDERS: Mapping[str, tuple[int, Callable[[Blocks, int, int, int], tuple[int, int, int] | None]]] = {
    "desert_pyramid": (4, _pyramid),
    "well": (1, _well),
    "house": (2, _house),
}
"""Name -> (radius of its square, builder)."""


def build_structure(state: VoxelState, b: int, name: str, site: tuple[int, int], base: int) -> None:
    """Build `name` on `site` and fill its chest, if it has one and a container slot is free."""
    cell = BUILDERS[name][1](state.blocks[b], site[0], site[1], base)
    free = np.flatnonzero(state.container_cell[b, :, 0] < 0)
    if cell is None or free.size == 0:
        return
    state.container_cell[b, free[0]] = cell
    for slot, (item, count) in enumerate(LOOT if name == "desert_pyramid" else LOOT[-2:]):
        state.container_item[b, free[0], slot] = ITEM[item]
        state.container_count[b, free[0], slot] = count
