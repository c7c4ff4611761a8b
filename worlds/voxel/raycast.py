"""One ray through one world: the inner loop of the renderer.

Invariant: a ray meets exactly the cells that a plain cell-by-cell walk would meet; the leaps of
`worlds.voxel.sight` only pass over cells that are air. `tests/voxel/test_voxel_render.py` holds the
plain walk to compare with.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import LAVA, LIGHT, OPAQUE, SHAPE, SHAPE_CROSS, SHAPE_LIQUID, WATER
from worlds.voxel.textures import FACE_BOTTOM, FACE_TOP, FACE_X, FACE_Z

_OPEN = 1 << 20
_NEVER = 1e30
_SHADE, _DARK = 180, 110
"""Brightness, of 256, of a face under something and of a face deep under something."""
_DEEP = 10
NOTHING = (np.uint32(0), 1e30, 0, -1, -1, -1)
_LIT = (LIGHT > 0).astype(np.uint8)
_OPAQUE = OPAQUE.astype(np.uint8)


@njit(cache=True)
def _texel(texels: NDArray[np.uint32], block: int, face: int, u: float, v: float, mip: int) -> np.uint32:
    """The packed texel at (u, v) in [0, 1] of mip level `mip`."""
    size = 16 >> mip
    column = min(size - 1, max(0, int(u * size)))
    row = min(size - 1, max(0, int(v * size)))
    start = 0
    if mip == 1:
        start = 256
    elif mip == 2:
        start = 320
    elif mip == 3:
        start = 336
    elif mip == 4:
        start = 340
    return texels[block, face, start + row * size + column]


@njit(cache=True)
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
) -> tuple[float, np.uint32]:
    """Where a ray, relative to the cell's corner, meets the two crossed sheets of a plant: (t, texel),
    t = _NEVER when it passes between the leaves."""
    best, colour = _NEVER, np.uint32(0)
    for sheet in range(2):
        across = dx - dz if sheet == 0 else dx + dz
        offset = oz - ox if sheet == 0 else 1.0 - ox - oz
        if across == 0.0:
            continue
        t = offset / across
        if t < t_in or t > t_out or t >= best or t <= 0.0:
            continue
        found = _texel(texels, block, FACE_TOP, ox + dx * t, 1.0 - (oy + dy * t), 0)
        if found >> np.uint32(24):
            best, colour = t, found
    return best, colour


@njit(cache=True)
def _onward(coordinate: float, cell: int, radius: int, ahead: int) -> int:
    """The cell of a coordinate, never behind the present one (rounding must not turn a ray back, or
    it would go round for ever) and at most `radius` ahead of it."""
    found = int(np.floor(coordinate))
    return min(cell + radius, max(cell, found)) if ahead else max(cell - radius, min(cell, found))


@njit(cache=True)
def _dim(colour: np.uint32, light: int) -> np.uint32:
    """Multiply red, green and blue by light / 256."""
    factor = np.uint32(light)
    red = ((colour & np.uint32(255)) * factor) >> np.uint32(8)
    green = (((colour >> np.uint32(8)) & np.uint32(255)) * factor) >> np.uint32(8)
    blue = (((colour >> np.uint32(16)) & np.uint32(255)) * factor) >> np.uint32(8)
    return red | (green << np.uint32(8)) | (blue << np.uint32(16))


@njit(cache=True)
def trace(
    world: NDArray[np.uint8],
    leap: NDArray[np.uint8],
    texels: NDArray[np.uint32],
    highest: int,
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    mip_scale: float,
) -> tuple[np.uint32, float, int, int, int, int]:
    """Follow the ray from (ox, oy, oz) along (dx, dy, dz): (colour, t, block, x, z, y) of what it meets first,
    block 0 and t 1e30 for the sky. `highest` is the end of everything in the world, `mip_scale` the
    texels of a 16-pixel face per pixel of the frame at t = 1. The eye's own cell, and the liquid
    that it is in, are looked through."""
    size_x, size_z, size_y = world.shape
    ix, iy, iz = int(np.floor(ox)), int(np.floor(oy)), int(np.floor(oz))
    eye_x, eye_y, eye_z = ix, iy, iz
    inside = 0
    if 0 <= ix < size_x and 0 <= iz < size_z and 0 <= iy < size_y:
        block = world[ix, iz, iy]
        if block == WATER or block == LAVA:
            inside = np.int64(block)
    inv_x = 1.0 / dx if dx != 0.0 else _NEVER
    inv_y = 1.0 / dy if dy != 0.0 else _NEVER
    inv_z = 1.0 / dz if dz != 0.0 else _NEVER
    ahead_x, ahead_z = (1 if dx > 0.0 else 0), (1 if dz > 0.0 else 0)
    t, face = 0.0, FACE_TOP
    while 0 <= ix < size_x and 0 <= iz < size_z and iy >= 0:
        if iy >= highest and dy >= 0.0:
            break
        entry = leap[ix, iz]
        radius, low, high = 0, iy, iy + 1
        met = 0
        if iy >= entry[12]:
            radius, low, high = 7, np.int64(entry[12]), _OPEN
        elif entry[13] <= iy < entry[14]:
            radius, low, high = 7, np.int64(entry[13]), np.int64(entry[14])
        elif iy >= entry[8]:
            radius, low, high = 3, np.int64(entry[8]), _OPEN
        elif entry[9] <= iy < entry[10]:
            radius, low, high = 3, np.int64(entry[9]), np.int64(entry[10])
        elif iy >= entry[4]:
            radius, low, high = 1, np.int64(entry[4]), _OPEN
        elif entry[5] <= iy < entry[6]:
            radius, low, high = 1, np.int64(entry[5]), np.int64(entry[6])
        elif iy >= entry[0]:
            low, high = np.int64(entry[0]), _OPEN
        elif entry[1] <= iy < entry[2]:
            low, high = np.int64(entry[1]), np.int64(entry[2])
        else:
            met = np.int64(world[ix, iz, iy])
        t_x = (ix + (radius + 1 if ahead_x else -radius) - ox) * inv_x if dx != 0.0 else _NEVER
        t_z = (iz + (radius + 1 if ahead_z else -radius) - oz) * inv_z if dz != 0.0 else _NEVER
        t_y = ((high if dy > 0.0 else low) - oy) * inv_y if dy != 0.0 else _NEVER
        if met != 0 and met != inside:
            if SHAPE[met] == SHAPE_CROSS:
                t_out = min(t_x, min(t_y, t_z))
                hit, colour = _meet_plant(texels, met, ox - ix, oy - iy, oz - iz, dx, dy, dz, t, t_out)
                if hit < _NEVER:
                    shaded = np.int64(leap[ix, iz, 0]) > iy + 1
                    return _dim(colour, _SHADE if shaded else 256), hit, met, ix, iz, iy
            elif ix != eye_x or iz != eye_z or iy != eye_y:
                x, y, z = ox + dx * t - ix, oy + dy * t - iy, oz + dz * t - iz
                u, v = x, z
                if face == FACE_X:
                    u, v = z, 1.0 - y
                elif face == FACE_Z:
                    v = 1.0 - y
                blur = t * mip_scale
                mip = 0
                if blur >= 1.5:
                    mip = 1 if blur < 3.0 else 2 if blur < 6.0 else 3 if blur < 12.0 else 4
                if not _OPAQUE[met] and SHAPE[met] != SHAPE_LIQUID:
                    mip = 0
                colour = _texel(texels, met, face, u, v, mip)
                if colour >> np.uint32(24):
                    light = 256
                    if not _LIT[met]:
                        side_x, side_y, side_z = ix, iy, iz
                        if face == FACE_X:
                            side_x = ix - (1 if ahead_x else -1)
                        elif face == FACE_Z:
                            side_z = iz - (1 if ahead_z else -1)
                        elif face == FACE_TOP:
                            side_y = iy + 1
                        else:
                            side_y = iy - 1
                        if 0 <= side_x < size_x and 0 <= side_z < size_z:
                            under = np.int64(leap[side_x, side_z, 0]) - side_y
                            if under > 1:
                                light = _SHADE if under < _DEEP else _DARK
                    return _dim(colour, light), t, met, ix, iz, iy
        if t_y <= t_x and t_y <= t_z:
            t = t_y
            face = FACE_BOTTOM if dy > 0.0 else FACE_TOP
            iy = high if dy > 0.0 else low - 1
            if radius:
                ix = _onward(ox + dx * t, ix, radius, ahead_x)
                iz = _onward(oz + dz * t, iz, radius, ahead_z)
        elif t_x <= t_z:
            t = t_x
            face = FACE_X
            ix = ix + radius + 1 if ahead_x else ix - radius - 1
            if radius:
                iz = _onward(oz + dz * t, iz, radius, ahead_z)
            if high - low > 1:
                iy = (
                    min(high - 1, max(iy, int(oy + dy * t)))
                    if dy > 0.0
                    else max(low, min(iy, int(oy + dy * t)))
                )
        else:
            t = t_z
            face = FACE_Z
            iz = iz + radius + 1 if ahead_z else iz - radius - 1
            if radius:
                ix = _onward(ox + dx * t, ix, radius, ahead_x)
            if high - low > 1:
                iy = (
                    min(high - 1, max(iy, int(oy + dy * t)))
                    if dy > 0.0
                    else max(low, min(iy, int(oy + dy * t)))
                )
    return NOTHING
