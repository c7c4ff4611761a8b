"""The docs page about one's own world works as it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from cluster.checks import check_suites
from cluster.config import load_config
from evaluation.play import play_episode
from teachers.function import FunctionTeacher
from teachers.make import make_expert, make_teacher
from teachers.types import Label
from worlds.adapters.gym_world import GymWorld
from worlds.make import make_world
from worlds.types import EpisodeSpec

PAGE = Path(__file__).parents[1] / "docs" / "bring-your-own-world.md"
SUITE = "own/my_world"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_world.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield code
    sys.modules.pop("my_world", None)


def test_the_example_is_under_40_lines(example: str) -> None:
    assert len([line for line in example.splitlines() if line.strip()]) < 40


def test_the_examples_teacher_solves_its_world(example: str) -> None:
    world, teacher = make_world(SUITE), make_teacher(SUITE)
    first_frames = set()
    for index in range(10):
        world.reset(options={"episode": EpisodeSpec(SUITE, "test", index)})
        first_frames.add(world.observe().frame.tobytes())
        done = False
        while not done:
            told = teacher.label(world.observe(), world.mirror())
            _, reward, terminated, truncated, info = world.step(told.action)
            done = terminated or truncated
        assert (info["success"], reward) == (True, 1.0)
    assert len(first_frames) > 3
    assert make_expert(SUITE).version == teacher.version == "corner-1"


def test_the_example_is_a_gymnasium_environment(example: str) -> None:
    check_env(make_world(SUITE), skip_render_check=True)


def test_facts_never_reach_the_observation(example: str) -> None:
    world = make_world(SUITE)
    world.reset(seed=1)
    assert set(world.mirror().facts) == {"x", "y", "facing", "exit"}
    seen = world.observe()
    assert seen.frame.shape == (64, 64, 3)
    assert not seen.status.words
    assert "exit" not in str(replace(seen, frame=np.zeros(1, np.uint8)))


def test_frames_are_the_rendering_made_smaller(example: str) -> None:
    world = make_world(SUITE)
    world.reset(seed=1)
    assert isinstance(world, GymWorld)
    full = np.asarray(world._env.render()).astype(float)
    scale = full.shape[0] // 64
    mean = full.reshape(64, scale, 64, scale, 3).mean(axis=(1, 3))
    assert np.abs(world.observe().frame - mean).max() <= 1.0


def test_answers_of_a_teacher_function_are_checked(example: str) -> None:
    world = make_world(SUITE)
    world.reset(seed=1)
    seen, facts = world.observe(), world.mirror()
    tie = Label("actor", "forward", equally_good=("forward", "turn left"))
    assert FunctionTeacher(lambda o, m: tie, "t").label(seen, facts) == tie
    silent = FunctionTeacher(lambda o, m: None, "t").label(seen, facts)
    assert (silent.valid, silent.reason) == (False, "teacher t has no opinion")
    assert not FunctionTeacher(lambda o, m: "forward", "t").label(seen, facts, "manager").valid
    with pytest.raises(ValueError, match="'fly', which is not among the actions turn left"):
        FunctionTeacher(lambda o, m: "fly", "t").label(seen, facts)


def test_missing_modules_and_functions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"put nobody_wrote_this\.py beside"):
        make_world("own/nobody_wrote_this")
    (tmp_path / "half_a_world.py").write_text("def make_world(suite, frame_size): ...\n")
    with pytest.raises(ValueError, match="no function make_teacher"):
        make_teacher("own/half_a_world")


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (None, "None"),
        (np.zeros((8, 8, 3)), r"an array of float64, shape \(8, 8, 3\)"),
        (np.zeros((8, 8, 4), np.uint8), r"an array of uint8, shape \(8, 8, 4\)"),
        ("8x8", "a str"),
    ],
)
def test_what_is_no_frame_is_refused(example: str, frame: object, told: str) -> None:
    world = make_world(SUITE)
    assert isinstance(world, GymWorld)
    world._env.render = lambda: frame
    with pytest.raises(ValueError, match=rf"render\(\) of {SUITE}'s environment gave {told}; .*uint8"):
        world.reset(seed=1)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("LEVELS = {}\nLEVELS['first']\n", r"KeyError: 'first' \(.*my_world\.py, line 2\)"),
        (
            "class Mine:\n    def reset(self, options):\n        return 1 / 0\n"
            "def make_world(suite, frame_size): return Mine()\ndef make_teacher(suite): ...\n",
            r"ZeroDivisionError: division by zero \(.*my_world\.py, line 3\)",
        ),
    ],
    ids=["import", "reset"],
)
def test_an_error_in_own_code_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, told: str
) -> None:
    (tmp_path / "my_world.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(ValueError, match=told):
            check_suites(load_config(None, [f"suites=[{SUITE}]"]))
        with pytest.raises(ValueError, match=told):
            play_episode(SUITE, 0, 2, tmp_path, [])
    finally:
        sys.modules.pop("my_world", None)


def test_an_environment_that_does_not_render_is_refused(example: str) -> None:
    import gymnasium

    world = make_world(SUITE)
    assert isinstance(world, GymWorld)
    blind = replace(world._task, make=lambda: gymnasium.make("MiniGrid-Empty-5x5-v0"))
    with pytest.raises(ValueError, match="render_mode='rgb_array'"):
        GymWorld(SUITE, blind)
