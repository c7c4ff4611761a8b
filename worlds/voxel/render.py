"""First-person frames of the voxel world by ray casting.

Invariant: a frame is a function of the state alone: same state, same bytes, in every process. The
colours of `render` and `render_batch` are the same; `render` also says what each pixel shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.creatures import BODY_KIND, draw_creature
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.raycast import FLOAT_ROWS, INT_ROWS, STRIDE, WIDEST, cast_frame
from worlds.voxel.sight import refresh, sight_of
from worlds.voxel.state import VoxelState
from worlds.voxel.textures import TEXELS

NOBODY = -1
"""In `Rendered.animal`: no creature. An animal is its index, another body `a` is -2 - a."""


@dataclass(frozen=True)
class Rendered:
    """A frame and what its pixels show. `rgb` (H, W, 3) uint8; `block_id` (H, W) uint8, 0 for sky and
    creatures; `depth` (H, W) float32, blocks from the eye, inf for the sky; `animal` (H, W) int16,
    see `NOBODY`; `cell` (H, W, 3) int16, x, z, y of the block, -1 where there is none."""

    rgb: NDArray[np.uint8]
    block_id: NDArray[np.uint8]
    depth: NDArray[np.float32]
    animal: NDArray[np.int16]
    cell: NDArray[np.int16]


@njit(cache=True)
def _camera(yaw_deg: float, pitch_deg: float, tangent: float, basis: NDArray[np.float32]) -> None:
    """Rows of `basis`: right and up (times `tangent`), ahead."""
    yaw, pitch = np.deg2rad(yaw_deg), np.deg2rad(pitch_deg)
    sine, cosine = np.sin(yaw), np.cos(yaw)
    basis[0, 0], basis[0, 1], basis[0, 2] = cosine * tangent, 0.0, sine * tangent
    basis[1, 0], basis[1, 2] = np.sin(pitch) * sine * tangent, -np.sin(pitch) * cosine * tangent
    basis[1, 1] = np.cos(pitch) * tangent
    basis[2, 0], basis[2, 1], basis[2, 2] = np.cos(pitch) * sine, -np.sin(pitch), -np.cos(pitch) * cosine


@njit(cache=True)
def _frame(
    b: int,
    a: int,
    blocks: NDArray[np.uint8],
    leap: NDArray[np.int32],
    columns: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    position: NDArray[np.float64],
    yaw_deg: NDArray[np.float64],
    pitch_deg: NDArray[np.float64],
    animal_kind: NDArray[np.uint8],
    animal_position: NDArray[np.float64],
    animal_yaw_deg: NDArray[np.float64],
    tangent: float,
    rgb_HW3: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    mark_HW: NDArray[np.int16],
    block_HW: NDArray[np.uint8],
    cell_HW3: NDArray[np.int16],
) -> None:
    """One body's frame: blocks, then creatures."""
    basis = np.empty((3, 3), np.float32)
    _camera(yaw_deg[b, a], pitch_deg[b, a], tangent, basis)
    eye = (position[b, a, 0], position[b, a, 1] + EYE_HEIGHT, position[b, a, 2])
    cast_frame(
        blocks[b],
        leap[b],
        columns[b],
        texels,
        floats,
        ints,
        eye,
        basis,
        rgb_HW3,
        depth_HW,
        block_HW,
        cell_HW3,
    )
    for n in range(animal_kind.shape[1]):
        if animal_kind[b, n] != 0:
            x, y, z = animal_position[b, n]
            draw_creature(
                animal_kind[b, n], x, y, z, animal_yaw_deg[b, n], n, eye, basis, rgb_HW3, depth_HW, mark_HW
            )
    for other in range(position.shape[1]):
        if other != a:
            x, y, z = position[b, other]
            draw_creature(
                np.uint8(BODY_KIND),
                x,
                y,
                z,
                yaw_deg[b, other],
                -2 - other,
                eye,
                basis,
                rgb_HW3,
                depth_HW,
                mark_HW,
            )


@njit(cache=True)
def _render_all(
    words: NDArray[np.uint64],
    blocks: NDArray[np.uint8],
    leap: NDArray[np.int32],
    columns: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    position: NDArray[np.float64],
    yaw_deg: NDArray[np.float64],
    pitch_deg: NDArray[np.float64],
    animal_kind: NDArray[np.uint8],
    animal_position: NDArray[np.float64],
    animal_yaw_deg: NDArray[np.float64],
    tangent: float,
    rgb_BAHW3: NDArray[np.uint8],
) -> None:
    """Colours only, of every body of every world."""
    height, width = rgb_BAHW3.shape[2:4]
    depth = np.empty((height, width), np.float32)
    mark = np.empty((height, width), np.int16)
    no_block, no_cell = np.empty((0, 0), np.uint8), np.empty((0, 0, 3), np.int16)
    for b in range(blocks.shape[0]):
        refresh(words[b], blocks[b], leap[b], columns[b], hashes[b])
        for a in range(position.shape[1]):
            _frame(
                b, a, blocks, leap, columns, texels, floats, ints, position, yaw_deg, pitch_deg, animal_kind, animal_position,
                animal_yaw_deg, tangent, rgb_BAHW3[b, a], depth, mark, no_block, no_cell,
            )  # fmt: skip


def _scratch(size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Working memory of `cast_frame`."""
    if not 0 < size <= WIDEST:
        raise ValueError(f"a frame of {size} pixels cannot be rendered: take 1 to {WIDEST}")
    return np.zeros(FLOAT_ROWS * STRIDE, np.float32), np.zeros(INT_ROWS * STRIDE, np.int32)


def render(state: VoxelState, b: int, a: int, size: int, fov_deg: float = 90.0) -> Rendered:
    """What body `a` of world `b` sees, `size` x `size`, with the buffers of `Rendered`."""
    sight = sight_of(state)
    words = state.blocks[b].view(np.uint64)
    refresh(words, state.blocks[b], sight.leap[b], sight.columns[b], sight.hashes[b])
    tangent = float(np.tan(np.deg2rad(fov_deg) / 2))
    rgb = np.empty((size, size, 3), np.uint8)
    t = np.empty((size, size), np.float32)
    animal = np.full((size, size), NOBODY, np.int16)
    block_id = np.empty((size, size), np.uint8)
    cell = np.empty((size, size, 3), np.int16)
    _frame(
        b, a, state.blocks, sight.leap, sight.columns, TEXELS, *_scratch(size), state.position, state.yaw_deg,
        state.pitch_deg, state.animal_kind, state.animal_position, state.animal_yaw_deg, tangent,
        rgb, t, animal, block_id, cell,
    )  # fmt: skip
    creature = animal != NOBODY
    block_id[creature] = 0
    cell[creature] = -1
    axis = ((np.arange(size) + 0.5) * 2.0 / size - 1.0) * tangent
    length = np.sqrt(1.0 + axis[:, None] ** 2 + axis[None, :] ** 2)
    depth = np.where(t < 1e29, t * length, np.inf).astype(np.float32)
    return Rendered(rgb, block_id, depth, animal, cell)


def render_batch(state: VoxelState, size: int, fov_deg: float = 90.0) -> NDArray[np.uint8]:
    """The frames of all bodies of all worlds, (B, A, size, size, 3) uint8."""
    sight = sight_of(state)
    frames = np.empty((*state.position.shape[:2], size, size, 3), np.uint8)
    _render_all(
        state.blocks.view(np.uint64), state.blocks, sight.leap, sight.columns, TEXELS, *_scratch(size), sight.hashes, state.position,
        state.yaw_deg, state.pitch_deg, state.animal_kind, state.animal_position, state.animal_yaw_deg,
        float(np.tan(np.deg2rad(fov_deg) / 2)), frames,
    )  # fmt: skip
    return frames


def mark_seen(state: VoxelState, b: int, a: int, rendered: Rendered) -> None:
    """Add the columns that the frame shows to `state.seen`."""
    shown = rendered.block_id > 0
    state.seen[b, a, rendered.cell[..., 0][shown], rendered.cell[..., 1][shown]] = True
