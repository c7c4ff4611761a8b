"""The world is minigrid's: same pixels, same verdicts; and its facts lead back to the same state."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from student.tokenizer import words_of
from worlds.babyai.mirror import COLUMNS, NOTES, ROWS, in_view, next_action, note_for, restore, target_cells
from worlds.babyai.view import look
from worlds.babyai.world import ACTIONS, MOVES, BabyAIWorld
from worlds.base import HISTORY_TURNS
from worlds.make import make_world
from worlds.types import EpisodeSpec

LEVELS = ("GoToLocal", "UnlockPickup", "BossLevel")


def begin(level: str, index: int = 0) -> BabyAIWorld:
    world = BabyAIWorld(f"babyai/{level}")
    world.reset(options={"episode": EpisodeSpec(f"babyai/{level}", "train", index)})
    return world


def wander(world: BabyAIWorld, steps: int, seed: int = 0):
    """The states of a random walk."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        yield
        actions = world.observe().actions
        if any(world.step(actions[rng.integers(len(actions))])[2:4]):
            return


@pytest.mark.parametrize("level", LEVELS)
def test_frames_equal_minigrids_own_rendering(level: str) -> None:
    for index in range(3):
        world = begin(level, index)
        for _ in wander(world, 40, index):
            frame = world.observe().frame
            np.testing.assert_array_equal(frame[:56, :56], world._env.get_pov_render(8))
            assert not frame[56:].any()
            assert not frame[:, 56:].any()


def test_larger_frames_are_minigrids_larger_tiles() -> None:
    world = BabyAIWorld("babyai/GoToLocal", frame_size=128)
    world.reset(seed=3)
    np.testing.assert_array_equal(world.observe().frame[:112, :112], world._env.get_pov_render(16))
    with pytest.raises(ValueError, match="multiple of 8"):
        BabyAIWorld(frame_size=60).reset(seed=0)


@pytest.mark.parametrize("level", LEVELS)
def test_facts_lead_back_to_the_same_state(level: str) -> None:
    world = begin(level, 1)
    for _ in wander(world, 40):
        facts = world.mirror().facts
        back = restore(facts)
        np.testing.assert_array_equal(back.grid.encode(), world._env.grid.encode())
        np.testing.assert_array_equal(back.gen_obs()["image"], world._env.gen_obs()["image"])
        wanted = target_cells(facts["instruction"], facts["carrying"])
        kind = next_action(facts["instruction"]).get("desc", {}).get("type")
        if kind is not None:
            assert {back.grid.get(*cell).type for cell in wanted if cell[0] >= 0} <= {kind}


def test_seen_is_what_minigrid_would_have_shown() -> None:
    world = begin("GoTo", 2)
    seen = np.zeros_like(world.mirror().facts["seen"])
    masks = []
    for _ in wander(world, 30):
        env, mask = world._env, np.zeros_like(seen)
        _, lit = env.gen_obs_grid()
        for x, y in np.ndindex(*seen.shape):
            at = env.relative_coords(x, y)
            mask[x, y] = at is not None and lit[int(at[0]), int(at[1])]
        masks.append(mask)
        facts = world.mirror().facts
        np.testing.assert_array_equal(facts["seen"], np.any(masks, axis=0))
        np.testing.assert_array_equal(facts["recent"], np.any(masks[-HISTORY_TURNS - 1 :], axis=0))


def test_what_is_behind_a_wall_never_reaches_the_frame() -> None:
    facts = begin("GoTo", 0).mirror().facts
    pose = (*facts["position"], facts["direction"])
    seen = np.zeros_like(facts["seen"])
    view = look(facts["grid"], *pose, facts["carrying"], seen)
    planted = facts["grid"].copy()
    planted[~seen] = (6, 0, 0)  # red balls wherever the agent cannot look
    np.testing.assert_array_equal(look(planted, *pose, facts["carrying"], seen.copy()), view)


def test_notes_name_the_nearest_instance_in_view() -> None:
    seen_notes = set()
    for index in range(12):
        world = begin("GoToRedBall", index)
        for _ in wander(world, 12, index):
            env, facts = world._env, world.mirror().facts
            cells = target_cells(facts["instruction"], facts["carrying"])
            pose = (*facts["position"], facts["direction"])
            view = env.gen_obs()["image"]
            at = in_view(view, pose, cells)
            visible = [cell for cell in cells if env.in_view(*cell) and env.agent_sees(*cell)]
            assert (at is None) == (not visible)
            if at is not None:
                view_at = [env.relative_coords(*cell) for cell in visible]
                steps = [abs(int(x) - 3) + 6 - int(y) for x, y in view_at]
                assert abs(at[0]) + at[1] == min(steps)
                assert (at[0] + 3, 6 - at[1]) in [(int(x), int(y)) for x, y in view_at]
            seen_notes.add(note_for(at))
    assert "see none" in seen_notes
    assert len(seen_notes) > 10
    assert seen_notes <= set(NOTES)


def test_every_note_is_three_tokens_of_a_word_tokenizer() -> None:
    assert len(NOTES) == 50
    assert set(words_of(NOTES)) == {"see", "none", *COLUMNS, *ROWS}


def test_episodes_end_on_success_and_at_the_cap() -> None:
    world = begin("GoToObj", 0)
    assert world.max_iterations == 24
    terminated = truncated = False
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = world.step("turn left")
        assert terminated == info["success"] == (reward == 1.0)
    assert terminated or world.iteration == 24
    assert begin("GoTo").max_iterations == world._env.room_size**2 * 9


def test_facing_the_target_is_success_and_walls_block() -> None:
    world = begin("GoToObj", 3)
    (x, y) = target_cells(world.mirror().facts["instruction"], (1, 0))[0]
    free = next(
        (dx, dy, d)
        for dx, dy, d in ((-1, 0, 0), (1, 0, 2), (0, -1, 1), (0, 1, 3))
        if world._env.grid.get(x + dx, y + dy) is None
    )
    world._env.agent_pos, world._env.agent_dir = (x + free[0], y + free[1]), free[2]
    _, reward, terminated, _, info = world.step("forward")
    assert (reward, terminated, info["outcome"], info["success"]) == (1.0, True, "blocked", True)


def test_actions_are_those_that_can_matter() -> None:
    assert begin("GoToObj").observe().actions == MOVES
    assert begin("PickupDist").observe().actions == ACTIONS
    assert begin("GoTo").observe().actions == ACTIONS


def test_what_is_carried_is_told() -> None:
    world = begin("PickupLoc", 1)
    env = world._env
    target = target_cells(world.mirror().facts["instruction"], (1, 0))[0]
    thing = env.grid.get(*target)
    env.carrying = thing
    env.grid.set(*target, None)
    world._view = None
    assert world.observe().status.inventory == {f"{thing.color} {thing.type}": 1}
    assert target_cells(world.mirror().facts["instruction"], world._carrying())[0] == (-1, -1)


def test_the_same_seed_gives_the_same_bytes_and_splits_differ() -> None:
    def frames(split: str) -> bytes:
        world = BabyAIWorld("babyai/GoToLocal")
        world.reset(options={"episode": EpisodeSpec("babyai/GoToLocal", split, 5)})  # type: ignore[arg-type]
        return b"".join(world.observe().frame.tobytes() for _ in wander(world, 10))

    assert frames("train") == frames("train")
    assert len({frames(split) for split in ("train", "validation", "test", "pretrain")}) == 4


def test_every_registered_level_can_be_played() -> None:
    levels = sorted(name for name in gymnasium.registry if name.startswith("BabyAI-"))
    assert len(levels) > 90
    for name in levels[::9]:
        world = begin(name.removeprefix("BabyAI-").rpartition("-v")[0])
        world.step("forward")
        assert world.mirror().text


def test_unknown_levels_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no level 'GoToMoon'.*GoToObj"):
        make_world("babyai/GoToMoon")


def test_it_is_a_gymnasium_environment() -> None:
    check_env(make_world("babyai/GoToLocal"), skip_render_check=True)
