"""The manager over a model: its library of orders, what its critic foresees, and its repairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chats import Scripted, ordering, over
from endpoints import serving, states, teacher_config, team
from hypothesis import given
from hypothesis import strategies as st

from teachers.config import TeacherConfig
from teachers.make import make_teacher
from teachers.planners.sharing import share_out
from teachers.roles import Plan, Subtask
from teachers.team.critic import REPAIRS
from teachers.team.orders import orders
from teachers.team.skills import SkillModule
from teachers.team.team_critic import SAVED, after_team, before_team
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_team import VoxelManager
from worlds.types import EpisodeSpec, Mirror, Observation
from worlds.voxel.crew import Crew
from worlds.voxel.world import SUITES

SIZE = 48
CORNERS = ((6.0, 6.0), (6.0, 42.0), (42.0, 42.0), (42.0, 6.0))
"""x, z of bodies that each stand in a quarter: north-west, south-west, south-east, north-east."""


def read(suite: str, **facts: Any) -> VoxelSituation:
    """The first state of an episode, with other facts."""
    observation, mirror, _ = states(suite, 1, 1)[0]
    told = Mirror("voxel", {**mirror.facts, **facts}, "")
    return VoxelSituation.read(observation, told, TeacherConfig())


def crewed(bodies: int, suite: str = "voxel/block_search", seed: int = 0) -> tuple[Observation, Mirror]:
    member = Crew(EpisodeSpec(suite, "train", seed, 2), bodies).members[0]
    return member.observe(), member.mirror()


def standing(places: tuple[tuple[float, float], ...], **facts: Any) -> VoxelSituation:
    """A block search with bodies at x, z on unknown, so open, land."""
    observation, mirror = crewed(len(places))
    poses = [(x, 20.0, z, 0.0, 0.0) for x, z in places]
    land = np.zeros_like(mirror.facts["known"])
    assert land.shape == (SIZE, SIZE)
    told = {"bodies": poses, "pose": poses[0], "known": land}
    return VoxelSituation.read(
        observation, Mirror("voxel", {**mirror.facts, **told, **facts}, ""), TeacherConfig()
    )


def planned(situation: VoxelSituation, *regions: str, verb: str = "mine") -> Plan:
    return Plan(tuple(Subtask(verb, situation.facts["target"], region) for region in regions))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32))
def test_bodies_are_shared_out_evenly_and_at_the_least_cost(bodies: int, regions: int, seed: int) -> None:
    costs_BR = np.random.default_rng(seed).random((bodies, regions))
    given_to = share_out(costs_BR)
    counts = np.bincount(given_to, minlength=regions)
    assert counts.max() <= -(-bodies // regions)
    slots = [place for _ in range(-(-bodies // regions)) for place in range(regions)]
    least = min(sum(costs_BR[b, p] for b, p in enumerate(order)) for order in permutations(slots, bodies))
    assert sum(costs_BR[b, p] for b, p in enumerate(given_to)) == pytest.approx(least)


@pytest.mark.parametrize("suite", SUITES)
def test_the_scripted_plan_is_in_the_library_and_leaves_nothing_undone(suite: str) -> None:
    for observation, mirror, _ in states(suite, 3, 30):
        situation = VoxelSituation.read(observation, mirror, TeacherConfig())
        plan = VoxelManager().plan(situation)
        assert all(f"{one.verb} {one.what}" in orders(situation) for one in plan.subtasks)
        assert before_team(situation, plan) == ""


@pytest.mark.parametrize(
    ("wanted", "told", "order"),
    [
        (
            {"oak_planks": 6, "stick": 4},
            "collect 6 oak planks and 4 sticks",
            "collect 6 oak_planks and 4 stick",
        ),
        ({"oak_planks": 6, "stick": 4}, "collect 4 sticks", "collect 4 stick"),
        ({"oak_planks": 6, "stick": 4}, "chop oak logs", "mine oak_log"),
        ({"oak_planks": 6, "stick": 4}, "collect 5 stick", None),
        ({"oak_planks": 6, "stick": 4}, "collect 4 diamond", None),
        ({}, "find the pumpkin", "find pumpkin"),
        ({}, "locate a pumpkin", "find pumpkin"),
        ({}, "exploring the land", "explore land"),
        ({}, "find the pumpkin at x 12 z 40", None),
        ({}, "do not find the pumpkin", None),
    ],
)
def test_orders_are_retrieved_from_words_or_there_is_no_match(
    wanted: dict[str, int], told: str, order: str | None
) -> None:
    situation = read("voxel/material_collection", wanted=wanted, target="" if wanted else "pumpkin")
    assert SkillModule().find(told, orders(situation)) == order


@pytest.mark.parametrize(
    ("suite", "subtask", "left"),
    [
        ("voxel/goal_name", Subtask("explore", "land"), "nobody is to find "),
        ("voxel/goal_sound", Subtask("mine", "cow"), "nobody is to find "),
        ("voxel/block_search", Subtask("explore", "land"), "nobody is to mine "),
        ("voxel/map_exploration", Subtask("find", "oak_log"), "nobody is to explore land"),
    ],
)
def test_a_plan_that_leaves_the_task_undone_is_foreseen(suite: str, subtask: Subtask, left: str) -> None:
    situation = read(suite)
    assert left in before_team(situation, Plan((subtask,)))
    assert before_team(situation, VoxelManager().plan(situation)) == ""


def test_what_a_list_will_lack_is_foreseen() -> None:
    wanted = {"oak_planks": 6, "stick": 4}
    situation = read("voxel/material_collection", wanted=wanted, inventory={"stick": 1})
    collect = {
        share: Subtask("collect", share) for share in ("6 oak_planks and 4 stick", "6 oak_planks", "4 stick")
    }
    whole, planks, sticks = collect.values()
    assert before_team(situation, Plan((whole,))) == ""
    assert before_team(situation, Plan((planks, sticks))) == ""
    assert "leaves 3 stick of the list undone" in before_team(situation, Plan((planks,)))
    logs = before_team(situation, Plan((Subtask("mine", "oak_log"),)))
    assert "leaves 6 oak_planks and 3 stick of the list undone" in logs


@pytest.mark.parametrize(
    ("regions", "objection"),
    [
        (("north-west", "south-west", "south-east", "north-east"), ""),
        (("north-west", "north-west", "south-east", "north-east"), "nobody in the south-west"),
        (("west", "west", "east", "east"), ""),
        (("anywhere", "west", "west", "east"), ""),
        (
            ("south-east", "south-west", "north-west", "north-east"),
            "with body 1 in the north-west, body 2 in the south-west, body 3 in the south-east, "
            "body 4 in the north-east",
        ),
    ],
)
def test_a_team_is_walked_through_before_it_sets_off(regions: tuple[str, ...], objection: str) -> None:
    situation = standing(CORNERS)
    plan = planned(situation, *("" if region == "anywhere" else region for region in regions))
    told = before_team(situation, plan)
    assert told.endswith(objection)
    assert bool(told) == bool(objection)


def test_what_is_objected_to_has_a_plan_that_is_not() -> None:
    """Wherever two to eight bodies stand: with the sharing that the critic names it says no more."""
    rng = np.random.default_rng(5)
    objected = 0
    for _ in range(40):
        bodies = int(rng.integers(2, 9))
        situation = standing(tuple(map(tuple, rng.uniform(4, SIZE - 4, (bodies, 2)))))
        regions = [one.region for one in VoxelManager().plan(situation).subtasks]
        told = before_team(situation, planned(situation, *rng.permutation(regions)))
        if "sooner" not in told:
            continue
        objected += 1
        assert float(told.split(" decisions sooner")[0].split(" ")[-1]) >= SAVED
        better = [part.split(" in the ")[1] for part in told.split(" with ")[1].split(", ")]
        assert sorted(better) == sorted(regions)
        assert before_team(situation, planned(situation, *better)) == ""
    assert objected > 10


def test_a_team_is_walked_through_on_the_known_land() -> None:
    """Not as the crow flies: a wall shuts the nearer body off."""
    situation = standing(((28.0, 24.0), (34.0, 44.0)))
    assert before_team(situation, planned(situation, "east", "west")) == ""
    facts = dict(situation.facts)
    blocks, known = facts["blocks"].copy(), np.ones_like(facts["known"])
    blocks[:, :, :20], blocks[:, :, 20:] = 1, 0
    blocks[30:32, :, 20:26] = 1  # from the north to the south, between the two
    walled = VoxelSituation(
        situation.observation, {**facts, "blocks": blocks, "known": known}, situation.config
    )
    told = before_team(walled, planned(walled, "east", "west"))
    assert "with body 1 in the west, body 2 in the east" in told


def test_a_body_that_gets_nowhere_is_named_to_the_manager() -> None:
    stuck = [("turn right 90", "ok"), *[("forward 8", "stuck")] * REPAIRS]
    situation = standing(CORNERS[:2], turns=[[("forward 8", "ok")] * 5, stuck])
    assert after_team(situation) == (
        f"body 2 gets nowhere: its last {REPAIRS} skills failed, forward 8 ended 'stuck' (the way in that "
        "heading is shut at this spot)"
    )
    assert after_team(standing(CORNERS[:2], turns=[[("forward 8", "stuck")] * (REPAIRS - 1), []])) == ""


def test_a_crew_knows_what_came_of_everybodys_decisions() -> None:
    crew = Crew(EpisodeSpec("voxel/map_exploration", "train", 3, 2), 2)
    crew.members[1].step("turn right 90")
    crew.members[0].step("forward 2")
    first, second = crew.members[1].mirror().facts["turns"]
    assert [first, second] == crew.members[0].mirror().facts["turns"]
    assert (first[0][0], second) == ("forward 2", [("turn right 90", "ok")])


def test_a_manager_is_told_what_is_wrong_and_mends_its_plan(tmp_path: Path) -> None:
    """No match, a task left undone, two in one half; then a plan that is taken. All of it can be read."""
    observation, mirror = crewed(2)
    target = mirror.facts["target"]
    scripted = make_teacher("voxel/block_search").label(observation, mirror, "manager").action
    halves = [part.rsplit(" ", 1)[1] for part in scripted.split(", ")]
    chat = Scripted(
        ordering("fetch me a shrubbery", *halves),
        ordering("explore land", *halves),
        ordering(f"mine {target}", "west", "west"),
        ordering(f"mine {target}", *halves),
    )
    label = over(chat, tmp_path, repairs=4).label(observation, mirror, "manager")
    assert (label.valid, label.action) == (True, scripted)
    repairs = [asked.messages[-1].text for asked in chat.asked[1:]]
    assert f"matches no order: find {target}, mine {target}, explore land" in repairs[0]
    assert f"nobody is to mine {target}" in repairs[1]
    assert "nobody in the south-east" in repairs[2]
    assert sum(line.startswith("critic to manager: ") for line in label.said) == 3
    assert f"Orders: find {target} | mine {target} | explore land" in chat.asked[0].messages[1].text


def test_the_manager_is_asked_to_repair_once_a_body_could_not(tmp_path: Path) -> None:
    """Its question changes with the last repair that failed and not before."""
    observation, mirror = crewed(2)
    for number in range(REPAIRS):
        asked = replace(
            mirror, facts={**mirror.facts, "turns": [[("forward 8", "stuck")] * (number + 1), []]}
        )
        chat = Scripted("{}")
        over(chat, tmp_path / str(number), repairs=0).label(observation, asked, "manager")
        told = "Critic: body 1 gets nowhere" in chat.asked[0].messages[1].text
        assert told == (number + 1 == REPAIRS)


def test_the_endpoint_heeds_what_the_critic_saw(tmp_path: Path) -> None:
    """Its manager is told places to eight blocks, and so may send the wrong one; it is told who is sooner."""
    with serving() as server:
        teacher, _ = team(teacher_config(server.url), tmp_path, "voxel/block_search")
        opposed = 0
        for seed in range(12):
            observation, mirror = crewed(4, seed=seed)
            label = teacher.label(observation, mirror, "manager")
            assert label.valid, label.reason
            opposed += any("decisions sooner" in line for line in label.said)
            situation = VoxelSituation.read(observation, mirror, TeacherConfig())
            regions = [part.rsplit(" ", 1)[1] for part in label.action.split(", ")]
            assert before_team(situation, planned(situation, *regions)) == ""
