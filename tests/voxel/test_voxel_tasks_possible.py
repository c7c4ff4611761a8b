"""Every episode can be won: what a task asks for stands where a walker of the plainest kind gets to, and
there is enough of it; and an episode is won exactly where its rule says so."""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.types import EpisodeSpec, Split
from worlds.voxel.data import ANIMALS, BLOCK, DROP_ITEM, HURTS, ITEM, ITEM_NAMES, LIQUID, RECIPES, SOLID
from worlds.voxel.data import SMELTING as SMELTS
from worlds.voxel.tasks import block_search, goal_search, map_exploration
from worlds.voxel.tasks.common import LANDMARKS, Task
from worlds.voxel.tasks.material_collection import LISTS, MaterialCollection, plan_for
from worlds.voxel.world import begin_task

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def begin(suite: str, index: int, difficulty: int) -> Task:
    return begin_task(EpisodeSpec(f"voxel/{suite}", SPLITS[index % 3], index, difficulty), 32)


def walked(blocks: NDArray[np.uint8], start: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """All cells (x, z, y) of the feet that are reached along the four directions, one block up and three
    down, dry and unhurt, with room for the head on the way."""

    blocks = np.pad(blocks, ((0, 0), (0, 0), (0, 3)))
    solid, wet, hurts = SOLID[blocks], LIQUID[blocks], HURTS[blocks]
    stands = np.zeros_like(solid)
    stands[:, :, 1:-1] = (solid & ~wet & ~hurts)[:, :, :-2] & ~(solid | wet | hurts)[:, :, 1:-1]
    stands[:, :, 1:-1] &= ~solid[:, :, 2:]
    hard, standing = solid.tolist(), stands.tolist()
    found, queue = {start}, deque([start])
    while queue:
        x, z, y = queue.popleft()
        for i, k in ((x + 1, z), (x - 1, z), (x, z + 1), (x, z - 1)):
            if not (0 <= i < blocks.shape[0] and 0 <= k < blocks.shape[1]):
                continue
            for there in range(y + 1, max(y - 4, 0), -1):
                if there > y and hard[x][z][y + 2]:
                    continue  # it hits its head in the jump
                if standing[i][k][there] and not any(hard[i][k][there : max(there, y) + 2]):
                    if (i, k, there) not in found:
                        found.add((i, k, there))
                        queue.append((i, k, there))
                    break
    return found


def bare(blocks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The cells with a neighbour that does not hide them."""
    open_ = np.pad(~SOLID[blocks], 1)
    return np.logical_or.reduce(
        [np.roll(open_, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (1, -1)]
    )


@pytest.mark.parametrize("difficulty", [1, 2, 3])
@pytest.mark.parametrize("mode", ["goal_name", "goal_sound"])
def test_a_walker_gets_within_reach_of_the_goal(mode: str, difficulty: int) -> None:
    for index in range(3):
        task = begin(mode, index, difficulty)
        cells = np.array(sorted(walked(task.body.blocks, task.body.cell)))
        targets = task.targets()
        away = np.hypot(cells[:, :1] + 0.5 - targets[:, 0], cells[:, 1:2] + 0.5 - targets[:, 2])
        assert away.min() <= task.reach
        assert len(cells) > 100


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_every_ore_lies_beside_a_cell_that_can_be_walked_to(difficulty: int) -> None:
    for index in range(4):
        task = begin("block_search", index, difficulty)
        blocks = task.body.blocks
        ores = np.argwhere(blocks == BLOCK["diamond_ore"])
        assert len(ores) == 2 * block_search.PILES[difficulty]
        cells, open_cells = np.array(sorted(walked(blocks, task.body.cell))), bare(blocks)
        piles = np.unique(ores[:, :2], axis=0)
        apart = abs(piles[:, None] - piles).max(axis=2) + 99 * np.eye(len(piles))
        assert apart.min() > 4  # there is room
        for x, z, y in ores:
            beside = np.hypot(cells[:, 0] - x, cells[:, 1] - z) <= 1.5
            assert (abs(cells[beside, 2] - y) <= 3).any()  # the arm is 4.5 blocks long
            assert open_cells[x, z, y]


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_the_land_holds_what_a_list_needs_and_the_decisions_may_suffice(difficulty: int) -> None:
    for index in range(3):
        task = begin("material_collection", index, difficulty)
        assert isinstance(task, MaterialCollection)
        near, blocks = np.zeros(task.body.blocks.shape[:2], np.bool_), task.body.blocks
        for x, z, _ in walked(blocks, task.body.cell):
            near[max(0, x - 3) : x + 4, max(0, z - 3) : z + 4] = True
        plan = plan_for(task.wanted, {}, frozenset())
        assert task.skills == plan.actions
        for name, number in plan.raw.items():
            assert ((blocks == BLOCK[name]) & bare(blocks) & near[:, :, None]).sum() >= number, (index, name)
        assert task.max_iterations >= sum(plan.raw.values()) + len(plan.actions)


@pytest.mark.parametrize("suite", ["block_search", "map_exploration", "material_collection", "goal_name"])
def test_a_higher_level_is_a_larger_land_and_more_to_do(suite: str) -> None:
    levels = [begin(suite, 2, difficulty) for difficulty in (1, 2, 3)]
    for easier, harder in pairwise(levels):
        assert easier.body.blocks.size < harder.body.blocks.size
        assert easier.max_iterations <= harder.max_iterations
        assert len(easier.targets()) <= len(harder.targets()) or suite in ("material_collection", "goal_name")
    kinds = [len(set(np.unique(task.body.blocks)) & {BLOCK[name] for name in LANDMARKS}) for task in levels]
    assert kinds == [4, 6, 8]


def made_with(plan_raw: dict[str, int], actions: tuple[str, ...], wanted: dict[str, int]) -> bool:
    """Whether the list can be made of exactly these blocks by the plan's skills: every order of crafts is
    tried on a bag. A tool serves for all its uses, and a furnace burns one coal a smelt."""
    bag = Counter({ITEM_NAMES[DROP_ITEM[BLOCK[name]]]: number for name, number in plan_raw.items()})
    recipes = [r for r in RECIPES if f"craft {ITEM_NAMES[r.result]}" in actions]
    todo, known = [(bag, frozenset[str]())], set()
    while todo:
        bag, placed = todo.pop()
        if all(bag[item] >= number for item, number in wanted.items()):
            return True
        key = (frozenset(bag.items()), placed)
        if key in known:
            continue
        known.add(key)
        for recipe in recipes:
            need = Counter({ITEM_NAMES[item]: number for item, number in recipe.ingredients.items()})
            if need <= bag and ("crafting_table" in placed or not recipe.needs_table):
                todo.append((bag - need + Counter({ITEM_NAMES[recipe.result]: recipe.count}), placed))
        for action in actions:
            verb, _, name = action.partition(" ")
            if verb == "place" and bag[name] and name not in placed:
                todo.append((bag - Counter([name]), placed | {name}))
            raws = [ITEM_NAMES[raw] for raw, made in SMELTS.items() if verb == "smelt" and made == ITEM[name]]
            for raw in raws:
                if "furnace" in placed and bag[raw] and bag["coal"]:
                    todo.append((bag - Counter([raw, "coal"]) + Counter([name]), placed))
    return False


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_a_plans_blocks_are_enough_for_its_list_and_none_is_too_many(difficulty: int) -> None:
    for wanted in LISTS[difficulty]:
        plan = plan_for(wanted, {}, frozenset())
        tools = {
            f"{kind}_pickaxe": 1 for kind in ("wooden", "stone") if f"craft {kind}_pickaxe" in plan.actions
        }
        wanted = {**tools, **wanted}
        assert made_with(plan.raw, plan.actions, wanted), wanted
        for name in plan.raw:
            less = {**plan.raw, name: plan.raw[name] - 1}
            assert not made_with(less, plan.actions, wanted), (wanted, name)


@pytest.mark.parametrize("mode", ["goal_name", "goal_sound"])
def test_a_search_is_won_exactly_within_its_reach(mode: str) -> None:
    won = 0
    for index in range(3):
        task, rng = begin(mode, index, 2), np.random.default_rng(index)
        state = task.body.state
        if mode == "goal_name":  # the tops of landmarks, read off the blocks
            columns = (task.body.blocks == BLOCK[task.target]).sum(axis=2) == 6
            places = np.argwhere(columns) + 0.5
        else:
            kind = next(k for k, animal in enumerate(ANIMALS) if animal.name == task.target)
            places = state.animal_position[0][state.animal_kind[0] == kind][:, [0, 2]]
        for _ in range(60):
            x, z = rng.choice(places) + rng.uniform(-5, 5, 2)
            state.position[0, 0, [0, 2]] = x, z
            near = bool((np.hypot(*(places - (x, z)).T) <= goal_search.REACH).any())
            score = task.score()
            assert (score.success, score.metric, score.finished) == (near, float(near), near)
            won += near
        state.health[0, 0] = 0.0
        assert task.score().finished
    assert 40 < won < 140


def test_exploring_is_scored_by_what_any_body_has_seen_and_told_by_the_own_map() -> None:
    spec = EpisodeSpec("voxel/map_exploration", "test", 4, 2)
    task, rng = map_exploration.begin(spec, 32, bodies=3), np.random.default_rng(0)
    task.body.look()
    for share in (0.1, 0.3, 0.5, 0.55, 0.7):
        task.body.state.seen[0] = rng.random(task.body.state.seen[0].shape) < share
        columns = task.body.state.seen[0]
        score = task.score()
        union = np.logical_or.reduce(columns).mean()
        assert score.metric == pytest.approx(union)
        assert score.success == score.finished == (union >= map_exploration.ENOUGH)
        assert task.words().startswith(f"mapped {int(100 * columns[0].mean())}")
