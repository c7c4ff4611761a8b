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

from worlds.voxel.data import LIGHT, LIQUID, SHAPE, SHAPE_CROSS, WATER
from worlds.voxel.sight import FIELD, FLAT, HIGH_SHIFT, PLAIN, RADIUS_SHIFT, STOP, TOP
from worlds.voxel.textures import FACE_TOP, FACE_Z, TEXELS_PER_FACE

WIDEST = 1024
STRIDE = WIDEST + 16  # not a power of two: the rows would fight for the same lines of the cache
RAYS_ABREAST = 256
_LANES = 16
# Rows of `floats` and `ints`. Those of a ray under way move up as others end: direction and its inverse, t;
# cell, code of its leap, 1 where it goes east, south, up, axis of the last crossing, pixel, place in the table.
_DX, _DY, _DZ, _INV_X, _INV_Y, _INV_Z, _T = (i * STRIDE for i in range(7))
_X, _Y, _Z, _CODE, _EAST, _SOUTH, _UP, _AXIS, _PIXEL, _PLACE = (i * STRIDE for i in range(10))
# Those in the order of the pixels: direction, t of the hit; its cell, axis, block and its kind; place of the
# texel, of the column before the face and the y there, haze, blue of the sky; the texel and its light.
_RAY_X, _RAY_Y, _RAY_Z, _HIT_T = (i * STRIDE for i in range(7, 11))
_HIT_X, _HIT_Y, _HIT_Z, _HIT_AXIS, _HIT_KIND, _TEXEL, _COLUMN, _SIDE_Y, _FOG, _SKY, _COLOUR, _LIGHT = (
    i * STRIDE for i in range(10, 22)
)
FLOAT_ROWS, INT_ROWS = 11, 22
_ACROSS_Y, _ACROSS_X, _ACROSS_Z, _NOT_YET = 0, 1, 2, 3
_IS_CROSS, _IS_FLAT, _GLOWS = 256, 512, 1024
_KIND = (
    np.arange(len(FLAT)) | (SHAPE == SHAPE_CROSS) * _IS_CROSS | FLAT * _IS_FLAT | (LIGHT > 0) * _GLOWS
).astype(np.int32)
"""A block with what the painter must know of it."""
_NEVER = np.float32(1e30)
_SHADE, _DARK = 180, 110
"""Brightness, of 256, of a face under something and of a face deep under something."""
_DEEP = 10
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
    place: int,
) -> None:
    """Start the rays of `rows` rows of pixels from `row` on, all in the eye's cell."""
    for i in range(rows):
        v = np.float32(1.0 - (row + i + 0.5) * 2.0 / size)
        base_x = basis[2, 0] + v * basis[1, 0]
        base_y = basis[2, 1] + v * basis[1, 1]
        base_z = basis[2, 2] + v * basis[1, 2]
        for column in range(size):
            k = i * size + column
            u = (np.float32(column) + np.float32(0.5)) * np.float32(2.0 / size) - np.float32(1.0)
            floats[k + _RAY_X] = base_x + u * basis[0, 0]
            floats[k + _RAY_Y] = base_y + u * basis[0, 1]
            floats[k + _RAY_Z] = base_z + u * basis[0, 2]
        for k in range(i * size, (i + 1) * size):
            for axis in range(3):
                along = floats[k + _RAY_X + axis * STRIDE]
                along = along if abs(along) > np.float32(1e-12) else np.float32(-1e-12)
                floats[k + axis * STRIDE] = along
                floats[k + _INV_X + axis * STRIDE] = np.float32(1.0) / along
            ints[k + _EAST] = floats[k + _DX] > 0
            ints[k + _SOUTH] = floats[k + _DZ] > 0
            ints[k + _UP] = floats[k + _DY] > 0
            ints[k + _X], ints[k + _Y], ints[k + _Z] = cell
            ints[k + _AXIS] = _NOT_YET
            ints[k + _PIXEL] = k
            ints[k + _PLACE] = place
            floats[k + _T] = np.float32(0.0)


@njit(cache=True)
def _look_up(flat: NDArray[np.int32], ints: NDArray[np.int32], rays: int) -> int:
    """Fetch the codes of the rays' cells; returns how many rays may leap. The lanes that fill up the
    last vector get `STOP`."""
    free = 0
    for k in range(rays):
        code = flat[ints[k + _PLACE]]
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
    shape: tuple[int, int, int],
) -> None:
    """One leap of every ray that may; the others stay. `shape` is that of the table. No branch, see the
    module's docstring."""
    one, nought = np.int32(1), np.int32(0)
    edge_x, edge_z = np.int32(shape[0] - 1), np.int32(shape[1] - 1)
    size_z, size_y = np.int32(shape[1]), np.int32(shape[2])
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
        to_x, to_y, to_z = (to_x if free else x), (to_y if free else y), (to_z if free else z)
        ints[k + _X], ints[k + _Y], ints[k + _Z] = to_x, to_y, to_z
        ints[k + _PLACE] = np.int32(np.int32(np.int32(np.int32(to_x * size_z) + to_z) * size_y) + to_y)
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
    flat: NDArray[np.int32],
    shape: tuple[int, int, int],
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
    kept = 0
    for k in range(rays):
        code = ints[k + _CODE]
        if code < 0:
            block, axis, t = code & 255, ints[k + _AXIS], floats[k + _T]
            if block != 0 and (not code & PLAIN or axis == _NOT_YET or block == liquid):
                x, y, z = ints[k + _X], ints[k + _Y], ints[k + _Z]
                dx, dy, dz = floats[k + _DX], floats[k + _DY], floats[k + _DZ]
                east, south, up = ints[k + _EAST], ints[k + _SOUTH], ints[k + _UP]
                t_x = (np.float32(x + east) - ox) * floats[k + _INV_X]
                t_y = (np.float32(y + up) - oy) * floats[k + _INV_Y]
                t_z = (np.float32(z + south) - oz) * floats[k + _INV_Z]
                t_out = min(t_x, min(t_y, t_z))
                goes_on = axis == _NOT_YET or block == liquid
                if SHAPE[block] == SHAPE_CROSS:
                    t = _meet_plant(texels, block, ox - x, oy - y, oz - z, dx, dy, dz, t, t_out)
                    goes_on = t == _NEVER
                elif not goes_on:
                    across = oz + dz * t - z if axis == _ACROSS_X else ox + dx * t - x
                    along = oz + dz * t - z if axis == _ACROSS_Y else y + 1 - oy - dy * t
                    goes_on = not _is_opaque_at(texels, block, FACE_Z, across, along)
                if goes_on:
                    floats[k + _T] = t_out
                    if t_y <= t_x and t_y <= t_z:
                        y, axis = y + 2 * up - 1, _ACROSS_Y
                    elif t_x <= t_z:
                        x, axis = x + 2 * east - 1, _ACROSS_X
                    else:
                        z, axis = z + 2 * south - 1, _ACROSS_Z
                    ints[k + _X], ints[k + _Y], ints[k + _Z], ints[k + _AXIS] = x, y, z, axis
                    ints[k + _PLACE] = (x * shape[1] + z) * shape[2] + y
                    code = np.int32(0)
                    ints[k + _CODE] = flat[ints[k + _PLACE]]
            if code < 0:
                pixel = ints[k + _PIXEL]
                floats[pixel + _HIT_T] = t if block else _NEVER
                ints[pixel + _HIT_X], ints[pixel + _HIT_Y] = ints[k + _X], ints[k + _Y]
                ints[pixel + _HIT_Z], ints[pixel + _HIT_AXIS] = ints[k + _Z], axis
                ints[pixel + _HIT_KIND] = _KIND[block]
                continue
        for row in range(7):
            floats[kept + row * STRIDE] = floats[k + row * STRIDE]
        for row in range(10):
            ints[kept + row * STRIDE] = ints[k + row * STRIDE]
        kept += 1
    for k in range(kept, kept + _LANES):
        ints[k + _CODE] = STOP
    return kept


@njit(cache=True, error_model="numpy")
def _find_texels(
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    rays: int,
    ox: np.float32,
    oy: np.float32,
    oz: np.float32,
    shape: tuple[int, int, int],
    texels_per_block: np.float32,
    fog_from: np.float32,
    fog_step: np.float32,
    fog_most: np.float32,
) -> None:
    """Where in the tables each pixel's texel and light are, and its haze. No branch."""
    one, nought, unit, zero = np.int32(1), np.int32(0), np.float32(1.0), np.float32(0.0)
    last_x, last_z, columns_z = np.int32(shape[0] - 3), np.int32(shape[1] - 3), np.int32(shape[1] - 2)
    for k in range((rays + _LANES - 1) // _LANES * _LANES):
        x, y, z, axis = ints[k + _HIT_X], ints[k + _HIT_Y], ints[k + _HIT_Z], ints[k + _HIT_AXIS]
        kind, t = ints[k + _HIT_KIND], floats[k + _HIT_T]
        dx, dy, dz = floats[k + _RAY_X], floats[k + _RAY_Y], floats[k + _RAY_Z]
        near_t = t if t < np.float32(1e4) else zero
        in_x = ox + dx * near_t - np.float32(x)
        in_y = unit - (oy + dy * near_t - np.float32(y))
        in_z = oz + dz * near_t - np.float32(z)
        cross = np.int32(kind & _IS_CROSS) > 0
        by_x = axis == _ACROSS_X and not cross
        by_z = axis == _ACROSS_Z and not cross
        by_y = not (by_x or by_z or cross)
        across = in_z if by_x else in_x
        along = in_z if by_y else in_y
        blur = near_t * texels_per_block
        blur = blur if np.int32(kind & _IS_FLAT) > 0 else zero
        mip_1, mip_2 = np.int32(blur >= np.float32(1.5)), np.int32(blur >= np.float32(3.0))
        mip_3, mip_4 = np.int32(blur >= np.float32(6.0)), np.int32(blur >= np.float32(12.0))
        side = np.int32(np.int32(16) >> np.int32(np.int32(mip_1 + mip_2) + np.int32(mip_3 + mip_4)))
        start = np.int32(np.int32(256 * mip_1 + 64 * mip_2) + np.int32(16 * mip_3 + 4 * mip_4))
        most = np.int32(side - one)
        column, row = np.int32(across * np.float32(side)), np.int32(along * np.float32(side))
        column = column if column > nought else nought
        column = column if column < most else most
        row = row if row > nought else nought
        row = row if row < most else most
        face = np.int32(dy > zero) if by_y else nought
        face = np.int32(2) if by_x else face
        face = np.int32(3) if by_z else face
        block = np.int32(kind & 255)
        place = np.int32(np.int32(np.int32(block * 4) + face) * TEXELS_PER_FACE)
        ints[k + _TEXEL] = np.int32(place + start) + np.int32(np.int32(row * side) + column)
        # the column before the face, at most the world's last: no eye is outside
        back_x, back_z = (-one if dx > zero else one), (-one if dz > zero else one)
        side_x = np.int32(x - one) + (back_x if by_x else nought)
        side_z = np.int32(z - one) + (back_z if by_z else nought)
        side_x = np.int32(side_x) if side_x > 0 else nought
        side_x = side_x if side_x < last_x else last_x
        side_z = np.int32(side_z) if side_z > 0 else nought
        side_z = side_z if side_z < last_z else last_z
        ints[k + _COLUMN] = np.int32(side_x * columns_z) + side_z
        above = -one if dy > zero else one
        ints[k + _SIDE_Y] = np.int32(y - one) + (above if by_y else nought)
        fog = (t - fog_from) * fog_step
        fog = fog if fog < fog_most else fog_most
        ints[k + _FOG] = np.int32(fog if fog > zero else zero)
        rise = np.float32(409.6) * dy / np.sqrt(dx * dx + dy * dy + dz * dz)
        rise = rise if rise < np.float32(256.0) else np.float32(256.0)
        ints[k + _SKY] = np.int32(rise if rise > zero else zero)


@njit(cache=True)
def _fetch_texels(
    tops: NDArray[np.uint8], texels: NDArray[np.uint32], ints: NDArray[np.int32], rays: int
) -> None:
    """Each pixel's texel, and its light: less under something, least deep under something."""
    for k in range(rays):
        ints[k + _COLOUR] = np.int32(texels[ints[k + _TEXEL]])
        under = np.int32(tops[ints[k + _COLUMN]]) - ints[k + _SIDE_Y]
        light = 256 if under < 2 else _SHADE if under < _DEEP else _DARK
        ints[k + _LIGHT] = 256 if ints[k + _HIT_KIND] & _GLOWS else light


@njit(cache=True)
def _mix_colours(
    floats: NDArray[np.float32],
    ints: NDArray[np.int32],
    rays: int,
    rgb: NDArray[np.uint8],
    depth: NDArray[np.float32],
    liquid: int,
) -> None:
    """Texel, light, sky and haze make the bytes of the frame."""
    fog_r, fog_g, fog_b = _HAZE
    if liquid:
        fog_r, fog_g, fog_b = (36, 76, 170) if liquid == WATER else (220, 90, 20)
    for k in range(rays):
        t = floats[k + _HIT_T]
        colour, light, sky, fog = ints[k + _COLOUR], ints[k + _LIGHT], ints[k + _SKY], ints[k + _FOG]
        is_sky = t == _NEVER
        red = np.int32(np.int32((colour & 255) * light) >> 8)
        green = np.int32(np.int32(((colour >> 8) & 255) * light) >> 8)
        blue = np.int32(np.int32(((colour >> 16) & 255) * light) >> 8)
        red = np.int32(_HAZE[0] + (((_ZENITH[0] - _HAZE[0]) * sky) >> 8)) if is_sky else red
        green = np.int32(_HAZE[1] + (((_ZENITH[1] - _HAZE[1]) * sky) >> 8)) if is_sky else green
        blue = np.int32(_HAZE[2] + (((_ZENITH[2] - _HAZE[2]) * sky) >> 8)) if is_sky else blue
        fog = np.int32(0) if is_sky and liquid == 0 else fog
        rgb[3 * k] = red + (((fog_r - red) * fog) >> 8)
        rgb[3 * k + 1] = green + (((fog_g - green) * fog) >> 8)
        rgb[3 * k + 2] = blue + (((fog_b - blue) * fog) >> 8)
        depth[k] = t


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
    shape = (size_x + 2, size_z + 2, size_y + 2)
    ox = np.float32(min(max(eye[0], 0.0), size_x - 1e-3) + 1.0)
    oy = np.float32(min(max(eye[1], 0.0), size_y - 1e-3) + 1.0)
    oz = np.float32(min(max(eye[2], 0.0), size_z - 1e-3) + 1.0)
    cell = (int(ox), int(oy), int(oz))
    place = (cell[0] * shape[1] + cell[2]) * shape[2] + cell[1]
    within = np.int64(world[cell[0] - 1, cell[2] - 1, cell[1] - 1])
    liquid = within if LIQUID[within] else 0
    fog_from, fog_step, fog_most = _FOG_FROM, _FOG_PER_BLOCK, _FOG_MOST
    if liquid:
        fog_from, fog_step, fog_most = -6.0, 14.0, 240.0
    texels_per_block = np.float32(32.0 * np.sqrt(basis[0, 0] ** 2 + basis[0, 2] ** 2) / size)
    flat, tops, flat_texels = leap.reshape(-1), columns[TOP].reshape(-1), texels.reshape(-1)
    rgb, depth = rgb_HW3.reshape(-1), depth_HW.reshape(-1)
    rows_abreast = max(1, RAYS_ABREAST // size)
    for row in range(0, size, rows_abreast):
        rows = min(rows_abreast, size - row)
        first, pixels = row * size, rows * size
        rays = pixels
        _aim(floats, ints, basis, row, rows, size, cell, place)
        while rays > 0:
            free = _look_up(flat, ints, rays)
            if 2 * free < rays:
                rays = _settle(flat, shape, texels, floats, ints, rays, ox, oy, oz, liquid)
            _leap(floats, ints, rays, ox, oy, oz, shape)
        _find_texels(
            floats, ints, pixels, ox, oy, oz, shape, texels_per_block,
            np.float32(fog_from), np.float32(fog_step), np.float32(fog_most),
        )  # fmt: skip
        _fetch_texels(tops, flat_texels, ints, pixels)
        _mix_colours(
            floats, ints, pixels, rgb[3 * first : 3 * (first + pixels)], depth[first : first + pixels], liquid
        )
        if block_HW.size:
            for k in range(pixels):
                known = floats[k + _HIT_T] != _NEVER
                i, j = row + k // size, k % size
                block_HW[i, j] = ints[k + _HIT_KIND] & 255
                cell_HW3[i, j, 0] = ints[k + _HIT_X] - 1 if known else -1
                cell_HW3[i, j, 1] = ints[k + _HIT_Z] - 1 if known else -1
                cell_HW3[i, j, 2] = ints[k + _HIT_Y] - 1 if known else -1
