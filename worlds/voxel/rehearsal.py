"""A skill tried out on a copy of the state that a mirror tells: what would it do?

Invariant: a function of the mirror's facts and the action; the world itself is not touched. Animals are not
rehearsed (a mirror tells only those in the frame), so what is about one is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from worlds.voxel.data import ITEM
from worlds.voxel.inventory import add_item
from worlds.voxel.sim import VoxelSim, VoxelSimConfig
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body
from worlds.voxel.tables import TABLES
from worlds.voxel.tasks.common import status_of
from worlds.voxel.terrain import TerrainConfig


class Rehearsed(NamedTuple):
    """The skill's outcome ("ok" or a named failure), the pose after it (x, y, z, yaw_deg) and what is then
    carried (item name -> count)."""

    outcome: str
    pose: tuple[float, float, float, float]
    inventory: dict[str, int]


def rehearse(facts: Mapping[str, Any], action: str) -> Rehearsed:
    """Carry `action` out on a copy. `facts` are those of `worlds.voxel.mirror`."""
    blocks = facts["blocks"]
    poses = np.array(facts["bodies"], np.float64)
    a = facts["bodies"].index(facts["pose"])
    sim = VoxelSim(VoxelSimConfig(terrain=TerrainConfig(size=blocks.shape, animals=()), bodies=len(poses)))
    state = sim.state
    state.blocks[0] = blocks
    state.position[0] = poses[:, :3]
    state.yaw_deg[0], state.pitch_deg[0] = poses[:, 3], poses[:, 4]
    state.on_ground[0] = True
    state.seen[0, a] = facts["known"]
    for name, count in facts["inventory"].items():
        add_item(sim.arrays, TABLES, 0, a, ITEM[name], count, 0)
    outcome = Skills(Body(sim, 0, a)).run(action)
    x, y, z = (float(v) for v in state.position[0, a])
    pose = (x, y, z, float(state.yaw_deg[0, a]))
    return Rehearsed(outcome.text, pose, dict(status_of(state, a=a).inventory))
