"""Every world by the name of its suite: the one place that knows them all."""

from __future__ import annotations

from worlds.adapters.own import from_own_module
from worlds.base import World
from worlds.types import EpisodeSpec


def make_world(suite: str, frame_size: int = 64) -> World:
    """The world that plays `suite`, such as "voxel/goal_name".

    Raises ValueError, with the known worlds or suites, for another name."""
    match suite.partition("/")[0]:
        case "voxel":
            from worlds.voxel.world import VoxelWorld

            return VoxelWorld(suite, frame_size)
        case "babyai":
            from worlds.babyai.world import BabyAIWorld

            return BabyAIWorld(suite, frame_size)
        case "own":
            world: World = from_own_module(suite, "make_world")(suite, frame_size)
            return world
    raise ValueError(f"unknown suite {suite!r}: it must begin with voxel/, babyai/ or own/")


def suites() -> dict[str, tuple[int, ...]]:
    """The suites of the embedded worlds, each with its difficulty levels (1 easiest; BabyAI's own levels are
    the difficulty, so each has the default one)."""
    from worlds.babyai.world import levels
    from worlds.voxel.tasks.common import DIFFICULTIES
    from worlds.voxel.world import SUITES

    voxel = dict.fromkeys(SUITES, DIFFICULTIES)
    return voxel | {f"babyai/{level}": (EpisodeSpec.difficulty,) for level in levels()}
