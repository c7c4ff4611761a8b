"""Tables that let a ray leap over empty space, and that notice by themselves when blocks change.

Invariant: for a column c and a radius r, every cell of the window of columns within r of c whose y is
at least `top`, or at least `floor` and below `roof`, is air. `floor` is the first air from the
bottom of the world, `roof` the end of that air, `top` the end of everything. A ray that is in
one of the two gaps may leave the window without a look at a block.

The tables are derived: no snapshot holds them. `refresh` hashes each slab of the world (64-bit, about
10 us for 64x64x64) and rebuilds only what changed, so nobody has to report a change of a block.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.state import VoxelState

RADII = (0, 1, 3, 7)
TOP, FLOOR, ROOF = range(3)
_P = np.uint64(0x9E3779B97F4A7C15)
_S = np.uint64(29)


@dataclass
class Sight:
    """The tables of a batch of worlds: `leap` uint8 (B, X, Z, 16), entry 4 * level + TOP, FLOOR or ROOF;
    `plain` uint8 (B, 3, X, Z), the same of the bare columns; `hashes` uint64 (B, X) of the slabs."""

    leap: NDArray[np.uint8]
    plain: NDArray[np.uint8]
    hashes: NDArray[np.uint64]


_OF_BLOCKS: dict[int, Sight] = {}


def sight_of(state: VoxelState) -> Sight:
    """The tables that belong to `state.blocks` (made on first use, dropped with the array).

    Raises ValueError when the worlds' height is not a multiple of 8."""
    blocks = state.blocks
    sight = _OF_BLOCKS.get(id(blocks))
    if sight is None:
        worlds, size_x, size_z, size_y = blocks.shape
        if size_y % 8 or not blocks.flags.c_contiguous:
            raise ValueError(f"worlds of height {size_y} cannot be rendered: take a multiple of 8")
        sight = Sight(
            leap=np.zeros((worlds, size_x, size_z, 16), np.uint8),
            plain=np.zeros((worlds, 3, size_x, size_z), np.uint8),
            hashes=np.zeros((worlds, size_x), np.uint64),
        )
        _OF_BLOCKS[id(blocks)] = sight
        weakref.finalize(blocks, _OF_BLOCKS.pop, id(blocks), None)
    return sight


@njit(cache=True)
def _hash_slab(words: NDArray[np.uint64]) -> np.uint64:
    """Four interleaved multiply-xor chains; never 0, which marks "not built"."""
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    n = words.size
    i = 0
    while i + 4 <= n:
        a = (a ^ words[i]) * _P
        b = (b ^ words[i + 1]) * _P
        c = (c ^ words[i + 2]) * _P
        d = (d ^ words[i + 3]) * _P
        a ^= a >> _S
        b ^= b >> _S
        c ^= c >> _S
        d ^= d >> _S
        i += 4
    while i < n:
        a = (a ^ words[i]) * _P
        a ^= a >> _S
        i += 1
    return (((a * _P ^ b) * _P ^ c) * _P ^ d) | np.uint64(1)


@njit(cache=True)
def _measure_slab(slab: NDArray[np.uint8], plain: NDArray[np.uint8], x: int) -> None:
    """The three heights of every column of a slab (Z, Y)."""
    size_z, size_y = slab.shape
    for z in range(size_z):
        column = slab[z]
        top = size_y
        while top > 0 and column[top - 1] == 0:
            top -= 1
        floor = 0
        while floor < top and column[floor] != 0:
            floor += 1
        roof = floor
        while roof < top and column[roof] == 0:
            roof += 1
        plain[TOP, x, z] = top
        plain[FLOOR, x, z] = floor
        plain[ROOF, x, z] = roof if roof < top else 255


@njit(cache=True)
def _widen(source: NDArray[np.uint8], target: NDArray[np.uint8], reach: int, lowest: bool) -> None:
    """Minimum or maximum over the 3x3 offsets -reach, 0, +reach (outside the world counts for nothing)."""
    size_x, size_z = source.shape
    along = source.copy()
    for x in range(size_x):
        for other in (x - reach, x + reach):
            if 0 <= other < size_x:
                for z in range(size_z):
                    value = source[other, z]
                    along[x, z] = min(along[x, z], value) if lowest else max(along[x, z], value)
    for x in range(size_x):
        for z in range(size_z):
            value = along[x, z]
            if z >= reach:
                value = min(value, along[x, z - reach]) if lowest else max(value, along[x, z - reach])
            if z + reach < size_z:
                value = min(value, along[x, z + reach]) if lowest else max(value, along[x, z + reach])
            target[x, z] = value


@njit(cache=True)
def refresh(
    words: NDArray[np.uint64],
    world: NDArray[np.uint8],
    leap: NDArray[np.uint8],
    plain: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
) -> bool:
    """Bring one world's tables up to date; `words` is `world` (X, Z, Y) seen as uint64 (X, Z, Y / 8).
    Returns whether anything had changed."""
    size_x = world.shape[0]
    changed = False
    for x in range(size_x):
        found = _hash_slab(words[x].reshape(-1))
        if found != hashes[x]:
            hashes[x] = found
            _measure_slab(world[x], plain, x)
            changed = True
    if not changed:
        return False
    before = np.empty(plain.shape[1:], np.uint8)
    after = np.empty(plain.shape[1:], np.uint8)
    for field in range(3):
        before[:] = plain[field]
        for level in range(4):
            if level > 0:
                _widen(before, after, (0, 1, 2, 4)[level], field == ROOF)
                before[:] = after
            for x in range(size_x):
                for z in range(world.shape[1]):
                    leap[x, z, 4 * level + field] = before[x, z]
    return True
