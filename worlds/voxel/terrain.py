"""Make a world from a seed: land, buildings, landmarks, spawn and animals.

Invariant: the same seed and config give the same bytes in every process, and every landmark has a
walkable, dry column beside it that is connected to the spawn by steps of at most one block. When a
draw of the land does not allow that, the next draw is tried, with calmer land each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worlds.voxel import landmarks as sites
from worlds.voxel import landscape
from worlds.voxel.data import ANIMAL_KIND, ANIMALS, BLOCK
from worlds.voxel.rng import mix
from worlds.voxel.state import VoxelState
from worlds.voxel.structures import BUILDERS, build_structure

Style = Literal["mixed", "plains", "desert", "forest", "birch_forest", "snowy_taiga", "savanna", "jungle"]
_ATTEMPTS = 24


@dataclass(frozen=True)
class TerrainConfig:
    """What a world is like. `relief` is the height of the hills in blocks, `max_step` the steepest
    slope between neighbouring columns (1: all land can be walked), `trees` and `plants` scale their
    densities. `landmarks` are block names, each built `landmark_copies` times at
    `landmark_distance` (least, most) blocks from the spawn; `animals` are (kind, how many)."""

    size: tuple[int, int, int] = (48, 48, 32)
    style: Style = "mixed"
    relief: float = 5.0
    max_step: int = 1
    water: bool = True
    lava: bool = True
    caves: bool = True
    ores: bool = True
    trees: float = 1.0
    plants: float = 1.0
    structures: tuple[str, ...] = ("desert_pyramid", "well", "house")
    landmarks: tuple[str, ...] = ()
    landmark_copies: int = 1
    landmark_distance: tuple[float, float] = (8.0, 1e9)
    animals: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        x, z, y = self.size
        if min(x, z) < 16 or not 24 <= y <= 248 or y % 8:
            raise ValueError(
                f"size {self.size}: X and Z must be at least 16, Y a multiple of 8 from 24 to 248"
            )
        if self.style != "mixed" and self.style not in landscape.BIOMES:
            raise ValueError(f"style {self.style!r} is not one of mixed, {', '.join(landscape.BIOMES)}")
        for name in self.landmarks:
            if name not in BLOCK:
                raise ValueError(
                    f"landmark {name!r} is not a block; worlds.voxel.data.BLOCK_NAMES lists them"
                )
        for name in self.structures:
            if name not in BUILDERS:
                raise ValueError(f"structure {name!r} is not one of {', '.join(BUILDERS)}")
        for name, _ in self.animals:
            if name not in ANIMAL_KIND:
                raise ValueError(f"animal {name!r} is not one of {', '.join(ANIMAL_KIND)}")


@dataclass(frozen=True)
class WorldFacts:
    """What was put where. Positions are float (n, 3) x, y, z: the middle of the lowest layer of a
    landmark or building, the feet of an animal. `feet_XZ` is the walk map (-1: cannot stand),
    `reachable_XZ` the columns that can be walked to from the spawn, `biomes_XZ` indexes `BIOMES`."""

    spawn: tuple[float, float, float]
    landmarks: dict[str, NDArray[np.float64]]
    structures: dict[str, NDArray[np.float64]]
    animals: dict[str, NDArray[np.float64]]
    biomes_XZ: NDArray[np.uint8]
    feet_XZ: NDArray[np.int16]
    reachable_XZ: NDArray[np.bool_]


@dataclass
class _Draft:
    """One draw of a world, before it is known to be good."""

    seed: np.uint64
    heights_XZ: NDArray[np.int16]
    biomes_XZ: NDArray[np.uint8]
    land_XZ: NDArray[np.bool_]
    keep_XZ: NDArray[np.bool_]
    spawn: tuple[int, int]
    placed: list[tuple[str, int, int, int]] = field(default_factory=list)  # name, x, z, radius

    def place(self, name: str, radius: int, salt: int, distance: tuple[float, float]) -> bool:
        """Find and level a site for `name`; False when there is none."""
        x, z = sites.pick_site(
            self.seed, salt, self.land_XZ, self.keep_XZ, self.heights_XZ, radius, self.spawn, *distance
        )
        if x < 0:
            return False
        sites.level_site(self.heights_XZ, self.keep_XZ, x, z, radius)
        self.placed.append((name, x, z, radius))
        return True


def generate(state: VoxelState, b: int, seed: int, config: TerrainConfig) -> WorldFacts:
    """Make world `b` of `state` anew (blocks, bodies, animals, containers, generator).

    Raises ValueError when the state's size is not the config's, or when no draw had room for
    everything that the config asks for."""
    if state.blocks.shape[1:] != config.size:
        raise ValueError(
            f"the state's worlds are {state.blocks.shape[1:]}, the terrain config says {config.size}"
        )
    wanted = sum(count for _, count in config.animals)
    if wanted > state.animal_kind.shape[1]:
        raise ValueError(f"{wanted} animals do not fit the state's {state.animal_kind.shape[1]} slots")
    for attempt in range(_ATTEMPTS):
        draft = _draft(_mixed(seed, attempt), config, calm=attempt / _ATTEMPTS)
        facts = None if draft is None else _build(state, b, draft, config)
        if facts is not None and draft is not None:
            return _populate(state, b, draft.seed, config, facts)
    raise ValueError(
        f"no room for {len(config.landmarks) * config.landmark_copies} landmarks in a world of {config.size} "
        f"at {config.landmark_distance} blocks from the spawn: make the world larger or ask for fewer"
    )


def _mixed(seed: int, attempt: int) -> np.uint64:
    return np.uint64(mix(np.uint64((seed * 64 + attempt) % 2**64)))


def _draft(seed: np.uint64, config: TerrainConfig, calm: float) -> _Draft | None:
    """Shape the land and find the sites; `calm` 0..1 flattens the land."""
    size_x, size_z, size_y = config.size
    sea = sea_level(config)
    heights = np.zeros((size_x, size_z), np.int16)
    biomes = np.zeros((size_x, size_z), np.uint8)
    biome = landscape.BIOMES.index(config.style) if config.style != "mixed" else -1
    dry = not config.water or calm > 0.5
    relief = min(config.relief * (1.0 - calm), (size_y - sea) / 3.0)
    landscape.shape_land(seed, heights, biomes, sea, relief, dry, biome)
    landscape.limit_steps(heights, config.max_step)
    land = sites.main_land(heights, sea)
    keep = np.zeros((size_x, size_z), np.bool_)
    middle = (size_x // 2, size_z // 2)
    x, z = sites.pick_site(seed, 0, land, keep, heights, 0, middle, 0.0, min(size_x, size_z) * 0.35)
    if x < 0:
        return None
    draft = _Draft(seed, heights, biomes, land, keep, (x, z))
    sites.level_site(heights, keep, x, z, 1)
    salt = 1
    for name in config.landmarks:
        for _ in range(config.landmark_copies):
            salt += 1
            if not draft.place(name, sites.LANDMARK_RADIUS, salt, config.landmark_distance):
                return None
    for name in config.structures:
        salt += 1
        draft.place(name, BUILDERS[name][0], salt, (8.0, 1e9))  # without room, a world has no such building
    landscape.limit_steps(heights, config.max_step)
    return draft


def sea_level(config: TerrainConfig) -> int:
    """The y of the highest water block."""
    return round(config.size[2] * 0.38)


def _build(state: VoxelState, b: int, draft: _Draft, config: TerrainConfig) -> WorldFacts | None:
    """Set all blocks; None when a landmark cannot be walked to."""
    seed, blocks, heights, sea = draft.seed, state.blocks[b], draft.heights_XZ, sea_level(config)
    landscape.fill_columns(seed, blocks, heights, draft.biomes_XZ, sea)
    if config.caves:
        landscape.carve_caves(seed, blocks, heights, draft.keep_XZ, sea, config.lava)
    if config.ores:
        landscape.bury_ores(seed, blocks, sea)
    landscape.grow_plants(
        seed, blocks, heights, draft.biomes_XZ, draft.keep_XZ, sea, config.trees, config.plants
    )
    state.container_cell[b] = -1
    state.container_item[b] = state.container_count[b] = 0
    for name, x, z, _ in draft.placed:
        base = int(heights[x, z]) + 1
        if name in BUILDERS:
            build_structure(state, b, name, (x, z), base)
        else:
            sites.build_landmark(blocks, x, z, base, BLOCK[name])
    feet = np.empty(heights.shape, np.int16)
    sites.walk_map(blocks, feet)
    found = sites.reachable(feet, *draft.spawn)
    places: dict[str, list[tuple[float, float, float]]] = {}
    for name, x, z, radius in draft.placed:
        base = int(heights[x, z]) + 1
        if name not in BUILDERS and not sites.approachable(found, feet, x, z, radius, base):
            return None
        places.setdefault(name, []).append((x + 0.5, base, z + 0.5))
    x, z = draft.spawn
    return WorldFacts(
        spawn=(x + 0.5, float(feet[x, z]), z + 0.5),
        landmarks={name: np.array(places[name], np.float64) for name in config.landmarks},
        structures={n: np.array(places[n], np.float64) for n in config.structures if n in places},
        animals={},
        biomes_XZ=draft.biomes_XZ,
        feet_XZ=feet,
        reachable_XZ=found,
    )


def _populate(
    state: VoxelState, b: int, seed: np.uint64, config: TerrainConfig, facts: WorldFacts
) -> WorldFacts:
    """Put bodies at the spawn and beside it, animals on reachable columns, and clear the rest."""
    random = np.random.Generator(np.random.PCG64(int(seed)))
    columns = np.argwhere(facts.reachable_XZ)
    away = np.hypot(columns[:, 0] + 0.5 - facts.spawn[0], columns[:, 1] + 0.5 - facts.spawn[2])
    near = columns[np.argsort(away, kind="stable")]
    bodies = state.position.shape[1]
    for a in range(bodies):
        x, z = near[(a * 3) % len(near)]
        state.position[b, a] = x + 0.5, facts.feet_XZ[x, z], z + 0.5
    state.yaw_deg[b] = random.integers(0, 8, bodies) * 45.0
    for name in ("velocity", "pitch_deg", "dig_ticks", "item", "count", "durability", "selected", "armor"):
        getattr(state, name)[b] = 0
    state.health[b] = state.food[b] = 20.0
    state.air[b], state.on_ground[b], state.dig_cell[b] = 300.0, True, -1
    state.tick[b], state.rng[b], state.seen[b] = 0, seed, False
    state.smelt_ticks[b] = 0
    state.animal_kind[b] = 0
    far = columns[away > 4.0] if (away > 4.0).any() else columns
    slot = 0
    for name, count in config.animals:
        kind = ANIMAL_KIND[name]
        for _ in range(count):
            x, z = far[random.integers(len(far))]
            state.animal_kind[b, slot] = kind
            state.animal_position[b, slot] = x + 0.5, facts.feet_XZ[x, z], z + 0.5
            state.animal_yaw_deg[b, slot] = random.integers(0, 360)
            state.animal_health[b, slot] = ANIMALS[kind].health
            slot += 1
    for name, kind in ANIMAL_KIND.items():
        if (state.animal_kind[b] == kind).any():
            facts.animals[name] = state.animal_position[b, state.animal_kind[b] == kind].copy()
    return facts
