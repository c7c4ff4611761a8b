"""The whole state of a batch of voxel worlds, as flat arrays.

Invariant: everything that a later tick, frame or sound depends on is in these arrays, so a copy of
them is a snapshot, and the same arrays with the same actions give the same bytes in every process.

Axes: B worlds, A bodies per world, N animals per world, S inventory slots, C containers per world.
X east, Z south, Y up, as in Minecraft; `blocks` is (B, X, Z, Y) so that a column is contiguous.
Yaw is degrees clockwise from north (-Z): 0 north, 90 east, 180 south, 270 west. Pitch is degrees,
positive looks down. A body's position is the centre of its feet.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

SLOTS = 36
CONTAINERS = 16
CONTAINER_SLOTS = 27


@dataclass
class VoxelState:
    """See the module docstring for axes and angles."""

    blocks: NDArray[np.uint8]  # (B, X, Z, Y) block ids of `worlds.voxel.data`
    tick: NDArray[np.int64]  # (B,)
    rng: NDArray[np.uint64]  # (B,) state of the world's own generator (splitmix64)
    # bodies
    position: NDArray[np.float64]  # (B, A, 3) x, y, z of the feet
    velocity: NDArray[np.float64]  # (B, A, 3) blocks per tick
    yaw_deg: NDArray[np.float64]  # (B, A)
    pitch_deg: NDArray[np.float64]  # (B, A)
    on_ground: NDArray[np.bool_]  # (B, A)
    health: NDArray[np.float64]  # (B, A) 0..20
    food: NDArray[np.float64]  # (B, A) 0..20
    air: NDArray[np.float64]  # (B, A) ticks of breath, 0..300
    item: NDArray[np.int16]  # (B, A, S) item ids, 0 = empty; slots 0..8 are the hotbar
    count: NDArray[np.int16]  # (B, A, S)
    durability: NDArray[np.int16]  # (B, A, S) uses left; 0 where the item has none
    selected: NDArray[np.int8]  # (B, A) hotbar slot in hand
    armor: NDArray[np.int16]  # (B, A, 4) item ids: feet, legs, chest, head
    dig_cell: NDArray[np.int32]  # (B, A, 3) block being dug, -1 where none
    dig_ticks: NDArray[np.float64]  # (B, A) progress on it, 0..1
    # animals (and other sound sources)
    animal_kind: NDArray[np.uint8]  # (B, N) 0 = none; index into `worlds.voxel.data` animals
    animal_position: NDArray[np.float64]  # (B, N, 3)
    animal_yaw_deg: NDArray[np.float64]  # (B, N)
    animal_health: NDArray[np.float64]  # (B, N)
    # containers: chests (27 slots) and furnaces (slots 0 input, 1 fuel, 2 output)
    container_cell: NDArray[np.int32]  # (B, C, 3) x, z, y; -1 where none
    container_item: NDArray[np.int16]  # (B, C, 27)
    container_count: NDArray[np.int16]  # (B, C, 27)
    smelt_ticks: NDArray[np.int32]  # (B, C) ticks left of the item being smelted
    # what has been looked at, for map tasks: columns that a body has had in view
    seen: NDArray[np.bool_]  # (B, A, X, Z)

    @classmethod
    def empty(cls, worlds: int, size: tuple[int, int, int], bodies: int = 1, animals: int = 12) -> VoxelState:
        """All-air worlds of `size` (X, Z, Y) with bodies at the origin."""
        b, a, n, c = worlds, bodies, animals, CONTAINERS
        x, z, y = size
        f8, i2, i4 = np.float64, np.int16, np.int32
        return cls(
            blocks=np.zeros((b, x, z, y), np.uint8),
            tick=np.zeros(b, np.int64),
            rng=np.zeros(b, np.uint64),
            position=np.zeros((b, a, 3), f8),
            velocity=np.zeros((b, a, 3), f8),
            yaw_deg=np.zeros((b, a), f8),
            pitch_deg=np.zeros((b, a), f8),
            on_ground=np.zeros((b, a), np.bool_),
            health=np.full((b, a), 20.0, f8),
            food=np.full((b, a), 20.0, f8),
            air=np.full((b, a), 300.0, f8),
            item=np.zeros((b, a, SLOTS), i2),
            count=np.zeros((b, a, SLOTS), i2),
            durability=np.zeros((b, a, SLOTS), i2),
            selected=np.zeros((b, a), np.int8),
            armor=np.zeros((b, a, 4), i2),
            dig_cell=np.full((b, a, 3), -1, i4),
            dig_ticks=np.zeros((b, a), f8),
            animal_kind=np.zeros((b, n), np.uint8),
            animal_position=np.zeros((b, n, 3), f8),
            animal_yaw_deg=np.zeros((b, n), f8),
            animal_health=np.zeros((b, n), f8),
            container_cell=np.full((b, c, 3), -1, i4),
            container_item=np.zeros((b, c, CONTAINER_SLOTS), i2),
            container_count=np.zeros((b, c, CONTAINER_SLOTS), i2),
            smelt_ticks=np.zeros((b, c), i4),
            seen=np.zeros((b, a, x, z), np.bool_),
        )

    def copy(self) -> VoxelState:
        """A snapshot: no array is shared with the original."""
        return VoxelState(**{f.name: getattr(self, f.name).copy() for f in fields(self)})

    def assign(self, other: VoxelState) -> None:
        """Restore a snapshot in place. Raises ValueError, and restores nothing, when the shapes differ."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        for name, mine, theirs in pairs:
            if mine.shape != theirs.shape:
                raise ValueError(f"the snapshot's {name} is {theirs.shape}, the world's is {mine.shape}")
        for _, mine, theirs in pairs:
            mine[...] = theirs
