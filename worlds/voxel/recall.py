"""Where the body's own notes last placed its target, told from where it stands now: what a player remembers
who knows how it has walked and turned since.

Invariant: nothing enters but the body's own notes of its last decisions, right or wrong, and its own places
and headings then and now, which it reads off its screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from worlds.types import Turn
from worlds.voxel.frontier import octant_of
from worlds.voxel.mirror import COLUMNS, DISTANCES, NEAR

BLOCKS = {"near": 4.0, "far": 14.0}
"""How far away a note's distance is taken to be."""
PASSED = 2.5
"""Blocks: who has come so near to the remembered place without an end of the episode remembers nothing."""


@dataclass(frozen=True)
class Standpoint:
    """From where a decision was made, and what its note is about: x, z (blocks), heading (degrees)."""

    x: float
    z: float
    heading_deg: float
    about: str


def recalled(turns: Iterable[tuple[Standpoint, Turn]], now: Standpoint) -> str:
    """ "target ahead-left far": where the latest sighting among `turns` (oldest first) lies, from `now`;
    "" where there is none, where it was of something else, was dug since, or was gone to."""
    place = None
    for stood, turn in turns:
        column, _, distance = turn.note.removeprefix("see ").partition(" ")
        if stood.about != now.about or (turn.action == f"mine {now.about}" and turn.outcome == "ok"):
            place = None
        elif column in COLUMNS and distance in DISTANCES:
            place = _place(stood, COLUMNS.index(column), BLOCKS[distance])
    if place is None:
        return ""
    east, south = place[0] - now.x, place[1] - now.z
    away = math.hypot(east, south)
    if away < PASSED:
        return ""
    way = octant_of(math.degrees(math.atan2(east, -south)) - now.heading_deg)
    return f"target {way.replace(' ', '-')} {DISTANCES[away >= NEAR]}"


def _place(stood: Standpoint, column: int, blocks: float) -> tuple[float, float]:
    """x, z of what frame column `column` showed `blocks` away, in a view of 90 degrees."""
    across = (column + 0.5) / len(COLUMNS) * 2.0 - 1.0
    heading = math.radians(stood.heading_deg) + math.atan(across)
    return stood.x + blocks * math.sin(heading), stood.z - blocks * math.cos(heading)
