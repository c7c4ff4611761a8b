"""Where to look and walk while the target is not known.

Invariant: the choice is a function of what the body itself can read off its screen and its last turns:
position, heading, the turns since its last step, the ground it has seen. There is no counter, so a
student that sees the same can imitate it.

The body first looks all around, then patrols the world counter-clockwise from corner to corner of a
square ring, looking outward at each corner. Seen from the four corners every column is within about a
quarter of the world's width, and a counter-clockwise corner is a left turn, so looking right and then
around ends in the new direction: a corner costs two decisions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teachers.planners.coverage import frontier
from teachers.planners.surface import Surface
from teachers.roles import Choice
from teachers.voxel_situation import SCAN, VIEW_DEG, VoxelSituation, turned

RING = 0.25
"""Distance of the ring's corners from the world's edge, as a fraction of its width."""
REGIONS = ("north-west", "south-west", "south-east", "north-east")
"""Quarters of the world, in the order of `corners`."""
NEAR = 5.0
"""Blocks from a corner at which it counts as reached."""
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
    """Look around at the start, look outward at a corner, else walk to the next corner; the ring is that of
    `region` ("": of the whole world)."""
    x, z, yaw = situation.pose
    size_x, size_z = situation.ground.level.shape
    ring, near = corners(size_x, size_z, region), NEAR / 2 if region else NEAR
    views = situation.views
    at_start = len(views) == len(situation.observation.history) + 1
    before = situation.observation.history[-len(views) - 1 : -len(views)]
    left_corner = any(turn.action == LOOKS[180.0] for turn in before)
    at_corner = not left_corner and np.hypot(*(ring - (x, z)).T).min() <= near
    missing: list[float] = []
    if at_start:
        missing = unseen(views, yaw)
    elif at_corner:  # where it came from lies behind the oldest view
        missing = unseen((*views, views[-1] + 180.0), yaw)
    if missing:
        return situation.prefer(LOOKS[missing[0]], -SEARCH_DECISIONS)
    goal = _open_near(situation.ground, ring[next_corner(x, z, ring, near)])
    values = situation.values_to(goal, near - 1.0)
    toward = (float(goal[0, 0]), float(goal[0, 1]))
    return situation.choose({a: v - SEARCH_DECISIONS for a, v in values.items()}, toward)


def explore_map(situation: VoxelSituation) -> Choice:
    """Walk to where most of the map is missing per decision, and scan there."""
    x, z, yaw = situation.pose
    scanned = not unseen(situation.views, yaw)
    goal = frontier(situation.facts["known"], situation.ground, x, z, BLIND if scanned else 0.0)
    if goal is None or (not scanned and situation.distance_to(*goal) <= AT_FRONTIER):
        return situation.prefer(SCAN, -SEARCH_DECISIONS)
    values = situation.values_to(np.array([goal]), AT_FRONTIER)
    return situation.choose({a: v - SEARCH_DECISIONS for a, v in values.items()}, goal)


def _open_near(ground: Surface, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1, 2) centre of the open column nearest to `point`."""
    open_x, open_z = np.nonzero(ground.open)
    centres = np.stack([open_x, open_z], 1) + 0.5
    nearest = int(np.argmin(np.hypot(*(centres - point).T)))
    return np.array([centres[nearest]], np.float64)
