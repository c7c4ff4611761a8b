"""Map exploration (STEVE-2): bring as much of the land as possible into the map, in few decisions.

Invariant: the metric is the share of columns that any body has had in view, and the episode is won when it
reaches `ENOUGH`. The status line says how much is mapped and which of 8 directions leads to where most is
missing per decision (the paper gives its agents the same as text); both follow from what the body has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worlds.base import Score
from worlds.types import EpisodeSpec, Goal
from worlds.voxel.frontier import unseen_direction
from worlds.voxel.moves import MOVES
from worlds.voxel.skills_body import Body
from worlds.voxel.tasks.common import open_world, put_bodies, world_config

ENOUGH = 0.8
MAX_ITERATIONS = {1: 20, 2: 40, 3: 60}


@dataclass
class MapExploration:
    """One episode; see the module docstring."""

    body: Body
    goal: Goal
    max_iterations: int
    target: str = ""
    reach: float = 0.0
    wanted: Mapping[str, int] = field(default_factory=dict)

    def actions(self) -> tuple[str, ...]:
        return (*MOVES, "scan")

    def words(self) -> str:
        self.body.look()
        told = f"mapped {int(100 * self.body.state.seen[0, self.body.a].mean())}"
        way = unseen_direction(self.body)
        return f"{told} unseen {way}" if way else told

    def about(self) -> str:
        return ""

    def targets(self) -> NDArray[np.float64]:
        return np.zeros((0, 3))

    def score(self) -> Score:
        self.body.look()
        share = float(self.body.state.seen[0].any(axis=0).mean())
        return Score(success=share >= ENOUGH, metric=share, finished=share >= ENOUGH)


def begin(episode: EpisodeSpec, frame_size: int, bodies: int = 1) -> MapExploration:
    """The episode of a spec, as the first of its bodies has it."""
    rng = np.random.default_rng([episode.seed, 11, episode.difficulty])
    config = world_config(rng, episode.difficulty)
    ground, body = open_world(episode.seed, config, frame_size, bodies)
    put_bodies(ground, rng)
    return MapExploration(body, Goal("explore"), MAX_ITERATIONS[episode.difficulty])
