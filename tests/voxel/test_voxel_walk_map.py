"""The walk map, the flood fill and the sites of things against plain Python on random land: a column is
called reachable where steps of one up and three down lead, and a site is level, free and as far as asked."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, BLOCK_NAMES, HURTS, LIQUID, SOLID
from worlds.voxel.landmarks import level_site, main_land, pick_site, reachable, walk_map

SIDE = 14


def components(feet: NDArray[np.int16], x: int, z: int) -> NDArray[np.bool_]:
    """By sweeping until nothing changes, not by a queue."""
    found = np.zeros(feet.shape, np.bool_)
    found[x, z] = feet[x, z] >= 0
    while True:
        grown = found.copy()
        for i, k in np.argwhere(found):
            for di, dk in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                to = (i + di, k + dk)
                if 0 <= to[0] < feet.shape[0] and 0 <= to[1] < feet.shape[1] and feet[to] >= 0:
                    grown[to] |= -3 <= int(feet[to]) - int(feet[i, k]) <= 1
        if (grown == found).all():
            return found
        found = grown


def random_feet(rng: np.random.Generator) -> NDArray[np.int16]:
    return np.where(rng.random((SIDE, SIDE)) < 0.15, -1, rng.integers(5, 10, (SIDE, SIDE))).astype(np.int16)


@pytest.mark.parametrize("seed", range(6))
def test_the_flood_goes_wherever_steps_lead_and_nowhere_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        feet = random_feet(rng)
        x, z = (int(v) for v in rng.integers(0, SIDE, 2))
        assert np.array_equal(reachable(feet, x, z), components(feet, x, z))


def test_the_main_land_is_the_most_that_one_start_reaches() -> None:
    rng = np.random.default_rng(1)
    for _ in range(8):
        heights = rng.choice([2, 5, 8, 9], (7, 8)).astype(np.int16)
        feet = np.where(heights > 4, heights, -1).astype(np.int16)
        land = main_land(heights, 4)
        parts = [components(feet, x, z) for x, z in np.argwhere(feet >= 0)]
        assert land.sum() == max(part.sum() for part in parts)
        assert any(np.array_equal(land, part) for part in parts)


def test_feet_stand_on_the_surface_under_leaves_and_not_in_what_is_wet_or_hurts() -> None:
    rng = np.random.default_rng(2)
    names = (*["air"] * 16, *["stone"] * 4, "oak_leaves", "water", "lava", "cactus", "magma_block", "poppy")
    ids = np.array([BLOCK[name] for name in names], np.uint8)
    leaf = np.array(["leaves" in name for name in BLOCK_NAMES])
    blocks = rng.choice(ids, (24, 24, 9)).astype(np.uint8)
    blocks[:, :, 0] = BLOCK["bedrock"]
    feet = np.empty((24, 24), np.int16)
    walk_map(blocks, feet)
    for (x, z), told in np.ndenumerate(feet):
        column = blocks[x, z]
        surface = LIQUID[column] | (SOLID[column] & ~leaf[column])
        ground = int(np.flatnonzero(surface)[-1])
        good = ground + 2 < 9 and not (LIQUID[column[ground]] or HURTS[column[ground]])
        if good:
            low, high = column[ground + 1], column[ground + 2]
            good = not (SOLID[low] or SOLID[high] or HURTS[low])
        assert told == (ground + 1 if good else -1)
    assert 60 < (feet >= 0).sum() < 500


@pytest.mark.parametrize("radius", [1, 3])
def test_a_site_is_level_free_and_as_far_as_was_asked(radius: int) -> None:
    rng, found = np.random.default_rng(radius), 0
    for seed in range(50):
        size = (40, 36)
        heights = (20 + np.cumsum(rng.integers(-1, 2, size), axis=0) // 3).astype(np.int16)
        land, keep = rng.random(size) < 0.98, rng.random(size) < 0.005
        x, z = pick_site(np.uint64(seed), 3, land, keep, heights, radius, (20, 18), 6.0, 15.0)
        if x < 0:
            continue
        found += 1
        around = (slice(x - radius - 1, x + radius + 2), slice(z - radius - 1, z + radius + 2))
        assert land[around].all()
        assert not keep[around].any()
        assert np.ptp(heights[around]) <= 1 + radius // 2
        assert 6.0 <= np.hypot(x - 20, z - 18) <= 15.0
        assert pick_site(np.uint64(seed), 3, land, keep, heights, radius, (20, 18), 6.0, 15.0) == (x, z)
        lowest = heights[around].min()
        level_site(heights, keep, x, z, radius)
        assert (heights[around] == lowest).all()
        assert keep[around].all()
        assert pick_site(np.uint64(seed), 3, land, keep, heights, radius, (20, 18), 6.0, 15.0) != (x, z)
    assert found > 10
    assert pick_site(np.uint64(0), 3, land, keep, heights, 30, (20, 18), 0.0, 99.0) == (-1, -1)
