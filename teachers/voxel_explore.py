"""Where to look and walk while the target is not known.

Invariant: the choice is a function of what the body itself can read off its screen and its last turns:
position, heading, the turns since its last look-around, the ground it has seen. There is no counter, so a
student that sees the same can imitate it.

A look-around is right, left and ahead again: "turn right 90", "turn around", "turn right 90" (what lies
behind was in view on the way). Then the body walks twice straight on, and looks around again; before the edge
of the world, which the status line tells, or where it got stuck, it turns left. Each step follows from the
status line and the last few turns, and nothing has to be planned or measured: a ring of exact walks was no
better for the teacher, and a student that imitated it agreed less (docs/learner.md). Where the status line
tells the way to the unseen, the walks follow it.
"""

from __future__ import annotations

from teachers.planners.regions import bounds, middle
from teachers.roles import Choice
from teachers.voxel_situation import SCAN, VoxelSituation, bearing, turned
from worlds.directions import BEARINGS
from worlds.types import Turn
from worlds.voxel.edges import MARGIN, leads_out
from worlds.voxel.moves import STUCK, WALKS

WALKS_BETWEEN = 2
"""Walks from one look-around to the next."""
LOOK, AROUND, WALK = "turn right 90", "turn around", "forward 8"
SEARCH_DECISIONS = 8.0
"""Decisions that a search is taken to last, for the values alone."""


def explore(situation: VoxelSituation, region: str = "") -> Choice:
    """Look around at the start and after every second walk, else walk straight on within `region` ("": the
    whole world), or turn left where that leads out of it or nowhere."""
    return situation.prefer(_search(situation, region), -SEARCH_DECISIONS)


def _look(history: tuple[Turn, ...]) -> str:
    """The next step of a look-around, "" where none is due."""
    last = history[-1].action if history else ""
    walks = walks_since(AROUND, history)
    if walks is None or walks >= WALKS_BETWEEN:
        return AROUND if last == LOOK else LOOK
    return LOOK if last == AROUND else ""


def _search(situation: VoxelSituation, region: str) -> str:
    if look := _look(situation.turns):
        return look
    yaw = situation.pose[2]
    free = [turn for turn in (0.0, -90.0, 180.0, 90.0) if _leads_on(situation, yaw + turn, region)]
    if free:
        return "turn left 90" if free[0] else WALK
    x, z = situation.pose[:2]
    size_x, size_z = situation.ground.level.shape
    inwards = bearing(x, z, *middle(*bounds(size_x, size_z, region)))
    return situation.head_for(round(turned(yaw, inwards) / 45.0) % 8, WALK)


def _leads_on(situation: VoxelSituation, heading_deg: float, region: str) -> bool:
    """Whether a walk in this heading ends inside `region` (of the whole world the status line tells it) and
    did not get stuck from here."""
    heading = heading_deg % 360.0
    size_x, size_z = situation.ground.level.shape
    low, high = bounds(size_x, size_z, region)
    margin = MARGIN / 2 if region else MARGIN
    return heading not in situation.shut and not leads_out(situation.pose[:2], heading, low, high, margin)


def walks_since(look: str, history: tuple[Turn, ...]) -> int | None:
    """Walks since the body last did `look` (None: not within the visible history)."""
    walks = 0
    for turn in reversed(history):
        if turn.action == look:
            return walks
        walks += turn.action in WALKS and turn.outcome != STUCK
    return None


def explore_map(situation: VoxelSituation, region: str = "") -> Choice:
    """Scan, walk once towards the unseen (of `region`, where the body has one of its own), scan again."""
    history = situation.turns
    if walks_since(SCAN, history) == 0:
        return situation.prefer(_towards_unseen(situation, region), -SEARCH_DECISIONS)
    return situation.prefer(SCAN, -SEARCH_DECISIONS)


def search_map(situation: VoxelSituation, region: str = "") -> Choice:
    """Look around as `explore` does, but walk towards the unseen."""
    way = _look(situation.turns) or _towards_unseen(situation, region)
    return situation.prefer(way, -SEARCH_DECISIONS)


def _towards_unseen(situation: VoxelSituation, region: str = "") -> str:
    """The skill that turns to, or walks in, the direction of the unseen: the one that the status line tells,
    the frontier of the body's own map, so the student reads the same; or with a region of its own, the
    frontier there of the map that all bodies made."""
    if region:
        goal = situation.unseen(region)
        if goal is not None:
            return situation.head_for(round(situation.bearing_to(*goal) / 45.0) % 8, WALK)
    way = situation.observation.status.words.partition("unseen ")[2]
    return situation.head_for(BEARINGS.index(way) if way else 0, WALK)
