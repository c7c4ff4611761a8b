"""What the class `World` promises of every world: rewards add up to the metric, the cap falls exactly, text
of any kind becomes a legal action, and replies are split as they were joined."""

from __future__ import annotations

import string
from typing import Any

import gymnasium
import numpy as np
import pytest

from worlds.adapters.gym_world import GymTask, GymWorld, Now
from worlds.base import HISTORY_TURNS, NOTE_CHARS, TEXT_CHARS, World, join_reply, retrieve, split_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec

CORNERS = {"left": 0, "right": 1, "up by one": 2, "stay": 3}
CAP = 11


class Line(gymnasium.Env[int, int]):
    """A place 0..9 on a line; the observation, a secret, is the seed."""

    def __init__(self, render_mode: str | None = "rgb_array") -> None:
        self.render_mode, self.steps = render_mode, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.steps, self.last = int(self.np_random.integers(3, 7)), 0, -1
        return int(seed or 0), {"why": "begun"}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.place = min(9, max(0, self.place + (action == 1) - (action == 0)))
        self.steps, self.last = self.steps + 1, action
        return 0, 0.25, False, self.steps == 9, {"why": "moved"}

    def render(self) -> Any:
        frame = np.zeros((30, 20, 3), np.uint8)
        frame[:, 2 * self.place : 2 * self.place + 2] = 200
        return frame


def line(frame_size: int = 16) -> GymWorld:
    task = GymTask(
        make=Line,
        actions=CORNERS,
        goal=lambda now: f"reach the end from {now.env.place}",
        success=lambda now: now.env.place == 9,
        facts=lambda now: {"place": now.env.place, "reward": now.reward, "why": now.info["why"]},
        max_iterations=CAP,
        words=lambda now: "at an end" if now.env.place in (0, 9) else "",
    )
    return GymWorld("own/line", task, frame_size)


def babbling(rng: np.random.Generator) -> str:
    """Text of all kinds: printable, with bars, other alphabets, nothing."""
    letters = list(string.printable + "||| éß中\u0000😀")
    return "".join(rng.choice(letters, int(rng.integers(0, 30))))


SUITES = {"own": "own/line", "voxel": "voxel/map_exploration", "babyai": "babyai/GoToObj"}


@pytest.mark.parametrize("name", SUITES)
def test_any_text_is_a_legal_action_and_rewards_add_up_to_the_metric(name: str) -> None:
    world: World = line() if name == "own" else make_world(SUITES[name])
    rng = np.random.default_rng(3)
    for index in range(2):
        world.reset(options={"episode": EpisodeSpec(SUITES[name], "test", index, 1)})
        before, rewards, steps = world._score().metric, 0.0, 0
        replies: list[str] = []
        over = False
        while not over and steps < 30:
            seen = world.observe()
            legal = seen.actions
            assert world.observe().frame is seen.frame  # a state is perceived once
            reply = babbling(rng) if rng.random() < 0.6 else f"a note | {legal[rng.integers(len(legal))]}"
            given, reward, terminated, truncated, info = world.step(reply)
            steps, rewards, over = steps + 1, rewards + reward, terminated or truncated
            turn = world.observe().history[-1]
            assert turn.action in legal
            assert info["retrieved"] in (None, turn.action)
            assert (info["retrieved"] is None) == (split_reply(reply)[1] in legal)
            assert (turn.note, turn.outcome) == (split_reply(reply)[0], info["outcome"])
            assert turn.heading_deg == seen.status.heading_deg
            assert rewards == pytest.approx(info["metric"] - before)
            assert truncated == (not terminated and steps == world.max_iterations)
            assert given["text"] == f"{seen.goal.text} {world.observe().status.remarks}".strip()[:TEXT_CHARS]
            replies.append(turn.action)
        assert [turn.action for turn in world.observe().history] == replies[-HISTORY_TURNS:]


def test_replies_are_split_as_they_were_joined() -> None:
    rng = np.random.default_rng(0)
    words = [*string.ascii_letters, " ", "|", "-", ","]
    for _ in range(500):
        note = "".join(rng.choice(words, int(rng.integers(0, NOTE_CHARS)))).strip()
        action = "".join(rng.choice([w for w in words if w != "|"], int(rng.integers(0, 30)))).strip()
        assert split_reply(join_reply(note, action)) == (note, action)
    assert split_reply("x" * 500 + " | go") == ("x" * NOTE_CHARS, "go")


def test_text_that_is_nearly_an_action_finds_it() -> None:
    """One letter left out, doubled or changed: the action is still the nearest."""
    rng = np.random.default_rng(1)
    actions = ("turn left 45", "forward 8", "mine diamond_ore", "craft stick", "open chest", "scan")
    for _ in range(200):
        wanted = str(rng.choice(actions))
        at = int(rng.integers(len(wanted)))
        slips = (wanted[:at] + wanted[at + 1 :], wanted[:at] + wanted[at] + wanted[at:])
        assert retrieve(str(rng.choice([*slips, f"{wanted[:at]}#{wanted[at + 1 :]}"])), actions) == wanted
    assert retrieve("", actions) == actions[0]


def test_an_environment_is_stepped_once_a_text_and_its_reward_adds_up() -> None:
    world, rng = line(), np.random.default_rng(2)
    world.reset(seed=7)
    for step in range(1, 8):
        text = str(rng.choice(list(CORNERS)))
        *_, terminated, truncated, _ = world.step(text)
        assert (world._env.unwrapped.steps, world._env.unwrapped.last) == (step, CORNERS[text])
        facts = world.mirror().facts
        assert (facts["reward"], facts["why"]) == (0.25 * step, "moved")
        assert not truncated
        if terminated:
            return


def test_an_environment_that_ends_by_itself_ends_the_episode_without_success() -> None:
    world = line()
    world.reset(seed=7)
    for step in range(1, 10):
        *_, terminated, truncated, info = world.step("stay")
        assert (terminated, truncated, info["success"]) == (step == 9, False, False)


def test_what_an_environment_observes_reaches_nobody_but_the_task() -> None:
    """The seed is the observation of `reset`: it is in `Now`, and in no word that the student reads."""
    world = line()
    told: list[Now] = []
    object.__setattr__(world._task, "words", lambda now: told.append(now) or "")
    world.reset(seed=12345)
    assert told[0].observation == 4 * 12345
    seen = world.observe()
    assert "49380" not in repr((seen.goal, seen.status, seen.actions, seen.notes, seen.history))
    assert seen.frame.shape == (16, 16, 3)
