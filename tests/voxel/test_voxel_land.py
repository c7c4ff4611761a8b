"""The kernels that make the land: every decision is a hash of the place, and a layer keeps to its cells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, BLOCK_NAMES
from worlds.voxel.landscape import (
    BIOMES,
    bury_ores,
    carve_caves,
    fill_columns,
    grow_plants,
    limit_steps,
    shape_land,
)

SEA = 12
ROCK = [BLOCK[name] for name in ("stone", "granite", "diorite", "andesite")]
ORES = {
    name: (top, veins, size)
    for name, top, veins, size in (
        ("coal", 1.0, 10.0, 7),
        ("iron", 0.85, 9.0, 6),
        ("gold", 0.5, 3.0, 5),
        ("redstone", 0.4, 4.0, 5),
        ("lapis", 0.45, 2.5, 4),
        ("diamond", 0.3, 2.5, 4),
        ("emerald", 0.35, 1.0, 2),
    )
}
"""Highest y as a share of the sea level, veins per 1,000 columns, blocks per vein (half of its most)."""


class Land:
    """The arrays of one world before anything is built on it."""

    def __init__(self, seed: int, size: tuple[int, int, int], biome: int = -1, step: int = 1) -> None:
        self.seed = np.uint64(seed)
        self.heights = np.zeros(size[:2], np.int16)
        self.biomes = np.zeros(size[:2], np.uint8)
        self.keep = np.zeros(size[:2], np.bool_)
        self.blocks = np.zeros(size, np.uint8)
        shape_land(self.seed, self.heights, self.biomes, SEA, 5.0, False, biome)
        if step:
            limit_steps(self.heights, step)

    def fill(self) -> NDArray[np.uint8]:
        fill_columns(self.seed, self.blocks, self.heights, self.biomes, SEA)
        return self.blocks.copy()

    def carve(self, lava: bool = True) -> None:
        carve_caves(self.seed, self.blocks, self.heights, self.keep, SEA, lava)

    def grow(self, trees: float = 1.0, plants: float = 1.0) -> None:
        grow_plants(self.seed, self.blocks, self.heights, self.biomes, self.keep, SEA, trees, plants)


@pytest.mark.parametrize("seed", [1, 2**63 + 5])
def test_a_larger_world_holds_the_smaller_one_column_by_column(seed: int) -> None:
    """What lies in a column is asked of its coordinates alone, not of the size or the order of the loops."""
    small, large = Land(seed, (20, 28, 32), step=0), Land(seed, (44, 36, 32), step=0)
    assert np.array_equal(large.heights[:20, :28], small.heights)
    assert np.array_equal(large.biomes[:20, :28], small.biomes)
    assert np.array_equal(large.fill()[:20, :28], small.fill())
    assert len(np.unique(large.biomes)) > 1
    other = Land(seed + 1, (20, 28, 32), step=0)
    assert not np.array_equal(other.heights, small.heights)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_steps_are_limited_by_lowering_no_more_than_it_takes(step: int) -> None:
    """The largest such land below a land: each column the least of every other's height and the way to it."""
    random = np.random.default_rng(step)
    for size in ((9, 7), (1, 12), (8, 8)):
        heights = random.integers(3, 25, size).astype(np.int16)
        x, z = np.indices(size)
        expected = np.min(
            [h + step * (abs(x - i) + abs(z - k)) for (i, k), h in np.ndenumerate(heights.astype(int))],
            axis=0,
        )
        limit_steps(heights, step)
        assert np.array_equal(heights, expected)


def test_a_column_is_bedrock_rock_soil_and_then_water_or_air() -> None:
    soils, seabeds = Counter[str](), Counter[str]()
    for biome in range(len(BIOMES)):
        land = Land(biome, (32, 32, 32), biome)
        blocks = land.fill()
        for (x, z), height in np.ndenumerate(land.heights):
            names = [BLOCK_NAMES[block] for block in blocks[x, z]]
            top = int(height)
            assert names[0] == "bedrock"
            assert {BLOCK[name] for name in names[1 : top - 3]} <= set(ROCK)
            assert set(names[max(1, top - 3) : top]) <= {"sandstone" if BIOMES[biome] == "desert" else "dirt"}
            wet = ["water"] * max(0, SEA - top)
            if wet and BIOMES[biome] == "snowy_taiga":
                wet[-1] = "ice"
            assert names[top + 1 :] == wet + ["air"] * (32 - top - 1 - len(wet))
            (seabeds if top <= SEA else soils)[names[top]] += 1
    assert set(seabeds) == {"sand", "gravel", "clay", "dirt"}
    assert set(soils) == {"grass_block", "sand", "snow_block", "coarse_dirt", "podzol"}


def test_ores_take_the_place_of_rock_at_their_own_depth_and_no_more_of_it_than_their_veins_hold() -> None:
    for seed in range(6):
        land = Land(seed, (40, 40, 32))
        before = land.fill()
        bury_ores(land.seed, land.blocks, SEA)
        changed = before != land.blocks
        assert np.isin(before[changed], ROCK).all()
        assert set(np.unique(land.blocks[changed])) <= {BLOCK[f"{name}_ore"] for name in ORES}
        for name, (share, veins, size) in ORES.items():
            cells = np.argwhere(land.blocks == BLOCK[f"{name}_ore"])
            assert len(cells) <= np.ceil(veins * 1.6) * 2 * size
            assert all(1 <= y <= max(3, int(share * SEA)) for y in cells[:, 2])
        assert changed.sum() > 60


def test_caves_only_take_away_and_spare_the_border_and_what_is_to_be_kept() -> None:
    opened = 0
    for seed in range(8):
        land = Land(seed, (40, 40, 32))
        before = land.fill()
        land.keep[10:20, 10:20] = True
        land.carve()
        changed = before != land.blocks
        lava_top = max(2, SEA // 5 - 1)
        y = np.nonzero(changed)[2]
        assert (land.blocks[changed] == np.where(y <= lava_top, BLOCK["lava"], 0)).all()
        assert not changed[land.keep].any()
        assert not changed[[0, -1]].any()
        assert not changed[:, [0, -1]].any()
        assert not changed[:, :, 0].any()
        assert not np.isin(before[changed], (BLOCK["water"], BLOCK["ice"])).any()
        opened += int(changed.sum())
    assert opened > 2000


def test_a_walker_has_room_under_the_leaves_and_beside_what_is_kept() -> None:
    crowns = Counter[str]()
    for biome, name in enumerate(BIOMES):
        land = Land(biome + 40, (40, 40, 40), biome)
        before = land.fill()
        land.keep[12:24, 12:24] = True
        land.grow(trees=3.0, plants=0.0)
        grown = [BLOCK_NAMES[block] for block in np.unique(land.blocks[before != land.blocks])]
        assert (before[before != land.blocks] == 0).all()
        trunks = {
            (x, z) for x, z, _ in np.argwhere(np.isin(land.blocks, [BLOCK[n] for n in grown if "_log" in n]))
        }
        assert not any(land.keep[x, z] for x, z in trunks)
        for x, z, y in np.argwhere(np.isin(land.blocks, [BLOCK[n] for n in grown if "_leaves" in n])):
            stems = [(i, k) for i, k in trunks if max(abs(i - x), abs(k - z)) <= 2]
            # Of all trunks near it one bears the leaf: it hangs at least two blocks over that one's ground.
            assert any(y >= land.heights[i, k] + 3 for i, k in stems), (name, x, z, y)
            crowns[name] += 1
        apart = [max(abs(i - x), abs(k - z)) for x, z in trunks for i, k in trunks if (i, k) != (x, z)]
        assert not apart or min(apart) > 2
    assert set(crowns) == {"plains", "forest", "birch_forest", "snowy_taiga", "savanna", "jungle"}
