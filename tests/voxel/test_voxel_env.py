"""MineDojo's spaces, kept by what the environments return."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, act, give
from gymnasium.utils.env_checker import check_env

from worlds.voxel.data import BLOCK, ITEM
from worlds.voxel.env import VoxelEnv, VoxelVectorEnv
from worlds.voxel.sim import CRAFT, NO_TURN, PLACE
from worlds.voxel.tables import CRAFT_NAMES
from worlds.voxel.terrain import TerrainConfig

TERRAIN = TerrainConfig(size=(24, 24, 24), animals=(("cow", 2),))
NOOP = np.array([0, 0, 0, NO_TURN, NO_TURN, 0, 0, 0])


def flatten(observation, prefix=""):
    for key, value in observation.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def make(seed=3) -> tuple[VoxelEnv, dict]:
    env = VoxelEnv(TERRAIN)
    observation, _ = env.reset(seed=seed)
    return env, observation


@pytest.mark.filterwarnings("ignore:.*alternative render modes.*")
def test_gymnasiums_checker_passes():
    check_env(VoxelEnv(TERRAIN, render_mode="rgb_array"))


def test_spaces_have_minedojos_shapes():
    env = VoxelEnv(TERRAIN, image_size=80)
    assert env.action_space.nvec.tolist() == [3, 3, 4, 25, 25, 8, 244, 36]
    space = env.observation_space
    assert space["rgb"].shape == (3, 80, 80)
    assert space["inventory"]["quantity"].shape == (36,)
    assert space["equipment"]["name"].shape == (6,)
    assert space["voxels"]["cos_look_vec_angle"].shape == (3, 3, 3)
    assert {name: mask.shape for name, mask in space["masks"].items()} == {
        "action_type": (8,),
        "action_arg": (8, 1),
        "craft_smelt": (244,),
        "equip": (36,),
        "place": (36,),
        "destroy": (36,),
    }


def test_random_play_stays_within_the_spaces():
    env, _ = make()
    env.action_space.seed(1)
    for _ in range(60):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert (reward, truncated) == (0.0, False)


def test_a_vector_of_worlds_is_the_worlds_one_by_one():
    seeds = [5, 6, 7]
    vector = VoxelVectorEnv(3, TERRAIN)
    batch, _ = vector.reset(seed=seeds)
    single = [VoxelEnv(TERRAIN) for _ in seeds]
    alone = [env.reset(seed=seed)[0] for env, seed in zip(single, seeds, strict=True)]
    vector.action_space.seed(2)
    for step in range(25):
        for b, observation in enumerate(alone):
            mine = dict(flatten(batch))
            for key, value in flatten(observation):
                assert np.array_equal(mine[key][b], value), (step, b, key)
        assert vector.observation_space.contains(batch)
        actions = vector.action_space.sample()
        batch = vector.step(actions)[0]
        alone = [env.step(action)[0] for env, action in zip(single, actions, strict=True)]


def test_a_dead_world_begins_anew_on_the_next_step():
    vector = VoxelVectorEnv(2, TERRAIN)
    vector.reset(seed=1)
    vector.sim.state.health[1] = 0
    actions = np.stack([NOOP, NOOP])
    _, _, terminated, truncated, _ = vector.step(actions)
    assert (terminated.tolist(), truncated.any()) == ([False, True], False)
    observation, _, terminated, _, _ = vector.step(actions)
    assert not terminated.any()
    assert observation["life_stats"]["life"][1, 0] == 20
    assert observation["damage_source"]["damage_amount"].max() == 0
    assert vector.sim.state.tick.tolist() == [2, 0]


def test_seeds_for_another_number_of_worlds_are_refused():
    with pytest.raises(ValueError, match="one per world"):
        VoxelVectorEnv(2, TERRAIN).reset(seed=[1, 2, 3])


def test_masks_tell_what_can_be_done():
    env, observation = make()
    masks = observation["masks"]
    assert masks["action_type"].tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert masks["action_arg"][:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    give(env.sim, 2, "oak_log", 3)
    masks = env.step(NOOP)[0]["masks"]
    assert [CRAFT_NAMES[k] for k in np.flatnonzero(masks["craft_smelt"])] == [("oak_planks", 0)]
    assert np.flatnonzero(masks["place"]).tolist() == np.flatnonzero(masks["equip"]).tolist() == [2]
    assert masks["action_type"][[CRAFT, PLACE]].tolist() == [1, 1]


def test_delta_inv_names_the_cause():
    env, _ = make()
    give(env.sim, 2, "oak_log", 3)
    gained = env.step(NOOP)[0]["delta_inv"]
    assert (gained["inc_name_by_other"][0], gained["inc_quantity_by_other"][0]) == (ITEM["oak_log"], 3)
    craft = NOOP.copy()
    craft[5:7] = CRAFT, CRAFT_NAMES.index(("oak_planks", 0))
    made = env.step(craft)[0]["delta_inv"]
    assert (made["inc_name_by_craft"][0], made["inc_quantity_by_craft"][0]) == (ITEM["oak_planks"], 4)
    assert (made["dec_name_by_craft"][0], made["dec_quantity_by_craft"][0]) == (ITEM["oak_log"], 1)
    assert made["inc_quantity_by_other"][0] == 0


def flat(env: VoxelEnv) -> None:
    sim = env.sim
    sim.clear(0)
    sim.state.blocks[..., :FLOOR] = BLOCK["stone"]
    sim.state.position[:] = (8.5, FLOOR, 8.5)
    sim.state.on_ground[:] = True


def test_voxels_light_and_tools_describe_the_surroundings():
    env, _ = make()
    flat(env)
    sim = env.sim
    sim.state.blocks[0, 9, 8, FLOOR] = BLOCK["oak_log"]  # east
    sim.state.blocks[0, 8, 7, FLOOR + 1] = BLOCK["water"]  # north, above
    sim.look(0, 0, 90, 0)
    seen = env.step(NOOP)[0]
    voxels = seen["voxels"]
    assert (voxels["block_name"][:, 0] == BLOCK["stone"]).all()
    assert voxels["block_name"][2, 1, 1] == BLOCK["oak_log"]
    assert voxels["block_name"][1, 2, 0] == BLOCK["water"]
    assert voxels["can_burn"].sum() == 1
    assert voxels["is_liquid"].sum() == 1
    assert voxels["is_tool_not_required"][:, 0].max() == 0
    cosines = voxels["cos_look_vec_angle"]
    assert np.unravel_index(cosines.argmax(), cosines.shape)[0] == 2
    place = seen["location_stats"]
    assert (place["yaw"][0], place["can_see_sky"], place["light_level"][0]) == (90, 1, 15)
    assert (seen["nearby_tools"]["table"], seen["nearby_tools"]["furnace"]) == (0, 0)

    sim.state.blocks[0, :, :, 20] = BLOCK["stone"]
    sim.state.blocks[0, 7, 9, FLOOR] = BLOCK["crafting_table"]
    sim.state.blocks[0, 8, 10, FLOOR + 1] = BLOCK["torch"]
    seen = env.step(NOOP)[0]
    assert seen["location_stats"]["can_see_sky"] == 0
    assert seen["location_stats"]["light_level"][0] == 14 - 2
    assert seen["nearby_tools"]["table"] == 1


def test_damage_is_told_once_and_named():
    env, _ = make()
    flat(env)
    env.sim.state.food[:] = 10  # no healing
    env.sim.state.blocks[0, 7:10, 7:10, FLOOR] = BLOCK["lava"]
    hurts = []
    for _ in range(21):
        source = env.step(NOOP)[0]["damage_source"]
        hurts.append(float(source["damage_amount"][0]))
        assert source["is_fire_damage"] == (hurts[-1] > 0)
    assert [hurt for hurt in hurts if hurt] == [4, 4, 4]  # at ticks 0, 10 and 20
    act(env.sim, 60)
    _, _, terminated, _, _ = env.step(NOOP)
    assert terminated
