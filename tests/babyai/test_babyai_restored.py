"""Facts are enough to go on from: an environment restored from them judges the rest of the mission as the
running one does, action for action; and a mission that is done can still be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from minigrid.utils.baby_ai_bot import BabyAIBot

from worlds.babyai.mirror import RestoredLevel, next_action, offset, restore
from worlds.babyai.world import ACTIONS, BabyAIWorld
from worlds.types import EpisodeSpec

LEVELS = (
    "GoToLocal",
    "PickupLoc",
    "PutNextLocal",
    "UnlockPickup",
    "GoToSeqS5R2",
    "OpenTwoDoors",
)


def begin(level: str, index: int) -> BabyAIWorld:
    world = BabyAIWorld(f"babyai/{level}")
    world.reset(options={"episode": EpisodeSpec(f"babyai/{level}", "train", index)})
    return world


def clauses(instruction: Any) -> Iterator[Any]:
    if hasattr(instruction, "instr_a"):
        yield from clauses(instruction.instr_a)
        yield from clauses(instruction.instr_b)
    yield instruction


def running(world: BabyAIWorld) -> RestoredLevel:
    """The environment of the world's facts, ready to be stepped."""
    env = restore(world.mirror().facts)
    env.step_count, env.max_steps = 0, 1000
    for clause in clauses(env.instrs):
        clause.env, clause.preCarrying, clause.a_done, clause.b_done = env, env.carrying, False, False
    return env


def bot_actions(world: BabyAIWorld) -> Iterator[int]:
    """What minigrid's bot does, until it has nothing left to do."""
    bot, last = BabyAIBot(world._env), None
    for _ in range(60):
        last = bot.replan(last)
        if int(last) >= len(ACTIONS):
            return
        yield int(last)


def same(env: RestoredLevel, world: BabyAIWorld) -> None:
    real = world._env
    np.testing.assert_array_equal(env.grid.encode(), real.grid.encode())
    assert (tuple(env.agent_pos), env.agent_dir) == (tuple(real.agent_pos), real.agent_dir)
    held = [None if e.carrying is None else e.carrying.encode()[:2] for e in (env, real)]
    assert held[0] == held[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_restored_environment_comes_to_the_same_verdict(level: str) -> None:
    verdicts = 0
    for index in range(3):
        world, rng = begin(level, index), np.random.default_rng(index)
        copies: list[RestoredLevel] = []
        for action in bot_actions(world):
            if rng.random() < 0.3:
                copies.append(running(world))
            *_, terminated, _, info = world.step(ACTIONS[action])
            for env in copies:
                _, reward, over, _, _ = env.step(action)
                assert (bool(over), reward > 0) == (terminated, info["success"])
                same(env, world)
            verdicts += terminated * len(copies)
            if terminated:
                break
    assert verdicts > 2


@pytest.mark.parametrize("level", LEVELS)
def test_a_mission_that_is_done_can_still_be_told(level: str) -> None:
    won = 0
    for index in range(3):
        world = begin(level, index)
        for action in bot_actions(world):
            *_, terminated, _, info = world.step(ACTIONS[action])
            if terminated:
                won += info["success"]
                break
        mirror = world.mirror()
        assert str(world._env.mission) in mirror.text
        assert mirror.facts["instruction"]
    assert won > 0


def test_the_action_that_comes_first_in_the_mission_comes_first_in_the_facts() -> None:
    orders = set()
    for index in range(24):
        world = begin("GoToSeqS5R2", index)
        mission, instruction = str(world._env.mission), world.mirror().facts["instruction"]
        order = next((word for word in (" after you ", ", then ") if word in mission), "")
        parts = mission.split(order) if order else [mission]
        first = parts[-1 if order == " after you " else 0].split(" and ")[0]
        desc = next_action(instruction)["desc"]
        assert first.endswith(f"{desc['colour'] or ''} {desc['type'] or 'object'}".strip())
        orders.add(order)
    assert len(orders) == 3


def test_an_offset_is_what_minigrid_calls_relative() -> None:
    world, rng = begin("GoToLocal", 1), np.random.default_rng(1)
    for _ in range(40):
        world._env.agent_pos, world._env.agent_dir = rng.integers(1, 7, 2), int(rng.integers(4))
        for x, y in rng.integers(0, 8, (6, 2)).tolist():
            right, ahead = offset(world._pose(), (x, y))
            view = world._env.get_view_coords(x, y)
            assert (right + 3, 6 - ahead) == (int(view[0]), int(view[1]))
