"""The way to the unseen, as a player's own map tells it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worlds.directions import BEARINGS
from worlds.types import EpisodeSpec
from worlds.voxel.frontier import frontier, unseen_direction
from worlds.voxel.tasks.common import put_body
from worlds.voxel.world import VoxelWorld

OPEN = np.zeros((40, 40), np.bool_)


def test_the_frontier_is_where_the_map_is_missing() -> None:
    seen = np.ones((40, 40), np.bool_)
    assert frontier(seen, OPEN, 20.0, 20.0, 0.0) is None
    seen[30:, 30:] = False
    goal = frontier(seen, OPEN, 20.0, 20.0, 0.0)
    assert goal is not None
    assert math.dist(goal, (35, 35)) < 12
    assert frontier(seen, OPEN, *goal, 40.0) is None
    shut = OPEN.copy()
    shut[int(goal[0]), int(goal[1])] = True
    assert frontier(seen, shut, 20.0, 20.0, 0.0) != goal


@pytest.mark.parametrize("octant", range(8))
def test_the_direction_is_told_from_the_bodys_own_heading_and_map(octant: int) -> None:
    world = VoxelWorld("voxel/map_exploration")
    world.reset(options={"episode": EpisodeSpec("voxel/map_exploration", "train", 0)})
    body = world.task.body
    _, _, y = body.cell
    seen = body.state.seen
    seen[:] = True
    put_body(body.state, (24, 24, y), 45.0 * octant)
    seen[0, 0, 20:28, :6] = False  # in the north
    assert unseen_direction(body) == BEARINGS[-octant % 8]
    blocks = body.blocks.copy()
    body.blocks[20:28, :6] = 0  # what is there does not matter: it was not seen
    assert unseen_direction(body) == BEARINGS[-octant % 8]
    body.blocks[:] = blocks
    seen[:] = True
    assert unseen_direction(body) == ""
