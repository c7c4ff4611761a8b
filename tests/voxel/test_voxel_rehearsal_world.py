"""What a rehearsal foresees is what the world then does, to the block and to the item: with things in hand,
in chests and in furnaces, in a crew, for one skill, for a row of them and for the eight ways around."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from flat_world import give

from worlds.types import EpisodeSpec
from worlds.voxel.crew import Crew
from worlds.voxel.rehearsal import FINE, PLAN_STEPS, rehearse, rehearse_plan, shut_around
from worlds.voxel.tasks.common import status_of
from worlds.voxel.world import VoxelWorld

BAG = {"oak_log": 6, "cobblestone": 24, "iron_ore": 2, "coal": 3, "oak_planks": 9, "chest": 1, "stone_axe": 1}
WORK = (
    *("craft stick", "craft crafting_table", "place crafting_table", "craft furnace", "place furnace"),
    *("smelt iron_ingot", "place chest", "search chest", "put cobblestone", "take cobblestone", "open chest"),
    *("craft wooden_pickaxe", "mine oak_log", "mine stone", "forward 4", "forward 8", "turn right 45"),
    *("goto 16 16", "goto 9 20"),
)


def begun(index: int, suite: str = "voxel/material_collection", frame_size: int = 64) -> VoxelWorld:
    world = VoxelWorld(suite, frame_size)
    world.reset(options={"episode": EpisodeSpec(suite, "train", index, 1)})
    world.task.body.state.animal_kind[:] = 0  # animals are not rehearsed
    for slot, (name, number) in enumerate(BAG.items()):
        give(world.task.body.sim, slot, name, number)
    world._view = None
    return world


def still(world: VoxelWorld) -> None:
    """A mirror tells no speed: the body comes to rest."""
    for _ in range(12):
        world.task.body.act()
    world._view = None


def facts_of(world: VoxelWorld) -> dict[str, Any]:
    return dict(world.mirror().facts)


@pytest.mark.parametrize(("index", "frame_size"), [(0, 64), (1, 64), (2, 64), (3, 32), (4, 32), (5, 128)])
def test_each_skill_ends_as_it_was_foreseen(index: int, frame_size: int) -> None:
    world, rng = begun(index, frame_size=frame_size), np.random.default_rng(index)
    outcomes = set()
    for action in (*WORK[:8], *(WORK[i] for i in rng.integers(len(WORK), size=16))):
        still(world)
        told = rehearse(facts_of(world), action)
        outcome = world.skills.run(action)
        body = world.task.body
        world._view = None
        assert told.outcome == outcome.text, action
        assert told.pose == pytest.approx((*body.position, body.yaw_deg), abs=1e-6), action
        assert told.inventory == dict(status_of(body.state).inventory), action
        outcomes.add(outcome.text)
    assert "ok" in outcomes
    assert len(outcomes) > 2


@pytest.mark.parametrize("index", range(3))
def test_a_row_of_skills_goes_as_far_as_the_first_that_fails(index: int) -> None:
    world, rng = begun(index), np.random.default_rng([index, 5])
    for _ in range(4):
        plan = [WORK[i] for i in rng.integers(len(WORK), size=PLAN_STEPS + 3)]
        still(world)
        told = rehearse_plan(facts_of(world), plan)
        assert 1 <= len(told) <= PLAN_STEPS
        assert all(step.outcome in FINE for step in told[:-1])
        for action, step in zip(plan, told, strict=False):
            assert world.skills.run(action).text == step.outcome
            assert dict(status_of(world.task.body.state).inventory) == step.inventory
        assert math.dist(told[-1].pose[:3], world.task.body.position) < 1e-6
        world._view = None


@pytest.mark.parametrize("index", range(3))
def test_the_ways_that_are_shut_are_those_in_which_a_walk_gets_stuck(index: int) -> None:
    world, rng = begun(index, "voxel/map_exploration"), np.random.default_rng(index)
    body, shut = world.task.body, 0
    for _ in range(6):
        for _ in range(4):
            world.skills.run(str(rng.choice(["forward 8", "turn left 45", "turn right 90"])))
        still(world)
        told, here = shut_around(facts_of(world)), body.sim.snapshot()
        for heading in range(0, 360, 45):
            body.sim.restore(here)
            body.state.yaw_deg[0, 0] = heading
            body.forget_frame()
            assert (world.skills.run("forward 8").text == "stuck") == (heading in told)
        body.sim.restore(here)
        world._view = None
        shut += len(told)
    assert shut > 2


def test_a_member_of_a_crew_rehearses_with_its_own_body() -> None:
    crew = Crew(EpisodeSpec("voxel/map_exploration", "train", 2, 1), 3)
    crew.members[0].task.body.state.animal_kind[:] = 0
    for member in crew.members:
        still(member)
        facts = facts_of(member)
        before = facts["bodies"]
        told = rehearse(facts, "forward 4")
        outcome = member.skills.run("forward 4")
        member._view = None
        assert (told.outcome, told.pose[:3]) == (outcome.text, pytest.approx(member.task.body.position))
        moved = [
            math.dist(was[:3], now[:3]) > 0.5
            for was, now in zip(before, facts_of(member)["bodies"], strict=True)
        ]
        assert moved == [other is member and outcome.text in FINE for other in crew.members]
