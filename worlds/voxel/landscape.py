"""Numba kernels that make the land: heights, biomes, soil, caves, ores, trees and plants.

Invariant: every decision is a hash of (seed, coordinates), so the land does not depend on the order
of the loops. `heights_XZ` holds the y of the top soil block of a column; where it lies below the sea
level, water fills the column up to and including `sea`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, WATER
from worlds.voxel.rng import hash_below, hash_unit

BIOMES = ("plains", "desert", "forest", "birch_forest", "snowy_taiga", "savanna", "jungle")
PLAINS, DESERT, FOREST, BIRCH, SNOWY, SAVANNA, JUNGLE = range(len(BIOMES))
BEDROCK, STONE, DIRT, GRASS_BLOCK = BLOCK["bedrock"], BLOCK["stone"], BLOCK["dirt"], BLOCK["grass_block"]
SAND, SANDSTONE, GRAVEL, CLAY = BLOCK["sand"], BLOCK["sandstone"], BLOCK["gravel"], BLOCK["clay"]
SNOW_BLOCK, ICE, LAVA, PODZOL = BLOCK["snow_block"], BLOCK["ice"], BLOCK["lava"], BLOCK["podzol"]
COARSE_DIRT, CACTUS, SUGAR_CANE = BLOCK["coarse_dirt"], BLOCK["cactus"], BLOCK["sugar_cane"]
GRASS, FERN, DEAD_BUSH = BLOCK["grass"], BLOCK["fern"], BLOCK["dead_bush"]
_VARIANTS = np.array([BLOCK[name] for name in ("granite", "diorite", "andesite")], np.uint8)
_FLOWERS = np.array(
    [BLOCK[n] for n in "dandelion poppy cornflower allium red_tulip blue_orchid".split()], np.uint8
)
_WOODS = ("oak", "spruce", "birch", "jungle", "acacia", "dark_oak")
_LOGS = np.array([BLOCK[f"{wood}_log"] for wood in _WOODS], np.uint8)
_LEAVES = np.array([BLOCK[f"{wood}_leaves"] for wood in _WOODS], np.uint8)
_OAK, _SPRUCE, _BIRCH_WOOD, _JUNGLE_WOOD, _ACACIA, _DARK_OAK = range(6)
_TREE_CHANCE = np.array([0.006, 0.0, 0.05, 0.05, 0.03, 0.012, 0.06])
_ORES = np.array(
    [BLOCK[f"{n}_ore"] for n in "coal iron gold redstone lapis diamond emerald".split()], np.uint8
)
_ORE_TOP = np.array([1.0, 0.85, 0.5, 0.4, 0.45, 0.3, 0.35])
"""Highest y of an ore as a share of the sea level: the order of depths of Minecraft 1.16."""
_ORE_VEINS = np.array([10.0, 9.0, 3.0, 4.0, 2.5, 2.5, 1.0])
"""Veins per 1,000 columns."""
_ORE_SIZE = np.array([7, 6, 5, 5, 4, 4, 2])


@njit(cache=True)
def _noise(seed: np.uint64, salt: int, x: float, z: float) -> float:
    """Smooth value noise in [0, 1) over a unit lattice."""
    ix, iz = int(np.floor(x)), int(np.floor(z))
    fx, fz = x - ix, z - iz
    fx, fz = fx * fx * (3.0 - 2.0 * fx), fz * fz * (3.0 - 2.0 * fz)
    a = hash_unit(seed, ix, salt, iz)
    b = hash_unit(seed, ix + 1, salt, iz)
    c = hash_unit(seed, ix, salt, iz + 1)
    d = hash_unit(seed, ix + 1, salt, iz + 1)
    return (a + (b - a) * fx) * (1.0 - fz) + (c + (d - c) * fx) * fz


@njit(cache=True)
def shape_land(
    seed: np.uint64,
    heights_XZ: NDArray[np.int16],
    biomes_XZ: NDArray[np.uint8],
    sea: int,
    relief: float,
    dry: bool,
    biome: int,
) -> None:
    """Fill heights and biomes; `biome` -1 mixes them. A dry world has no column below the sea level."""
    for x in range(heights_XZ.shape[0]):
        for z in range(heights_XZ.shape[1]):
            broad = _noise(seed, 1, x / 19.0, z / 19.0) - 0.5
            fine = _noise(seed, 2, x / 7.0, z / 7.0) - 0.5
            height = sea + 1 + int(np.floor((broad * 2.4 + fine * 0.6 + 0.45) * relief))
            heights_XZ[x, z] = max(height, sea + 1) if dry else max(height, 3)
            warm = _noise(seed, 3, x / 23.0, z / 23.0)
            wet = _noise(seed, 4, x / 23.0, z / 23.0)
            kind = PLAINS
            if warm < 0.36:
                kind = SNOWY
            elif warm > 0.62:
                kind = DESERT if wet < 0.45 else (SAVANNA if wet < 0.58 else JUNGLE)
            elif wet > 0.55:
                kind = FOREST if wet < 0.68 else BIRCH
            biomes_XZ[x, z] = kind if biome < 0 else biome


@njit(cache=True)
def limit_steps(heights_XZ: NDArray[np.int16], step: int) -> None:
    """Lower columns until no neighbour is more than `step` lower (the largest such land below it)."""
    size_x, size_z = heights_XZ.shape
    for x in range(size_x):
        for z in range(size_z):
            if x > 0:
                heights_XZ[x, z] = min(heights_XZ[x, z], heights_XZ[x - 1, z] + step)
            if z > 0:
                heights_XZ[x, z] = min(heights_XZ[x, z], heights_XZ[x, z - 1] + step)
    for x in range(size_x - 1, -1, -1):
        for z in range(size_z - 1, -1, -1):
            if x < size_x - 1:
                heights_XZ[x, z] = min(heights_XZ[x, z], heights_XZ[x + 1, z] + step)
            if z < size_z - 1:
                heights_XZ[x, z] = min(heights_XZ[x, z], heights_XZ[x, z + 1] + step)


@njit(cache=True)
def fill_columns(
    seed: np.uint64,
    blocks: NDArray[np.uint8],
    heights_XZ: NDArray[np.int16],
    biomes_XZ: NDArray[np.uint8],
    sea: int,
) -> None:
    """Bedrock, stone with its variants, soil by biome, water up to the sea level."""
    size_x, size_z, _ = blocks.shape
    for x in range(size_x):
        for z in range(size_z):
            column = blocks[x, z]
            column[:] = 0
            top, biome = int(heights_XZ[x, z]), biomes_XZ[x, z]
            under, surface = DIRT, GRASS_BLOCK
            if biome == DESERT:
                under, surface = SANDSTONE, SAND
            elif biome == SNOWY:
                surface = SNOW_BLOCK
            elif biome == SAVANNA and hash_unit(seed, x, 11, z) < 0.08:
                surface = COARSE_DIRT
            elif biome == JUNGLE and hash_unit(seed, x, 11, z) < 0.12:
                surface = PODZOL
            if top <= sea:  # a shore or the floor of a lake
                bed = _noise(seed, 5, x / 5.0, z / 5.0)
                surface = SAND if bed < 0.6 else (GRAVEL if bed < 0.72 else CLAY if bed < 0.8 else DIRT)
            for y in range(1, top - 3):
                kind = hash_below(seed, x >> 2, 1000 + (y >> 2), z >> 2, 16)
                column[y] = _VARIANTS[kind] if kind < 3 else STONE
            for y in range(max(1, top - 3), top):
                column[y] = under
            column[top] = surface
            for y in range(top + 1, sea + 1):
                column[y] = WATER
            if top < sea and biome == SNOWY:
                column[sea] = ICE
            column[0] = BEDROCK


@njit(cache=True)
def _near_water(heights_XZ: NDArray[np.int16], x: int, z: int, sea: int) -> bool:
    size_x, size_z = heights_XZ.shape
    for i in range(max(0, x - 2), min(size_x, x + 3)):
        for k in range(max(0, z - 2), min(size_z, z + 3)):
            if heights_XZ[i, k] < sea:
                return True
    return False


@njit(cache=True)
def _may_carve(
    heights_XZ: NDArray[np.int16], keep_XZ: NDArray[np.bool_], x: int, z: int, roof: int, sea: int
) -> bool:
    """Whether column (x, z) may be open up to y = `roof`: nothing stands on it, and no water would run in."""
    if keep_XZ[x, z]:
        return False
    for i in range(x - 1, x + 2):
        for k in range(z - 1, z + 2):
            if heights_XZ[i, k] < sea and roof > heights_XZ[i, k] - 2:
                return False
    return True


@njit(cache=True)
def carve_caves(
    seed: np.uint64,
    blocks: NDArray[np.uint8],
    heights_XZ: NDArray[np.int16],
    keep_XZ: NDArray[np.bool_],
    sea: int,
    lava: bool,
) -> None:
    """Caves, each with a walkable ramp from the surface; lava lies at their deepest cells.

    A cave turns aside from the border, from columns of `keep_XZ` and from water, under which it may pass. It
    falls at most one block in two, so a walker that enters can leave."""
    size_x, size_z, _ = blocks.shape
    lava_top = max(2, sea // 5 - 1)
    for cave in range(size_x * size_z // 700 + 1):
        turn = hash_below(seed, cave, 21, 0, 4)
        x = z = 3
        for attempt in range(8):  # a mouth on dry, free land
            x = 3 + hash_below(seed, cave, 22, attempt, size_x - 6)
            z = 3 + hash_below(seed, cave, 23, attempt, size_z - 6)
            if heights_XZ[x, z] > sea and _may_carve(heights_XZ, keep_XZ, x, z, heights_XZ[x, z], sea):
                break
        floor = mouth = int(heights_XZ[x, z]) + 1
        moves = 0
        for step in range(90):
            in_ramp = floor > mouth - 6
            radius = 1 if in_ramp or hash_unit(seed, cave, 24, step) < 0.5 else 2
            for i in range(max(1, x - radius), min(size_x - 1, x + radius + 1)):
                for k in range(max(1, z - radius), min(size_z - 1, z + radius + 1)):
                    if radius == 2 and abs(i - x) == 2 and abs(k - z) == 2:
                        continue
                    roof = floor + 2 + (radius == 2 and abs(i - x) < 2 and abs(k - z) < 2)
                    if not in_ramp:
                        roof = min(roof, heights_XZ[i, k] - 2)
                    roof = min(roof, int(heights_XZ[i, k]))
                    if _may_carve(heights_XZ, keep_XZ, i, k, roof, sea):
                        for y in range(max(1, floor), roof + 1):
                            blocks[i, k, y] = LAVA if lava and y <= lava_top else 0
            if not in_ramp and hash_unit(seed, cave, 25, step) < 0.2:
                turn = (turn + (1 if hash_unit(seed, cave, 26, step) < 0.5 else 3)) % 4
            ahead_x, ahead_z = x + (1, 0, -1, 0)[turn], z + (0, 1, 0, -1)[turn]
            inside = 3 <= ahead_x < size_x - 3 and 3 <= ahead_z < size_z - 3
            if not inside or not _may_carve(heights_XZ, keep_XZ, ahead_x, ahead_z, floor + 2, sea):
                turn = (turn + (1 if hash_unit(seed, cave, 28, step) < 0.5 else 3)) % 4
                continue
            x, z, moves = ahead_x, ahead_z, moves + 1
            if moves % 2 == 0 and floor > 2 and (in_ramp or hash_unit(seed, cave, 27, step) < 0.4):
                floor -= 1


@njit(cache=True)
def bury_ores(seed: np.uint64, blocks: NDArray[np.uint8], sea: int) -> None:
    """Veins of each ore below its own depth, in place of stone; a vein is a short random walk."""
    size_x, size_z, _ = blocks.shape
    for ore in range(_ORES.size):
        top = max(3, int(_ORE_TOP[ore] * sea))
        veins = int(np.ceil(_ORE_VEINS[ore] * size_x * size_z / 1000.0))
        for vein in range(veins):
            x = hash_below(seed, vein, 31, ore, size_x)
            z = hash_below(seed, vein, 32, ore, size_z)
            y = 1 + hash_below(seed, vein, 33, ore, top)
            for step in range(_ORE_SIZE[ore] * 2):
                if 0 <= x < size_x and 0 <= z < size_z and 1 <= y <= top and _is_rock(blocks[x, z, y]):
                    blocks[x, z, y] = _ORES[ore]
                way = hash_below(seed, vein, 34 + step, ore, 6)
                x += (1, -1, 0, 0, 0, 0)[way]
                z += (0, 0, 1, -1, 0, 0)[way]
                y += (0, 0, 0, 0, 1, -1)[way]


@njit(cache=True)
def _is_rock(block: int) -> bool:
    return block == STONE or block == _VARIANTS[0] or block == _VARIANTS[1] or block == _VARIANTS[2]


@njit(cache=True)
def _leaf(blocks: NDArray[np.uint8], x: int, z: int, y: int, leaf: int) -> None:
    size_x, size_z, size_y = blocks.shape
    if 0 <= x < size_x and 0 <= z < size_z and 0 <= y < size_y and blocks[x, z, y] == 0:
        blocks[x, z, y] = leaf


@njit(cache=True)
def _grow_tree(seed: np.uint64, blocks: NDArray[np.uint8], x: int, z: int, ground: int, wood: int) -> None:
    """A trunk and a crown; the crown's lowest leaf leaves two blocks of headroom for a walker."""
    trunk = 4 + hash_below(seed, x, 42, z, 2) + (2 if wood in (_SPRUCE, _JUNGLE_WOOD) else 0)
    trunk = min(trunk, blocks.shape[2] - 3 - ground)
    if trunk < 4:
        return
    top = ground + trunk
    for y in range(ground + 1, top + 1):
        blocks[x, z, y] = _LOGS[wood]
    lowest = ground + 3
    for y in range(lowest, top + 2):
        if wood == _SPRUCE:
            radius = min(2, (top + 2 - y) // 2) if (top - y) % 2 == 0 else min(1, (top + 2 - y) // 2)
        elif wood == _ACACIA:
            radius = 2 if y == top else 1 if y == top + 1 else 0
        else:
            radius = 1 if y >= top else (2 if y >= top - 2 else 0)
        for i in range(-radius, radius + 1):
            for k in range(-radius, radius + 1):
                corner = abs(i) == radius and abs(k) == radius
                if not (corner and radius > 0 and (radius == 1 and y == top + 1 or radius == 2)):
                    _leaf(blocks, x + i, z + k, y, _LEAVES[wood])


@njit(cache=True)
def grow_plants(
    seed: np.uint64,
    blocks: NDArray[np.uint8],
    heights_XZ: NDArray[np.int16],
    biomes_XZ: NDArray[np.uint8],
    keep_XZ: NDArray[np.bool_],
    sea: int,
    trees: float,
    plants: float,
) -> None:
    """Trees (`trees` scales their density) on land, then flowers, grass, cacti and cane (`plants`)."""
    size_x, size_z, _ = blocks.shape
    trunk_XZ = np.zeros((size_x, size_z), np.bool_)
    for x in range(2, size_x - 2):
        for z in range(2, size_z - 2):
            top, biome = int(heights_XZ[x, z]), biomes_XZ[x, z]
            soil = blocks[x, z, top]
            if (
                top < sea
                or keep_XZ[x, z]
                or not (soil == GRASS_BLOCK or soil == SNOW_BLOCK or soil == PODZOL)
            ):
                continue
            if hash_unit(seed, x, 41, z) >= _TREE_CHANCE[biome] * trees:
                continue
            if trunk_XZ[x - 2 : x + 3, z - 2 : z + 3].any():
                continue
            wood = _OAK
            pick = hash_unit(seed, x, 43, z)
            if biome == SNOWY:
                wood = _SPRUCE
            elif biome == BIRCH:
                wood = _BIRCH_WOOD
            elif biome == SAVANNA:
                wood = _ACACIA
            elif biome == JUNGLE:
                wood = _JUNGLE_WOOD
            elif biome == FOREST and pick < 0.4:
                wood = _BIRCH_WOOD if pick < 0.2 else _DARK_OAK
            trunk_XZ[x, z] = True
            _grow_tree(seed, blocks, x, z, top, wood)
    for x in range(1, size_x - 1):
        for z in range(1, size_z - 1):
            y = int(heights_XZ[x, z]) + 1
            if keep_XZ[x, z] or blocks[x, z, y] != 0 or y <= sea:
                continue
            soil, chance = blocks[x, z, y - 1], hash_unit(seed, x, 51, z) / max(plants, 1e-9)
            patch = _noise(seed, 6, x / 6.0, z / 6.0)
            if soil == SAND and biomes_XZ[x, z] == DESERT:
                if chance < 0.015:
                    blocks[x, z, y] = DEAD_BUSH
                elif chance < 0.02 and not trunk_XZ[x - 1 : x + 2, z - 1 : z + 2].any():
                    trunk_XZ[x, z] = True
                    blocks[x, z, y : y + 2] = CACTUS
            elif soil == SAND and chance < 0.12 and _near_water(heights_XZ, x, z, sea):
                blocks[x, z, y : y + 2] = SUGAR_CANE
            elif soil == GRASS_BLOCK and patch > 0.6 and chance < 0.3:
                if chance < 0.06:
                    blocks[x, z, y] = _FLOWERS[hash_below(seed, x >> 3, 52, z >> 3, 6)]
                else:
                    blocks[x, z, y] = GRASS
            elif (soil == PODZOL or soil == SNOW_BLOCK) and patch > 0.6 and chance < 0.08:
                blocks[x, z, y] = FERN
