"""The bytes of a frame: texel, light, haze and sky of every pixel, worked out anew in plain Python from where
the buffers say that its ray ended."""

from __future__ import annotations

import numpy as np
import pytest
from test_voxel_render import rays, worlds

from worlds.voxel.data import BLOCK, LAVA, LIGHT, LIQUID, OPAQUE, SHAPE, SHAPE_CROSS, WATER
from worlds.voxel.render import Rendered, render
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig
from worlds.voxel.textures import FACE_BOTTOM, FACE_TOP, FACE_X, FACE_Z, TEXELS

HAZE, ZENITH = np.array((198, 218, 240)), np.array((112, 160, 232))
LEVELS = ((12.0, 4), (6.0, 3), (3.0, 2), (1.5, 1))
"""Texels under a pixel from which on a coarser level of a texture is shown."""


def texel(block: int, face: int, level: int, across: float, along: float) -> np.ndarray:
    start, side = sum(4 ** (4 - i) for i in range(level)), 16 >> level
    column, row = (min(side - 1, max(0, int(part * side))) for part in (across, along))
    packed = int(TEXELS[block, face, start + row * side + column])
    return np.array([packed >> shift & 255 for shift in (0, 8, 16)])


def surface(
    world: np.ndarray, block: int, cell: np.ndarray, point: np.ndarray, ray: np.ndarray, blur: float
) -> np.ndarray:
    """The lit colour of a block at a `point` (x, y, z) of its surface."""
    x, y, z = (int(v) for v in cell)
    local = point - cell
    level = next((level for least, level in LEVELS if blur >= least), 0) if (OPAQUE | LIQUID)[block] else 0
    before = [x, y, z]
    if SHAPE[block] == SHAPE_CROSS:
        colour = texel(block, FACE_TOP, level, local[0], 1 - local[1])
    else:
        axis = int(np.argmin(np.abs(local - (ray < 0))))  # the face that is nearest to where the ray came in
        before[axis] -= 1 if ray[axis] > 0 else -1
        across, along = (local[2] if axis == 0 else local[0]), (local[2] if axis == 1 else 1 - local[1])
        face = (FACE_X, FACE_BOTTOM if ray[1] > 0 else FACE_TOP, FACE_Z)[axis]
        colour = texel(block, face, level, across, along)
    i, k = (min(max(before[a], 0), world.shape[a // 2] - 1) for a in (0, 2))
    filled = np.flatnonzero(world[i, k])
    under = (filled[-1] + 1 if filled.size else 0) - before[1]
    light = 256 if under < 2 or LIGHT[block] else 180 if under < 10 else 110
    return colour * light >> 8


def expected(state: VoxelState, frame: Rendered, size: int) -> np.ndarray:
    eye, directions = rays(state, 0, size)
    world = state.blocks[0]
    inside = world[tuple(np.floor(eye[[0, 2, 1]]).astype(int))]
    haze = {WATER: np.array((36, 76, 170)), LAVA: np.array((220, 90, 20))}.get(int(inside), HAZE)
    start, per_block, most = (-6.0, 14.0, 240) if LIQUID[inside] else (18.0, 3.2, 170)
    rgb = np.zeros((size, size, 3), np.int64)
    for row, column in np.ndindex(size, size):
        ray = directions[row, column]
        t = float(frame.depth[row, column] / np.linalg.norm(ray))
        fog = int(min(most, max(0.0, (t - start) * per_block)))
        if np.isinf(t):
            rise = int(min(256.0, max(0.0, 409.6 * ray[1] / np.linalg.norm(ray))))
            colour = HAZE + ((ZENITH - HAZE) * rise >> 8)
            fog = fog if LIQUID[inside] else 0
        else:
            block, cell = int(frame.block_id[row, column]), frame.cell[row, column][[0, 2, 1]]
            colour = surface(world, block, cell, eye + ray * t, ray, t * 32.0 / size)
        rgb[row, column] = colour + ((haze - colour) * fog >> 8)
    return rgb


@pytest.mark.parametrize("within", ["air", "water", "lava"])
def test_every_pixel_has_the_colour_that_its_ray_and_the_world_give(within: str) -> None:
    random = np.random.default_rng(len(within))
    state = worlds(1, TerrainConfig(landmarks=("pumpkin", "glowstone", "glass", "tnt"), plants=3.0))
    x, y, z = (int(v) for v in state.position[0, 0])
    state.blocks[0, x - 4 : x + 2, z - 6 : z - 3, y + 4] = BLOCK["stone"]  # throws shade
    state.blocks[0, x + 3 : x + 6, z - 3 : z + 3, y + 12] = BLOCK["stone"]  # deep shade
    if within != "air":
        state.blocks[0, x - 1 : x + 2, z - 1 : z + 2, y : y + 3] = BLOCK[within]
    size, wrong, sky = 40, 0, 0
    for _ in range(6):
        state.yaw_deg[0, 0], state.pitch_deg[0, 0] = random.uniform(0, 360), random.uniform(-40, 50)
        frame = render(state, 0, 0, size)
        apart = np.abs(expected(state, frame, size) - frame.rgb).max(axis=-1)
        wrong += int((apart > 1).sum())
        sky += int(np.isinf(frame.depth).sum())
    assert sky > 100
    assert wrong <= 0.01 * 6 * size**2, f"{wrong} pixels differ (those on the border of two texels may)"
