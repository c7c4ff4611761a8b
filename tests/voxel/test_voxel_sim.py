"""The state and the actions are all there is: snapshots replay, processes agree, worlds are apart."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flat_world import FLOOR, act, carried, equal, flat_sim, give, random_actions

from worlds.voxel.data import ANIMALS, BLOCK, LIQUID, SOLID
from worlds.voxel.sim import ATTACK, VoxelSim, VoxelSimConfig, noop_actions
from worlds.voxel.terrain import TerrainConfig

TERRAIN = TerrainConfig(size=(32, 32, 32), animals=(("cow", 3), ("chicken", 2)))


def played(seed: int, ticks: int = 200, worlds: int = 2) -> VoxelSim:
    sim = VoxelSim(VoxelSimConfig(worlds=worlds, bodies=2, terrain=TERRAIN))
    for b in range(worlds):
        sim.reset(b, seed + b)
    for actions in random_actions(np.random.default_rng(seed), ticks, worlds, 2):
        sim.tick(actions)
    return sim


def digest(sim: VoxelSim) -> str:
    total = hashlib.sha256()
    for name, array in sorted(vars(sim.state).items()):
        total.update(name.encode() + array.tobytes())
    return total.hexdigest()


def test_the_same_seed_and_actions_give_the_same_bytes_in_another_process():
    here = Path(__file__).resolve().parent
    code = "from test_voxel_sim import digest, played; print(digest(played(11)))"
    path = os.pathsep.join([str(here), str(here.parents[1])])
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"},
        cwd=here.parents[1],
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest(played(11))
    assert digest(played(12)) != digest(played(11))


@pytest.mark.parametrize("seed", range(3))
def test_a_restored_snapshot_replays_identically(seed):
    sim = played(seed, 100)
    snapshot = sim.snapshot()
    future = random_actions(np.random.default_rng(seed + 50), 150, 2, 2)
    for actions in future:
        sim.tick(actions)
    first = sim.snapshot()
    assert not equal(first, snapshot)
    sim.restore(snapshot)
    assert equal(sim.state, snapshot)
    for actions in future:
        sim.tick(actions)
    assert equal(sim.state, first)


def test_a_snapshot_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="snapshot's blocks"):
        flat_sim().restore(flat_sim(worlds=2).snapshot())


def test_a_world_does_not_depend_on_its_batch():
    together = played(20, worlds=3)
    alone = VoxelSim(VoxelSimConfig(bodies=2, terrain=TERRAIN))
    alone.reset(0, 21)
    for actions in random_actions(np.random.default_rng(20), 200, 3, 2):
        alone.tick_one(0, actions[1])
    for name, array in vars(alone.state).items():
        assert np.array_equal(array[0], getattr(together.state, name)[1]), name


def test_reset_makes_one_world_anew_and_leaves_the_others():
    sim = played(4)
    others = {name: array[1].copy() for name, array in vars(sim.state).items()}
    sim.reset(0, 99)
    for name, array in others.items():
        assert np.array_equal(array, getattr(sim.state, name)[1]), name
    fresh = VoxelSim(VoxelSimConfig(bodies=2, terrain=TERRAIN))
    fresh.reset(0, 99)
    for name, array in vars(fresh.state).items():
        assert np.array_equal(array[0], getattr(sim.state, name)[0]), name


def test_bodies_pass_through_each_other_and_own_their_things():
    sim = flat_sim(bodies=2)
    sim.state.position[0, 1, 2] = 5.5
    sim.look(0, 1, 180, 0)
    sim.state.blocks[0, 8, 5, FLOOR - 1] = BLOCK["dirt"]
    act(sim, 30, move=1)
    assert sim.state.position[0, 0, 2] < 5 < 8 < sim.state.position[0, 1, 2]
    sim = flat_sim(bodies=2)
    give(sim, 0, "dirt", 2, a=1)
    sim.state.blocks[0, 8, 7, FLOOR + 1] = BLOCK["dirt"]
    actions = noop_actions(1, 2)
    actions[0, 0, 5] = ATTACK
    for _ in range(15):
        sim.tick(actions)
    assert (carried(sim, "dirt", a=0), carried(sim, "dirt", a=1)) == (1, 2)


def test_the_dead_do_nothing():
    sim = flat_sim()
    sim.state.health[:] = 0
    before = sim.snapshot()
    act(sim, 5, move=1, hand=ATTACK)
    before.tick += 5
    assert equal(before, sim.state)


def test_animals_wander_on_standing_places_only():
    sim = VoxelSim(VoxelSimConfig(worlds=6, terrain=TERRAIN))
    for b in range(6):
        sim.reset(b, b)
    state, start = sim.state, sim.state.animal_position.copy()
    actions = noop_actions(6)
    for _ in range(600):
        sim.tick(actions)
        for b, n in zip(*np.nonzero(state.animal_kind), strict=True):
            x, y, z = np.floor(state.animal_position[b, n]).astype(int)
            column = state.blocks[b, x, z]
            assert SOLID[column[y - 1]]
            assert not SOLID[column[y]]
            assert not LIQUID[column[y]]
    assert len(ANIMALS) > 1
    moved = np.abs(state.animal_position - start).max(axis=2)[state.animal_kind > 0]
    assert (moved > 1).mean() > 0.6


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        (noop_actions(2), r"takes \(1, 1, 8\)"),
        (noop_actions(1) + 24, "outside"),
        (noop_actions(1) - 1, "outside"),
    ],
)
def test_bad_actions_are_refused_in_a_sentence(actions, sentence):
    with pytest.raises(ValueError, match=sentence):
        flat_sim().tick(actions)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="set both to 1 or more"):
        VoxelSimConfig(worlds=0)
