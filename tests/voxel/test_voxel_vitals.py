"""Health, food and breath: what armour stops, what eats and heals, and that the dead stay dead."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, act, flat_sim, random_actions

from worlds.voxel.data import ARMOR_POINTS, BLOCK, ITEM
from worlds.voxel.physics import JUMPING, SPRINTING
from worlds.voxel.sim import VoxelSim

IRON = ("iron_boots", "iron_leggings", "iron_chestplate", "iron_helmet")
HOT = [BLOCK[name] for name in ("lava", "cactus", "magma_block", "water", "stone")]


def wear(sim: VoxelSim, *pieces: str) -> int:
    """Put armour on; its points."""
    sim.state.armor[:] = 0
    for part, name in enumerate(pieces):
        sim.state.armor[..., part] = ITEM[name]
    return int(ARMOR_POINTS[sim.state.armor[0, 0]].sum())


def lost(sim: VoxelSim, ticks: int) -> float:
    sim.state.food[:] = 10  # neither healing nor hunger
    sim.state.health[:] = 20
    act(sim, ticks)
    return 20 - float(sim.state.health[0, 0])


@pytest.mark.parametrize("pieces", [(), IRON[:1], IRON])
def test_armour_takes_four_percent_per_point_off_lava_and_thorns(pieces: tuple[str, ...]) -> None:
    for block, depth, damage in (("lava", 0, 4.0), ("magma_block", 1, 1.0)):
        sim = flat_sim()
        sim.state.blocks[..., FLOOR - depth] = BLOCK[block]
        points = wear(sim, *pieces)
        assert (points > 0) == bool(pieces)
        assert lost(sim, 10) == pytest.approx(damage * (1 - 0.04 * points))


def test_armour_stops_neither_a_fall_nor_drowning() -> None:
    sim = flat_sim()
    wear(sim, *IRON)
    sim.state.position[0, 0, 1] = FLOOR + 9
    assert lost(sim, 60) == 6
    sim.state.blocks[..., FLOOR : FLOOR + 8] = BLOCK["water"]
    sim.state.air[:] = 0
    sim.state.tick[:] = 0
    assert lost(sim, 40) == 4


@pytest.mark.parametrize(("dx", "dz"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_cactus_hurts_whoever_leans_on_it_and_nobody_a_step_away(dx: int, dz: int) -> None:
    sim = flat_sim()
    sim.state.blocks[0, 8 + dx, 8 + dz, FLOOR : FLOOR + 2] = BLOCK["cactus"]
    assert lost(sim, 20) == 0  # the middle of a cell is 0.2 blocks off its neighbours
    sim.state.position[0, 0, [0, 2]] += (0.2 * dx, 0.2 * dz)
    assert lost(sim, 20) == 2


@pytest.mark.parametrize(("food", "health"), [(17.9, 10), (18.0, 11), (0.1, 10), (0.0, 9)])
def test_a_body_heals_from_eighteen_points_of_food_and_starves_without_any(food: float, health: int) -> None:
    sim = flat_sim()
    sim.state.health[:], sim.state.food[:] = 10, food
    act(sim, 80)
    assert sim.state.health[0, 0] == health
    assert sim.state.food[0, 0] == pytest.approx(food - 1.5 * (health > 10))


def test_hunger_alone_does_not_kill() -> None:
    sim = flat_sim()
    sim.state.health[:], sim.state.food[:] = 3, 0
    act(sim, 80 * 4)
    assert sim.state.health[0, 0] == 1


def test_sprinting_and_jumping_eat_by_the_block_and_by_the_leap() -> None:
    sim = flat_sim(size=(64, 64, 24))
    start = sim.state.position[0, 0].copy()
    act(sim, 60, move=1, mode=SPRINTING)
    gone = float(np.hypot(*(sim.state.position[0, 0] - start)[[0, 2]]))
    assert gone > 12
    assert 20 - sim.state.food[0, 0] == pytest.approx(gone * 0.1 / 4)
    for mode, meal in ((0, 0.0), (JUMPING, 3 * 0.05 / 4)):
        sim = flat_sim()
        for _ in range(3):
            act(sim, 1, mode=mode)
            act(sim, 19)
        assert 20 - sim.state.food[0, 0] == pytest.approx(meal)


def test_all_three_stay_within_their_bounds_and_the_dead_neither_heal_nor_change() -> None:
    """Rough play in hot, wet and steep worlds, without anybody's mercy."""
    rng = np.random.default_rng(2)
    worlds = 32
    sim = flat_sim(worlds=worlds)
    state = sim.state
    room = state.blocks[..., FLOOR - 1 : 20]
    room[:] = np.where(rng.random(room.shape) < 0.15, rng.choice(HOT, room.shape), 0)
    state.position[:, :, 1] = rng.uniform(10, 23, (worlds, 1))
    state.health[:] = rng.uniform(0.5, 20, (worlds, 1))
    state.food[:] = rng.choice([0.0, 0.2, 10.0, 20.0], (worlds, 1))
    state.air[:] = rng.choice([0.0, 1.0, 150.0, 300.0], (worlds, 1))
    graves: dict[int, list[bytes]] = {}
    for actions in random_actions(rng, 320, worlds):
        sim.tick(actions)
        for name, most in (("health", 20), ("food", 20), ("air", 300)):
            values = getattr(state, name)
            assert ((values >= 0) & (values <= most)).all(), name
        for b in np.flatnonzero(state.health[:, 0] <= 0):
            left = [
                getattr(state, n)[b].tobytes()
                for n in ("health", "food", "air", "position", "yaw_deg", "item")
            ]
            assert graves.setdefault(int(b), left) == left
    assert 5 < len(graves) < worlds
