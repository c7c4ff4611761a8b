"""Chests lose nothing, furnaces burn what they should."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, act, carried, flat_sim, give

from worlds.voxel.containers import store, take
from worlds.voxel.data import BLOCK, DURABILITY, ITEM, ITEM_NAMES, STACK
from worlds.voxel.sim import ATTACK, CRAFT, PLACE, USE
from worlds.voxel.tables import CRAFT_NAMES, TABLES


def beside(block: str):
    """A world with a chest or furnace at the feet, looked at."""
    sim = flat_sim()
    give(sim, 0, block)
    sim.look(0, 0, 0, 50)
    act(sim, hand=PLACE)
    assert sim.state.container_cell[0, 0].tolist() == [8, 7, FLOOR]
    return sim


def everything(sim) -> np.ndarray:
    """How many of each item lie anywhere, and how much durability is left in all."""
    state = sim.state
    totals = np.zeros(len(ITEM_NAMES) + 1, np.int64)
    np.add.at(totals, state.item[0, 0], state.count[0, 0])
    tools = DURABILITY[state.container_item[0]] > 0
    np.add.at(totals, state.container_item[0], np.where(tools, 1, state.container_count[0]))
    totals[0] = 0
    totals[-1] = state.durability[0, 0].sum()
    totals[-1] += (DURABILITY[state.container_item[0]] + 1 - state.container_count[0])[tools].sum()
    return totals


@pytest.mark.parametrize("seed", range(4))
def test_moves_between_body_and_chest_conserve_items_and_wear(seed):
    rng = np.random.default_rng(seed)
    sim = beside("chest")
    names = ("dirt", "oak_log", "stick", "iron_pickaxe", "bread", "bucket", "snowball")
    for slot in range(30):
        give(sim, slot, str(rng.choice(names)), 1)
        limit = int(STACK[sim.state.item[0, 0, slot]])
        sim.state.count[0, 0, slot] = rng.integers(1, limit + 1)
        if sim.state.durability[0, 0, slot]:
            sim.state.durability[0, 0, slot] = rng.integers(1, 250)
    before, moves = everything(sim), 0
    for _ in range(500):
        if rng.random() < 0.5:
            moves += store(sim.arrays, TABLES, 0, 0, 0, int(rng.integers(36)), int(rng.integers(1, 65)))
        else:
            moves += take(sim.arrays, TABLES, 0, 0, 0, int(rng.integers(27)), int(rng.integers(1, 65)))
        assert np.array_equal(everything(sim), before)
        assert ((sim.state.count[0] > 0) == (sim.state.item[0] > 0)).all()
        assert ((sim.state.container_count[0] > 0) == (sim.state.container_item[0] > 0)).all()
        assert (sim.state.count[0, 0] <= STACK[sim.state.item[0, 0]]).all()
    assert moves > 500


def test_place_fills_a_chest_and_use_empties_it():
    sim = beside("chest")
    give(sim, 3, "oak_log", 20)
    act(sim, hand=PLACE, slot=3)
    assert (carried(sim, "oak_log"), sim.state.container_count[0, 0, 0]) == (0, 20)
    act(sim, hand=USE)
    assert (carried(sim, "oak_log"), sim.state.container_count[0].sum()) == (20, 0)


def test_a_dug_chest_gives_its_contents_or_stays():
    sim = beside("chest")
    give(sim, 3, "oak_log", 20)
    act(sim, hand=PLACE, slot=3)
    for slot in range(36):
        give(sim, slot, "stone", 64)
    act(sim, 80, hand=ATTACK)
    assert sim.state.blocks[0, 8, 7, FLOOR] == BLOCK["chest"]
    assert sim.state.container_count[0, 0, 0] == 20
    sim.state.item[0, 0, 5:7] = sim.state.count[0, 0, 5:7] = 0
    act(sim, 80, hand=ATTACK)
    assert sim.state.blocks[0, 8, 7, FLOOR] == 0
    assert (carried(sim, "oak_log"), carried(sim, "chest")) == (20, 1)
    assert (sim.state.container_cell[0] == -1).all()


def test_a_world_has_sixteen_containers():
    sim = flat_sim()
    sim.look(0, 0, 0, 90)
    for n in range(18):
        give(sim, 0, "chest")
        sim.state.position[0, 0] = (1.5 + n % 6 * 2, FLOOR + 2, 1.5 + n // 6 * 3)
        act(sim, hand=PLACE)
    assert (sim.state.blocks[0] == BLOCK["chest"]).sum() == 16
    assert carried(sim, "chest") == 1


def smelting(raw: int, fuel: str, fuels: int = 1):
    sim = beside("furnace")
    give(sim, 3, "iron_ore", raw)
    give(sim, 4, fuel, fuels)
    act(sim, hand=PLACE, slot=3)
    act(sim, hand=PLACE, slot=4)
    return sim


@pytest.mark.parametrize(("fuel", "made"), [("coal", 8), ("oak_planks", 1), ("stick", 0)])
def test_one_fuel_smelts_as_many_as_it_burns(fuel, made):
    sim = smelting(12, fuel)
    act(sim, 2100)
    assert sim.state.container_item[0, 0, 2] == (ITEM["iron_ingot"] if made else 0)
    assert sim.state.container_count[0, 0, :3].tolist() == [12 - made, 0, made]
    act(sim, hand=USE)
    assert carried(sim, "iron_ingot") == made


def test_smelting_takes_ten_seconds_and_lava_leaves_its_bucket():
    sim = smelting(1, "lava_bucket")
    placed = int(sim.state.tick[0])
    while sim.state.container_count[0, 0, 2] == 0:
        act(sim)
    assert 200 <= int(sim.state.tick[0]) - placed + 2 <= 204
    assert sim.state.container_item[0, 0, 1] == ITEM["bucket"]


def test_a_furnace_refuses_what_neither_smelts_nor_burns():
    sim = beside("furnace")
    give(sim, 3, "diamond", 5)
    act(sim, hand=PLACE, slot=3)
    assert carried(sim, "diamond") == 5


def test_the_craft_argument_serves_a_near_furnace():
    sim = beside("furnace")
    give(sim, 3, "iron_ore", 2)
    give(sim, 4, "coal", 1)
    give(sim, 5, "oak_planks", 2)
    argument = CRAFT_NAMES.index(("iron_ingot", 2))
    act(sim, hand=CRAFT, argument=argument)
    assert (carried(sim, "iron_ore"), carried(sim, "oak_planks"), carried(sim, "coal")) == (1, 1, 1)
    act(sim, 204)
    act(sim, hand=CRAFT, argument=argument)
    assert (carried(sim, "iron_ore"), carried(sim, "iron_ingot")) == (0, 1)
    act(sim, 204)
    act(sim, hand=CRAFT, argument=argument)
    assert carried(sim, "iron_ingot") == 1  # the plank's fire went out
    sim.state.position[0, 0] = (1.5, FLOOR, 15.5)
    before = sim.state.container_item.copy()
    act(sim, hand=CRAFT, argument=argument)
    assert np.array_equal(before, sim.state.container_item)
