"""Buildings: nothing outside of their square, a way into every room for a body, and chests full of loot."""

from __future__ import annotations

import numpy as np
import pytest

from worlds.voxel.data import BLOCK, ITEM_NAMES, SOLID
from worlds.voxel.state import CONTAINERS, VoxelState
from worlds.voxel.structures import BUILDERS, LOOT, build_structure

X, Z, BASE = 10, 12, 6
ROOMS = {"desert_pyramid": 24, "well": 0, "house": 7}
"""Columns in which a body can stand under a roof, at ground level: a room less furniture, a doorstep."""


def plain() -> VoxelState:
    """Stone below `BASE`; air above, as on levelled ground."""
    state = VoxelState.empty(1, (24, 24, 24))
    state.blocks[..., :BASE] = BLOCK["stone"]
    return state


def loot_of(state: VoxelState, container: int) -> dict[str, int]:
    counts = state.container_count[0, container]
    return {ITEM_NAMES[state.container_item[0, container, i]]: int(counts[i]) for i in np.flatnonzero(counts)}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_building_keeps_to_its_square_and_stands_on_the_ground(name: str) -> None:
    state = plain()
    before = state.blocks[0].copy()
    build_structure(state, 0, name, (X, Z), BASE)
    x, z, y = np.nonzero(before != state.blocks[0])
    radius = BUILDERS[name][0]
    assert (x.min(), x.max(), z.min(), z.max()) == (X - radius, X + radius, Z - radius, Z + radius)
    # Below its base, only a floor or a shaft; and from the base up, no layer is missing.
    assert set(range(BASE, int(y.max()) + 1)) <= set(y.tolist())
    assert y.min() >= BASE - 2


@pytest.mark.parametrize("name", BUILDERS)
def test_every_room_is_walked_into_at_ground_level(name: str) -> None:
    """A walker two blocks high that starts outside and stays on the ground gets under every roof."""
    state = plain()
    build_structure(state, 0, name, (X, Z), BASE)
    world = state.blocks[0]
    free = ~SOLID[world[:, :, BASE]] & ~SOLID[world[:, :, BASE + 1]]
    roofed = free & SOLID[world[:, :, BASE + 2 :]].any(axis=2) & SOLID[world[:, :, BASE - 1]]
    reached = np.zeros_like(free)
    edge = [(0, 0)]
    while edge:
        x, z = edge.pop()
        if 0 <= x < 24 and 0 <= z < 24 and free[x, z] and not reached[x, z]:
            reached[x, z] = True
            edge += [(x + 1, z), (x - 1, z), (x, z + 1), (x, z - 1)]
    assert not (roofed & ~reached).any()
    assert roofed.sum() == ROOMS[name]


def test_chests_are_filled_slot_by_slot_until_no_container_is_left() -> None:
    state = plain()
    sites = [(6 + 6 * i, 6 + 6 * k) for i in range(3) for k in range(3)]
    names = ["house", "desert_pyramid"] * CONTAINERS
    for number, name in enumerate(names[: CONTAINERS + 3]):
        site = sites[number % len(sites)]
        build_structure(state, 0, name, site, BASE)
        free = state.container_cell[0, :, 0] < 0
        assert int((~free).sum()) == min(number + 1, CONTAINERS)
        if number < CONTAINERS:
            x, z, y = state.container_cell[0, number]
            assert state.blocks[0, x, z, y] == BLOCK["chest"]
            assert loot_of(state, number) == dict(LOOT if name == "desert_pyramid" else LOOT[-2:])
    kept = state.copy()
    build_structure(state, 0, "well", sites[0], BASE)
    assert np.array_equal(kept.container_item, state.container_item)
