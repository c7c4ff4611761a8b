"""The rays of a frame, many abreast: the inner loop of the renderer.

Invariant: a ray meets exactly the cells that a plain cell-by-cell walk would meet; the leaps of
`worlds.voxel.sight` only pass over cells that are air. `tests/voxel/test_voxel_render.py` holds the
plain walk to compare with.

Rays advance in lock-step, because only then does the compiler use vector instructions (measured: 4 ns
a leap instead of 13). Two rules keep it so: `_leap` touches nothing but rows of `floats` and `ints`, which lie
`STRIDE` apart (a constant, so that the rows are known not to overlap), and it has no branch. The rays' table
look-ups, and whatever is not air, are left to `_look_up` and `_settle`. Everything is float32 and int32, and
coordinates count the border of the tables, so they are one more than a block's.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import LIGHT, LIQUID, OPAQUE, SHAPE, SHAPE_CROSS, SHAPE_LIQUID, WATER
from worlds.voxel.sight import FIELD, HIGH_SHIFT, RADIUS_SHIFT, STOP, TOP
from worlds.voxel.textures import FACE_BOTTOM, FACE_TOP, FACE_X, FACE_Z

WIDEST = 1024
STRIDE = WIDEST + 16  # not a power of two: the rows would fight for the same lines of the cache
RAYS_ABREAST = 256
_LANES = 16
# Rows of `floats`: direction, its inverse, t. Rows of `ints`: cell, code of its leap, 1 where the ray goes
# east, south, up, axis of the last crossing, pixel. Of `hits`: cell, axis (all in the order of the pixels).
_DX, _DY, _DZ, _INV_X, _INV_Y, _INV_Z, _T = (i * STRIDE for i in range(7))
_X, _Y, _Z, _CODE, _EAST, _SOUTH, _UP, _AXIS, _PIXEL = (i * STRIDE for i in range(9))
FLOAT_ROWS, INT_ROWS = 8, 13
_HIT_T = 7 * STRIDE
_HIT_X, _HIT_Y, _HIT_Z, _HIT_AXIS = (i * STRIDE for i in range(9, 13))
_ACROSS_Y, _ACROSS_X, _ACROSS_Z, _NOT_YET = 0, 1, 2, 3
_NEVER = np.float32(1e30)
_SHADE, _DARK = 180, 110
"""Brightness, of 256, of a face under something and of a face deep under something."""
_DEEP = 10
_GLOWS = LIGHT > 0
_FLAT = OPAQUE | (SHAPE == SHAPE_LIQUID)
"""Blocks whose faces have no holes."""
_HAZE = (198, 218, 240)
_ZENITH = (112, 160, 232)
_FOG_FROM, _FOG_PER_BLOCK, _FOG_MOST = 18.0, 3.2, 170.0
"""Haze of 256 per block beyond a distance, up to a most."""


@njit(cache=True, error_model="numpy")
def _aim(
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    basis: NDArray[np.float32],
    row: int,
    rows: int,
    size: int,
    cell: tuple[int, int, int],
) -> None:
    """Start the rays of `rows` rows of pixels from `row` on, all in the eye's cell."""
    for i in range(rows):
        v = np.float32(1.0 - (row + i + 0.5) * 2.0 / size)
        base_x = basis[2, 0] + v * basis[1, 0]
        base_y = basis[2, 1] + v * basis[1, 1]
        base_z = basis[2, 2] + v * basis[1, 2]
        for column in range(size):
            k = i * size + column
            u = np.float32(np.float32(column) + np.float32(0.5)) * np.float32(2.0 / size) - np.float32(1.0)
            floats[k + _DX] = base_x + u * basis[0, 0]
            floats[k + _DY] = base_y + u * basis[0, 1]
            floats[k + _DZ] = base_z + u * basis[0, 2]
        for k in range(i * size, (i + 1) * size):
            for axis in range(3):
                along = floats[k + axis * STRIDE]
                along = along if abs(along) > np.float32(1e-12) else np.float32(-1e-12)
                floats[k + axis * STRIDE] = along
                floats[k + _INV_X + axis * STRIDE] = np.float32(1.0) / along
            ints[k + _EAST] = floats[k + _DX] > 0
            ints[k + _SOUTH] = floats[k + _DZ] > 0
            ints[k + _UP] = floats[k + _DY] > 0
            ints[k + _X], ints[k + _Y], ints[k + _Z] = cell
            ints[k + _AXIS] = _NOT_YET
            ints[k + _PIXEL] = k
            floats[k + _T] = np.float32(0.0)


@njit(cache=True)
def _look_up(leap: NDArray[np.int32], ints: NDArray[np.int32], rays: int) -> int:
    """Fetch the codes of the rays' cells; returns how many rays may leap. The lanes that fill up the
    last vector get `STOP`."""
    _, size_z, size_y = leap.shape
    flat = leap.reshape(-1)
    free = 0
    for k in range(rays):
        code = flat[(np.int64(ints[k + _X]) * size_z + ints[k + _Z]) * size_y + ints[k + _Y]]
        ints[k + _CODE] = code
        free += code >= 0
    for k in range(rays, rays + _LANES):
        ints[k + _CODE] = STOP
    return free


@njit(cache=True, error_model="numpy")
def _leap(
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    rays: int,
    ox: np.float32,
    oy: np.float32,
    oz: np.float32,
    edge_x: np.int32,
    edge_z: np.int32,
) -> None:
    """One leap of every ray that may; the others stay. No branch, see the module's docstring."""
    one, nought = np.int32(1), np.int32(0)
    for k in range((rays + _LANES - 1) // _LANES * _LANES):
        x, y, z, code = ints[k + _X], ints[k + _Y], ints[k + _Z], ints[k + _CODE]
        east, south, up = ints[k + _EAST], ints[k + _SOUTH], ints[k + _UP]
        radius = np.int32(np.int32(code >> RADIUS_SHIFT) & 127)
        low, high = np.int32(code & FIELD), np.int32(np.int32(code >> HIGH_SHIFT) & FIELD)
        # the planes through which the ray may leave the window, and the t at which it would
        plane_x = np.int32(x + one + radius) if east > 0 else np.int32(x - radius)
        plane_z = np.int32(z + one + radius) if south > 0 else np.int32(z - radius)
        plane_y = high if up > 0 else low
        t_x = (np.float32(plane_x) - ox) * floats[k + _INV_X]
        t_y = (np.float32(plane_y) - oy) * floats[k + _INV_Y]
        t_z = (np.float32(plane_z) - oz) * floats[k + _INV_Z]
        t = t_y if t_y < t_x else t_x
        t = t if t < t_z else t_z
        by_y = t_y <= t
        by_x = (t_x <= t) and not by_y
        by_z = not (by_x or by_y)
        # the cell beyond; rounding must never turn a ray back, or it would go round for ever
        least_x, most_x = (x if east > 0 else np.int32(x - radius)), (np.int32(x + radius) if east > 0 else x)
        least_z, most_z = (
            (z if south > 0 else np.int32(z - radius)),
            (np.int32(z + radius) if south > 0 else z),
        )
        least_y, most_y = (y if up > 0 else low), (np.int32(high - one) if up > 0 else y)
        to_x = np.int32(ox + floats[k + _DX] * t)
        to_y = np.int32(oy + floats[k + _DY] * t)
        to_z = np.int32(oz + floats[k + _DZ] * t)
        to_x = to_x if to_x > least_x else least_x
        to_x = to_x if to_x < most_x else most_x
        to_y = to_y if to_y > least_y else least_y
        to_y = to_y if to_y < most_y else most_y
        to_z = to_z if to_z > least_z else least_z
        to_z = to_z if to_z < most_z else most_z
        to_x = np.int32(plane_x + east - one) if by_x else to_x
        to_y = np.int32(plane_y + up - one) if by_y else to_y
        to_z = np.int32(plane_z + south - one) if by_z else to_z
        to_x = to_x if to_x > nought else nought
        to_x = to_x if to_x < edge_x else edge_x
        to_z = to_z if to_z > nought else nought
        to_z = to_z if to_z < edge_z else edge_z
        free = code >= 0
        ints[k + _X] = to_x if free else x
        ints[k + _Y] = to_y if free else y
        ints[k + _Z] = to_z if free else z
        axis = np.int32(np.int32(by_x) + np.int32(by_z) + np.int32(by_z))
        ints[k + _AXIS] = axis if free else ints[k + _AXIS]
        floats[k + _T] = t if free else floats[k + _T]


@njit(cache=True)
def _is_opaque_at(texels: NDArray[np.uint32], block: int, face: int, u: float, v: float) -> bool:
    column, row = min(15, max(0, int(u * 16))), min(15, max(0, int(v * 16)))
    return bool(texels[block, face, row * 16 + column] >> np.uint32(24))


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
) -> np.float32:
    """The t at which a ray, relative to the cell's corner, meets the two crossed sheets of a plant,
    `_NEVER` when it passes between the leaves."""
    best = _NEVER
    for sheet in range(2):
        t = (oz - ox) / (dx - dz) if sheet == 0 else (1.0 - ox - oz) / (dx + dz)
        if (
            t_in <= t <= t_out
            and 0.0 < t < best
            and _is_opaque_at(texels, block, FACE_TOP, ox + dx * t, 1.0 - (oy + dy * t))
        ):
            best = np.float32(t)
    return best


@njit(cache=True, error_model="numpy")
def _settle(
    world: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    rays: int,
    ox: np.float32,
    oy: np.float32,
    oz: np.float32,
    liquid: int,
) -> int:
    """Write down the rays that have met something, move the others up; returns how many go on. A ray in
    a cell that it can see through (a gap in a plant, glass, the liquid round the eye, the eye's own
    cell) goes one cell further."""
    size_x, size_z, size_y = world.shape
    kept = 0
    for k in range(rays):
        goes_on = ints[k + _CODE] >= 0
        if not goes_on:
            x, y, z, axis = ints[k + _X], ints[k + _Y], ints[k + _Z], ints[k + _AXIS]
            pixel, t = ints[k + _PIXEL], floats[k + _T]
            if 0 < x <= size_x and 0 < z <= size_z and 0 < y <= size_y:
                block = world[x - 1, z - 1, y - 1]
                dx, dy, dz = floats[k + _DX], floats[k + _DY], floats[k + _DZ]
                east, south, up = ints[k + _EAST], ints[k + _SOUTH], ints[k + _UP]
                t_x = (np.float32(x + east) - ox) * floats[k + _INV_X]
                t_y = (np.float32(y + up) - oy) * floats[k + _INV_Y]
                t_z = (np.float32(z + south) - oz) * floats[k + _INV_Z]
                t_out = min(t_x, min(t_y, t_z))
                if SHAPE[block] == SHAPE_CROSS:
                    t = _meet_plant(texels, block, ox - x, oy - y, oz - z, dx, dy, dz, t, t_out)
                    goes_on = t == _NEVER
                elif axis == _NOT_YET or (liquid != 0 and block == liquid):
                    goes_on = True
                elif not _FLAT[block]:
                    across = oz + dz * t - z if axis == _ACROSS_X else ox + dx * t - x
                    along = oz + dz * t - z if axis == _ACROSS_Y else y + 1 - oy - dy * t
                    goes_on = not _is_opaque_at(texels, block, FACE_Z, across, along)
                if goes_on:
                    floats[k + _T] = t_out
                    if t_y <= t_x and t_y <= t_z:
                        ints[k + _Y], ints[k + _AXIS] = y + 2 * up - 1, _ACROSS_Y
                    elif t_x <= t_z:
                        ints[k + _X], ints[k + _AXIS] = x + 2 * east - 1, _ACROSS_X
                    else:
                        ints[k + _Z], ints[k + _AXIS] = z + 2 * south - 1, _ACROSS_Z
            else:
                t = _NEVER
            floats[pixel + _HIT_T] = t
            ints[pixel + _HIT_X], ints[pixel + _HIT_Y], ints[pixel + _HIT_Z] = x, y, z
            ints[pixel + _HIT_AXIS] = axis
        if goes_on:
            for row in range(7):
                floats[kept + row * STRIDE] = floats[k + row * STRIDE]
            for row in range(9):
                ints[kept + row * STRIDE] = ints[k + row * STRIDE]
            kept += 1
    return kept


@njit(cache=True, error_model="numpy")
def _paint(
    world: NDArray[np.uint8],
    columns: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    basis: NDArray[np.float32],
    row: int,
    rows: int,
    eye: tuple[np.float32, np.float32, np.float32],
    liquid: int,
    rgb_HW3: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    block_HW: NDArray[np.uint8],
    cell_HW3: NDArray[np.int16],
) -> None:
    """Colour the pixels of `rows` rows from what their rays have met."""
    size = depth_HW.shape[1]
    size_x, size_z, _ = world.shape
    ox, oy, oz = eye
    fog_from, fog_step, fog_most = _FOG_FROM, _FOG_PER_BLOCK, _FOG_MOST
    fog_r, fog_g, fog_b = _HAZE
    if liquid:
        fog_from, fog_step, fog_most = -6.0, 14.0, 240.0
        fog_r, fog_g, fog_b = (36, 76, 170) if liquid == WATER else (220, 90, 20)
    texels_per_block = 32.0 * np.sqrt(basis[0, 0] ** 2 + basis[0, 2] ** 2) / size
    for i in range(rows):
        v = np.float32(1.0 - (row + i + 0.5) * 2.0 / size)
        base_x = basis[2, 0] + v * basis[1, 0]
        base_y = basis[2, 1] + v * basis[1, 1]
        base_z = basis[2, 2] + v * basis[1, 2]
        for column in range(size):
            u = np.float32(np.float32(column) + np.float32(0.5)) * np.float32(2.0 / size) - np.float32(1.0)
            dx, dy, dz = base_x + u * basis[0, 0], base_y + u * basis[0, 1], base_z + u * basis[0, 2]
            k = i * size + column
            t = floats[k + _HIT_T]
            x, y, z = ints[k + _HIT_X] - 1, ints[k + _HIT_Y] - 1, ints[k + _HIT_Z] - 1
            depth_HW[row + i, column] = t
            block = 0
            if t == _NEVER:
                x, y, z = -1, -1, -1
                rise = 1.6 * dy / np.sqrt(dx * dx + dy * dy + dz * dz)
                share = int(256.0 * min(1.0, max(0.0, rise)))
                red = _HAZE[0] + (((_ZENITH[0] - _HAZE[0]) * share) >> 8)
                green = _HAZE[1] + (((_ZENITH[1] - _HAZE[1]) * share) >> 8)
                blue = _HAZE[2] + (((_ZENITH[2] - _HAZE[2]) * share) >> 8)
                t = np.float32(100.0 if liquid else 0.0)
            else:
                block = np.int64(world[x, z, y])
                axis = ints[k + _HIT_AXIS]
                side_x, side_z, side_y = x, z, y
                across, along = ox + dx * t - (x + 1), oz + dz * t - (z + 1)
                upright = y + 2 - oy - dy * t
                mip, face = 0, FACE_TOP
                if SHAPE[block] == SHAPE_CROSS:
                    along = upright
                else:
                    if axis == _ACROSS_X:
                        face, across, along = FACE_X, along, upright
                        side_x = x - 1 if dx > 0 else x + 1
                    elif axis == _ACROSS_Z:
                        face, along = FACE_Z, upright
                        side_z = z - 1 if dz > 0 else z + 1
                    elif dy > 0:
                        face, side_y = FACE_BOTTOM, y - 1
                    else:
                        side_y = y + 1
                    blur = t * texels_per_block
                    if _FLAT[block]:
                        mip = int(blur >= 1.5) + int(blur >= 3.0) + int(blur >= 6.0) + int(blur >= 12.0)
                light = 256
                if 0 <= side_x < size_x and 0 <= side_z < size_z and not _GLOWS[block]:
                    under = np.int64(columns[TOP, side_x, side_z]) - side_y
                    if under > 1:
                        light = _SHADE if under < _DEEP else _DARK
                side = 16 >> mip
                texel_column = min(side - 1, max(0, int(across * side)))
                texel_row = min(side - 1, max(0, int(along * side)))
                start = (1024 - 4 * side * side) // 3  # of the mip level: 0, 256, 320, 336, 340
                packed = np.int64(texels[block, face, start + texel_row * side + texel_column])
                red = ((packed & 255) * light) >> 8
                green = (((packed >> 8) & 255) * light) >> 8
                blue = (((packed >> 16) & 255) * light) >> 8
            if t > fog_from:
                fog = int(min(fog_most, (t - fog_from) * fog_step))
                red += ((fog_r - red) * fog) >> 8
                green += ((fog_g - green) * fog) >> 8
                blue += ((fog_b - blue) * fog) >> 8
            rgb_HW3[row + i, column, 0] = red
            rgb_HW3[row + i, column, 1] = green
            rgb_HW3[row + i, column, 2] = blue
            if block_HW.size:
                block_HW[row + i, column] = block
                cell_HW3[row + i, column, 0] = x
                cell_HW3[row + i, column, 1] = z
                cell_HW3[row + i, column, 2] = y


@njit(cache=True)
def cast_frame(
    world: NDArray[np.uint8],
    leap: NDArray[np.int32],
    columns: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    eye: tuple[float, float, float],
    basis: NDArray[np.float32],
    rgb_HW3: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    block_HW: NDArray[np.uint8],
    cell_HW3: NDArray[np.int16],
) -> None:
    """Cast one ray per pixel of a square frame.

    `basis` has the rows right, up (both times the tangent of half the field of view) and ahead. `depth_HW`
    gets t along the ray, whose part ahead has length 1, and 1e30 for the sky. `block_HW` and `cell_HW3`
    are written unless they are empty. `floats` and `ints` are scratch, (`FLOAT_ROWS` or `INT_ROWS`) * `STRIDE`.
    An eye outside the world sees from the nearest point inside."""
    size = depth_HW.shape[0]
    size_x, size_z, size_y = world.shape
    ox = np.float32(min(max(eye[0], 0.0), size_x - 1e-3) + 1.0)
    oy = np.float32(min(max(eye[1], 0.0), size_y - 1e-3) + 1.0)
    oz = np.float32(min(max(eye[2], 0.0), size_z - 1e-3) + 1.0)
    cell = (int(ox), int(oy), int(oz))
    within = np.int64(world[cell[0] - 1, cell[2] - 1, cell[1] - 1])
    liquid = within if LIQUID[within] else 0
    rows_abreast = max(1, RAYS_ABREAST // size)
    for row in range(0, size, rows_abreast):
        rows = min(rows_abreast, size - row)
        rays = rows * size
        _aim(floats, ints, basis, row, rows, size, cell)
        while rays > 0:
            free = _look_up(leap, ints, rays)
            if 2 * free < rays:
                rays = _settle(world, texels, floats, ints, rays, ox, oy, oz, liquid)
                _look_up(leap, ints, rays)
            _leap(floats, ints, rays, ox, oy, oz, np.int32(size_x + 1), np.int32(size_z + 1))
        _paint(
            world, columns, texels, floats, ints, basis, row, rows, (ox, oy, oz), liquid,
            rgb_HW3, depth_HW, block_HW, cell_HW3,
        )  # fmt: skip
