"""`SkillEnv`: every skill as a line of text over the primitive environment."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from worlds.voxel.env import VoxelEnv
from worlds.voxel.skill_env import SkillEnv
from worlds.voxel.terrain import TerrainConfig

FLAT = TerrainConfig(size=(32, 32, 32), relief=0.0, trees=0.3, caves=False, lava=False)


def make() -> SkillEnv:
    return SkillEnv(VoxelEnv(FLAT))


@pytest.mark.filterwarnings("ignore")
def test_gymnasium_accepts_it() -> None:
    check_env(make(), skip_render_check=True)


def test_a_skill_is_primitive_ticks_and_moves_the_body() -> None:
    env = make()
    before, _ = env.reset(seed=3)
    after, reward, terminated, truncated, info = env.step("turn right 90")
    assert (info["outcome"], reward, terminated, truncated) == ("ok", 0.0, False, False)
    assert info["ticks"] > 0
    turned = float(after["location_stats"]["yaw"][0]) - float(before["location_stats"]["yaw"][0])
    assert turned % 360.0 == pytest.approx(90.0)
    assert not np.array_equal(before["rgb"], after["rgb"])


@pytest.mark.parametrize(
    "text", ["", "fly", "goto --5 3", "goto 5 -", "mine", "craft moon", "forward 999", "| |"]
)
def test_no_text_raises_and_every_failure_has_a_name(text: str) -> None:
    env = make()
    env.reset(seed=3)
    assert env.step(text)[4]["outcome"] not in ("ok", "")


def test_done_ends_the_episode_and_a_reset_begins_anew() -> None:
    env = make()
    first, _ = env.reset(seed=5)
    env.step("forward 4")
    assert env.step("done")[2]
    again, _ = env.reset(seed=5)
    assert np.array_equal(first["rgb"], again["rgb"])
    assert not env.step("turn around")[2]
