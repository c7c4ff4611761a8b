"""The manager over a model: its library of subtasks, what its critic foresees, and its repairs."""

from __future__ import annotations

import json
import math
from itertools import permutations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from chats import Planning, Scripted, ordering, over
from endpoints import states
from hypothesis import given
from hypothesis import strategies as st

from teachers.config import MapSetting, TeacherConfig
from teachers.endpoint.answers import answer
from teachers.make import make_teacher
from teachers.planners.sharing import share_out
from teachers.roles import Plan, Subtask
from teachers.team.critic import REPAIRS
from teachers.team.describe import manager_text
from teachers.team.orders import phases, subtask_of, subtasks
from teachers.team.skills import SkillModule
from teachers.team.team_critic import SAVED, after_team, before_team
from teachers.types import Teacher
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_team import VoxelConductor, VoxelManager
from worlds.base import join_reply
from worlds.types import EpisodeSpec, Mirror, Observation
from worlds.voxel.crew import Crew
from worlds.voxel.rehearsal import rehearse
from worlds.voxel.world import SUITES

SIZE = 48
CORNERS = ((6.0, 6.0), (6.0, 42.0), (42.0, 42.0), (42.0, 6.0))
"""x, z of bodies that each stand in a quarter: north-west, south-west, south-east, north-east."""
MAPS: tuple[MapSetting, ...] = get_args(MapSetting)


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


def planned(situation: VoxelSituation, *regions: str) -> Plan:
    return Plan(tuple(Subtask("mine", situation.facts["target"], region) for region in regions))


def played(teacher: Teacher, seed: int, bodies: int) -> tuple[int, bool]:
    """Rounds of a test episode of map exploration, and whether it was won."""
    crew, rounds, over_ = Crew(EpisodeSpec("voxel/map_exploration", "test", seed, 2), bodies), 0, False
    while rounds < crew.max_rounds and not over_:
        labels = [teacher.label(member.observe(), member.mirror()) for member in crew.members]
        for member, label in zip(crew.members, labels, strict=True):
            assert label.valid, label.reason
            over_ |= member.step(join_reply(label.note, label.action))[2]
        rounds += 1
    return rounds, bool(crew.score().success)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32))
def test_bodies_are_shared_out_evenly_and_at_the_least_cost(bodies: int, regions: int, seed: int) -> None:
    costs_BR = np.random.default_rng(seed).random((bodies, regions)).round(1)
    found = share_out(costs_BR)

    def even(order: tuple[int, ...]) -> bool:
        counts = np.bincount(order, minlength=regions)
        return bool(counts.max() - counts.min() <= 1)

    places = [place for _ in range(-(-bodies // regions)) for place in range(regions)]
    costs = [
        sum(costs_BR[b, p] for b, p in enumerate(order))
        for order in set(permutations(places, bodies))
        if even(order)
    ]
    assert even(found)
    assert sum(costs_BR[b, p] for b, p in enumerate(found)) == pytest.approx(min(costs))


@pytest.mark.parametrize("suite", SUITES)
def test_what_the_scripted_roles_say_is_in_the_libraries(suite: str) -> None:
    for observation, mirror, _ in states(suite, 3, 60, difficulty=2):
        situation = VoxelSituation.read(observation, mirror, TeacherConfig())
        plan = VoxelManager().plan(situation)
        phase = VoxelConductor().phase(situation, plan.subtasks[0])
        assert plan.text in subtasks(situation)
        assert subtask_of(plan.text) == plan.subtasks[0]
        assert phase.text in phases(situation)


@pytest.mark.parametrize("known", MAPS)
def test_the_critic_has_nothing_against_the_scripted_plan(known: MapSetting) -> None:
    """Wherever any number of bodies stand: else no answer would do, and nobody would be told anything."""
    rng = np.random.default_rng(3)
    for bodies in range(2, 9):
        for _ in range(4):
            told = standing(tuple(map(tuple, rng.uniform(4, SIZE - 4, (bodies, 2)))))
            situation = VoxelSituation(told.observation, told.facts, TeacherConfig(map=known))
            plan = VoxelManager().plan(situation)
            assert before_team(situation, plan) == ""
            assert {subtask.text for subtask in plan.subtasks} <= set(subtasks(situation))


@pytest.mark.parametrize(
    ("bodies", "told", "subtask"),
    [
        (2, "mine the diamond ore in the west", "mine diamond_ore west"),
        (2, "dig diamond ore east", "mine diamond_ore east"),
        (4, "mine diamond_ore north-west", "mine diamond_ore north-west"),
        (4, "mine diamond ore in the north west", "mine diamond_ore north-west"),
        (4, "mine diamond_ore west", "mine diamond_ore west"),
        (4, "mine diamond ore in the southeast quarter", "mine diamond_ore south-east"),
        (2, "mine diamond_ore in the western half", "mine diamond_ore west"),
        (2, "mine diamond_ore north-west", None),
        (2, "mine diamond_ore", None),
        (2, "explore land west", None),
        (2, "mine diamond_ore west at x 12 z 40", None),
        (2, "do not mine diamond_ore west", None),
        (2, "mine diamond_ore west or east", None),
        (1, "mine the diamond ore", "mine diamond_ore"),
        (1, "", None),
    ],
)
def test_subtasks_are_retrieved_from_words_or_there_is_no_match(
    bodies: int, told: str, subtask: str | None
) -> None:
    situation = standing(CORNERS[:bodies])
    assert SkillModule().find(told, subtasks(situation)) == subtask


@pytest.mark.parametrize(
    ("regions", "objection"),
    [
        (("north-west", "south-west", "south-east", "north-east"), ""),
        (("north-west", "north-west", "south-east", "north-east"), "nobody in the south-west"),
        (("west", "north-west", "south-west", "east"), ""),
        (("west", "north-west", "west", "south-west"), "nobody in the south-east"),
        (("west", "west", "east", "east"), ""),
        (
            ("south-east", "south-west", "north-west", "north-east"),
            "with body 1 in the north-west, body 2 in the south-west, body 3 in the south-east, "
            "body 4 in the north-east",
        ),
    ],
)
def test_a_team_is_walked_through_before_it_sets_off(regions: tuple[str, ...], objection: str) -> None:
    situation = standing(CORNERS)
    told = before_team(situation, planned(situation, *regions))
    assert told.endswith(objection)
    assert bool(told) == bool(objection)


def test_nobody_need_be_where_all_is_seen() -> None:
    known = np.zeros((SIZE, SIZE), np.bool_)
    known[: SIZE // 2] = True
    seen = standing(CORNERS[2:], known=known)
    assert before_team(seen, planned(seen, "east", "east")) == ""
    own = VoxelSituation(seen.observation, seen.facts, TeacherConfig(map="own"))
    assert "nobody in the north-west" in before_team(own, planned(own, "east", "east"))


def test_what_is_objected_to_has_a_plan_that_is_not() -> None:
    """Wherever two to eight bodies stand: with the sharing that the critic names it says no more."""
    rng = np.random.default_rng(5)
    objected = 0
    for _ in range(40):
        bodies = int(rng.integers(2, 9))
        situation = standing(tuple(map(tuple, rng.uniform(4, SIZE - 4, (bodies, 2)))))
        regions = [one.region for one in VoxelManager().plan(situation).subtasks]
        told = before_team(situation, planned(situation, *rng.permutation(regions)))
        if not told:
            continue
        objected += 1
        assert float(told.split(" decisions sooner")[0].split(" ")[-1]) >= SAVED
        better = [part.split(" in the ")[1] for part in told.split(" with ")[1].split(", ")]
        assert sorted(better) == sorted(regions)
        assert before_team(situation, planned(situation, *better)) == ""
    assert objected > 10


def test_a_team_is_walked_through_on_the_known_land() -> None:
    """Not as the crow flies: a wall shuts the nearer body off. What one body alone knows counts for none."""
    situation = standing(((28.0, 24.0), (34.0, 44.0)))
    assert before_team(situation, planned(situation, "east", "west")) == ""
    facts = dict(situation.facts)
    blocks, known = facts["blocks"].copy(), np.ones_like(facts["known"])
    blocks[:, :, :20], blocks[:, :, 20:] = 1, 0
    blocks[30:32, :, 20:26] = 1  # from the north to the south, between the two
    walled = {**facts, "blocks": blocks, "known": known, "seen": known}
    told = {
        setting: before_team(
            VoxelSituation(situation.observation, walled, TeacherConfig(map=setting)),
            planned(situation, "east", "west"),
        )
        for setting in MAPS
    }
    for setting in ("accumulated", "mirror"):
        assert "with body 1 in the west, body 2 in the east" in told[setting]
    assert told["own"] == told["none"] == ""


def test_a_body_that_gets_nowhere_is_named_and_may_change_with_another(tmp_path: Path) -> None:
    """To turn and to speak moves it no further. The local endpoint's manager heeds it."""
    stuck = [("turn right 90", "ok"), *[("forward 8", "stuck")] * 2, ("message 1 a", "ok"), ("scan", "ok")]
    stuck += [("turn left 45", "ok"), ("forward 8", "stuck")] * (REPAIRS - 2)
    turns = [[("forward 8", "ok")] * 5, stuck]
    west, east = CORNERS[0], CORNERS[3]
    situation = standing((west, east), turns=turns)
    assert after_team(situation) == (
        f"body 2 gets nowhere: the last {REPAIRS} skills at this spot failed, forward 8 ended 'stuck' (the "
        "way in that heading is shut at this spot)"
    )
    assert before_team(situation, planned(situation, "east", "west")) == ""
    assert after_team(standing((west, east), turns=[turns[1][:-1], []])) == ""
    chat = Planning()
    mirror = Mirror("voxel", situation.facts, "")
    label = over(chat, tmp_path).label(situation.observation, mirror, "manager")
    assert label.action == "body 1 mine diamond_ore east, body 2 mine diamond_ore west"
    assert f"critic: {after_team(situation)}" in label.said
    assert len(chat.asked) == 1
    moving = Mirror("voxel", {**situation.facts, "turns": [[], []]}, "")
    label = over(chat, tmp_path).label(situation.observation, moving, "manager")
    assert label.action == "body 1 mine diamond_ore west, body 2 mine diamond_ore east"


def test_a_complaint_about_a_body_that_is_not_there_is_no_matter() -> None:
    """The endpoint reads whatever it is sent."""
    situation = standing((CORNERS[0], CORNERS[3]))
    text = manager_text(situation, "body 9 gets nowhere").replace("Subtasks:", "Shut: north, 45\nSubtasks:")
    told = answer([text, "sooner with body 7 in the west, body 0 in the east"])
    assert json.loads(told)["subtasks"] == [one.text for one in VoxelManager().plan(situation).subtasks]


def test_a_crew_knows_what_came_of_everybodys_decisions() -> None:
    crew = Crew(EpisodeSpec("voxel/map_exploration", "train", 3, 2), 2)
    crew.members[1].step("turn right 90")
    crew.members[0].step("forward 2")
    first, second = crew.members[1].mirror().facts["turns"]
    assert [first, second] == crew.members[0].mirror().facts["turns"]
    assert (first[0][0], second) == ("forward 2", [("turn right 90", "ok")])


def test_a_manager_is_told_what_is_wrong_and_mends_its_plan(tmp_path: Path) -> None:
    """No match, too few, two in one half; then a plan that is taken. All of it can be read."""
    observation, mirror = crewed(2)
    scripted = make_teacher("voxel/block_search").label(observation, mirror, "manager").action
    good = [part.split(" ", 2)[2] for part in scripted.split(", ")]
    chat = Scripted(
        ordering("fetch me a shrubbery", good[1]),
        ordering(good[0]),
        ordering("mine diamond_ore west", "mine diamond_ore west"),
        ordering(*good),
    )
    label = over(chat, tmp_path).label(observation, mirror, "manager")
    assert (label.valid, label.action) == (True, scripted)
    repairs = [asked.messages[-1].text for asked in chat.asked[1:]]
    assert "matches no subtask: mine diamond_ore west, mine diamond_ore east" in repairs[0]
    assert "there are 2 bodies, and you gave 1 subtasks" in repairs[1]
    assert "nobody in the south-east" in repairs[2]
    assert sum(line.startswith("critic to manager: ") for line in label.said) == 3
    told = chat.asked[0].messages[1].text
    assert "Subtasks: mine diamond_ore west | mine diamond_ore east" in told


def test_a_manager_may_number_the_bodies_as_plans_do(tmp_path: Path) -> None:
    observation, mirror = crewed(2)
    scripted = make_teacher("voxel/block_search").label(observation, mirror, "manager").action
    label = over(Scripted(ordering(*scripted.split(", "))), tmp_path).label(observation, mirror, "manager")
    assert (label.valid, label.action) == (True, scripted)
    crossed = ordering(*reversed(scripted.split(", ")))
    assert not over(Scripted(crossed), tmp_path / "x", repairs=0).label(observation, mirror, "manager").valid


def test_what_a_member_sees_is_what_the_critic_tries(tmp_path: Path) -> None:
    """Others' decisions go on moving a body (a slide, a current): its frame is not older than its place."""
    teacher, tried, moved = make_teacher("voxel/block_search"), 0, 0
    for seed in range(4):
        crew = Crew(EpisodeSpec("voxel/block_search", "train", seed, 2), 4)
        for _ in range(10):
            seen = [(member.observe(), member.mirror()) for member in crew.members]
            for member, (observation, mirror) in zip(crew.members, seen, strict=True):
                assert math.dist(observation.status.position, mirror.facts["pose"][:3]) < 1e-9
                for thing in mirror.facts["visible"]:
                    if thing["name"] == mirror.facts["target"]:
                        tried += 1
                        outcome = rehearse(mirror.facts, f"mine {thing['name']}").outcome
                        assert outcome != "not in sight"
                at = member.task.body.position
                label = teacher.label(observation, mirror)
                member.step(join_reply(label.note, label.action))
                moved += at != tuple(mirror.facts["pose"][:3])
            if crew.score().finished:
                break
    assert tried > 10
    assert moved > 0
    for member in crew.members:
        assert len(member._sightings) == len(member._standpoints) == member.iteration + 1


def test_every_member_of_a_crew_is_told_one_plan(tmp_path: Path) -> None:
    crew = Crew(EpisodeSpec("voxel/block_search", "train", 1, 2), 3)
    for known in MAPS:
        teacher = over(Planning(), tmp_path / known, known=known)
        for _ in range(3):
            plans = {teacher.label(m.observe(), m.mirror(), "manager").action for m in crew.members}
            assert len(plans) == 1
            for member in crew.members:
                member.step("forward 8")


@pytest.mark.parametrize(("seed", "bodies"), [(1, 1), (3, 2), (5, 2), (3, 5)])
def test_a_crew_over_an_endpoint_does_as_well_as_the_scripted_one(
    seed: int, bodies: int, tmp_path: Path
) -> None:
    """To the end: what the prompts lack shows where one answer leads to the next (a body that turned to and
    fro before a tree, two that did not know what the other had seen)."""
    rounds, won = played(over(Planning(), tmp_path), seed, bodies)
    scripted, _ = played(make_teacher("voxel/map_exploration"), seed, bodies)
    assert won
    assert rounds <= scripted + 2
