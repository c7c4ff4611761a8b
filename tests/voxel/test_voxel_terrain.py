"""Worlds from seeds: the same bytes everywhere, landmarks that can be walked to, Minecraft's order."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections import deque
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from worlds.voxel.data import BLOCK, BLOCK_NAMES, ITEM, LIQUID, SOLID
from worlds.voxel.landmarks import LANDMARK_HEIGHT
from worlds.voxel.landscape import BIOMES
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig, WorldFacts, generate, sea_level

LANDMARKS = ("pumpkin", "melon", "gold_block", "tnt")
CONFIG = TerrainConfig(landmarks=LANDMARKS, animals=(("cow", 2), ("chicken", 1)))
ROOT = Path(__file__).parents[2]


def make(seed: int, config: TerrainConfig = CONFIG, bodies: int = 1) -> tuple[VoxelState, WorldFacts]:
    state = VoxelState.empty(1, config.size, bodies)
    return state, generate(state, 0, seed, config)


def digest(seed: int) -> str:
    state, facts = make(seed)
    total = hashlib.sha256()
    for field in fields(state):
        total.update(getattr(state, field.name).tobytes())
    total.update(facts.reachable_XZ.tobytes() + repr(facts.spawn).encode())
    return total.hexdigest()


def walk(blocks: np.ndarray, start: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """All cells (x, z, y) that feet get to with steps of one up, three down: plain Python, no tables."""
    size_x, size_z, size_y = blocks.shape

    def open_at(x: int, z: int, y: int) -> bool:
        return y >= size_y or not (SOLID[blocks[x, z, y]] or LIQUID[blocks[x, z, y]])

    seen, queue = {start}, deque([start])
    while queue:
        x, z, y = queue.popleft()
        for i, k in ((x + 1, z), (x - 1, z), (x, z + 1), (x, z - 1)):
            if not (0 <= i < size_x and 0 <= k < size_z):
                continue
            for j in range(y + 1, y - 4, -1):
                if not (open_at(i, k, j) and open_at(i, k, j + 1)):
                    continue
                if SOLID[blocks[i, k, j - 1]] and (j <= y or open_at(x, z, y + 2)):
                    if (i, k, j) not in seen:
                        seen.add((i, k, j))
                        queue.append((i, k, j))
                    break
    return seen


def test_same_seed_same_bytes_in_another_process() -> None:
    code = "import test_voxel_terrain as t; print(t.digest(5), t.digest(6))"
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]; "
    printed = subprocess.run(
        [sys.executable, "-c", paths + code], capture_output=True, text=True, timeout=250
    )
    assert printed.stdout.split() == [digest(5), digest(6)], printed.stderr
    assert digest(5) != digest(6)


def test_a_world_is_made_anew_over_an_old_one() -> None:
    state, _ = make(3)
    generate(state, 0, 9, CONFIG)
    fresh, _ = make(9)
    assert all((getattr(state, f.name) == getattr(fresh, f.name)).all() for f in fields(state))


@pytest.mark.parametrize("size", [(32, 32, 24), (48, 48, 32), (64, 64, 64)])
def test_every_landmark_can_be_walked_to(size: tuple[int, int, int]) -> None:
    config = replace(CONFIG, size=size, landmark_copies=2, relief=7.0)
    for seed in range(8):
        state, facts = make(seed, config)
        blocks = state.blocks[0]
        x, y, z = facts.spawn
        reached = walk(blocks, (int(x), int(z), int(y)))
        for name in LANDMARKS:
            assert facts.landmarks[name].shape == (2, 3)
            for lx, ly, lz in facts.landmarks[name]:
                assert blocks[int(lx), int(lz), int(ly)] == BLOCK[name]
                assert np.hypot(lx - x, lz - z) >= config.landmark_distance[0]
                beside = [c for c in reached if max(abs(c[0] + 0.5 - lx), abs(c[1] + 0.5 - lz)) <= 2]
                assert any(abs(c[2] - ly) <= 1 for c in beside), (seed, name)


def test_what_the_facts_call_reachable_is() -> None:
    state, facts = make(12)
    reached = walk(state.blocks[0], (int(facts.spawn[0]), int(facts.spawn[2]), int(facts.spawn[1])))
    columns = np.argwhere(facts.reachable_XZ)
    assert len(columns) > 500
    feet = {(int(x), int(z), int(facts.feet_XZ[x, z])) for x, z in columns}
    assert len(feet - reached) <= 0.01 * len(feet)  # low leaves may bar a step that the walk map allows


def test_landmarks_are_nowhere_else() -> None:
    for seed in range(5):
        state, facts = make(seed)
        for name in LANDMARKS:
            cells = np.argwhere(state.blocks[0] == BLOCK[name])
            middle = facts.landmarks[name][0]
            assert len(cells) == 5 * LANDMARK_HEIGHT + 1
            assert abs(cells[:, [0, 2, 1]] + 0.5 - middle).max() <= LANDMARK_HEIGHT + 1


def test_ores_lie_by_depth_and_bedrock_below() -> None:
    config = TerrainConfig(size=(64, 64, 64))
    depth: dict[str, list[int]] = {}
    for seed in range(4):
        state, _ = make(seed, config)
        assert (state.blocks[0, :, :, 0] == BLOCK["bedrock"]).all()
        for ore in ("coal", "iron", "gold", "diamond"):
            depth.setdefault(ore, []).extend(np.argwhere(state.blocks[0] == BLOCK[f"{ore}_ore"])[:, 2])
    assert len(depth["coal"]) > len(depth["iron"]) > len(depth["gold"]) > len(depth["diamond"]) > 0
    assert max(depth["diamond"]) <= 0.3 * sea_level(config) + 1 < max(depth["iron"]) <= sea_level(config)


@pytest.mark.parametrize(
    ("style", "sign"), [("desert", "sand"), ("forest", "oak_log"), ("snowy_taiga", "spruce_log")]
)
def test_styles_look_like_their_biome(style: str, sign: str) -> None:
    state, facts = make(2, TerrainConfig(style=style))  # type: ignore[arg-type]
    assert (facts.biomes_XZ == BIOMES.index(style)).all()
    assert (state.blocks[0] == BLOCK[sign]).sum() > 20


def test_chests_hold_loot() -> None:
    seen = set()
    for seed in range(6):
        state, facts = make(seed)
        for slot in np.flatnonzero(state.container_cell[0, :, 0] >= 0):
            x, z, y = state.container_cell[0, slot]
            assert BLOCK_NAMES[state.blocks[0, x, z, y]] == "chest"
            seen |= set(state.container_item[0, slot][state.container_count[0, slot] > 0].tolist())
        assert set(facts.structures) <= {"desert_pyramid", "well", "house"}
    assert {ITEM["diamond"], ITEM["bread"]} <= seen


def test_bodies_and_animals_stand_on_ground() -> None:
    state, facts = make(8, bodies=3)
    feet = [*state.position[0], *state.animal_position[0][state.animal_kind[0] > 0]]
    assert len({tuple(f) for f in feet[:3]}) == 3
    for x, y, z in feet:
        column = state.blocks[0, int(x), int(z)]
        assert SOLID[column[int(y) - 1]]
        assert not SOLID[column[int(y)]]
        assert not SOLID[column[int(y) + 1]]
    assert len(facts.animals["cow"]) == 2


def test_a_world_takes_at_most_ten_milliseconds() -> None:
    state = VoxelState.empty(1, CONFIG.size)
    generate(state, 0, 0, CONFIG)
    started = time.process_time()
    for seed in range(20):
        generate(state, 0, seed, CONFIG)
    assert (time.process_time() - started) / 20 < 0.010


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": (8, 48, 32)}, "at least 16"),
        ({"size": (48, 48, 30)}, "multiple of 8"),
        ({"style": "moon"}, "is not one of mixed"),
        ({"landmarks": ("castle",)}, "is not a block"),
        ({"structures": ("castle",)}, "is not one of desert_pyramid"),
        ({"animals": (("dragon", 1),)}, "is not one of cow"),
    ],
)
def test_impossible_configs_are_refused_in_a_sentence(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TerrainConfig(**wrong)  # type: ignore[arg-type]


def test_too_much_for_a_world_is_refused() -> None:
    crowded = TerrainConfig(size=(16, 16, 24), landmarks=LANDMARKS * 2, landmark_copies=3)
    with pytest.raises(ValueError, match="make the world larger"):
        make(1, crowded)
    with pytest.raises(ValueError, match="do not fit"):
        make(1, TerrainConfig(animals=(("cow", 99),)))
    with pytest.raises(ValueError, match="terrain config says"):
        generate(VoxelState.empty(1, (32, 32, 32)), 0, 1, CONFIG)


def test_caves_go_below_the_sea_level_and_keep_the_water_out() -> None:
    config = replace(CONFIG, size=(48, 48, 32))
    sea = sea_level(config)
    walked_in = 0
    for seed in range(8):
        state, facts = make(seed, config)
        whole, _ = make(seed, replace(config, caves=False))
        opened = (state.blocks[0] != whole.blocks[0]) & (np.isin(state.blocks[0], (0, BLOCK["lava"])))
        assert opened[:, :, : sea - 2].sum() > 200, seed
        water = state.blocks[0] == BLOCK["water"]
        for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
            assert not (opened & np.roll(water, shift, axis))[1:-1, 1:-1].any(), seed
        assert not (opened[:, :, :-1] & water[:, :, 1:]).any(), seed
        reached = walk(state.blocks[0], (*(int(facts.spawn[i]) for i in (0, 2)), int(facts.spawn[1])))
        walked_in += any(y < sea - 4 for _, _, y in reached)
    assert walked_in >= 4


def test_lava_lies_deep_and_can_be_turned_off() -> None:
    for seed in range(6):
        blocks = make(seed)[0].blocks[0]
        lava = np.argwhere(blocks == BLOCK["lava"])
        assert len(lava), seed
        assert lava[:, 2].max() < sea_level(CONFIG) / 2, seed
        assert not (make(seed, replace(CONFIG, lava=False))[0].blocks[0] == BLOCK["lava"]).any()
