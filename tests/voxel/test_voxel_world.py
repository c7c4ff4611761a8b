"""`VoxelWorld`: determinism, the contract of the mirror, and what an observation may hold."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import worlds.voxel.mirror as mirror_module
from worlds.base import HISTORY_TURNS
from worlds.make import make_world
from worlds.types import EpisodeSpec, Goal
from worlds.voxel.data import BLOCK
from worlds.voxel.mirror import NOTES
from worlds.voxel.topdown import top_down
from worlds.voxel.world import SUITES, VoxelWorld

REPLIES = ("see none | turn right 45", "forward 4", "turn left 90", "forward 8", "scan", "go forwards by 2")


def play(suite: str, index: int = 0, difficulty: int = 1, steps: int = 6) -> str:
    """A digest of everything that an episode showed."""
    world = VoxelWorld(suite)
    world.reset(options={"episode": EpisodeSpec(suite, "train", index, difficulty)})
    digest = hashlib.sha256()
    for reply in (*REPLIES[:steps], ""):
        seen, facts = world.observe(), world.mirror()
        digest.update(seen.frame.tobytes() + facts.text.encode())
        digest.update(repr((seen.status, seen.sounds, seen.history, seen.actions, seen.goal.text)).encode())
        for key in sorted(facts.facts):
            digest.update(f"{key} {np.asarray(facts.facts[key], dtype=object).tolist()!r}".encode())
        if reply:
            world.step(reply)
    return digest.hexdigest()


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_spec_and_replies_give_the_same_episode(suite: str) -> None:
    assert play(suite) == play(suite)
    assert play(suite) != play(suite, index=1)


def test_another_process_gives_the_same_episode() -> None:
    code = "import sys; sys.path[:0] = ['.', 'tests/voxel']; from test_voxel_world import play; "
    code += "print(play('voxel/goal_sound'))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200
    )
    assert result.stdout.split()[-1] == play("voxel/goal_sound")


def test_gymnasium_accepts_it() -> None:
    check_env(make_world("voxel/goal_name"), skip_render_check=True)


def test_the_mirror_has_the_documented_keys() -> None:
    rows = [line for line in (mirror_module.__doc__ or "").splitlines() if line.startswith("| `")]
    documented = {part.strip().strip("`") for row in rows for part in row.split("|")[1].split(",")}
    for suite in SUITES:
        world = VoxelWorld(suite)
        world.reset(seed=3)
        facts = world.mirror().facts
        assert set(facts) == documented
        assert facts["suite"] == suite
        assert facts["targets"].shape[1:] == (3,)
        assert facts["blocks"].shape == facts["size"]


def test_the_mirror_is_a_copy() -> None:
    world = VoxelWorld()
    world.reset(seed=0)
    world.mirror().facts["blocks"][:] = BLOCK["stone"]
    assert (world.mirror().facts["blocks"] == 0).any()


def test_sightings_are_remembered_and_recent_ones_fade() -> None:
    world = VoxelWorld()
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 0, difficulty=1)})
    start = world.mirror().facts
    assert any(thing["name"] == start["target"] for thing in start["visible"])
    assert start["seen_targets"].tolist() == start["targets"].tolist() == start["recent_targets"].tolist()
    world.step("turn around")
    hidden = world.mirror().facts
    assert not any(thing["name"] == hidden["target"] for thing in hidden["visible"])
    assert len(hidden["recent_targets"]) == 1
    for _ in range(HISTORY_TURNS):
        world.task.body.turn(0.0)
        world._view = None  # a decision without a turn, to look at memory alone
        world.observe()
    gone = world.mirror().facts
    assert len(gone["recent_targets"]) == 0
    assert len(gone["seen_targets"]) == 1


def test_text_off_the_grammar_is_retrieved() -> None:
    world = VoxelWorld()
    world.reset(seed=0)
    *_, info = world.step("see none | please go forward by 8 blocks")
    assert info["retrieved"] == "forward 8"
    assert world.observe().history[-1].note == "see none"


def test_an_observation_tells_nothing_of_where_the_target_is() -> None:
    world = VoxelWorld("voxel/goal_image")
    world.reset(seed=5)
    seen, target = world.observe(), world.mirror().facts["target"]
    assert isinstance(seen.goal, Goal)
    told = repr((seen.goal.text, seen.status, seen.sounds, seen.actions))
    assert target not in told
    assert seen.goal.image is not None
    assert seen.goal.image.shape == (64, 64, 3)
    assert seen.notes == NOTES
    assert not seen.status.inventory


@pytest.mark.parametrize("suite", ["voxel/swim", "voxel", "moon/goal_name"])
def test_unknown_suites_are_refused_with_a_sentence(suite: str) -> None:
    with pytest.raises(ValueError, match=r"unknown suite .* (has|begin)"):
        make_world(suite)
    with pytest.raises(ValueError, match="unknown suite"):
        VoxelWorld().reset(options={"episode": EpisodeSpec(suite, "train", 0)})
    with pytest.raises(ValueError, match="difficulty 9"):
        VoxelWorld().reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 0, 9)})


def test_a_world_that_has_not_begun_says_so() -> None:
    for ask in (lambda world: world.step("forward 2"), lambda world: world.observe()):
        with pytest.raises(
            RuntimeError, match=r"no episode of the voxel world has begun: call reset\(\) first"
        ):
            ask(VoxelWorld())


def test_an_episode_that_cannot_be_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="there is no split 'tset': it is one of train, validation, test"):
        EpisodeSpec("voxel/goal_name", "tset", 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="index is 0 or more, not -1"):
        EpisodeSpec("voxel/goal_name", "test", -1)


def test_the_map_from_above_shows_the_top_block_with_north_up() -> None:
    blocks = np.zeros((4, 6, 8), np.uint8)
    blocks[..., 0] = BLOCK["stone"]
    blocks[3, 1, :3] = BLOCK["lapis_block"]
    image = top_down(blocks)
    assert image.shape == (6, 4, 3)
    assert image[1, 3, 2] > 1.5 * image[1, 3, 0]
    assert abs(int(image[4, 0, 2]) - int(image[4, 0, 0])) < 10
