"""Animals and other bodies as a few coloured boxes, drawn over a frame that has its depths.

Invariant: a creature shows only where it is nearer than what the frame already holds there.
Boxes are given in the creature's own axes (right, up, ahead), scaled from blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import ANIMALS

_Box = tuple[float, float, float, float, float, float, int]


def _four_legs(width: float, low: float, length: float, colour: int) -> list[_Box]:
    w, n = width / 2, length / 2
    return [
        (-w, 0, n - 0.22, w, low, n, colour),
        (-w, 0, -n, w, low, -n + 0.22, colour),
    ]


_BOXES: dict[str, list[_Box]] = {
    "cow": [
        (-0.4, 0.65, -0.7, 0.4, 1.35, 0.6, 0x6B4A34), (-0.41, 0.8, -0.3, 0.41, 1.36, 0.15, 0xE8E4E0),
        (-0.25, 1.0, 0.6, 0.25, 1.5, 1.0, 0x5A3A28), (-0.2, 1.0, 0.98, 0.2, 1.2, 1.03, 0xD8B8A8),
        *_four_legs(0.7, 0.65, 1.1, 0x4A3424),
    ],
    "sheep": [
        (-0.4, 0.5, -0.6, 0.4, 1.2, 0.5, 0xF4F2EE), (-0.2, 0.9, 0.5, 0.2, 1.3, 0.85, 0xC8A890),
        (-0.25, 1.1, 0.45, 0.25, 1.35, 0.75, 0xF4F2EE), *_four_legs(0.6, 0.5, 1.0, 0xC8A890),
    ],
    "pig": [
        (-0.35, 0.35, -0.5, 0.35, 0.9, 0.45, 0xF0A0A4), (-0.27, 0.45, 0.45, 0.27, 0.95, 0.85, 0xF2ACB0),
        (-0.13, 0.55, 0.85, 0.13, 0.72, 0.92, 0xC8686C), *_four_legs(0.6, 0.35, 0.9, 0xD88890),
    ],
    "chicken": [
        (-0.2, 0.25, -0.25, 0.2, 0.6, 0.2, 0xFAFAFA), (-0.12, 0.5, 0.15, 0.12, 0.85, 0.35, 0xFAFAFA),
        (-0.1, 0.62, 0.35, 0.1, 0.72, 0.48, 0xF0A020), (-0.05, 0.5, 0.34, 0.05, 0.62, 0.42, 0xD02018),
        (-0.12, 0, -0.05, 0.12, 0.25, 0.05, 0xE0A030),
    ],
    "": [
        (-0.25, 0, -0.12, 0.25, 0.75, 0.12, 0x33418F), (-0.5, 0.75, -0.14, 0.5, 1.4, 0.14, 0x16A0A0),
        (-0.25, 1.4, -0.25, 0.25, 1.8, 0.25, 0xC89878), (-0.26, 1.66, -0.26, 0.26, 1.82, 0.2, 0x4A3020),
    ],
}  # fmt: skip
BODY_KIND = 0
"""The boxes of another agent's body stand where animal kind 0 ("none") would."""


def _box_table() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Boxes (kinds, 8, 6) and colours (kinds, 8), unused ones with colour -1."""
    boxes = np.zeros((len(ANIMALS), 8, 6))
    colours = np.full((len(ANIMALS), 8), -1, np.int64)
    for kind, animal in enumerate(ANIMALS):
        for i, (*box, colour) in enumerate(_BOXES[animal.name]):
            boxes[kind, i] = box
            colours[kind, i] = colour
    return boxes, colours


BOXES, COLOURS = _box_table()
_MIDDLE = 0.7
"""Height above the feet of the middle of the ball that holds a creature."""
_BOUND = np.sqrt(
    (np.maximum(abs(BOXES[:, :, :3] - (0, _MIDDLE, 0)), abs(BOXES[:, :, 3:] - (0, _MIDDLE, 0))) ** 2)
    .sum(-1)
    .max(-1)
)
_FARTHEST = 64.0


@njit(cache=True, error_model="numpy", inline="always")
def _inverse(along: float) -> float:
    return 1.0 / (along if abs(along) > 1e-12 else 1e-12)


@njit(cache=True, error_model="numpy", inline="always")
def _crossed(low: float, high: float, over: float) -> tuple[float, float]:
    """Where a ray that needs `over` for a block comes between two planes, and where it leaves."""
    first, second = low * over, high * over
    return min(first, second), max(first, second)


@njit(cache=True, error_model="numpy")
def draw_creature(
    kind: int,
    x: float,
    y: float,
    z: float,
    yaw_deg: float,
    mark: int,
    eye: tuple[float, float, float],
    basis: NDArray[np.float32],
    rgb_HW3: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    mark_HW: NDArray[np.int16],
) -> None:
    """Draw one creature whose feet are at (x, y, z). `basis` rows are right, up (both times the
    tangent of half the field of view) and ahead; `depth_HW` holds t along the pixel's ray; `mark`
    is written to `mark_HW` wherever the creature shows."""
    height, width = depth_HW.shape
    bound = _BOUND[kind]
    cx, cy, cz = x - eye[0], y + _MIDDLE - eye[1], z - eye[2]
    ahead = cx * basis[2, 0] + cy * basis[2, 1] + cz * basis[2, 2]
    if ahead < -bound or ahead > _FARTHEST:
        return
    scale = basis[0, 0] ** 2 + basis[0, 1] ** 2 + basis[0, 2] ** 2
    right = (cx * basis[0, 0] + cy * basis[0, 1] + cz * basis[0, 2]) / scale
    over = (cx * basis[1, 0] + cy * basis[1, 1] + cz * basis[1, 2]) / scale
    # Beside the field of view: farther than the ball is wide beyond one of its four planes.
    if (max(abs(right), abs(over)) - ahead) * np.sqrt(scale) > bound * np.sqrt(1.0 + scale):
        return
    first_row, last_row, first_column, last_column = 0, height, 0, width
    if ahead > bound * 1.5:
        right, over = right / ahead, over / ahead
        reach = bound / np.sqrt(scale) / (ahead - bound) * (1.0 + max(abs(right), abs(over)))
        first_column = max(0, int((right - reach + 1.0) * 0.5 * width))
        last_column = min(width, int((right + reach + 1.0) * 0.5 * width) + 2)
        first_row = max(0, int((1.0 - over - reach) * 0.5 * height))
        last_row = min(height, int((1.0 - over + reach) * 0.5 * height) + 2)
    sine, cosine = np.sin(np.deg2rad(yaw_deg)), np.cos(np.deg2rad(yaw_deg))
    ox, oy, oz = (
        (eye[0] - x) * cosine + (eye[2] - z) * sine,
        eye[1] - y,
        (eye[0] - x) * sine - (eye[2] - z) * cosine,
    )
    # The planes of the boxes as the eye has them, so that a pixel multiplies where it would divide.
    planes = np.empty((COLOURS.shape[1], 6), np.float64)
    boxes = 0
    while boxes < COLOURS.shape[1] and COLOURS[kind, boxes] >= 0:
        for k in range(3):
            o = ox if k == 0 else oy if k == 1 else oz
            planes[boxes, k], planes[boxes, k + 3] = BOXES[kind, boxes, k] - o, BOXES[kind, boxes, k + 3] - o
        boxes += 1
    outside = cx * cx + cy * cy + cz * cz - bound * bound
    nearest = ahead - bound
    for row in range(first_row, last_row):
        v = 1.0 - (row + 0.5) * 2.0 / height
        for column in range(first_column, last_column):
            limit = float(depth_HW[row, column])
            if limit < nearest:
                continue
            u = (column + 0.5) * 2.0 / width - 1.0
            east = basis[2, 0] + u * basis[0, 0] + v * basis[1, 0]
            south = basis[2, 2] + u * basis[0, 2] + v * basis[1, 2]
            dy = basis[2, 1] + u * basis[0, 1] + v * basis[1, 1]
            along = cx * east + cy * dy + cz * south
            if outside * (east * east + dy * dy + south * south) > along * along:
                continue
            dx, dz = east * cosine + south * sine, east * sine - south * cosine
            over_x, over_y, over_z = _inverse(dx), _inverse(dy), _inverse(dz)
            best, colour, face = limit, -1, 0
            for i in range(boxes):
                near_x, far_x = _crossed(planes[i, 0], planes[i, 3], over_x)
                near_y, far_y = _crossed(planes[i, 1], planes[i, 4], over_y)
                near_z, far_z = _crossed(planes[i, 2], planes[i, 5], over_z)
                enter = max(near_x, near_y, near_z)
                if 1e-3 < enter < best and enter < min(far_x, far_y, far_z):
                    best, colour = enter, COLOURS[kind, i]
                    face = 0 if enter == near_x else 1 if enter == near_y else 2
            if colour >= 0:
                light = 164 if face == 0 else 256 if face == 1 else 210
                depth_HW[row, column] = best
                mark_HW[row, column] = mark
                rgb_HW3[row, column, 0] = ((colour >> 16) * light) >> 8
                rgb_HW3[row, column, 1] = (((colour >> 8) & 255) * light) >> 8
                rgb_HW3[row, column, 2] = ((colour & 255) * light) >> 8
