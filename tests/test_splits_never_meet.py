"""No two splits share a world: every seed that reaches a generator, in every suite and in grounding, is of
the split that was asked for, and a goal's picture is taken in another world than its episode."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import gymnasium
import numpy as np
import pytest

import worlds.babyai.world as babyai
from worlds.adapters.gym_world import GymTask, GymWorld
from worlds.babyai.grounding import BabyAIGrounding
from worlds.types import SPLIT_CODES, EpisodeSpec, Split
from worlds.voxel import sim as voxel_sim
from worlds.voxel.grounding import VoxelGrounding
from worlds.voxel.tasks import common
from worlds.voxel.world import SUITES, VoxelWorld

SPLITS: tuple[Split, ...] = ("train", "validation", "test", "pretrain")


@pytest.fixture
def voxel_seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of all voxel worlds that are generated from here on."""
    seeds: list[int] = []

    def spied(real: Callable[..., Any]) -> Callable[..., Any]:
        def generate(state: Any, b: int, seed: int, config: Any) -> Any:
            seeds.append(seed)
            return real(state, b, seed, config)

        return generate

    for module in (voxel_sim, common):
        monkeypatch.setattr(module, "generate", spied(module.generate))
    return seeds


def test_episodes_of_two_splits_have_no_seed_in_common() -> None:
    seeds = {
        split: {EpisodeSpec("voxel/goal_name", split, index).seed for index in range(500)} for split in SPLITS
    }
    assert all(len(found) == 500 for found in seeds.values())
    assert sum(map(len, seeds.values())) == len(set[int]().union(*seeds.values()))


@pytest.mark.parametrize("split", SPLITS)
def test_all_worlds_of_a_voxel_episode_are_of_its_split(split: Split, voxel_seeds: list[int]) -> None:
    world = VoxelWorld(frame_size=32)
    for suite, index in product(SUITES, (0, 9)):
        voxel_seeds.clear()
        spec = EpisodeSpec(suite, split, index, 2)
        world.reset(options={"episode": spec})
        assert voxel_seeds[0] == spec.seed
        pictures = voxel_seeds[1:]
        assert bool(pictures) == (suite == "voxel/goal_image")
        assert {seed % 4 for seed in voxel_seeds} == {SPLIT_CODES[split]}
        # Beyond any index that an episode has: no picture is taken in the world of another episode.
        assert all(seed >= 4 * 2**30 for seed in pictures)


@pytest.mark.parametrize("split", SPLITS)
def test_all_views_of_grounding_are_of_their_split(split: Split, voxel_seeds: list[int]) -> None:
    VoxelGrounding(16).sample(34, 5, split)
    assert len(set(voxel_seeds)) >= 2
    assert {seed % 4 for seed in voxel_seeds} == {SPLIT_CODES[split]}


def test_a_picture_is_asked_about_frames_of_another_world(voxel_seeds: list[int]) -> None:
    """Each world's frames are asked about the pictures of the next."""
    batch = VoxelGrounding(64).sample(66, 8, "train")
    assert len(voxel_seeds) == 3
    assert batch.goal_images is not None
    asked = [[q.goal_image for q in questions if q.kind == "pictured"] for questions in batch.questions]
    shown = [{image for images in asked[start : start + 32] for image in images} for start in (0, 32, 64)]
    assert all(shown)
    assert not (shown[0] & shown[1]) | (shown[1] & shown[2]) | (shown[0] & shown[2])
    assert max(shown[2]) < min(shown[0]) < min(shown[1])  # pictures are taken world by world


@pytest.mark.parametrize("split", SPLITS)
def test_babyai_plays_and_grounds_in_layouts_of_the_split(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    real = gymnasium.Env.reset

    def reset(self: Any, *, seed: int | None = None, **rest: Any) -> Any:
        if seed is not None and self is not world:
            seeds.append(seed)
        return real(self, seed=seed, **rest)

    world = babyai.BabyAIWorld("babyai/GoToObj")
    grounding = BabyAIGrounding()
    monkeypatch.setattr(gymnasium.Env, "reset", reset)
    spec = EpisodeSpec("babyai/GoToObj", split, 3)
    world.reset(options={"episode": spec})
    assert seeds == [spec.seed]
    grounding.sample(40, 2, split)
    assert len(set(seeds)) == 4
    assert {seed % 4 for seed in seeds} == {SPLIT_CODES[split]}


@pytest.mark.parametrize("split", SPLITS)
def test_an_environment_of_ones_own_is_seeded_by_the_episode(split: Split) -> None:
    seeds: list[int | None] = []

    class Blank(gymnasium.Env[int, int]):
        render_mode = "rgb_array"

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
            seeds.append(seed)
            return 0, {}

        def render(self) -> Any:
            return np.zeros((8, 8, 3), np.uint8)

    task = GymTask(Blank, {"wait": 0}, lambda now: "wait", lambda now: False, lambda now: {}, 5)
    spec = EpisodeSpec("own/blank", split, 12)
    GymWorld("own/blank", task, 16).reset(options={"episode": spec})
    assert seeds == [spec.seed]
