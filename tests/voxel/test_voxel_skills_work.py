"""Smelting one item at a time, and taking things out of a chest, as skills."""

from __future__ import annotations

import pytest
from flat_world import carried, flat_sim, give

from worlds.types import Outcome
from worlds.voxel.data import ITEM, STACK
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body


def skills_in() -> Skills:
    """A body in the middle of a flat world, facing north (-z)."""
    return Skills(Body(flat_sim(size=(32, 32, 24))))


def run(skills: Skills, text: str) -> str:
    return skills.run(text).text


def test_smelting_needs_ore_fuel_and_a_furnace() -> None:
    skills = skills_in()
    assert skills.run("smelt iron_ingot") == Outcome("missing iron_ore", 0)
    give(skills.body.sim, 0, "iron_ore")
    assert skills.run("smelt iron_ingot") == Outcome("missing furnace", 0)
    give(skills.body.sim, 1, "furnace")
    assert run(skills, "place furnace") == "ok"
    assert skills.run("smelt glass") == Outcome("missing sand", 0)
    assert skills.run("smelt iron_ingot") == Outcome("missing fuel", 0)
    give(skills.body.sim, 2, "coal")
    assert run(skills, "smelt iron_ingot") == "ok"
    assert carried(skills.body.sim, "iron_ingot") == 1
    assert run(skills, "smelt stick") == "no such recipe"


def at_a_furnace() -> Skills:
    skills = skills_in()
    give(skills.body.sim, 0, "furnace")
    assert run(skills, "place furnace") == "ok"
    return skills


@pytest.mark.parametrize(("fuel", "number", "left"), [("coal", 3, 2), ("oak_planks", 5, 2)])
def test_smelt_puts_one_raw_item_in_and_fuel_where_the_fire_does_not_last(
    fuel: str, number: int, left: int
) -> None:
    """A coal burns for 8 items; a plank for one and a half, and the half is lost."""
    skills = at_a_furnace()
    sim = skills.body.sim
    give(sim, 1, "iron_ore", 12)
    give(sim, 2, fuel, number)
    for made in range(1, 4):
        assert run(skills, "smelt iron_ingot") == "ok"
        assert (carried(sim, "iron_ore"), carried(sim, "iron_ingot")) == (12 - made, made)
        assert not sim.state.container_item[0, 0, [0, 2]].any()
    assert carried(sim, fuel) == left
    give(sim, 4, "sand")
    assert run(skills, "smelt glass") == "ok"
    assert carried(sim, "glass") == 1


def test_a_log_is_not_both_what_is_smelted_and_what_burns() -> None:
    skills = at_a_furnace()
    give(skills.body.sim, 0, "oak_log")
    assert skills.run("smelt charcoal") == Outcome("missing fuel", 0)
    give(skills.body.sim, 0, "oak_log", 2)
    assert run(skills, "smelt charcoal") == "ok"
    assert (carried(skills.body.sim, "oak_log"), carried(skills.body.sim, "charcoal")) == (0, 1)


@pytest.mark.parametrize(("slot", "name"), [(0, "sand"), (1, "bucket"), (1, "stick")])
def test_a_furnace_that_holds_something_else_is_busy(slot: int, name: str) -> None:
    skills = at_a_furnace()
    state = skills.body.state
    give(skills.body.sim, 0, "iron_ore")
    give(skills.body.sim, 1, "coal")
    state.container_item[0, 0, slot], state.container_count[0, 0, slot] = ITEM[name], 1
    assert skills.run("smelt iron_ingot") == Outcome("furnace busy", 0)
    assert carried(skills.body.sim, "iron_ore") == 1


def test_what_lies_ready_in_a_furnace_is_taken_out_and_no_more_goes_in() -> None:
    skills = at_a_furnace()
    state = skills.body.state
    give(skills.body.sim, 0, "iron_ore", 5)
    state.container_item[0, 0, 2], state.container_count[0, 0, 2] = ITEM["iron_ingot"], 3
    assert skills.run("smelt iron_ingot") == Outcome("ok", 1)
    assert (carried(skills.body.sim, "iron_ore"), carried(skills.body.sim, "iron_ingot")) == (5, 3)


def fill_up(skills: Skills) -> None:
    for slot in range(36):
        give(skills.body.sim, slot, "dirt", int(STACK[ITEM["dirt"]]))


def test_smelt_without_room_puts_nothing_in() -> None:
    skills = at_a_furnace()
    fill_up(skills)
    give(skills.body.sim, 0, "coal", 2)
    give(skills.body.sim, 1, "iron_ore", 2)
    assert skills.run("smelt iron_ingot") == Outcome("inventory full", 0)
    give(skills.body.sim, 1, "iron_ore")  # whose slot becomes free
    assert run(skills, "smelt iron_ingot") == "ok"


def test_a_chest_takes_and_gives() -> None:
    skills = skills_in()
    assert run(skills, "open chest") == "not in sight"
    give(skills.body.sim, 0, "chest")
    assert run(skills, "place chest") == "ok"
    give(skills.body.sim, 1, "coal", 5)
    assert run(skills, "search chest") == "ok"
    assert run(skills, "put coal") == "ok"
    assert carried(skills.body.sim, "coal") == 0
    assert run(skills, "search chest") == "ok"
    assert run(skills, "take diamond") == "missing diamond"
    assert carried(skills.body.sim, "coal") == 0
    assert run(skills, "open chest") == "ok"
    assert carried(skills.body.sim, "coal") == 5
    assert run(skills, "open chest") == "ok"  # an empty one


def before_a_chest(**holds: int) -> Skills:
    skills = skills_in()
    give(skills.body.sim, 0, "chest")
    assert run(skills, "place chest") == "ok"
    for slot, (name, count) in enumerate(holds.items()):
        skills.body.state.container_item[0, 0, slot] = ITEM[name]
        skills.body.state.container_count[0, 0, slot] = count
    assert run(skills, "search chest") == "ok"
    return skills


def test_take_moves_what_it_names_alone() -> None:
    skills = before_a_chest(coal=5, diamond=2, bread=3)
    assert run(skills, "take diamond") == "ok"
    assert [carried(skills.body.sim, name) for name in ("coal", "diamond", "bread")] == [0, 2, 0]
    assert skills.body.state.container_item[0, 0].tolist()[:3] == [ITEM["coal"], 0, ITEM["bread"]]
    assert run(skills, "take air") == "no such item air"


def test_a_chest_tells_of_a_full_inventory() -> None:
    skills = before_a_chest(coal=5, diamond=2)
    fill_up(skills)
    assert run(skills, "take diamond") == "inventory full"
    assert run(skills, "take bread") == "missing bread"
    assert run(skills, "open chest") == "inventory full"
    give(skills.body.sim, 0, "diamond", int(STACK[ITEM["diamond"]]) - 1)
    assert run(skills, "take diamond") == "ok"  # one of two
    assert skills.body.state.container_count[0, 0].tolist()[:2] == [5, 1]
