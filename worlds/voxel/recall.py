"""Where the body's own notes last placed its target, told from where it stands now: what a player remembers
who knows how it has walked and turned since.

Invariant: nothing enters but the body's own notes of its last decisions, right or wrong, and its own places
and headings then and now, which it reads off its screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from worlds.directions import BEARINGS, octant
from worlds.types import Turn
from worlds.voxel.mirror import COLUMNS, DISTANCES, NEAR, NOTES

BLOCKS = dict(zip(DISTANCES, (4.0, 14.0), strict=True))
"""How far away a note's distance is taken to be."""
PASSED = 2.5
"""Blocks: who has come so near to the remembered place and goes on remembers it no more: the thing is farther
off, or was never there."""
_SIGHTED = {note: tuple(note.split(" ")[1:]) for note in NOTES[1:]}


@dataclass(frozen=True)
class Standpoint:
    """From where a decision was made, and what its note is about: x, z (blocks), heading (degrees)."""

    x: float
    z: float
    heading_deg: float
    about: str


def recalled(turns: Iterable[tuple[Standpoint, Turn]], now: Standpoint) -> str:
    """ "target ahead-left far": where the latest sighting among `turns` (oldest first) lies, from `now`; ""
    where there is none, where it was of something else, was dug since, or was gone to."""
    if not now.about:
        return ""
    steps = list(turns)
    stands = [*(stood for stood, _ in steps), now]
    place: tuple[float, float] | None = None
    for (stood, turn), then in zip(steps, stands[1:], strict=True):
        if stood.about != now.about or (turn.action == f"mine {now.about}" and turn.outcome == "ok"):
            place = None
        elif turn.note in _SIGHTED:
            place = _place(stood, *_SIGHTED[turn.note])
        if place is not None and _nearest(place, stood, then) < PASSED:
            place = None
    if place is None:
        return ""
    east, south = place[0] - now.x, place[1] - now.z
    way = BEARINGS[octant(math.degrees(math.atan2(east, -south)) - now.heading_deg)]
    return f"target {way} {DISTANCES[math.hypot(east, south) >= NEAR]}"


def _place(stood: Standpoint, column: str, distance: str) -> tuple[float, float]:
    """x, z of what a frame column showed at a distance, in a view of 90 degrees."""
    across = (COLUMNS.index(column) + 0.5) / len(COLUMNS) * 2.0 - 1.0
    heading = math.radians(stood.heading_deg) + math.atan(across)
    return stood.x + BLOCKS[distance] * math.sin(heading), stood.z - BLOCKS[distance] * math.cos(heading)


def _nearest(place: tuple[float, float], begin: Standpoint, end: Standpoint) -> float:
    """Blocks from a place to the straight way between two standpoints."""
    along_x, along_z = end.x - begin.x, end.z - begin.z
    off_x, off_z = place[0] - begin.x, place[1] - begin.z
    length = along_x**2 + along_z**2
    share = min(1.0, max(0.0, (off_x * along_x + off_z * along_z) / length)) if length else 0.0
    return math.hypot(off_x - share * along_x, off_z - share * along_z)
