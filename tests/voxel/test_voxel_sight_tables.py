"""The renderer's tables: no leap passes over a block, none is shorter than it may be, and they follow every
change of a block as if they were made anew."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, LIQUID, OPAQUE
from worlds.voxel.render import render, render_batch
from worlds.voxel.sight import (
    EVERYWHERE,
    FIELD,
    HIGH_SHIFT,
    PLAIN,
    RADII,
    RADIUS_SHIFT,
    STOP,
    Sight,
    refresh,
    sight_of,
)
from worlds.voxel.state import VoxelState

KINDS = [BLOCK[name] for name in ("stone", "dirt", "water", "glass", "poppy", "oak_leaves", "lava", "ice")]


def cluttered(seed: int, size: tuple[int, int, int]) -> VoxelState:
    """Hills with caves, trees and things that hang in the air; some columns empty, some full."""
    random = np.random.default_rng(seed)
    state = VoxelState.empty(1, size)
    x, z, y = size
    heights = random.integers(0, y + 1, (x, z)) * (random.random((x, z)) < 0.3) + random.integers(
        0, 6, (x, z)
    )
    ground = np.arange(y) < heights[:, :, None]
    holes = random.random(size) < 0.1
    floating = random.random(size) < 0.01
    state.blocks[0] = np.where(ground & ~holes | floating, random.choice(KINDS, size), 0)
    return state


def tables(state: VoxelState) -> Sight:
    sight = sight_of(state)
    words = state.blocks[0].view(np.uint64)
    refresh(words, state.blocks[0], sight.leap[0], sight.columns[0], sight.hashes[0])
    return sight


def gaps(column: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The two gaps of a column that count, (first, end): the first air from below, and above everything."""
    air = [y for y in range(len(column)) if column[y] == 0]
    solid = [y for y in range(len(column)) if column[y]]
    top = solid[-1] + 1 if solid else 0
    floor = air[0] if air and air[0] < top else top
    roof = next((y for y in range(floor, len(column)) if column[y]), len(column))
    return [(floor, roof), (top, len(column))]


@pytest.mark.parametrize("size", [(17, 16, 24), (5, 6, 8), (20, 3, 16)])
def test_a_leap_goes_as_far_as_the_widest_window_of_air_and_no_farther(size: tuple[int, int, int]) -> None:
    """`gaps` in every column of a window, in plain Python."""
    state = cluttered(sum(size), size)
    world, leap = state.blocks[0], tables(state).leap[0]
    size_x, size_z, size_y = size
    of = [[gaps(world[x, z]) for z in range(size_z)] for x in range(size_x)]
    highest = max(gap[1][0] for row in of for gap in row)
    radii = set()
    for x, z, y in np.argwhere(world == 0):
        expected = (y, y + 1, 0)
        for radius in RADII:
            window = [
                of[i][k]
                for i in range(max(0, x - radius), min(size_x, x + radius + 1))
                for k in range(max(0, z - radius), min(size_z, z + radius + 1))
            ]
            for which in (0, 1):
                low, high = max(g[which][0] for g in window), min(g[which][1] for g in window)
                if low <= y < high:
                    expected = (low, high, radius)
        if y >= highest:
            expected = (highest, size_y, EVERYWHERE)
        code = int(leap[x + 1, z + 1, y + 1])
        # Heights are counted with the border.
        found = ((code & FIELD) - 1, (code >> HIGH_SHIFT & FIELD) - 1, code >> RADIUS_SHIFT)
        assert found == expected, (x, z, y)
        low, high, radius = found
        around = world[max(0, x - radius) : x + radius + 1, max(0, z - radius) : z + radius + 1, low:high]
        assert not around.any(), (x, z, y)
        radii.add(radius)
    assert len(radii) > 1


def test_what_is_not_air_stops_a_ray_and_says_whether_it_has_holes() -> None:
    state = cluttered(1, (16, 16, 24))
    world, leap = state.blocks[0], tables(state).leap[0]
    inside = leap[1:-1, 1:-1, 1:-1]
    filled = world > 0
    assert ((inside < 0) == filled).all()
    assert ((inside & 255)[filled] == world[filled]).all()
    plain = (inside & PLAIN) != 0
    assert (plain[filled] == (OPAQUE | LIQUID)[world[filled]]).all()
    assert {True, False} <= set(plain[filled].tolist())
    border = np.ones(leap.shape, np.bool_)
    border[1:-1, 1:-1, 1:-1] = False
    assert (leap[border] == STOP).all()


def edit(random: np.random.Generator, world: NDArray[np.uint8]) -> bool:
    """Change something, or nothing; whether anything is other than before."""
    before = world.copy()
    x, z, y = (int(random.integers(n)) for n in world.shape)
    match int(random.integers(5)):
        case 0:
            world[x, z, y] = random.choice([0, *KINDS])
        case 1:  # a tower up to the sky, which raises the highest of all
            world[x, z, :] = KINDS[0]
        case 2:
            world[x, z, :] = 0
        case 3:
            world[x, :, y] = random.choice([0, *KINDS])
        case _:
            pass
    return not np.array_equal(before, world)


def test_tables_that_followed_many_changes_are_those_of_the_world_made_anew() -> None:
    random = np.random.default_rng(7)
    state = cluttered(2, (24, 16, 24))
    state.position[0, 0] = 12.0, 10.0, 8.0
    world, kept = state.blocks[0], tables(state)
    words, told = world.view(np.uint64), []
    for _ in range(120):
        changed = edit(random, world)
        told.append(changed)
        assert refresh(words, world, kept.leap[0], kept.columns[0], kept.hashes[0]) == changed
        fresh = tables(state.copy())
        assert np.array_equal(kept.leap, fresh.leap)
        assert np.array_equal(kept.columns, fresh.columns)
        assert np.array_equal(kept.hashes, fresh.hashes)
    assert 20 < sum(told) < 110


def test_a_frame_does_not_depend_on_what_was_drawn_before() -> None:
    """Frames of a state that changes under the renderer's eyes, and those of a copy that nobody drew yet."""
    random = np.random.default_rng(8)
    state = cluttered(3, (16, 16, 24))
    for _ in range(25):
        edit(random, state.blocks[0])
        state.position[0, 0] = random.uniform((0, 0, 0), (16, 22, 16))
        state.yaw_deg[0, 0], state.pitch_deg[0, 0] = random.uniform(0, 360), random.uniform(-90, 90)
        frame, anew = render(state, 0, 0, 24), render(state.copy(), 0, 0, 24)
        for name, buffer in vars(anew).items():
            assert np.array_equal(buffer, getattr(frame, name)), name
        assert np.array_equal(render_batch(state, 24)[0, 0], anew.rgb)
