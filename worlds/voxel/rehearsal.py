"""Skills tried out on a copy of the state that a mirror tells: what would they do?

Invariant: a function of the mirror's facts and the actions; the world itself is not touched, and of a plan no
more is tried than `PLAN_STEPS` skills, none of them begun after `PLAN_TICKS`. Animals are not rehearsed (a
mirror tells only those in the frame), so what is about one is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from worlds.voxel.data import ITEM
from worlds.voxel.inventory import add_item
from worlds.voxel.sim import VoxelSim, VoxelSimConfig
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import MOVED, SHORT, Body
from worlds.voxel.tables import TABLES
from worlds.voxel.tasks.common import status_of
from worlds.voxel.terrain import TerrainConfig

FINE = ("ok", "part")
"""Outcomes of a skill that got somewhere."""
PLAN_STEPS = 8
PLAN_TICKS = 1200
"""A minute of the world."""


class Rehearsed(NamedTuple):
    """The skill's outcome ("ok" or a named failure), the pose after it (x, y, z, yaw_deg) and what is then
    carried (item name -> count)."""

    outcome: str
    pose: tuple[float, float, float, float]
    inventory: dict[str, int]


def rehearse(facts: Mapping[str, Any], action: str) -> Rehearsed:
    """Carry `action` out on a copy. `facts` are those of `worlds.voxel.mirror`."""
    return _run(_copy(facts), action)


def rehearse_plan(facts: Mapping[str, Any], actions: Sequence[str]) -> list[Rehearsed]:
    """Carry `actions` out one after another on one copy, up to the first that fails (the last of those
    returned), or to the limits."""
    skills, done, ticks = _copy(facts), list[Rehearsed](), 0
    for action in actions[:PLAN_STEPS]:
        done.append(_run(skills, action))
        ticks += skills.body.ticks
        if done[-1].outcome not in FINE or ticks >= PLAN_TICKS:
            break
    return done


def shut_around(facts: Mapping[str, Any]) -> tuple[int, ...]:
    """Those of the 8 headings (degrees clockwise from north) in which a walk from this spot gets stuck at
    once."""
    body, shut = _copy(facts).body, list[int]()
    state, start = body.state, body.position
    for heading_deg in range(0, 360, 45):
        state.position[0, body.a], state.yaw_deg[0, body.a] = start, heading_deg
        state.velocity[0, body.a], state.on_ground[0, body.a] = 0.0, True
        body.walk(MOVED + SHORT)
        x, _, z = body.position
        along = (x - start[0]) * math.sin(math.radians(heading_deg))
        along -= (z - start[2]) * math.cos(math.radians(heading_deg))
        if along < MOVED:
            shut.append(heading_deg)
    return tuple(shut)


def _copy(facts: Mapping[str, Any]) -> Skills:
    """The own body in a copy of the state."""
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
    for c, container in enumerate(facts["containers"]):
        state.container_cell[0, c] = container["cell"]
        state.container_item[0, c], state.container_count[0, c] = container["items"], container["counts"]
        state.smelt_ticks[0, c] = container["smelt_ticks"]
    return Skills(Body(sim, 0, a, facts["frame_size"]))


def _run(skills: Skills, action: str) -> Rehearsed:
    outcome = skills.run(action)
    body = skills.body
    pose = (*body.position, body.yaw_deg)
    return Rehearsed(outcome.text, pose, dict(status_of(body.state, a=body.a).inventory))
