"""Every world by the name of its suite: the one place that knows them all."""

from __future__ import annotations

from worlds.adapters.own import from_own_module
from worlds.base import World


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
