"""The team's labels: functions of what was asked alone, honest about what they may know, and good."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_voxels import ToyVoxels

from teachers.config import TeacherConfig
from teachers.make import make_expert, make_teacher
from teachers.rule_expert import RuleExpert
from teachers.types import ROLES, Label, Teacher
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_team import VoxelTeacher
from worlds.types import Mirror, Observation, Sound, Turn

State = tuple[Observation, Mirror]


def states(count: int = 40) -> list[State]:
    """States of a noisy walk, so that they are not only the teacher's own."""
    world, teacher, rng = ToyVoxels(40, 50), VoxelTeacher(), np.random.default_rng(0)
    found: list[State] = []
    for seed in range(4):
        world.reset(seed=seed)
        for _ in range(count // 4):
            state = world.observe(), world.mirror()
            found.append(state)
            noisy = rng.random() < 0.3
            action = str(rng.choice(state[0].actions)) if noisy else teacher.label(*state).action
            if world.step(action)[2]:
                break
    return found


def as_json(labels: list[Label]) -> str:
    return json.dumps([dataclasses.asdict(label) for label in labels], sort_keys=True)


def all_labels(teacher: Teacher, found: list[State]) -> list[Label]:
    return [teacher.label(*state, role) for state in found for role in ROLES]


def success(teacher: Teacher, episodes: int = 40) -> tuple[float, float]:
    world = ToyVoxels()
    wins, decisions = 0, 0
    for seed in range(episodes):
        world.reset(seed=seed)
        over = False
        while not over:
            label = teacher.label(world.observe(), world.mirror())
            _, _, won, late, _ = world.step(f"{label.note} | {label.action}")
            over = won or late
        wins += won
        decisions += world.iteration
    return wins / episodes, decisions / episodes


def test_asking_twice_or_in_another_order_gives_equal_labels() -> None:
    found = states()
    forward = all_labels(VoxelTeacher(), found)
    teacher = VoxelTeacher()
    backward = [teacher.label(*state, role) for state in found[::-1] for role in ROLES[::-1]][::-1]
    assert as_json(forward) == as_json(backward) == as_json(all_labels(teacher, found))


def test_another_process_gives_equal_labels() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_teacher_team import *\n"
        "print(as_json(all_labels(VoxelTeacher(), states(12))))"
    )
    here = str(Path(__file__).parent)
    run = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == as_json(all_labels(VoxelTeacher(), states(12)))


def test_labels_are_legal_and_their_action_is_among_the_best() -> None:
    for observation, mirror in states():
        for teacher in (VoxelTeacher(), RuleExpert()):
            label = teacher.label(observation, mirror)
            assert label.valid
            assert label.note in observation.notes
            assert label.action in label.equally_good
            assert set(label.equally_good) <= set(observation.actions)
            assert set(label.values) == set(observation.actions)
            best = max(label.values.values())
            assert all(
                label.values[action] >= best - teacher.config.tie_decisions for action in label.equally_good
            )


def test_a_target_behind_makes_no_difference_between_the_sides() -> None:
    world = ToyVoxels(41, 0)
    world.reset(seed=0)
    world.at, world.target, world.yaw = (20.5, 20.5), (20.5, 32.5), 0.0
    label = VoxelTeacher(TeacherConfig("mirror", tie_decisions=0.25)).label(world.observe(), world.mirror())
    assert label.values["turn left 90"] == label.values["turn right 90"]
    world.target = (32.5, 20.5)
    world._view = None
    ahead = VoxelTeacher(TeacherConfig("mirror")).label(world.observe(), world.mirror())
    assert ahead.action == "turn right 90"
    assert "turn left 90" not in ahead.equally_good


@pytest.mark.parametrize("setting", ["none", "accumulated"])
def test_what_was_never_perceived_changes_no_label(setting: str) -> None:
    """Privileged facts that the setting withholds may be anything."""
    rng = np.random.default_rng(0)
    for observation, mirror in states():
        if len(mirror.facts["recent_targets"]):
            continue
        blocks = mirror.facts["blocks"].copy()
        hidden = ~mirror.facts["known"]
        blocks[hidden] = rng.integers(0, 2, blocks[hidden].shape)
        elsewhere = np.array([[3.5, 8.0, 3.5]])
        changed = Mirror("voxel", {**mirror.facts, "blocks": blocks, "targets": elsewhere}, "")
        teacher = VoxelTeacher(TeacherConfig(setting))  # type: ignore[arg-type]
        assert as_json(all_labels(teacher, [(observation, mirror)])) == as_json(
            all_labels(teacher, [(observation, changed)])
        )


def test_a_heard_target_is_approached_and_an_unheard_one_is_not_known() -> None:
    world = ToyVoxels(41, 0)
    world.reset(seed=0)
    world.at, world.target, world.yaw = (20.5, 20.5), (8.5, 20.5), 0.0
    world.sightings = [False]
    observation, mirror = world.observe(), world.mirror()
    goal = dataclasses.replace(observation.goal, sound="cow")
    silent = dataclasses.replace(observation, goal=goal)
    heard = dataclasses.replace(silent, sounds=(Sound("cow", -90.0, 0.5), Sound("pig", 90.0, 1.0)))
    teacher = VoxelTeacher()
    assert teacher.label(silent, mirror, "conductor").action == "search pumpkin"
    assert teacher.label(heard, mirror, "conductor").action == "approach pumpkin"
    assert teacher.label(heard, mirror).action == "turn left 90"
    assert RuleExpert().label(heard, mirror).action == "turn left 90"


def test_shut_headings_are_read_back_from_the_turns() -> None:
    world = ToyVoxels(41, 0)
    world.reset(seed=0)
    world.yaw = 90.0
    turns = (Turn("", "forward 8", "ok"), Turn("", "turn right 90", "ok"), Turn("", "forward 2", "stuck"))
    observation = dataclasses.replace(world.observe(), history=turns)
    situation = VoxelSituation.read(observation, world.mirror(), TeacherConfig())
    assert situation.shut == {90.0}
    choice = situation.choose(dict.fromkeys(observation.actions, -3.0), (20.0, 0.0))
    assert not choice.action.startswith("forward")
    nowhere = situation.choose(dict.fromkeys(observation.actions, -60.0), (20.0, 0.0))
    assert nowhere.action == "turn right 45"


def test_the_settings_are_ordered_and_the_rule_expert_is_weaker_yet_sane() -> None:
    mirror, mirror_decisions = success(VoxelTeacher(TeacherConfig("mirror")))
    accumulated, decisions = success(VoxelTeacher())
    rule, rule_decisions = success(RuleExpert())
    assert mirror == 1.0
    assert accumulated >= 0.95
    assert decisions <= 14
    assert mirror_decisions < decisions < rule_decisions
    assert 0.6 <= rule <= 0.9


def test_the_manager_splits_the_world_between_bodies_by_walking_distance() -> None:
    world = ToyVoxels(40, 0)
    world.reset(seed=0)
    world.at, world.target, world.yaw = (35.5, 35.5), (20.5, 20.5), 0.0
    world.sightings = [False]
    observation, mirror = world.observe(), world.mirror()
    own, other = mirror.facts["pose"], (4.5, 8.0, 4.5, 0.0, 0.0)
    third = (35.5, 8.0, 4.5, 0.0, 0.0)
    for bodies, region, others in (
        ([own, other], "east", "west"),
        ([other, own], "east", "west"),
        ([other, own, third], "south-east", "north-west"),
    ):
        both = Mirror("voxel", {**mirror.facts, "bodies": bodies}, "")
        plan = VoxelTeacher().label(observation, both, "manager").action
        assert plan.count("body") == len(bodies)
        assert f"find pumpkin {others}" in plan
        assert f"body {1 + bodies.index(own)} find pumpkin {region}" in plan
        assert VoxelTeacher().label(observation, both, "conductor").action == f"search pumpkin {region}"
    alone = VoxelTeacher().label(observation, mirror, "manager").action
    assert alone == "find pumpkin"


def test_makers_and_configs_name_what_to_change() -> None:
    assert make_teacher("voxel/goal_name", TeacherConfig("mirror")).version == "voxel-team-5-mirror-0.75"
    assert make_expert("voxel/goal_name").version == "voxel-rule-1"
    with pytest.raises(ValueError, match="no teacher for world 'moon'"):
        make_teacher("moon/x")
    with pytest.raises(ValueError, match="choose one of none, own, accumulated, mirror"):
        TeacherConfig("all")  # type: ignore[arg-type]
    world = ToyVoxels()
    world.reset(seed=0)
    with pytest.raises(ValueError, match="mirror of 'babyai'"):
        VoxelTeacher().label(world.observe(), Mirror("babyai", {}, ""))
