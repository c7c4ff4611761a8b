"""Getting a block into the bag: see it, go to it, mine it.

Invariant: "mine NAME" is chosen only while NAME is in the frame (the skill fails otherwise), and not twice
from one view: after a failure there the body first goes nearer, then looks elsewhere.
"""

from __future__ import annotations

import numpy as np

from teachers.roles import Choice, Phase
from teachers.voxel_explore import explore, search_map
from teachers.voxel_situation import VoxelSituation, turned
from worlds.voxel.moves import TURNS

FACED_DEG = 22.5
"""A turn by eighths can face a point as well as this."""
GATHER_DECISIONS = 1.0
"""Decisions left that a choice to work with the hands claims."""


def _search(situation: VoxelSituation, phase: Phase) -> Choice:
    told = "unseen " in situation.observation.status.words
    return search_map(situation, phase.region) if told else explore(situation, phase.region)


def gather(situation: VoxelSituation, phase: Phase) -> Choice:
    """The next skill towards one more block `phase.what`."""
    name = phase.what
    history = situation.turns
    in_frame = any(thing["name"] == name for thing in situation.facts["visible"])
    failed = bool(history) and history[-1].action == f"mine {name}" and history[-1].outcome != "ok"
    if in_frame and not failed:
        return situation.prefer(f"mine {name}", -GATHER_DECISIONS)
    targets = [tuple(point) for point in situation.targets if not _hidden(situation, *point)]
    if not targets:
        return _search(situation, phase)
    toward = min(targets, key=lambda point: situation.distance_to(*point))
    if situation.distance_to(*toward) > situation.facts["reach"]:
        values = situation.values_to(np.array(targets), situation.facts["reach"])
        return situation.choose({a: v - GATHER_DECISIONS for a, v in values.items()}, toward)
    if failed:
        return _search(situation, phase)
    bearing = situation.bearing_to(*toward)
    turn = min(TURNS, key=lambda action: abs(turned(45.0 * TURNS[action], bearing)))
    return situation.prefer(turn, -GATHER_DECISIONS)


def _hidden(situation: VoxelSituation, x: float, z: float) -> bool:
    """Whether (x, z) is within reach, and a look that way from this spot did not show it: it lies behind
    something, or high up. To turn to it again would go on for ever."""
    if situation.distance_to(x, z) > situation.facts["reach"]:
        return False
    way = situation.pose[2] + situation.bearing_to(x, z)
    return any(abs(turned(look, way)) <= FACED_DEG for look in situation.views)
