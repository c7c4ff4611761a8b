"""The parts of a world and its surface: regions by their geometry, the surface by a plain walk down each
column."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from teachers.planners.regions import HALVES, QUARTERS, bounds, middle, within
from teachers.planners.surface import UNKNOWN, surface
from teachers.team.orders import regions_of
from worlds.voxel import data
from worlds.voxel.edges import Corner

SIZES = ((48, 48), (47, 31), (1, 9))


def has(region: str, x: float, z: float, size: Corner) -> bool:
    """By the compass: x grows to the east, z to the south."""
    east, south = x >= size[0] / 2, z >= size[1] / 2
    sides = {"west": not east, "east": east, "north": not south, "south": south}
    return all(sides[side] for side in region.split("-"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("parts", [HALVES, QUARTERS])
def test_the_parts_share_the_world_out(parts: tuple[str, ...], size: tuple[int, int]) -> None:
    """Each place is in one part, the one that the compass says, and parts are of equal size."""
    rng = np.random.default_rng(0)
    rectangles = {part: bounds(*size, part) for part in parts}
    for x, z in rng.uniform((0, 0), size, (200, 2)):
        here = [p for p, (low, high) in rectangles.items() if low[0] <= x < high[0] and low[1] <= z < high[1]]
        assert here == [part for part in parts if has(part, x, z, size)]
        assert len(here) == 1
    areas = [(high[0] - low[0]) * (high[1] - low[1]) for low, high in rectangles.values()]
    assert areas == pytest.approx([size[0] * size[1] / len(parts)] * len(parts))
    assert bounds(*size) == ((0, 0), size)


@pytest.mark.parametrize("size", SIZES)
def test_a_quarter_is_within_a_region_where_its_ground_is(size: tuple[int, int]) -> None:
    for quarter, region in itertools.product(QUARTERS, (*QUARTERS, *HALVES)):
        (low_x, low_z), (high_x, high_z) = bounds(*size, region)
        inner_low, inner_high = bounds(*size, quarter)
        inside = (
            low_x <= inner_low[0]
            and low_z <= inner_low[1]
            and inner_high[0] <= high_x
            and inner_high[1] <= high_z
        )
        assert within(quarter, region) == inside, (quarter, region)
        assert within(quarter, region) == has(region, *middle(inner_low, inner_high), size)


def test_a_team_of_any_number_can_be_sent_over_the_whole_world() -> None:
    """The parts named to so many bodies leave no quarter out, and one body is sent nowhere in particular."""
    assert regions_of(1) == ("",)
    for bodies in range(2, 10):
        parts = regions_of(bodies)
        assert all(any(within(quarter, part) for part in parts) for quarter in QUARTERS)
        assert len(set(parts)) == len(parts)


PLANTS = [i for i, name in enumerate(data.BLOCK_NAMES) if name.endswith(("_leaves", "_log"))]
KINDS = ("air", "air", "stone", "dirt", "oak_leaves", "oak_log", "water", "lava", "cactus", "magma_block")


def column_of(blocks_Y: np.ndarray) -> tuple[int, int, int, bool]:
    """(level, bottom, top, deadly), from what the docstring of `surface` says."""
    solid = [bool(data.SOLID[block]) for block in blocks_Y]
    wet = [bool(data.LIQUID[block]) for block in blocks_Y]
    hurts = [bool(data.HURTS[block]) for block in blocks_Y]

    def bears(y: int) -> bool:
        return hurts[y] or wet[y] or (solid[y] and blocks_Y[y] not in PLANTS)

    def is_roof(y: int) -> bool:
        """One block thick, with room for a body below it, and not over water."""
        return y >= 3 and not solid[y - 1] and not solid[y - 2] and not wet[y] and not wet[y - 1]

    ground = max((y for y in range(1, len(blocks_Y)) if bears(y) and not is_roof(y)), default=0)
    level = ground if wet[ground] else ground + 1
    above = [y for y in range(ground + 1, len(blocks_Y)) if solid[y]]
    bottom = above[0] if above else len(blocks_Y) + 2
    return level, bottom, max([level, *(y + 1 for y in above)]), hurts[ground]


@pytest.mark.parametrize("seed", range(4))
def test_the_surface_of_any_columns_is_what_a_plain_walk_down_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, height = 24, 14
    codes = np.array([data.BLOCK[kind] for kind in KINDS], np.uint8)
    blocks = codes[rng.integers(0, len(KINDS), (size, size, height))]
    blocks[: size // 2][rng.random((size // 2, size, height)) < 0.6] = data.BLOCK["air"]  # and sparser ones
    blocks[:, :, 0] = data.BLOCK["stone"]
    known = rng.random((size, size)) < 0.8
    found = surface(blocks, known)
    for x, z in np.ndindex(size, size):
        here = (found.level[x, z], found.bottom[x, z], found.top[x, z], found.deadly[x, z])
        if known[x, z]:
            assert here == column_of(blocks[x, z]), (x, z, blocks[x, z])
            assert found.open[x, z] == (here[1] - here[0] >= 2 and not here[3])
        else:
            assert here == (UNKNOWN, height + 2, UNKNOWN, False)
            assert found.open[x, z]
