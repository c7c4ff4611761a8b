"""Whether the way ahead leads out of the world. Its border is no secret: a player reads the own place off the
screen, and a search that keeps off the edge must be one that a student can imitate.

Invariant: what is told is a function of the body's place, its heading (squared up to the 8 directions, as the
moving skills do) and the world's size.
"""

from __future__ import annotations

import math

from worlds.voxel.state import VoxelState

STRIDE = 8.0
"""Blocks of the walk that is judged: "forward 8"."""
MARGIN = 8.0
"""Blocks from the edge within which no walk should end: there is little left to see."""
TINY = 1e-6
"""Blocks: a walk along the edge does not lead in."""
Corner = tuple[float, float]
"""x, z."""


def squared(yaw_deg: float) -> float:
    """The nearest of the 8 headings."""
    return round(yaw_deg / 45.0) % 8 * 45.0


def leads_out(place: Corner, heading_deg: float, low: Corner, high: Corner, margin: float = MARGIN) -> bool:
    """Whether a walk of `STRIDE` from `place` ends within `margin` of the edge of a rectangle, or beyond, and
    no farther inside than it began: in a corner, too, two ways lead in."""
    x, z = place
    to_x = x + STRIDE * math.sin(math.radians(heading_deg))
    to_z = z - STRIDE * math.cos(math.radians(heading_deg))
    beyond = _beyond(to_x, to_z, low, high, margin)
    return beyond > 0.0 and beyond > _beyond(x, z, low, high, margin) - TINY


def _beyond(x: float, z: float, low: Corner, high: Corner, margin: float) -> float:
    """Blocks from a place to the rectangle less its margin (0: within)."""
    off_x = max(low[0] + margin - x, x - high[0] + margin, 0.0)
    off_z = max(low[1] + margin - z, z - high[1] + margin, 0.0)
    return math.hypot(off_x, off_z)


def edge_words(state: VoxelState, a: int = 0) -> str:
    """ "edge ahead" where a walk of body `a` of world 0 leads out of it, else ""."""
    (x, _, z), (size_x, size_z) = state.position[0, a], state.blocks.shape[1:3]
    heading, high = squared(float(state.yaw_deg[0, a])), (float(size_x), float(size_z))
    # One thing, said in words that nothing else is said in: told side by side with the other three
    # directions, a small model did not come to read it (docs/learner.md).
    return "edge ahead" if leads_out((x, z), heading, (0.0, 0.0), high) else ""
