"""The search is a function of what the student is told, and its phases follow one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.config import TeacherConfig
from teachers.voxel_explore import (
    AROUND,
    LOOK,
    REGIONS,
    WALK,
    bounds,
    explore,
    middle,
    unseen,
    walks_since_look,
)
from teachers.voxel_situation import VoxelSituation
from worlds.types import EpisodeSpec, Turn
from worlds.voxel.world import VoxelWorld

LEFT = "turn left 90"


def turns(*actions: str, outcome: str = "ok") -> tuple[Turn, ...]:
    return tuple(Turn("", action, outcome) for action in actions)


@pytest.fixture(scope="module")
def start() -> VoxelSituation:
    """The first state of an episode, the body put in the middle of the world, facing north."""
    world = VoxelWorld("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 0)})
    situation = VoxelSituation.read(world.observe(), world.mirror(), TeacherConfig())
    return placed(situation, 24.0, 24.0, 0.0)


def placed(
    situation: VoxelSituation, x: float, z: float, yaw: float, history: tuple[Turn, ...] = ()
) -> VoxelSituation:
    _, y, _, _, pitch = situation.facts["pose"]
    pose = (x, y, z, yaw, pitch)
    observation = replace(situation.observation, history=history)
    return VoxelSituation(observation, {**situation.facts, "pose": pose, "bodies": [pose]}, situation.config)


@pytest.mark.parametrize(
    ("history", "walks"),
    [
        ((), None),
        (turns(LOOK, WALK), None),
        (turns(LOOK, AROUND), 0),
        (turns(LOOK, AROUND, LOOK, WALK), 1),
        (turns(LOOK, AROUND, LOOK, WALK, LEFT, WALK), 2),
        (turns(AROUND) + turns(WALK, outcome="stuck"), 0),
        (turns(AROUND, WALK) + turns(WALK, outcome="part"), 2),
    ],
)
def test_walks_are_counted_from_the_last_look_around(history: tuple[Turn, ...], walks: int | None) -> None:
    assert walks_since_look(history) == walks


def test_a_cycle_is_three_looks_and_two_walks(start: VoxelSituation) -> None:
    history: tuple[Turn, ...] = ()
    yaw, done = 0.0, []
    for _ in range(10):
        action = explore(placed(start, 24.0, 24.0, yaw, history)).action
        done.append(action)
        yaw = (yaw + {LOOK: 90.0, AROUND: 180.0}.get(action, 0.0)) % 360.0
        history = (history + turns(action))[-8:]
    assert done == [LOOK, AROUND, LOOK, WALK, WALK] * 2


def test_before_the_edge_and_where_it_got_stuck_it_turns_left(start: VoxelSituation) -> None:
    looked = turns(LOOK, AROUND, LOOK)
    assert explore(placed(start, 24.0, 10.0, 0.0, looked)).action == LEFT
    assert explore(placed(start, 24.0, 24.0, 0.0, looked + turns(WALK, outcome="stuck"))).action == LEFT
    assert explore(placed(start, 24.0, 24.0, 0.0, looked + turns(WALK))).action == WALK


@given(st.integers(0, 7).map(lambda k: 45.0 * k), st.integers(0, 3))
def test_three_looks_show_everything(heading: float, looks: int) -> None:
    seen = tuple((heading - 90.0 * k) % 360.0 for k in range(looks + 1))
    assert len(unseen(seen, heading)) == 3 - looks


def test_the_quarters_tile_the_world() -> None:
    area = 0.0
    for region in REGIONS:
        low, high = bounds(64, 48, region)
        area += (high[0] - low[0]) * (high[1] - low[1])
        x, z = middle(low, high)
        assert (x > 32) == ("east" in region)
        assert (z > 24) == ("south" in region)
    assert area == 64 * 48
