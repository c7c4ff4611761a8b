"""The tables hold what Minecraft 1.16.5 says, in the form that the simulator relies on."""

from __future__ import annotations

import numpy as np
import pytest

from worlds.voxel import data
from worlds.voxel.data import BLOCK, ITEM, RECIPES
from worlds.voxel.rng import hash_below, hash_unit, next_u64, uniform


def recipes_for(name: str) -> list[data.Recipe]:
    return [recipe for recipe in RECIPES if recipe.result == ITEM[name]]


def test_block_zero_is_air_and_item_zero_is_nothing() -> None:
    assert data.BLOCK_NAMES[0] == "air"
    assert data.ITEM_NAMES[0] == ""
    assert len(set(data.BLOCK_NAMES)) == len(data.BLOCK_NAMES) <= 255


@pytest.mark.parametrize(
    ("block", "tool", "tier", "drop", "count"),
    [
        ("stone", data.PICKAXE, 1, "cobblestone", 1),
        ("iron_ore", data.PICKAXE, 2, "iron_ore", 1),
        ("diamond_ore", data.PICKAXE, 3, "diamond", 1),
        ("obsidian", data.PICKAXE, 4, "obsidian", 1),
        ("oak_log", data.AXE, 0, "oak_log", 1),
        ("grass_block", data.SHOVEL, 0, "dirt", 1),
        ("redstone_ore", data.PICKAXE, 3, "redstone", 4),
        ("gravel", data.SHOVEL, 0, "flint", 1),
    ],
)
def test_what_digs_a_block_and_what_it_drops(block: str, tool: int, tier: int, drop: str, count: int) -> None:
    b = BLOCK[block]
    assert (data.TOOL_CLASS[b], data.TIER_NEEDED[b]) == (tool, tier)
    assert (data.ITEM_NAMES[data.DROP_ITEM[b]], data.DROP_COUNT[b]) == (drop, count)


def test_what_cannot_be_dug_has_no_hardness_and_no_drop() -> None:
    for name in ("air", "water", "lava", "bedrock"):
        assert data.HARDNESS[BLOCK[name]] == -1
        assert data.DROP_ITEM[BLOCK[name]] == 0
    assert data.HARDNESS[BLOCK["obsidian"]] == 50


def test_shapes_and_solidity_agree() -> None:
    assert not data.SOLID[[BLOCK["air"], BLOCK["water"], BLOCK["poppy"]]].any()
    assert data.SOLID[BLOCK["glass"]]
    assert not data.OPAQUE[BLOCK["glass"]]
    assert data.LIQUID.sum() == 2
    assert (data.OPAQUE <= data.SOLID).all()


def test_every_placeable_item_drops_from_something_or_is_crafted() -> None:
    for item in range(1, len(data.ITEM_NAMES)):
        block = data.PLACES_BLOCK[item]
        assert (
            block == 0
            or data.BLOCK_NAMES[block] == data.ITEM_NAMES[item]
            or data.ITEM_NAMES[item] == "wheat_seeds"
        )


def test_recipes_are_minecrafts() -> None:
    planks = recipes_for("oak_planks")[0]
    assert planks.shapeless
    assert planks.count == 4
    assert not planks.needs_table
    assert planks.ingredients == {ITEM["oak_log"]: 1}
    pickaxe = recipes_for("iron_pickaxe")[0]
    assert pickaxe.needs_table
    assert pickaxe.ingredients == {ITEM["iron_ingot"]: 3, ITEM["stick"]: 2}
    assert recipes_for("cake")[0].leftovers == (ITEM["bucket"],) * 3
    assert not recipes_for("crafting_table")[0].needs_table


def test_every_recipe_fits_a_three_by_three_grid() -> None:
    for recipe in RECIPES:
        assert 0 < len(recipe.cells) <= 3
        assert recipe.count > 0
        width = 9 if recipe.shapeless else 3
        assert all(0 < len(row) <= width for row in recipe.cells)


def test_the_way_to_a_diamond_is_complete() -> None:
    """From bare hands, by digging, crafting and smelting, with the tiers respected."""
    have = {ITEM["oak_log"], ITEM["oak_planks"]}
    for _ in range(20):
        tier = max(
            (int(data.ITEM_TIER[i]) for i in have if data.ITEM_TOOL_CLASS[i] == data.PICKAXE), default=0
        )
        have |= {int(i) for i, t in zip(data.DROP_ITEM, data.TIER_NEEDED, strict=True) if i and t <= tier}
        have |= {recipe.result for recipe in RECIPES if recipe.ingredients.keys() <= have}
        if ITEM["furnace"] in have:
            have |= {made for raw, made in data.SMELTING.items() if raw in have}
    assert {
        ITEM["diamond_pickaxe"],
        ITEM["iron_ingot"],
        ITEM["bread"],
        ITEM["torch"],
        ITEM["compass"],
    } <= have


def test_smelting_fuel_food_and_animals() -> None:
    assert data.SMELTING[ITEM["iron_ore"]] == ITEM["iron_ingot"]
    assert data.FUEL[ITEM["coal"]] == 8 * data.SMELT_TICKS
    assert data.ITEM_FOOD[ITEM["cooked_beef"]] == 8
    assert data.ANIMALS[data.ANIMAL_KIND["cow"]].sound == "moo"
    assert data.DURABILITY[ITEM["iron_pickaxe"]] == 250


def test_tables_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.HARDNESS[0] = 1.0


def test_the_generator_is_splitmix64() -> None:
    rng = np.zeros(2, np.uint64)
    assert [int(next_u64(rng, 0)) for _ in range(2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    assert rng[1] == 0


def test_draws_are_even() -> None:
    rng = np.array([7], np.uint64)
    draws = np.array([uniform(rng, 0) for _ in range(4000)])
    assert abs(draws.mean() - 0.5) < 0.02
    assert 0 <= draws.min() < draws.max() < 1
    cells = np.array([hash_unit(np.uint64(1), x, -3, z) for x in range(-30, 30) for z in range(60)])
    assert abs(cells.mean() - 0.5) < 0.02
    assert {int(hash_below(np.uint64(1), x, 0, 0, 6)) for x in range(99)} == set(range(6))
