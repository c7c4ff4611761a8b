"""Where to look and walk while the target is not known.

Invariant: the choice is a function of what the body itself can read off its screen and its last turns:
position, heading, the turns since its last step, the ground it has seen. There is no counter, so a
student that sees the same can imitate it.

The body looks all around, walks twice in the heading in which it came, looks all around again; before the
edge of the world it turns left, so it comes round. No plan enters, and nothing that has to be measured.
"""

from __future__ import annotations

import math

import numpy as np

from teachers.planners.coverage import frontier
from teachers.planners.pose_grid import TURNS, WALKS
from teachers.roles import Choice
from teachers.voxel_situation import SCAN, STUCK, VIEW_DEG, VoxelSituation, bearing, turned
from worlds.types import Turn

REGIONS = ("north-west", "south-west", "south-east", "north-east")
"""Quarters of the world."""
MARGIN = 8.0
"""Blocks from the edge within which no walk is to end."""
STRIDE = 8.0
"""Blocks of a walk."""
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
Corner = tuple[float, float]
"""x, z."""


def bounds(size_x: int, size_z: int, region: str = "") -> tuple[Corner, Corner]:
    """The least and the most (x, z) of the world, or of its quarter `region`."""
    if not region:
        return (0.0, 0.0), (float(size_x), float(size_z))
    x, z = size_x / 2 * ("east" in region), size_z / 2 * ("south" in region)
    return (x, z), (x + size_x / 2, z + size_z / 2)


def middle(low: Corner, high: Corner) -> Corner:
    """The middle (x, z) of a rectangle."""
    return (low[0] + high[0]) / 2, (low[1] + high[1]) / 2


def unseen(looked_deg: tuple[float, ...], heading_deg: float) -> list[float]:
    """Those of the turns right, left and around whose view is not mostly among the headings looked at."""
    return [
        turn
        for turn in LOOKS
        if all(abs(turned(look, heading_deg + turn)) > VIEW_DEG / 2 for look in looked_deg)
    ]


def explore(situation: VoxelSituation, region: str = "") -> Choice:
    """Look all around at the start and after every second walk, else walk on as before; before the edge of
    `region` ("": of the whole world) turn left."""
    missing = unseen(situation.views, situation.pose[2])
    if missing and walks_since_scan(situation.observation.history) >= WALKS_BETWEEN:
        return situation.prefer(LOOKS[missing[0]], -SEARCH_DECISIONS)
    turn = turned(situation.pose[2], course(situation, region))
    return situation.prefer(situation.head_for(round(turn / 45.0) % 8), -SEARCH_DECISIONS)


def course(situation: VoxelSituation, region: str) -> float:
    """The heading (degrees) to walk in: that of the arrival at this spot, or the next one counter-clockwise
    whose walk ends inside; towards the middle where none does."""
    x, z = ((value // CELL + 0.5) * CELL for value in situation.pose[:2])
    size_x, size_z = situation.ground.level.shape
    low, high = bounds(size_x, size_z, region)
    margin = MARGIN / 2 if region else MARGIN
    for turn in (0.0, -90.0, 180.0, 90.0):
        heading = (situation.views[-1] + turn) % 360.0
        to_x = x + STRIDE * math.sin(math.radians(heading))
        to_z = z - STRIDE * math.cos(math.radians(heading))
        inside = low[0] + margin <= to_x <= high[0] - margin and low[1] + margin <= to_z <= high[1] - margin
        if inside and heading not in situation.shut:
            return heading
    return bearing(x, z, *middle(low, high))


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


def explore_map(situation: VoxelSituation, region: str = "") -> Choice:
    """Walk to where most of the map of `region` ("": of the world) is missing per decision, and look around
    there."""
    x, z, yaw = situation.pose
    missing = unseen(situation.views, yaw)
    known = situation.facts["known"]
    size_x, size_z = known.shape
    (low_x, low_z), (high_x, high_z) = bounds(size_x, size_z, region)
    seen = np.ones_like(known)
    inside = (slice(int(low_x), int(high_x)), slice(int(low_z), int(high_z)))
    seen[inside] = known[inside]
    goal = frontier(seen, situation.ground, x, z, 0.0 if missing else BLIND)
    if goal is None or (missing and situation.distance_to(*goal) <= AT_FRONTIER):
        look = SCAN if SCAN in situation.observation.actions else LOOKS[missing[0] if missing else 90.0]
        return situation.prefer(look, -SEARCH_DECISIONS)
    values = situation.values_to(np.array([goal]), AT_FRONTIER)
    return situation.choose({a: v - SEARCH_DECISIONS for a, v in values.items()}, goal)
