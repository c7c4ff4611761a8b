"""Crafting does exactly what the recipe says, or nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from flat_world import FLOOR, act, carried, equal, flat_sim, give

from worlds.voxel.crafting import craft_mask, near_furnace, near_table
from worlds.voxel.data import BLOCK, ITEM, ITEM_NAMES, RECIPES, SMELTING, STACK
from worlds.voxel.sim import ATTACK, CRAFT
from worlds.voxel.tables import CRAFT_ARGS, CRAFT_NAMES, TABLES

CRAFTED = [name for name, needs in CRAFT_NAMES if needs < 2]


def holdings(sim) -> Counter[int]:
    held: Counter[int] = Counter()
    for item, count in zip(sim.state.item[0, 0], sim.state.count[0, 0], strict=True):
        held[int(item)] += int(count)
    del held[0]
    return held


def with_table(sim):
    sim.state.blocks[0, 10, 10, FLOOR] = BLOCK["crafting_table"]
    return sim


def test_every_recipe_and_smelting_has_an_argument():
    assert len(CRAFT_NAMES) <= CRAFT_ARGS
    assert {ITEM_NAMES[recipe.result] for recipe in RECIPES} == set(CRAFTED)
    smelted = [name for name, needs in CRAFT_NAMES if needs == 2]
    assert set(smelted) == {ITEM_NAMES[made] for made in SMELTING.values()}
    assert len(set(CRAFT_NAMES)) == len(CRAFT_NAMES)


def test_every_recipe_takes_and_gives_what_it_says():
    for recipe in RECIPES:
        name = ITEM_NAMES[recipe.result]
        argument = next(k for k, (made, needs) in enumerate(CRAFT_NAMES) if made == name and needs < 2)
        for table in (True, False):
            sim = with_table(flat_sim()) if table else flat_sim()
            slot = 0
            for item, number in recipe.ingredients.items():
                for _ in range(number if STACK[item] == 1 else 1):
                    give(sim, slot, ITEM_NAMES[item], 1 if STACK[item] == 1 else number)
                    slot += 1
            before = holdings(sim)
            act(sim, hand=CRAFT, argument=argument)
            expected = Counter(before)
            if table or not recipe.needs_table:
                expected.subtract(recipe.ingredients)
                expected[recipe.result] += recipe.count
                expected.update(recipe.leftovers)
            assert holdings(sim) == +expected, name


def test_meaningless_arguments_do_nothing():
    sim = with_table(flat_sim())
    give(sim, 0, "oak_log", 64)
    before = holdings(sim)
    for argument in range(len(CRAFT_NAMES), CRAFT_ARGS):
        act(sim, hand=CRAFT, argument=argument)
    assert holdings(sim) == before


def test_without_room_nothing_changes():
    sim = flat_sim()
    for slot in range(36):
        give(sim, slot, "cobblestone", 64)
    give(sim, 0, "oak_log", 2)
    before = sim.snapshot()
    act(sim, hand=CRAFT, argument=CRAFTED.index("oak_planks"))
    assert np.array_equal(before.item, sim.state.item)
    assert np.array_equal(before.count, sim.state.count)
    give(sim, 0, "oak_log", 1)
    act(sim, hand=CRAFT, argument=CRAFTED.index("oak_planks"))
    assert (carried(sim, "oak_planks"), carried(sim, "oak_log")) == (4, 0)


@pytest.mark.parametrize("seed", range(3))
def test_random_crafting_changes_holdings_only_by_recipes(seed):
    rng = np.random.default_rng(seed)
    sim = with_table(flat_sim())
    for slot, name in enumerate(
        ("oak_log", "birch_log", "cobblestone", "coal", "iron_ingot", "gold_ingot", "string")
    ):
        give(sim, slot, name, 64)
    crafted = 0
    for _ in range(400):
        snapshot, before = sim.snapshot(), holdings(sim)
        argument = int(rng.integers(len(CRAFT_NAMES)))
        table, furnace = near_table(sim.arrays, TABLES, 0, 0), near_furnace(sim.arrays, TABLES, 0, 0)
        allowed = craft_mask(sim.arrays, TABLES, 0, 0, table, furnace)[argument]
        act(sim, hand=CRAFT, argument=argument)
        change = holdings(sim)
        change.subtract(before)
        change = Counter({item: number for item, number in change.items() if number})
        assert allowed or not change
        if change:
            crafted += 1
            made = [recipe for recipe in RECIPES if ITEM_NAMES[recipe.result] == CRAFT_NAMES[argument][0]]
            assert change in [_effect(recipe) for recipe in made]
        else:
            snapshot.tick += 1
            snapshot.velocity[:] = sim.state.velocity
            assert equal(snapshot, sim.state)
            assert not allowed or sim.state.item[0, 0].all()  # no room
    assert crafted > 40


def _effect(recipe) -> Counter[int]:
    effect = Counter({recipe.result: recipe.count})
    effect.update(recipe.leftovers)
    effect.subtract(recipe.ingredients)
    return Counter({item: number for item, number in effect.items() if number})


def test_from_a_log_to_a_stone_pickaxe_by_actions_alone():
    sim = flat_sim()
    sim.state.blocks[0, 8, 7, FLOOR + 1] = BLOCK["oak_log"]
    give(sim, 4, "oak_log", 2)
    act(sim, 70, hand=ATTACK)
    assert carried(sim, "oak_log") == 3
    for name, times in (("oak_planks", 3), ("stick", 1), ("crafting_table", 1)):
        for _ in range(times):
            act(sim, hand=CRAFT, argument=CRAFTED.index(name))
    sim.look(0, 0, 90, 50)
    table_slot = int(np.flatnonzero(sim.state.item[0, 0] == ITEM["crafting_table"])[0])
    act(sim, hand=6, slot=table_slot)
    assert (sim.state.blocks[0] == BLOCK["crafting_table"]).sum() == 1
    act(sim, hand=CRAFT, argument=CRAFTED.index("wooden_pickaxe"))
    pick = int(np.flatnonzero(sim.state.item[0, 0] == ITEM["wooden_pickaxe"])[0])
    act(sim, hand=5, slot=pick)
    sim.look(0, 0, 0, 60)
    act(sim, 24 * 3, hand=ATTACK)
    assert carried(sim, "cobblestone") >= 2
    assert sim.state.durability[0, 0, sim.state.selected[0, 0]] < 59
