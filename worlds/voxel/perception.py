"""What is in sight: named things found in the renderer's own buffers.

Invariant: a thing is in sight exactly when at least `MIN_PIXELS` pixels of the frame show it. Notes,
grounding labels, skills and the mirror's `visible` all use this one rule, so nobody is told of a
thing that the pixels do not show.

A thing of a block kind is a cluster of visible cells of that kind (two cells belong together when no
coordinate differs by more than `CLUSTER`); an animal is a thing of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import ANIMALS, BLOCK, BLOCK_NAMES
from worlds.voxel.mirror import COLUMNS, NOTES, note_for
from worlds.voxel.render import Rendered
from worlds.voxel.state import VoxelState

MIN_PIXELS = 12
"""In a 64x64 frame (larger ones need proportionally more): about 3x4. Of fewer nobody can tell a pig from a
flower, so to call that "in sight" would teach guessing."""
CLUSTER = 2
"""Blocks: a twig before a thing does not make two of it."""


@dataclass(frozen=True)
class Thing:
    """One named thing in the frame: `column` 0..4 of its mean pixel, horizontal `distance` in blocks from
    the body to its `position` (x, y, z: the middle of what is seen of it), `cell` (x, z, y) the
    nearest visible cell, `animal` its index in the state (-1: blocks)."""

    name: str
    column: int
    distance: float
    pixels: int
    position: tuple[float, float, float]
    cell: tuple[int, int, int]
    animal: int = -1

    def as_fact(self) -> dict[str, Any]:
        """The entry of the mirror's `visible` list."""
        return {
            "name": self.name,
            "column": self.column,
            "distance": self.distance,
            "pixels": self.pixels,
            "position": self.position,
        }


@njit(cache=True)
def _hits(
    block_id_HW: NDArray[np.uint8],
    cell_HW3: NDArray[np.int16],
    animal_HW: NDArray[np.int16],
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Distinct hit cells and animals: keys (n, 5) = (block id, animal or -1, x, z, y) and sums (n, 2) =
    (pixels, sum of pixel columns). `wanted` is by block id."""
    keys = np.empty((block_id_HW.size, 5), np.int32)
    sums = np.zeros((block_id_HW.size, 2), np.int64)
    count = 0
    last = 0
    height, width = block_id_HW.shape
    for column in range(width):  # columns first: neighbours are mostly the same cell
        for row in range(height):
            animal = np.int32(animal_HW[row, column])
            block = np.int32(block_id_HW[row, column])
            if animal < 0 and not wanted[block]:
                continue
            x, z, y = cell_HW3[row, column, 0], cell_HW3[row, column, 1], cell_HW3[row, column, 2]
            found = -1
            for offset in range(count):
                i = last - offset
                if i < 0:
                    i += count
                if animal >= 0:
                    same = keys[i, 1] == animal
                else:
                    same = keys[i, 1] < 0 and keys[i, 2] == x and keys[i, 3] == z and keys[i, 4] == y
                if same:
                    found = i
                    break
            if found < 0:
                found = count
                keys[found, 0] = block
                keys[found, 1] = animal
                keys[found, 2], keys[found, 3], keys[found, 4] = x, z, y
                count += 1
            sums[found, 0] += 1
            sums[found, 1] += column
            last = found
    return keys[:count], sums[:count]


@njit(cache=True)
def _gather(
    keys: NDArray[np.int32], sums: NDArray[np.int64], reach: int, body_x: float, body_z: float
) -> NDArray[np.float64]:
    """One row per thing (and rows of zeros): block id, animal or -1, pixels, sum of pixel columns, the mean
    of its cells x, z, y, and its cell nearest to (body_x, body_z). Cells of one id within `reach` of one
    another are one thing."""
    n = keys.shape[0]
    root = np.arange(n)
    for i in range(n):
        for j in range(i):
            if keys[i, 0] != keys[j, 0] or keys[i, 1] >= 0 or keys[j, 1] >= 0:
                continue
            apart = max(
                abs(keys[i, 2] - keys[j, 2]), abs(keys[i, 3] - keys[j, 3]), abs(keys[i, 4] - keys[j, 4])
            )
            if apart > reach:
                continue
            a, b = i, j
            while root[a] != a:
                a = root[a]
            while root[b] != b:
                b = root[b]
            root[max(a, b)] = min(a, b)
    rows = np.zeros((n, 10))
    cells = np.zeros(n)
    nearest = np.full(n, np.inf)
    for i in range(n):
        root[i] = root[root[i]]  # a smaller index, so already a root's own
        at = root[i]
        rows[at, 0], rows[at, 1] = keys[at, 0], keys[at, 1]
        rows[at, 2] += sums[i, 0]
        rows[at, 3] += sums[i, 1]
        cells[at] += 1
        for axis in range(3):
            rows[at, 4 + axis] += (keys[i, 2 + axis] - rows[at, 4 + axis]) / cells[at]
        away = (keys[i, 2] + 0.5 - body_x) ** 2 + (keys[i, 3] + 0.5 - body_z) ** 2
        if away < nearest[at]:
            nearest[at] = away
            for axis in range(3):
                rows[at, 7 + axis] = keys[i, 2 + axis]
    return rows


def block_mask(names: Iterable[str]) -> NDArray[np.bool_]:
    """Bool by block id: the blocks among `names` (names that are no block are passed over, and so is air:
    the sky is no thing)."""
    mask = np.zeros(len(BLOCK_NAMES), np.bool_)
    mask[[BLOCK[name] for name in names if name in BLOCK]] = True
    mask[0] = False
    return mask


def things_in_sight(
    rendered: Rendered, state: VoxelState, b: int, a: int, wanted_blocks: NDArray[np.bool_]
) -> list[Thing]:
    """The things in a frame of body `a` of world `b`, nearest first: all animals, and the blocks of
    `wanted_blocks` (bool by block id)."""
    body_x, _, body_z = (float(v) for v in state.position[b, a])
    width = rendered.block_id.shape[1]
    keys, sums = _hits(rendered.block_id, rendered.cell, rendered.animal, wanted_blocks)
    things = []
    for row in _gather(keys, sums, CLUSTER, body_x, body_z).tolist():
        block, animal, pixels, columns, x, z, y, *cell = row
        if pixels * 64**2 < MIN_PIXELS * width**2:  # too small, or a row that joined another
            continue
        name, position = BLOCK_NAMES[int(block)], (x + 0.5, y + 0.5, z + 0.5)
        if animal >= 0:
            name = ANIMALS[state.animal_kind[b, int(animal)]].name
            place = state.animal_position[b, int(animal)]
            position = (float(place[0]), float(place[1]), float(place[2]))
        distance = float(np.hypot(position[0] - body_x, position[2] - body_z))
        column = int(columns * len(COLUMNS) / (pixels * width))
        at = (position[0], position[2], position[1]) if animal >= 0 else cell
        nearest = (int(at[0]), int(at[1]), int(at[2]))
        things.append(Thing(name, column, distance, int(pixels), position, nearest, int(animal)))
    return sorted(things, key=lambda thing: thing.distance)


def note_about(name: str, things: Iterable[Thing]) -> str:
    """The note of `worlds.voxel.mirror.NOTES` about the nearest thing called `name`."""
    nearest = next((thing for thing in things if thing.name == name), None)
    return note_for(nearest.column, nearest.distance) if nearest else NOTES[0]
