"""The halves and quarters of a world, by their compass names.

Positions are blocks, x east and z south.
"""

from __future__ import annotations

from worlds.voxel.edges import Corner

HALVES = ("west", "east")
QUARTERS = ("north-west", "south-west", "south-east", "north-east")


def bounds(size_x: int, size_z: int, region: str = "") -> tuple[Corner, Corner]:
    """The least and the most (x, z) of the world, or of its half or quarter `region`."""
    low = (size_x / 2 * ("east" in region), size_z / 2 * ("south" in region))
    high = (size_x / (1 + ("west" in region)), size_z / (1 + ("north" in region)))
    return low, high


def middle(low: Corner, high: Corner) -> Corner:
    """The middle (x, z) of a rectangle."""
    return (low[0] + high[0]) / 2, (low[1] + high[1]) / 2


def within(quarter: str, region: str) -> bool:
    """Whether a quarter is (part of) the region."""
    return set(region.split("-")) <= set(quarter.split("-"))
