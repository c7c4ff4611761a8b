"""The task families: starts, goals, predicates and metrics, and that none of them is trivial."""

from __future__ import annotations

import numpy as np
import pytest

from worlds.types import EpisodeSpec, Split
from worlds.voxel.data import BLOCK, ITEM
from worlds.voxel.moves import MOVES
from worlds.voxel.tasks import block_search, goal_search, map_exploration
from worlds.voxel.tasks.common import CALLS, put_body
from worlds.voxel.tasks.material_collection import LISTS, plan_for
from worlds.voxel.world import VoxelWorld

NOWHERE: frozenset[str] = frozenset()


def episode(suite: str, index: int = 0, difficulty: int = 2, split: Split = "train") -> VoxelWorld:
    world = VoxelWorld(f"voxel/{suite}")
    world.reset(options={"episode": EpisodeSpec(f"voxel/{suite}", split, index, difficulty)})
    return world


def stand_at(world: VoxelWorld, x: float, z: float) -> None:
    """Put the body there, wherever the ground is."""
    world.task.body.state.position[0, 0, [0, 2]] = x, z


# -- goal search ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", goal_search.MODES)
@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_a_search_starts_at_its_distance_and_visible_or_not(mode: str, difficulty: int) -> None:
    least, most = goal_search.DISTANCES[difficulty]
    wanted = goal_search.VISIBLE_AT_START[difficulty]
    for index in range(3):
        facts = episode(mode, index, difficulty).mirror().facts
        x, _, z, yaw, _ = facts["pose"]
        away = np.hypot(facts["targets"][:, 0] - x, facts["targets"][:, 2] - z).min()
        assert least <= away <= most
        assert yaw % 45 == 0
        assert facts["actions"] == MOVES
        shown = any(thing["name"] == facts["target"] for thing in facts["visible"])
        assert wanted is None or shown == wanted


def test_a_search_ends_within_reach_of_an_instance_and_not_before() -> None:
    world = episode("goal_name")
    x, _, z = world.task.targets()[0]
    stand_at(world, x + 3.4, z)
    assert not world.task.score().finished
    stand_at(world, x + 2.9, z)
    score = world.task.score()
    assert (score.success, score.metric, score.finished) == (True, 1.0, True)


def test_a_search_is_cut_off_after_forty_decisions() -> None:
    world = episode("goal_name", difficulty=3)
    for step in range(40):
        *_, terminated, truncated, info = world.step("turn left 90")
        assert not terminated
        assert truncated == (step == 39)
    assert not info["success"]


def test_goals_are_worded_for_each_sense() -> None:
    named = episode("goal_name").task
    assert named.goal.text == f"find {named.target}"
    heard = episode("goal_sound").task
    assert heard.goal.sound is not None
    assert CALLS[heard.goal.sound] == heard.target
    assert heard.goal.text == f"find the {heard.goal.sound} you hear"
    assert episode("goal_image").task.goal.text == "find this"


def test_the_sound_goal_follows_a_wandering_animal() -> None:
    world = episode("goal_sound")
    before = world.task.targets().copy()
    for _ in range(30):
        world.task.body.walk(4)
        world.task.body.turn(90)
    assert not np.array_equal(before, world.task.targets())


def test_random_play_seldom_finds_anything() -> None:
    wins = 0
    for index in range(40):
        world, rng = episode("goal_name", index), np.random.default_rng(index)
        over = False
        while not over:
            *_, terminated, truncated, info = world.step(MOVES[rng.integers(len(MOVES))])
            over = terminated or truncated
        wins += info["success"]
    assert wins <= 6


def test_splits_show_different_worlds() -> None:
    splits: tuple[Split, ...] = ("train", "validation", "test", "pretrain")
    worlds = {split: episode("goal_name", 7, split=split).task.body.blocks.tobytes() for split in splits}
    assert len(set(worlds.values())) == 4


# -- block search ---------------------------------------------------------------------------------


def test_the_metric_of_block_search_is_the_share_of_ores_dug() -> None:
    world = episode("block_search")
    blocks = world.task.body.blocks
    ores = np.argwhere(blocks == BLOCK["diamond_ore"])
    assert len(ores) == 2 * block_search.PILES[2]
    for dug, (x, z, y) in enumerate(ores):
        assert world.task.score().metric == pytest.approx(dug / len(ores))
        assert len(world.task.targets()) == len(ores) - dug
        assert not world.task.score().success
        blocks[x, z, y] = 0
    assert world.task.score().success


def test_an_ore_in_front_of_the_body_is_mined_by_the_task_skill() -> None:
    world = episode("block_search")
    x, _, z = world.task.targets()[0]
    for away in (3, 4, 5):
        for heading, (east, south) in {0: (0, 1), 90: (-1, 0), 180: (0, -1), 270: (1, 0)}.items():
            column = world.task.body.blocks[int(x) + east * away, int(z) + south * away]
            feet = int(np.flatnonzero(column)[-1]) + 1
            put_body(world.task.body.state, (int(x) + east * away, int(z) + south * away, feet), heading)
            world.task.body.forget_frame()
            if world.task.body.in_sight("diamond_ore"):
                assert world.skills.run("mine diamond_ore").text == "ok"
                assert world.task.score().metric > 0
                return
    pytest.fail("the ore is not in sight from any side")


# -- map exploration ------------------------------------------------------------------------------


def test_exploring_counts_columns_seen_and_says_where_most_is_missing() -> None:
    world = episode("map_exploration")
    start = world.task.score().metric
    world.step("scan")
    scanned = world.task.score().metric
    assert 0 < start < scanned < map_exploration.ENOUGH
    words = world.observe().status.words
    assert words.startswith(f"mapped {int(100 * scanned)} unseen ")
    world.task.body.state.seen[:] = True
    world.task.body.state.seen[0, 0, :, :4] = False  # a strip in the north
    world.task.body.state.yaw_deg[:] = 0.0
    stand_at(world, 24.5, 44.5)
    assert world.task.words() == "mapped 91 unseen ahead"
    world.task.body.state.yaw_deg[:] = 90.0
    assert world.task.words() == "mapped 91 unseen left"
    assert world.task.score().success
    assert world.observe().notes == ()


# -- material collection --------------------------------------------------------------------------


def test_a_plan_is_closed_over_recipes_tools_and_workplaces() -> None:
    plan = plan_for({"iron_ingot": 1}, {}, NOWHERE)
    made = [action.split()[1] for action in plan.actions if action.startswith("craft")]
    assert made.index("wooden_pickaxe") < made.index("stone_pickaxe")
    assert plan.actions[-1] == "smelt iron_ingot"
    assert {"mine iron_ore", "mine coal_ore", "mine stone", "mine oak_log", "place furnace"} <= set(
        plan.actions
    )
    assert next(iter(plan.raw)) == "oak_log"
    # A chest of tools later, only the ore is missing.
    have = {"stone_pickaxe": 1, "coal": 1}
    assert plan_for({"iron_ingot": 1}, have, frozenset(["furnace"])).raw == {"iron_ore": 1}


def test_a_plan_counts_what_is_carried() -> None:
    assert plan_for({"oak_planks": 4}, {}, NOWHERE).raw == {"oak_log": 1}
    assert plan_for({"oak_planks": 4}, {"oak_planks": 3}, NOWHERE).raw == {"oak_log": 1}
    assert plan_for({"oak_planks": 4}, {"oak_planks": 4}, NOWHERE).raw == {}
    assert plan_for({"stick": 4}, {"oak_planks": 2}, NOWHERE).raw == {}
    with pytest.raises(ValueError, match="no way to make white_bed"):
        plan_for({"white_bed": 1}, {}, NOWHERE)


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_every_list_can_be_planned(difficulty: int) -> None:
    for wanted in LISTS[difficulty]:
        assert plan_for(wanted, {}, NOWHERE).raw


def test_collecting_is_scored_by_what_is_carried_and_notes_are_about_what_is_next() -> None:
    index = next(
        i for i in range(40) if episode("material_collection", i).task.wanted == {"wooden_pickaxe": 1}
    )
    world = episode("material_collection", index)
    state = world.task.body.state
    assert world.mirror().facts["target"] == "oak_log"
    state.item[0, 0, 0], state.count[0, 0, 0] = ITEM["oak_log"], 4
    assert world.task.about() == ""
    for _ in range(4):
        world.step("craft oak_planks")
    assert world.observe().notes == ()
    for action in ("craft stick", "craft crafting_table", "place crafting_table"):
        *_, info = world.step(action)
        assert info["outcome"] == "ok"
        assert info["metric"] == 0.0
    assert world.observe().status.words.split(", ")[0] == "near crafting_table"
    *_, reward, terminated, _, info = world.step("craft wooden_pickaxe")
    assert (reward, terminated, info["success"]) == (1.0, True, True)
