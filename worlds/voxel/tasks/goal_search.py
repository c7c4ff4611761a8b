"""Multi-modal goal search (STEVE-2, navigation): find a thing by its name, its picture or its sound.

Invariant: the episode is won exactly when, at the end of a decision, the body stands within `REACH` blocks
(horizontally) of an instance of the target. The actions are moves alone, so the way must be seen or heard.

By name and by picture the target is a landmark; the picture shows another one of its kind, in another world,
from a random side. By sound it is an animal, which wanders, and is audible within about 32 blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from worlds.base import Score
from worlds.types import EpisodeSpec, Frame, Goal
from worlds.voxel.data import ANIMAL_KIND, ANIMALS
from worlds.voxel.edges import edge_words
from worlds.voxel.moves import MOVES
from worlds.voxel.skills_body import Body
from worlds.voxel.state import VoxelState
from worlds.voxel.tasks.common import (
    GOAL_PICTURED,
    LANDMARKS,
    WORLDS_APART,
    Ground,
    choose_start,
    close_up,
    goal_heard,
    goal_named,
    new_ground,
    open_world,
    world_config,
)

REACH = 3.0
MAX_ITERATIONS = 40
DISTANCES = {1: (5.0, 16.0), 2: (8.0, 34.0), 3: (12.0, 44.0)}
"""Blocks from the start to the nearest instance, by difficulty."""
VISIBLE_AT_START = {1: True, 2: None, 3: False}
MODES = ("goal_name", "goal_image", "goal_sound")
_PICTURE_TRIES = 16


@dataclass
class GoalSearch:
    """One episode; see the module docstring."""

    body: Body
    ground: Ground
    goal: Goal
    target: str
    reach: float = REACH
    max_iterations: int = MAX_ITERATIONS
    wanted: Mapping[str, int] = field(default_factory=dict)

    def actions(self) -> tuple[str, ...]:
        return MOVES

    def words(self) -> str:
        return edge_words(self.body.state, self.body.a)

    def about(self) -> str:
        return self.target

    def targets(self) -> NDArray[np.float64]:
        return self.ground.instances(self.target)

    def score(self) -> Score:
        x, _, z = self.body.position
        targets = self.targets()
        near = bool((np.hypot(targets[:, 0] - x, targets[:, 2] - z) <= self.reach).any())
        dead = float(self.body.state.health[0, 0]) <= 0.0
        return Score(success=near, metric=float(near), finished=near or dead)


def begin(episode: EpisodeSpec, mode: str, frame_size: int) -> GoalSearch:
    """The episode of a spec; `mode` is one of `MODES`."""
    rng = np.random.default_rng([episode.seed, MODES.index(mode), episode.difficulty])
    config = world_config(rng, episode.difficulty)
    ground, body = open_world(episode.seed, config, frame_size)
    kinds = tuple(ANIMAL_KIND) if mode == "goal_sound" else config.landmarks
    target = str(rng.choice(kinds))
    choose_start(
        ground, body, rng, target, DISTANCES[episode.difficulty], VISIBLE_AT_START[episode.difficulty]
    )
    match mode:
        case "goal_image":
            goal = Goal(GOAL_PICTURED, image=_picture(episode.seed, target, rng, frame_size))
        case "goal_sound":
            call = ANIMALS[ANIMAL_KIND[target]].sound
            goal = Goal(goal_heard(call), sound=call)
        case _:
            goal = Goal(goal_named(target))
    return GoalSearch(body, ground, goal, target)


def _picture(seed: int, name: str, rng: np.random.Generator, frame_size: int) -> Frame:
    """A close-up of another `name` in another world of the same split."""
    for attempt in range(1, _PICTURE_TRIES + 1):
        config = world_config(rng, 1)
        others = tuple(other for other in LANDMARKS if other != name)[: len(config.landmarks) - 1]
        ground = new_ground(
            VoxelState.empty(1, config.size),
            seed + attempt * WORLDS_APART,
            replace(config, landmarks=(name, *others)),
        )
        picture = close_up(ground, name, rng, frame_size)
        if picture is not None:
            return picture
    raise RuntimeError(f"no clear view of {name} in {_PICTURE_TRIES} worlds")
