"""The eight directions, as words: what a compass shows, and what lies where from one's own heading."""

from __future__ import annotations

COMPASS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
BEARINGS = ("ahead", "ahead-right", "right", "behind-right", "behind", "behind-left", "left", "ahead-left")


def octant(angle_deg: float) -> int:
    """The nearest of 8 directions, clockwise from 0 degrees."""
    return int(((angle_deg % 360.0) + 22.5) // 45.0) % 8
