"""Snapshots: all that a later tick, frame or sound depends on, shared with nobody, and refused whole."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import equal, flat_sim, random_actions

from worlds.types import Sound
from worlds.voxel.render import render_batch
from worlds.voxel.sim import VoxelSim, VoxelSimConfig
from worlds.voxel.sounds import hear
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig

TERRAIN = TerrainConfig(size=(32, 32, 32), animals=(("cow", 2), ("pig", 2)))


def fresh() -> VoxelSim:
    return VoxelSim(VoxelSimConfig(worlds=2, bodies=2, terrain=TERRAIN))


def told(sim: VoxelSim) -> tuple[bytes, list[tuple[Sound, ...]]]:
    heard = [hear(sim.state, b, a) for b in range(2) for a in range(2)]
    return render_batch(sim.state, 16).tobytes(), heard


@pytest.mark.parametrize("seed", range(3))
def test_another_simulator_goes_on_from_any_moment_with_the_same_frames_and_sounds(seed: int) -> None:
    """The heir has lived through other worlds, whose tables and animals must not show."""
    random = np.random.default_rng(seed)
    sim, heir = fresh(), fresh()
    for b in range(2):
        sim.reset(b, seed + b)
        heir.reset(b, seed + 70 + b)
    kept, at = sim.snapshot(), 0
    moments = {int(moment) for moment in random.integers(10, 110, 4)}
    actions, record = random_actions(random, 120, 2, 2), {}
    for tick in range(120):
        if tick in moments:
            kept, at = sim.snapshot(), tick
        record[tick] = told(sim)
        sim.tick(actions[tick])
    told(heir)
    heir.restore(kept)
    for tick in range(at, 120):
        assert told(heir) == record[tick], tick
        heir.tick(actions[tick])
    assert equal(heir.state, sim.state)
    assert len({frames for frames, _ in record.values()}) > 60


def test_a_snapshot_shares_nothing_and_restoring_twice_gives_the_same() -> None:
    sim = fresh()
    sim.reset(0, 5)
    kept = sim.snapshot()
    for name, array in vars(sim.state).items():
        assert not np.shares_memory(array, getattr(kept, name)), name
    for actions in random_actions(np.random.default_rng(6), 30, 2, 2):
        sim.tick(actions)
    for _ in range(2):
        sim.restore(kept)
        assert equal(sim.state, kept)
        sim.state.blocks[:] = 0  # does not reach into the snapshot
        sim.state.position[:] = -1


@pytest.mark.parametrize(("worlds", "bodies", "animals"), [(2, 1, 12), (1, 2, 12), (1, 1, 13)])
def test_a_snapshot_that_is_refused_leaves_the_world_as_it_was(
    worlds: int, bodies: int, animals: int
) -> None:
    """The first array whose shape differs is named, though arrays of the same shape come before it."""
    sim = flat_sim()
    before = sim.snapshot()
    other = VoxelState.empty(worlds, (16, 16, 24), bodies, animals)
    name = "blocks" if worlds > 1 else "position" if bodies > 1 else "animal_kind"
    with pytest.raises(ValueError, match=f"the snapshot's {name} is "):
        sim.restore(other)
    assert equal(sim.state, before)
