"""Tables that let a ray leap over empty space, and that notice by themselves when blocks change.

Invariant: `leap` says of every cell of a world how far a ray that is in it may go without meeting
anything but air: to the edge of the window of columns within `radius`, between `low` and `high`. The
window is the largest of `RADII` in which all columns are empty from `low` to `high`, where a column
has two gaps that count: above everything, and the first air from below (a cave, or under a tree).
A cell that is not air says `STOP` and its block, and `PLAIN` too where no ray passes such a block; the
border of one cell round the world says `STOP` and air.

The tables are derived: no snapshot holds them. `refresh` hashes each slab of the world (64-bit, about
10 us for 64x64x64) and rebuilds what changed, so nobody has to report a change of a block.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import LIQUID, OPAQUE
from worlds.voxel.state import VoxelState

RADII = (0, 1, 3, 7)
EVERYWHERE = 127
"""The radius of the window of a cell above everything in the world."""
STOP, PLAIN = np.int32(-(2**31)), np.int32(2**30)
HIGH_SHIFT, RADIUS_SHIFT, FIELD = 9, 18, 511
"""A code is low | high << 9 | radius << 18, heights counted with the border (y + 1), or
STOP | PLAIN | block."""
FLAT = OPAQUE | LIQUID
"""By block id: its faces have no holes."""
_BLOCK_CODES = np.arange(len(FLAT), dtype=np.int32) | np.where(FLAT, PLAIN, 0).astype(np.int32) | STOP
TOP, FLOOR, DEPTH = range(3)
_P = np.uint64(0x9E3779B97F4A7C15)
_S = np.uint64(29)


@dataclass
class Sight:
    """The tables of a batch of worlds: `leap` int32 (B, X + 2, Z + 2, Y + 2); `columns` uint8 (B, 3, X, Z): the end of
    everything in a column, its first air, and 255 minus the end of that air; `hashes` uint64 (B, X)."""

    leap: NDArray[np.int32]
    columns: NDArray[np.uint8]
    hashes: NDArray[np.uint64]


_OF_BLOCKS: dict[int, Sight] = {}


def sight_of(state: VoxelState) -> Sight:
    """The tables that belong to `state.blocks` (made on first use, dropped with the array).

    Raises ValueError when the worlds' height is not a multiple of 8."""
    blocks = state.blocks
    sight = _OF_BLOCKS.get(id(blocks))
    if sight is None:
        worlds, size_x, size_z, size_y = blocks.shape
        if size_y % 8 or size_y > 248 or not blocks.flags.c_contiguous:
            raise ValueError(f"worlds of height {size_y} cannot be rendered: take a multiple of 8 up to 248")
        sight = Sight(
            leap=np.full((worlds, size_x + 2, size_z + 2, size_y + 2), STOP, np.int32),
            columns=np.zeros((worlds, 3, size_x, size_z), np.uint8),
            hashes=np.zeros((worlds, size_x), np.uint64),
        )
        _OF_BLOCKS[id(blocks)] = sight
        weakref.finalize(blocks, _OF_BLOCKS.pop, id(blocks), None)
    return sight


@njit(cache=True)
def _hash_slab(words: NDArray[np.uint64], x: int) -> np.uint64:
    """Four interleaved multiply-xor chains over a slab; never 0, which marks "not built"."""
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    _, size_z, size = words.shape
    for z in range(0, size_z - size_z % 4, 4):
        for i in range(size):
            a = (a ^ words[x, z, i]) * _P
            b = (b ^ words[x, z + 1, i]) * _P
            c = (c ^ words[x, z + 2, i]) * _P
            d = (d ^ words[x, z + 3, i]) * _P
            a ^= a >> _S
            b ^= b >> _S
            c ^= c >> _S
            d ^= d >> _S
    for z in range(size_z - size_z % 4, size_z):
        for i in range(size):
            a = (a ^ words[x, z, i]) * _P
            a ^= a >> _S
    return (((a * _P ^ b) * _P ^ c) * _P ^ d) | np.uint64(1)


@njit(cache=True)
def _measure_slab(slab: NDArray[np.uint8], columns: NDArray[np.uint8], x: int) -> None:
    """The three heights of every column of a slab (Z, Y)."""
    size_z, size_y = slab.shape
    for z in range(size_z):
        top = size_y
        while top > 0 and slab[z, top - 1] == 0:
            top -= 1
        floor = 0
        while floor < top and slab[z, floor] != 0:
            floor += 1
        roof = floor
        while roof < size_y and slab[z, roof] == 0:
            roof += 1
        columns[TOP, x, z] = top
        columns[FLOOR, x, z] = floor
        columns[DEPTH, x, z] = 255 - roof


@njit(cache=True)
def _widen(windows: NDArray[np.uint8], level: int, field: int, reach: int) -> None:
    """Make a level from the one below: the maximum over the 3x3 offsets -reach, 0, +reach (outside the
    world counts for nothing)."""
    source, target = windows[level - 1, field], windows[level, field]
    size_x, size_z = source.shape
    along = np.empty(size_z, np.uint8)
    for x in range(size_x):
        west, east = max(0, x - reach), min(size_x - 1, x + reach)
        if west != x - reach:
            west = x
        if east != x + reach:
            east = x
        for z in range(size_z):
            along[z] = max(source[x, z], max(source[west, z], source[east, z]))
            target[x, z] = along[z]
        for z in range(size_z - reach):
            target[x, z] = max(target[x, z], along[z + reach])
        for z in range(size_z - reach):
            target[x, z + reach] = max(target[x, z + reach], along[z])


@njit(cache=True)
def _highest(columns: NDArray[np.uint8]) -> int:
    """The end of everything in the world."""
    highest = 0
    for x in range(columns.shape[1]):
        for z in range(columns.shape[2]):
            highest = max(highest, np.int64(columns[TOP, x, z]))  # type: ignore[assignment]
    return highest


@njit(cache=True)
def _write_codes(
    world: NDArray[np.uint8],
    leap: NDArray[np.int32],
    windows: NDArray[np.uint8],
    highest: int,
    first: int,
    last: int,
) -> None:
    """The codes of the slabs first .. last - 1 from `windows` (levels, 3, X, Z)."""
    size_y = world.shape[2]
    for x in range(first, last):
        for z in range(world.shape[1]):
            for y in range(size_y):
                code, block = (y + 1) | ((y + 2) << HIGH_SHIFT), world[x, z, y]
                leap[x + 1, z + 1, y + 1] = _BLOCK_CODES[block] if block else np.int32(code)
            for level in range(len(RADII)):
                radius = RADII[level] << RADIUS_SHIFT
                top = np.int64(windows[level, TOP, x, z])
                floor = np.int64(windows[level, FLOOR, x, z])
                roof = min(size_y, 255 - np.int64(windows[level, DEPTH, x, z]))
                code = (floor + 1) | ((roof + 1) << HIGH_SHIFT) | radius
                for y in range(floor, roof):
                    leap[x + 1, z + 1, y + 1] = np.int32(code)
                code = (top + 1) | ((size_y + 1) << HIGH_SHIFT) | radius
                for y in range(top, size_y):
                    leap[x + 1, z + 1, y + 1] = np.int32(code)
            code = (highest + 1) | ((size_y + 1) << HIGH_SHIFT) | (EVERYWHERE << RADIUS_SHIFT)
            for y in range(highest, size_y):
                leap[x + 1, z + 1, y + 1] = np.int32(code)


@njit(cache=True)
def refresh(
    words: NDArray[np.uint64],
    world: NDArray[np.uint8],
    leap: NDArray[np.int32],
    columns: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
) -> bool:
    """Bring one world's tables up to date; `words` is `world` (X, Z, Y) seen as uint64 (X, Z, Y / 8).
    Returns whether anything had changed."""
    size_x, size_z, _ = world.shape
    first, last, highest = size_x, 0, _highest(columns)
    for x in range(size_x):
        found = _hash_slab(words, x)
        if found != hashes[x]:
            hashes[x] = found
            _measure_slab(world[x], columns, x)
            first, last = min(first, x), x + 1
    if last == 0:
        return False
    windows = np.empty((len(RADII), 3, size_x, size_z), np.uint8)
    for field in range(3):
        for x in range(size_x):
            for z in range(size_z):
                windows[0, field, x, z] = columns[field, x, z]
        for level in range(1, len(RADII)):
            _widen(windows, level, field, RADII[level] - RADII[level - 1])
    if _highest(columns) != highest:
        first, last = 0, size_x
    first, last = max(0, first - RADII[-1]), min(size_x, last + RADII[-1])
    _write_codes(world, leap, windows, _highest(columns), first, last)
    return True
