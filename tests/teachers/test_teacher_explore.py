"""The search is a function of what the student is told, and its phases follow one another."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from teachers.config import TeacherConfig
from teachers.planners.regions import QUARTERS, bounds, middle
from teachers.roles import Phase
from teachers.voxel_explore import (
    AROUND,
    LOOK,
    WALK,
    explore,
    explore_map,
    walks_since,
)
from teachers.voxel_gather import gather
from teachers.voxel_situation import VoxelSituation
from worlds.types import EpisodeSpec, Turn
from worlds.voxel.edges import leads_out
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
    assert walks_since(AROUND, history) == walks


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


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_the_search_turns_exactly_where_the_status_line_says_that_no_way_leads_on(difficulty: int) -> None:
    """So that a student can read the turn off its prompt: no other place or measure enters."""
    world = VoxelWorld("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 3, difficulty)})
    told: Counter[str] = Counter()
    looked = turns(LOOK, AROUND, LOOK)
    rng = np.random.default_rng(difficulty)
    for _ in range(60):
        situation = VoxelSituation.read(world.observe(), world.mirror(), TeacherConfig())
        words = situation.observation.status.words
        action = explore(placed(situation, *situation.pose, situation.turns + looked)).action
        assert action == (LEFT if words else WALK), words
        told.update(words.split(", "))
        move = rng.choice(["turn left 45", "forward 8", "forward 8", "turn right 90"])
        world.step(f"see none | {move}")
        if world.iteration >= 39:
            world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 4, difficulty)})
    assert set(told) == {"edge ahead", "blocked ahead", ""}
    assert min(told["edge ahead"], told[""]) > 5


@pytest.mark.parametrize("side", [32.0, 48.0, 64.0])
def test_from_every_place_some_way_leads_in(side: float) -> None:
    for x, z in itertools.product(np.linspace(0.0, side, 17), repeat=2):
        for first in (0.0, 45.0):
            ways = [leads_out((x, z), first + turn, (0.0, 0.0), (side, side)) for turn in (0, 90, 180, 270)]
            assert not all(ways), (x, z, first)
    west = [leads_out((3.0, side / 2), heading, (0.0, 0.0), (side, side)) for heading in (0, 90, 180, 270)]
    assert west == [True, False, True, True]


def told(situation: VoxelSituation, words: str, history: tuple[Turn, ...]) -> VoxelSituation:
    observation = situation.observation
    status = replace(observation.status, words=words)
    actions = (*observation.actions, "scan")
    observation = replace(observation, status=status, history=history, actions=actions)
    return VoxelSituation(observation, situation.facts, situation.config)


def test_a_map_is_made_by_scans_and_walks_the_way_that_the_screen_tells(start: VoxelSituation) -> None:
    assert explore_map(told(start, "mapped 9 unseen left", ())).action == "scan"
    assert explore_map(told(start, "mapped 9 unseen left", turns("scan"))).action == LEFT
    assert explore_map(told(start, "mapped 9 unseen ahead", turns("scan", LEFT))).action == WALK
    assert explore_map(told(start, "mapped 9 unseen ahead", turns("scan", LEFT, WALK))).action == "scan"


def beside(situation: VoxelSituation, x: float, z: float) -> VoxelSituation:
    """With one known target at (x, z), which the frame does not show."""
    facts = {**situation.facts, "targets": [(x, 5.0, z)], "recent_targets": [(x, 5.0, z)], "visible": []}
    return VoxelSituation(situation.observation, facts, situation.config)


def test_a_thing_that_a_look_did_not_show_is_not_turned_to_for_ever(start: VoxelSituation) -> None:
    phase = Phase("mine", what="oak_log")
    ahead, west = (24.0, 22.0), (22.0, 24.0)
    assert gather(beside(start, *west), phase).action == LEFT
    assert gather(beside(start, *ahead), phase).action == LOOK
    turned_away = placed(start, 24.0, 24.0, 90.0, turns(LOOK))
    assert gather(beside(turned_away, *ahead), phase).action == AROUND
    walked = placed(start, 24.0, 24.0, 90.0, turns(LOOK, WALK))
    assert gather(beside(walked, *ahead), phase).action == LEFT


def test_the_quarters_tile_the_world() -> None:
    area = 0.0
    for region in QUARTERS:
        low, high = bounds(64, 48, region)
        area += (high[0] - low[0]) * (high[1] - low[1])
        x, z = middle(low, high)
        assert (x > 32) == ("east" in region)
        assert (z > 24) == ("south" in region)
    assert area == 64 * 48
