"""The teacher is the bot, its labels are functions of the facts, and a student could follow them."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from minigrid.utils.baby_ai_bot import BabyAIBot

from teachers.babyai import BabyAIRuleExpert, BabyAITeacher, _map_cells
from teachers.make import make_expert, make_teacher
from teachers.types import Label, Teacher
from worlds.babyai.world import ACTIONS, MOVES, BabyAIWorld
from worlds.types import EpisodeSpec, Mirror

TEACHER = BabyAITeacher()


def begin(level: str, index: int) -> BabyAIWorld:
    world = BabyAIWorld(f"babyai/{level}")
    world.reset(options={"episode": EpisodeSpec(f"babyai/{level}", "train", index)})
    return world


def label(world: BabyAIWorld, teacher: Teacher = TEACHER) -> Label:
    return teacher.label(world.observe(), world.mirror())


def play(world: BabyAIWorld, teacher: Teacher) -> int | None:
    """Decisions until success, None without it."""
    while True:
        told = label(world, teacher)
        if not told.valid:
            return None
        _, _, terminated, truncated, info = world.step(f"{told.note} | {told.action}")
        if terminated or truncated:
            return world.iteration if info["success"] else None


def bot_steps(world: BabyAIWorld) -> int:
    bot, action = BabyAIBot(world._env), None
    while not world._over:
        action = bot.replan(action)
        world.step(ACTIONS[min(int(action), 2)])
    return world.iteration


def wander(level: str, index: int, steps: int = 12):
    rng = np.random.default_rng(index)
    world = begin(level, index)
    for _ in range(steps):
        yield world
        if world.step(MOVES[rng.integers(3)])[2]:
            return


@pytest.mark.parametrize("level", ["GoToObj", "GoToRedBall", "GoToLocal"])
def test_the_pure_teacher_is_as_good_as_the_bot_with_its_memory(level: str) -> None:
    ours = [play(begin(level, index), TEACHER) for index in range(25)]
    theirs = [bot_steps(begin(level, index)) for index in range(25)]
    assert None not in ours
    assert np.mean(ours) <= np.mean(theirs) + 0.2


@pytest.mark.parametrize("level", ["PutNextLocal", "KeyCorridorS3R1", "Open", "PickupDist"])
def test_errands_are_taken_up_in_the_middle(level: str) -> None:
    assert [play(begin(level, index), TEACHER) is not None for index in range(3)] == [True] * 3


def test_asking_twice_gives_the_same_label_and_leaves_the_facts_alone() -> None:
    for world in wander("GoToLocal", 3):
        mirror = world.mirror()
        before = copy.deepcopy(dict(mirror.facts))
        first = TEACHER.label(world.observe(), mirror)
        assert first == BabyAITeacher().label(world.observe(), mirror)
        for key, value in before.items():
            np.testing.assert_equal(mirror.facts[key], value)


def test_labels_depend_on_what_is_seen_and_not_on_the_compass() -> None:
    checked = 0
    for index in range(15):
        for world in wander("GoToLocal", index):
            facts, size = dict(world.mirror().facts), world._env.height

            def turn(cell: tuple[int, int], size: int = size) -> tuple[int, int]:
                return (size - 1 - cell[1], cell[0])

            turned = facts | {
                "grid": np.rot90(facts["grid"]).copy(),
                "seen": np.rot90(facts["seen"]).copy(),
                "recent": np.rot90(facts["recent"]).copy(),
                "position": turn(facts["position"]),
                "direction": (facts["direction"] + 1) % 4,
                "instruction": _map_cells(facts["instruction"], turn),
            }
            there = TEACHER.label(world.observe(), Mirror("babyai", turned, ""))
            assert there == label(world)
            checked += 1
    assert checked > 80


def test_values_are_exact_action_counts() -> None:
    """Bellman: after action a the best value is one more than a's, as long as nothing new comes into view."""
    checked = 0
    for index in range(25):
        for world in wander("GoToObj", index, 6):
            for action, value in label(world).values.items():
                after = copy.deepcopy(world)
                done = after.step(action)[2]
                best = 0.0 if done else max(label(after).values.values(), default=np.nan)
                assert best == value + 1 or np.isnan(best)
                checked += not np.isnan(best)
    assert checked > 150


def test_following_the_values_takes_as_long_as_they_say() -> None:
    for index in range(15):
        world = begin("GoToObj", index)
        while not label(world).values:
            world.step(label(world).action)
        promised, start = -max(label(world).values.values()), world.iteration
        assert play(world, TEACHER) == start + promised


def test_both_turns_are_as_good_when_the_target_is_right_behind() -> None:
    world = begin("GoToObj", 0)
    grid = np.zeros((8, 8, 3), np.uint8)
    grid[..., 0], grid[1:-1, 1:-1, 0] = 2, 1
    grid[3, 6] = (6, 0, 0)
    desc = {"type": "ball", "colour": "red", "location": None, "objects": [(3, 6)], "positions": [(3, 6)]}
    known = np.ones((8, 8), np.bool_)
    facts = dict(world.mirror().facts) | {
        "grid": grid,
        "seen": known,
        "recent": known,
        "position": (3, 3),
        "direction": 3,
        "instruction": {"kind": "GoToInstr", "desc": desc},
    }
    told = TEACHER.label(world.observe(), Mirror("babyai", facts, ""))
    assert told.note == "see none"
    assert set(told.equally_good) == {"turn left", "turn right"}
    assert dict(told.values) == {"turn left": -4.0, "turn right": -4.0, "forward": -6.0}


def test_what_dropped_out_of_the_history_is_forgotten_in_a_room() -> None:
    world = begin("GoToObj", 0)
    facts = dict(world.mirror().facts)
    never = facts | {"recent": np.zeros_like(facts["recent"]), "seen": np.ones_like(facts["seen"])}
    assert not TEACHER.label(world.observe(), Mirror("babyai", never, "")).values


def test_ties_hold_the_action_and_every_label_is_legal() -> None:
    seen_ties = 0
    for index in range(40):
        for world in wander("GoToLocal", index):
            told = label(world)
            assert told.valid
            assert told.action in told.equally_good
            assert set(told.equally_good) <= set(world.observe().actions)
            assert told.note in world.observe().notes
            if told.values:
                best = max(told.values.values())
                assert set(told.equally_good) == {a for a, v in told.values.items() if v == best}
            seen_ties += len(told.equally_good) > 1
    assert seen_ties > 10


def test_a_teacher_out_of_steps_says_so() -> None:
    told = label(begin("GoToObj", 0), BabyAITeacher(step_limit=1))
    labels = [label(begin("GoToObj", index), BabyAITeacher(step_limit=1)) for index in range(10)]
    refused = [told for told in labels if not told.valid]
    assert refused
    assert all("within 1 planning steps" in told.reason for told in refused)
    assert told.valid == (not told.reason)


def test_the_rule_expert_is_weaker_than_the_teacher_and_better_than_chance() -> None:
    expert, rng = BabyAIRuleExpert(), np.random.default_rng(0)
    won = sum(play(begin("GoToLocal", index), expert) is not None for index in range(60))
    assert 40 <= won < 60
    lucky = 0
    for index in range(60):
        world = begin("GoToLocal", index)
        lucky += any(world.step(MOVES[rng.integers(3)])[2] for _ in range(20))
    assert lucky < won


def test_the_rule_expert_looks_at_the_view_alone() -> None:
    for world in wander("GoToLocal", 7):
        mirror = world.mirror()
        pure = BabyAIRuleExpert().label(world.observe(), mirror)
        facts = dict(mirror.facts)
        blind = facts | {"seen": np.zeros_like(facts["seen"]), "recent": np.zeros_like(facts["recent"])}
        assert BabyAIRuleExpert().label(world.observe(), replace(mirror, facts=blind)) == pure


def test_there_is_one_role_and_both_have_their_suite() -> None:
    world = begin("GoToObj", 0)
    for teacher in (make_teacher("babyai/GoToObj"), make_expert("babyai/GoToObj")):
        told = teacher.label(world.observe(), world.mirror(), "manager")
        assert not told.valid
        assert "one body" in told.reason
        assert label(world, teacher).valid
