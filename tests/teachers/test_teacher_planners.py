"""The planners against brute force and against an independent walker."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from toy_voxels import GROUND, TURN, WALK, ToyVoxels

from teachers.planners.pose_grid import FAR, CostToGo
from teachers.planners.recipes import can_mine, next_step
from teachers.planners.surface import UNKNOWN, Surface, surface
from worlds.voxel.data import BLOCK, DROP_ITEM, ITEM_NAMES
from worlds.voxel.tasks.material_collection import LISTS, raw_of, recipe_of

FEET = 5


def flat(size: int) -> Surface:
    level = np.full((size, size), FEET, np.int16)
    return Surface(level, np.full_like(level, 40), level.copy(), np.zeros((size, size), np.bool_))


def raise_by(ground: Surface, where: tuple[slice | int, slice | int], rise: int) -> None:
    ground.level[where] += rise
    ground.top[where] += rise


def roll_out(x: float, z: float, yaw: float, actions: tuple[str, ...]) -> tuple[float, float, float]:
    for action in actions:
        yaw += TURN.get(action, 0)
        x += WALK.get(action, 0) * math.sin(math.radians(yaw))
        z -= WALK.get(action, 0) * math.cos(math.radians(yaw))
    return x, z, yaw % 360


@pytest.mark.parametrize("seed", range(6))
def test_values_count_the_shortest_plan_on_open_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, z = rng.integers(14, 26, 2) + 0.5
    yaw = 45.0 * rng.integers(8)
    target = np.array([[x, z]]) + rng.uniform(-9, 9, 2)
    cost = CostToGo(flat(40), target, 3.0)
    skills = (*TURN, *WALK)

    def fewest() -> int:
        for length in range(4):
            for plan in itertools.product(skills, repeat=length):
                at = roll_out(x, z, yaw, plan)
                if math.dist(at[:2], target[0]) <= 3.0:
                    return length
        return 4

    if math.dist((x, z), target[0]) > 3.0:
        best = 1 - max(cost.values(x, z, FEET, yaw).values())
        assert abs(best - fewest()) <= 0.75  # exact up to the rounding of positions to cells


def test_a_plan_walks_round_a_wall_and_a_sealed_target_is_out_of_reach() -> None:
    ground = flat(30)
    raise_by(ground, (10, slice(5, 25)), 2)
    wall = CostToGo(ground, np.array([[20.5, 15.5]]), 2.0).values(5.5, 15.5, FEET, 90.0)
    free = CostToGo(flat(30), np.array([[20.5, 15.5]]), 2.0).values(5.5, 15.5, FEET, 90.0)
    assert max(wall.values()) < max(free.values()) - 1
    raise_by(ground, (10, slice(None)), 2)
    sealed = CostToGo(ground, np.array([[20.5, 15.5]]), 2.0).values(5.5, 15.5, FEET, 90.0)
    assert set(sealed.values()) == {-float(FAR)}


def test_a_cliff_is_a_wall_upwards_and_a_step_is_not() -> None:
    for rise, passable in ((1, True), (2, False), (-3, True), (-4, False)):
        ground = flat(24)
        raise_by(ground, (slice(12, None), slice(None)), rise)
        cost = CostToGo(ground, np.array([[20.5, 12.5]]), 2.0)
        assert (max(cost.values(5.5, 12.5, FEET, 90.0).values()) > -FAR) == passable, rise


def test_following_the_values_arrives_in_the_promised_number_of_decisions() -> None:
    world = ToyVoxels(40, 25)
    over = []
    for seed in range(12):
        world.reset(seed=seed)
        ground = surface(world.blocks, np.ones((40, 40), np.bool_))
        cost = CostToGo(ground, np.array([world.target]), 3.0)
        promised = 1 - max(cost.values(*world.at, GROUND, world.yaw).values())
        done = False
        while not done and world.iteration < 20:
            values = cost.values(*world.at, GROUND, world.yaw)
            done = world.step(max(values, key=values.__getitem__))[2]
        assert done, seed
        over.append(world.iteration - promised)
    assert np.mean(np.abs(over)) <= 1.0


def test_symmetric_targets_make_both_turns_equally_good() -> None:
    target = np.array([[20.5, 8.5]])
    values = CostToGo(flat(41), target, 2.0).values(20.5, 30.5, FEET, 180.0)
    assert values["turn left 90"] == pytest.approx(values["turn right 90"], abs=0.01)
    assert values["turn left 45"] == pytest.approx(values["turn right 45"], abs=0.01)
    assert max(values, key=values.__getitem__) == "turn around"


def test_the_surface_sees_ground_under_leaves_trunks_water_and_only_known_columns() -> None:
    blocks = np.zeros((6, 6, 12), np.uint8)
    blocks[:, :, :4] = BLOCK["stone"]
    blocks[1, 1, 8] = BLOCK["oak_leaves"]
    blocks[2, 2, 4:8] = BLOCK["oak_log"]
    blocks[3, 3, 3] = BLOCK["water"]
    blocks[4, 4, 3] = BLOCK["lava"]
    blocks[5, 5, 4:6] = BLOCK["stone"]
    blocks[0, 0, 7] = BLOCK["stone"]
    known = np.ones((6, 6), np.bool_)
    known[0, 5] = False
    ground = surface(blocks, known)
    assert (ground.level[1, 1], ground.bottom[1, 1], ground.top[1, 1]) == (4, 8, 9)
    assert ground.open[1, 1]
    assert not ground.open[2, 2]
    assert ground.level[3, 3] == 3
    assert ground.deadly[4, 4]
    assert ground.level[5, 5] == 6
    assert (ground.level[0, 0], ground.bottom[0, 0], ground.top[0, 0]) == (4, 7, 8)
    assert ground.level[0, 5] == UNKNOWN
    assert ground.open[0, 5]


def test_unknown_blocks_do_not_enter_a_plan() -> None:
    world = ToyVoxels(30, 80)
    world.reset(seed=1)
    bare = world.blocks.copy()
    bare[:, :, GROUND:] = 0
    nothing = np.zeros((30, 30), np.bool_)
    a, b = surface(world.blocks, nothing), surface(bare, nothing)
    for name in ("level", "bottom", "top", "deadly"):
        assert (getattr(a, name) == getattr(b, name)).all()


def test_no_plan_ends_on_a_tree_top_and_low_leaves_stop_a_rise() -> None:
    """A tree beside a hill of 3 blocks: its top is level with the hill, and the ground lies 5 below."""
    ground = flat(30)
    raise_by(ground, (slice(0, 10), slice(None)), 5)
    ground.bottom[10:20, :] = FEET + 3
    ground.top[10:20, :] = FEET + 5
    values = CostToGo(ground, np.array([[25.5, 15.5]]), 2.0).values(5.5, 15.5, FEET + 5, 90.0)
    assert values["forward 8"] == -FAR
    step = flat(30)
    raise_by(step, (slice(12, None), slice(None)), 1)
    free = CostToGo(step, np.array([[20.5, 15.5]]), 2.0).values(5.5, 15.5, FEET, 90.0)
    step.bottom[11, :], step.top[11, :] = FEET + 2, FEET + 4
    under_leaves = CostToGo(step, np.array([[20.5, 15.5]]), 2.0).values(5.5, 15.5, FEET, 90.0)
    assert max(free.values()) > -3
    assert max(under_leaves.values()) == -FAR


@pytest.mark.parametrize("wanted", [w for lists in LISTS.values() for w in lists], ids=str)
def test_the_recipe_graph_leads_to_every_list(wanted: dict[str, int]) -> None:
    have: Counter[str] = Counter()
    near: frozenset[str] = frozenset()
    for _ in range(60):
        if all(have[item] >= count for item, count in wanted.items()):
            return
        carried = {item: count for item, count in have.items() if count}
        verb, _, name = next_step(wanted, carried, near).partition(" ")
        if verb == "mine":
            assert can_mine(name, have)
            have[ITEM_NAMES[DROP_ITEM[BLOCK[name]]]] += 1
            near = frozenset()  # the walk to the block leaves the workplaces behind
        elif verb == "place":
            have[name] -= 1
            near |= {name}
        elif verb == "smelt":
            assert "furnace" in near
            have.update({raw_of(name): -1, "coal": -1, name: 1})
        else:
            recipe = recipe_of(name)
            assert recipe is not None
            assert not recipe.needs_table or "crafting_table" in near
            have.update({ITEM_NAMES[item]: -count for item, count in recipe.ingredients.items()})
            have[name] += recipe.count
        assert min(have.values()) >= 0, (verb, name, have)
    pytest.fail(f"never had {wanted}: {have}")
