"""Where to look and walk while the target is not known.

Invariant: the choice is a function of what the body itself can read off its screen and its last turns:
position, heading, the turns since its last look-around, the ground it has seen. There is no counter, so a
student that sees the same can imitate it.

A look-around is right, left and ahead again: "turn right 90", "turn around", "turn right 90" (what lies
behind was in view on the way). Then the body walks twice straight on, and looks around again; before the edge
of the world, or where it got stuck, it turns left. Each step follows from the last few turns, and nothing has
to be planned or measured: rules with a plan in them were a third better for the teacher and worse for a
student that had to imitate them.
"""

from __future__ import annotations

import math

import numpy as np

from teachers.planners.coverage import frontier
from teachers.planners.pose_grid import WALKS
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
"""Blocks: the grid on which the student is told its own place."""
WALKS_BETWEEN = 2
"""Walks from one look-around to the next."""
LOOK, AROUND, WALK = "turn right 90", "turn around", "forward 8"
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
    """Look around at the start and after every second walk, else walk straight on within `region` ("": the
    whole world), or turn left where that leads out of it or nowhere."""
    return situation.prefer(_search(situation, region), -SEARCH_DECISIONS)


def _search(situation: VoxelSituation, region: str) -> str:
    last = situation.observation.history[-1].action if situation.observation.history else ""
    walks = walks_since_look(situation.observation.history)
    if walks is None or walks >= WALKS_BETWEEN:
        return AROUND if last == LOOK else LOOK
    if last == AROUND:
        return LOOK
    yaw = situation.pose[2]
    free = [turn for turn in (0.0, -90.0, 180.0, 90.0) if _leads_on(situation, yaw + turn, region)]
    if free:
        return "turn left 90" if free[0] else WALK
    x, z = situation.pose[:2]
    size_x, size_z = situation.ground.level.shape
    inwards = bearing(x, z, *middle(*bounds(size_x, size_z, region)))
    return situation.head_for(round(turned(yaw, inwards) / 45.0) % 8, WALK)


def _leads_on(situation: VoxelSituation, heading_deg: float, region: str) -> bool:
    """Whether a walk in this heading ends inside `region` and did not get stuck from here."""
    heading = heading_deg % 360.0
    # As coarsely as the student is told its place: a finer edge could not be imitated.
    x, z = ((value // CELL + 0.5) * CELL for value in situation.pose[:2])
    size_x, size_z = situation.ground.level.shape
    low, high = bounds(size_x, size_z, region)
    margin = MARGIN / 2 if region else MARGIN
    to_x = x + STRIDE * math.sin(math.radians(heading))
    to_z = z - STRIDE * math.cos(math.radians(heading))
    inside = low[0] + margin <= to_x <= high[0] - margin and low[1] + margin <= to_z <= high[1] - margin
    return inside and heading not in situation.shut


def walks_since_look(history: tuple[Turn, ...]) -> int | None:
    """Walks since the body last looked around (None: not within the visible history)."""
    walks = 0
    for turn in reversed(history):
        if turn.action == AROUND:
            return walks
        walks += turn.action in WALKS and turn.outcome != STUCK
    return None


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
