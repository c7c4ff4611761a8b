"""The rays of a frame: the inner loop of the renderer.

Invariant: a ray meets exactly the cells that a plain cell-by-cell walk would meet; the leaps of
`worlds.voxel.sight` only pass over cells that are air. `tests/voxel/test_voxel_render.py` holds the
plain walk to compare with.

`cast_frame` is one long function on purpose: numba counts references (atomically) to every array that
a function takes, and a call per ray cost twice what the ray itself does.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import LIGHT, LIQUID, OPAQUE, SHAPE, SHAPE_CROSS, SHAPE_LIQUID, WATER
from worlds.voxel.sight import RADII
from worlds.voxel.textures import FACE_BOTTOM, FACE_TOP, FACE_X, FACE_Z

_OPEN = 1 << 20
_NEVER = 1e30
_SHADE, _DARK = 180, 110
"""Brightness, of 256, of a face under something and of a face deep under something."""
_DEEP = 10
_GLOWS = LIGHT > 0
_FLAT = OPAQUE | (SHAPE == SHAPE_LIQUID)
"""Blocks whose faces have no holes."""


@njit(cache=True)
def texel(texels: NDArray[np.uint32], block: int, face: int, u: float, v: float, mip: int) -> np.uint32:
    """The packed texel at (u, v) in [0, 1] of mip level `mip`."""
    size = 16 >> mip
    column = min(size - 1, max(0, int(u * size)))
    row = min(size - 1, max(0, int(v * size)))
    start = (1024 - 4 * size * size) // 3  # 0, 256, 320, 336, 340
    return texels[block, face, start + row * size + column]


@njit(cache=True, error_model="numpy")
def _meet_plant(
    texels: NDArray[np.uint32],
    block: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    t_in: float,
    t_out: float,
) -> float:
    """The t at which a ray, relative to the cell's corner, meets the two crossed sheets of a plant,
    `_NEVER` when it passes between the leaves."""
    best = _NEVER
    for sheet in range(2):
        across = dx - dz if sheet == 0 else dx + dz
        offset = oz - ox if sheet == 0 else 1.0 - ox - oz
        if across == 0.0:
            continue
        t = offset / across
        if t_in <= t <= t_out and 0.0 < t < best:
            found = texel(texels, block, FACE_TOP, ox + dx * t, 1.0 - (oy + dy * t), 0)
            if found >> np.uint32(24):
                best = t
    return best


@njit(cache=True)
def _onward(coordinate: float, cell: int, radius: int, forward: bool) -> int:
    """The cell of a coordinate, never behind the present one (rounding must not turn a ray back, or
    it would go round for ever) and at most `radius` ahead of it."""
    found = int(np.floor(coordinate))
    return min(cell + radius, max(cell, found)) if forward else max(cell - radius, min(cell, found))


_HAZE = (198, 218, 240)
_ZENITH = (112, 160, 232)
_FOG_FROM, _FOG_PER_BLOCK, _FOG_MOST = 18.0, 3.2, 170.0
"""Haze of 256 per block beyond a distance, up to a most."""


@njit(cache=True, error_model="numpy")
def cast_frame(
    world: NDArray[np.uint8],
    leap: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    highest: int,
    eye: tuple[float, float, float],
    basis: NDArray[np.float64],
    rgb_HW3: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    block_HW: NDArray[np.uint8],
    cell_HW3: NDArray[np.int16],
    buffers: bool,
) -> None:
    """Cast one ray per pixel of a square frame.

    `highest` is the end of everything in the world, `basis` has the rows right, up (both times the
    tangent of half the field of view) and ahead. `depth_HW` gets t along the ray, whose part ahead has
    length 1, and 1e30 for the sky. `block_HW` and `cell_HW3` are written when `buffers` is set.
    The eye's own cell, and the liquid that it is in, are looked through."""
    height, width = depth_HW.shape
    size_x, size_z, size_y = world.shape
    ox, oy, oz = eye
    eye_x, eye_y, eye_z = int(np.floor(ox)), int(np.floor(oy)), int(np.floor(oz))
    liquid = 0
    if (
        0 <= eye_x < size_x
        and 0 <= eye_z < size_z
        and 0 <= eye_y < size_y
        and LIQUID[world[eye_x, eye_z, eye_y]]
    ):
        liquid = np.int64(world[eye_x, eye_z, eye_y])
    fog_from, fog_step, fog_most = _FOG_FROM, _FOG_PER_BLOCK, _FOG_MOST
    fog_r, fog_g, fog_b = _HAZE
    if liquid:
        fog_from, fog_step, fog_most = -6.0, 14.0, 240.0
        fog_r, fog_g, fog_b = (36, 76, 170) if liquid == WATER else (220, 90, 20)
    texels_per_block = 32.0 * np.sqrt(basis[0, 0] ** 2 + basis[0, 2] ** 2) / width
    for row in range(height):
        v = 1.0 - (row + 0.5) * 2.0 / height
        base_x = basis[2, 0] + v * basis[1, 0]
        base_y = basis[2, 1] + v * basis[1, 1]
        base_z = basis[2, 2] + v * basis[1, 2]
        for column in range(width):
            u = (column + 0.5) * 2.0 / width - 1.0
            dx, dy, dz = base_x + u * basis[0, 0], base_y + u * basis[0, 1], base_z + u * basis[0, 2]
            inv_x = 1.0 / dx if dx != 0.0 else -_NEVER
            inv_y = 1.0 / dy if dy != 0.0 else -_NEVER
            inv_z = 1.0 / dz if dz != 0.0 else -_NEVER
            east, south, up = dx > 0.0, dz > 0.0, dy > 0.0
            ceiling = highest if up else _OPEN
            ix, iy, iz = eye_x, eye_y, eye_z
            t, face, block, start = 0.0, FACE_TOP, 0, True

            # -- to the first thing that the ray meets
            while True:
                if ix < 0 or ix >= size_x or iz < 0 or iz >= size_z or iy < 0 or iy >= ceiling:
                    block, t, ix, iz, iy = 0, _NEVER, -1, -1, -1
                    break
                radius, low, high, met = 0, iy, iy + 1, 0
                for level in range(12, -4, -4):
                    floor = np.int64(leap[ix, iz, level])
                    if iy >= floor:
                        radius, low, high = RADII[level >> 2], floor, _OPEN
                        break
                    floor = np.int64(leap[ix, iz, level + 1])
                    roof = np.int64(leap[ix, iz, level + 2])
                    if floor <= iy < roof:
                        radius, low, high = RADII[level >> 2], floor, roof
                        break
                else:
                    met = np.int64(world[ix, iz, iy])
                t_x = ((ix + radius + 1 if east else ix - radius) - ox) * inv_x
                t_z = ((iz + radius + 1 if south else iz - radius) - oz) * inv_z
                t_y = ((high if up else low) - oy) * inv_y
                if met != 0 and met != liquid:
                    if SHAPE[met] == SHAPE_CROSS:
                        t_out = min(t_x, min(t_y, t_z))
                        hit = _meet_plant(texels, met, ox - ix, oy - iy, oz - iz, dx, dy, dz, t, t_out)
                        if hit < _NEVER:
                            block, t = met, hit
                            break
                    elif not start:
                        if _FLAT[met]:
                            block = met
                            break
                        across = oz + dz * t - iz if face == FACE_X else ox + dx * t - ix
                        along = iy + 1 - oy - dy * t if face >= FACE_X else oz + dz * t - iz
                        if texel(texels, met, face, across, along, 0) >> np.uint32(24):
                            block = met
                            break
                start = False
                if t_y <= t_x and t_y <= t_z:
                    t = t_y
                    face, iy = (FACE_BOTTOM, high) if up else (FACE_TOP, low - 1)
                    if radius:
                        ix = _onward(ox + dx * t, ix, radius, east)
                        iz = _onward(oz + dz * t, iz, radius, south)
                    continue
                if t_x <= t_z:
                    t, face = t_x, FACE_X
                    ix = ix + radius + 1 if east else ix - radius - 1
                    if radius:
                        iz = _onward(oz + dz * t, iz, radius, south)
                else:
                    t, face = t_z, FACE_Z
                    iz = iz + radius + 1 if south else iz - radius - 1
                    if radius:
                        ix = _onward(ox + dx * t, ix, radius, east)
                y = int(oy + dy * t)
                iy = min(high - 1, max(iy, y)) if up else max(low, min(iy, y))

            # -- its colour
            depth_HW[row, column] = t
            if buffers:
                block_HW[row, column] = block
                cell_HW3[row, column, 0] = ix
                cell_HW3[row, column, 1] = iz
                cell_HW3[row, column, 2] = iy
            if block == 0:
                rise = 1.6 * dy / np.sqrt(dx * dx + dy * dy + dz * dz)
                blue_sky = int(256.0 * min(1.0, max(0.0, rise)))
                red = _HAZE[0] + (((_ZENITH[0] - _HAZE[0]) * blue_sky) >> 8)
                green = _HAZE[1] + (((_ZENITH[1] - _HAZE[1]) * blue_sky) >> 8)
                blue = _HAZE[2] + (((_ZENITH[2] - _HAZE[2]) * blue_sky) >> 8)
                t = 100.0 if liquid else 0.0
            else:
                side_x, side_z, side_y = ix, iz, iy
                across, along = ox + dx * t - ix, oz + dz * t - iz
                mip = 0
                if SHAPE[block] == SHAPE_CROSS:
                    along = iy + 1 - oy - dy * t
                else:
                    if face == FACE_X:
                        across, along = along, iy + 1 - oy - dy * t
                        side_x = ix - 1 if east else ix + 1
                    elif face == FACE_Z:
                        along = iy + 1 - oy - dy * t
                        side_z = iz - 1 if south else iz + 1
                    else:
                        side_y = iy - 1 if up else iy + 1
                    blur = t * texels_per_block
                    if blur >= 1.5 and _FLAT[block]:
                        mip = 1 if blur < 3.0 else 2 if blur < 6.0 else 3 if blur < 12.0 else 4
                light = 256
                if 0 <= side_x < size_x and 0 <= side_z < size_z and not _GLOWS[block]:
                    under = np.int64(leap[side_x, side_z, 0]) - side_y
                    if under > 1:
                        light = _SHADE if under < _DEEP else _DARK
                size = 16 >> mip
                texel_column = min(size - 1, max(0, int(across * size)))
                texel_row = min(size - 1, max(0, int(along * size)))
                start_of_mip = (1024 - 4 * size * size) // 3
                packed = np.int64(texels[block, face, start_of_mip + texel_row * size + texel_column])
                red = ((packed & 255) * light) >> 8
                green = (((packed >> 8) & 255) * light) >> 8
                blue = (((packed >> 16) & 255) * light) >> 8
            if t > fog_from:
                fog = int(min(fog_most, (t - fog_from) * fog_step))
                red += ((fog_r - red) * fog) >> 8
                green += ((fog_g - green) * fog) >> 8
                blue += ((fog_b - blue) * fog) >> 8
            rgb_HW3[row, column, 0] = red
            rgb_HW3[row, column, 1] = green
            rgb_HW3[row, column, 2] = blue
