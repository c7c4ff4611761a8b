"""Where to look and walk while the target is not known.

Invariant: the choice is a function of what the body itself can read off its screen and its last turns:
position, heading, the turns since its last step, the ground it has seen. There is no counter, so a
student that sees the same can imitate it.

The body looks all around, walks twice, looks all around again: counter-clockwise along a square ring from
whose corners every column is within about a quarter of the world's width. No plan enters: where it heads
is read off the own position, and a heading in which it got stuck is left to the right.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teachers.planners.coverage import frontier
from teachers.planners.pose_grid import TURNS, WALKS
from teachers.roles import Choice
from teachers.voxel_situation import SCAN, STUCK, VIEW_DEG, VoxelSituation, bearing, turned
from worlds.types import Turn

RING = 0.25
"""Distance of the ring's corners from the world's edge, as a fraction of its width."""
REGIONS = ("north-west", "south-west", "south-east", "north-east")
"""Quarters of the world, in the order of `corners`."""
NEAR = 5.0
"""Blocks from a corner at which it counts as reached."""
CELL = 4.0
"""Blocks: the own position is taken as coarsely as the student is told it, or it could not be imitated."""
WALKS_BETWEEN = 2
"""Walks from one look-around to the next."""
LOOKS = {90.0: "turn right 90", -90.0: "turn left 90", 180.0: "turn around"}
"""Turn (degrees clockwise) -> skill, in order of preference."""
AT_FRONTIER = 4.0
"""Blocks from the chosen column at which to scan."""
BLIND = 6.0
"""Blocks around a place that was scanned that are not chosen again."""
SEARCH_DECISIONS = 8.0
"""Decisions that a search is taken to last, for the values alone."""


def corners(size_x: int, size_z: int, region: str = "") -> NDArray[np.float64]:
    """(4, 2) x, z in counter-clockwise order as seen on a map with north up; of a quarter of the world if
    `region` names one of `REGIONS`."""
    ring = np.array([[RING, RING], [RING, 1 - RING], [1 - RING, 1 - RING], [1 - RING, RING]])
    if region:
        ring = (ring + np.array(["east" in region, "south" in region])) / 2
    return ring * (size_x, size_z)


def next_corner(x: float, z: float, ring: NDArray[np.float64], near: float) -> int:
    """Index of the corner to walk to: the nearest one ahead, counter-clockwise, that is not reached."""
    away = np.hypot(*(ring - (x, z)).T)
    if away.min() <= near:
        return (int(away.argmin()) + 1) % 4
    mid_x, mid_z = ring.mean(axis=0)
    own = math.atan2(z - mid_z, x - mid_x)
    ahead = [(own - math.atan2(cz - mid_z, cx - mid_x)) % (2 * math.pi) for cx, cz in ring]
    return int(np.argmin(ahead))


def unseen(looked_deg: tuple[float, ...], heading_deg: float) -> list[float]:
    """Those of the turns right, left and around whose view is not mostly among the headings looked at."""
    return [
        turn
        for turn in LOOKS
        if all(abs(turned(look, heading_deg + turn)) > VIEW_DEG / 2 for look in looked_deg)
    ]


def explore(situation: VoxelSituation, region: str = "") -> Choice:
    """Look all around at the start and after every second walk, else walk on along the ring of `region` ("":
    of the whole world)."""
    x, z, yaw = situation.pose
    x, z = ((value // CELL + 0.5) * CELL for value in (x, z))
    missing = unseen(situation.views, yaw)
    if missing and walks_since_scan(situation.observation.history) >= WALKS_BETWEEN:
        return situation.prefer(LOOKS[missing[0]], -SEARCH_DECISIONS)
    size_x, size_z = situation.ground.level.shape
    ring, near = corners(size_x, size_z, region), NEAR / 2 if region else NEAR
    corner_x, corner_z = ring[next_corner(x, z, ring, near)]
    toward = turned(yaw, bearing(x, z, corner_x, corner_z))
    return situation.prefer(situation.head_for(round(toward / 45.0) % 8), -SEARCH_DECISIONS)


def walks_since_scan(history: tuple[Turn, ...]) -> int:
    """Walks since the body last looked around (or since the visible history begins); `WALKS_BETWEEN` before
    the first one."""
    walks, turns = 0, 0
    for turn in reversed(history):
        if turn.action in TURNS:
            turns += 1
        elif turn.action in WALKS and turn.outcome != STUCK:
            if turns >= len(LOOKS) and walks:
                return walks
            walks, turns = walks + 1, 0
    if turns >= len(LOOKS) and walks:
        return walks
    return walks if walks else WALKS_BETWEEN


def explore_map(situation: VoxelSituation) -> Choice:
    """Walk to where most of the map is missing per decision, and scan there."""
    x, z, yaw = situation.pose
    scanned = not unseen(situation.views, yaw)
    goal = frontier(situation.facts["known"], situation.ground, x, z, BLIND if scanned else 0.0)
    if goal is None or (not scanned and situation.distance_to(*goal) <= AT_FRONTIER):
        return situation.prefer(SCAN, -SEARCH_DECISIONS)
    values = situation.values_to(np.array([goal]), AT_FRONTIER)
    return situation.choose({a: v - SEARCH_DECISIONS for a, v in values.items()}, goal)
