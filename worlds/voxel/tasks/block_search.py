"""Continuous block search (STEVE-2): find and dig as many diamond ores as possible in few decisions.

Invariant: every ore lies in the open on a column that can be walked to, and the metric is the share of them
that has been dug; the episode is won when it is 1. "mine diamond_ore" fails unless one is in sight. The
status line says which of 8 directions leads to what the body has not seen yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from worlds.base import Score
from worlds.types import EpisodeSpec, Goal
from worlds.voxel.data import BLOCK, DURABILITY, ITEM
from worlds.voxel.frontier import unseen_direction
from worlds.voxel.moves import MOVES
from worlds.voxel.skills_body import Body
from worlds.voxel.tasks.common import open_world, put_bodies, scatter, world_config

TARGET = "diamond_ore"
PILES = {1: 2, 2: 3, 3: 5}
"""How many piles of two ores, by difficulty."""
MAX_ITERATIONS = {1: 30, 2: 60, 3: 100}
TOOL = "iron_pickaxe"


@dataclass
class BlockSearch:
    """One episode; see the module docstring."""

    body: Body
    goal: Goal
    ores_XZY: NDArray[np.int64]
    max_iterations: int
    target: str = TARGET
    reach: float = 4.0
    wanted: Mapping[str, int] = field(default_factory=dict)

    def actions(self) -> tuple[str, ...]:
        return (*MOVES, f"mine {TARGET}")

    def words(self) -> str:
        self.body.look()
        way = unseen_direction(self.body)
        return f"unseen {way}" if way else ""

    def about(self) -> str:
        return TARGET

    def targets(self) -> NDArray[np.float64]:
        left = self.ores_XZY[self._left()]
        return left[:, [0, 2, 1]] + np.array([0.5, 0.0, 0.5])

    def score(self) -> Score:
        found = 1.0 - float(self._left().mean())
        return Score(success=found == 1.0, metric=found, finished=found == 1.0)

    def _left(self) -> NDArray[np.bool_]:
        x, z, y = self.ores_XZY.T
        return self.body.blocks[x, z, y] == BLOCK[TARGET]


def begin(episode: EpisodeSpec, frame_size: int, bodies: int = 1) -> BlockSearch:
    """The episode of a spec, as the first of its bodies has it."""
    rng = np.random.default_rng([episode.seed, 10, episode.difficulty])
    config = replace(world_config(rng, episode.difficulty), ores=False)
    ground, body = open_world(episode.seed, config, frame_size, bodies)
    ground = scatter(ground, rng, [(TARGET, TARGET)] * PILES[episode.difficulty])
    ores = np.argwhere(body.blocks == BLOCK[TARGET])
    put_bodies(ground, rng)
    ground.state.item[0, :, 0], ground.state.count[0, :, 0] = ITEM[TOOL], 1
    ground.state.durability[0, :, 0] = DURABILITY[ITEM[TOOL]]
    return BlockSearch(body, Goal(f"mine {TARGET}"), ores, MAX_ITERATIONS[episode.difficulty])
