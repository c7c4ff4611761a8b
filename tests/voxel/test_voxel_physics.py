"""Bodies move as Minecraft's do, and never into a solid block."""

from __future__ import annotations

import math

import numpy as np
import pytest
from flat_world import FLOOR, act, flat_sim, give, random_actions

from worlds.voxel.data import BLOCK, PLACES_BLOCK, SOLID
from worlds.voxel.physics import JUMPING, SNEAKING, SPRINTING, TICKS_PER_S, body_fits, fall_height
from worlds.voxel.sim import NO_TURN


@pytest.mark.parametrize(("mode", "speed"), [(0, 4.317), (SPRINTING, 5.612), (SNEAKING, 1.295)])
def test_speeds_are_minecrafts(mode, speed):
    sim = flat_sim(size=(64, 64, 24))
    act(sim, 20, move=1, mode=mode)
    start = sim.state.position[0, 0].copy()
    act(sim, TICKS_PER_S, move=1, mode=mode)
    assert start[2] - sim.state.position[0, 0, 2] == pytest.approx(speed, abs=1e-3)


@pytest.mark.parametrize(("yaw", "dx", "dz"), [(0, 0, -1), (90, 1, 0), (180, 0, 1), (270, -1, 0)])
def test_forward_follows_the_compass_and_right_is_clockwise(yaw, dx, dz):
    for move, strafe, expected in (
        (1, 0, (dx, dz)),
        (0, 2, (-dz, dx)),
        (2, 0, (-dx, -dz)),
        (0, 1, (dz, -dx)),
    ):
        sim = flat_sim()
        sim.look(0, 0, yaw, 0)
        start = sim.state.position[0, 0].copy()
        act(sim, 5, move=move, strafe=strafe)
        gone = (sim.state.position[0, 0] - start)[[0, 2]]
        assert gone / np.hypot(*gone) == pytest.approx(expected, abs=1e-6)


def test_a_jump_is_1_252_blocks_high_and_lasts_12_ticks():
    sim = flat_sim()
    act(sim, mode=JUMPING)
    heights = [sim.state.position[0, 0, 1]]
    while not sim.state.on_ground[0, 0]:
        act(sim)
        heights.append(sim.state.position[0, 0, 1])
    assert max(heights) - FLOOR == pytest.approx(1.2522, abs=1e-4)
    assert len(heights) == 12


def test_one_block_is_stepped_up_two_are_not_and_a_sneaking_body_stays_below():
    for height, mode, expected in ((1, 0, FLOOR + 1), (2, 0, FLOOR), (1, SNEAKING, FLOOR)):
        sim = flat_sim()
        sim.state.blocks[0, :, :6, FLOOR : FLOOR + height] = BLOCK["stone"]
        act(sim, 60, move=1, mode=mode)
        assert sim.state.position[0, 0, 1] == pytest.approx(expected)
        assert (sim.state.position[0, 0, 2] < 6) == (expected > FLOOR)


def test_no_step_up_under_a_low_ceiling():
    sim = flat_sim()
    sim.state.blocks[0, :, :6, FLOOR] = BLOCK["stone"]
    sim.state.blocks[0, :, :, FLOOR + 2] = BLOCK["stone"]
    act(sim, 40, move=1)
    assert sim.state.position[0, 0, 1] == FLOOR


@pytest.mark.parametrize(("height", "damage"), [(3, 0), (4, 1), (7, 4), (12, 9)])
def test_fall_damage_is_the_height_less_three(height, damage):
    sim = flat_sim()
    sim.state.position[0, 0, 1] = FLOOR + height
    sim.state.food[:] = 10  # no healing
    act(sim, 60)
    assert sim.state.position[0, 0, 1] == FLOOR
    assert sim.state.health[0, 0] == 20 - damage


def test_water_breaks_a_fall():
    sim = flat_sim()
    sim.state.blocks[..., FLOOR : FLOOR + 3] = BLOCK["water"]
    sim.state.position[0, 0, 1] = FLOOR + 14
    act(sim, 80)
    assert sim.state.health[0, 0] == 20


def test_fall_height_inverts_a_step_by_step_fall():
    speed, fallen = 0.0, 0.0
    for _ in range(60):
        fallen += speed
        if speed > 0.1:
            assert fall_height(speed, speed) == pytest.approx(fallen, abs=1e-6)
        speed = (speed + 0.08) * 0.98


def test_a_swimmer_rises_and_a_sunken_body_drowns():
    sim = flat_sim()
    sim.state.blocks[..., FLOOR : FLOOR + 8] = BLOCK["water"]
    sim.state.food[:] = 10
    act(sim, 300)
    assert sim.state.air[0, 0] == 0
    act(sim, 40)
    assert sim.state.health[0, 0] == 20 - 2 * 2
    act(sim, 100, mode=JUMPING)
    assert sim.state.position[0, 0, 1] > FLOOR + 6
    assert sim.state.air[0, 0] > 0


@pytest.mark.parametrize(
    ("block", "depth", "damage"), [("lava", 0, 4), ("magma_block", 1, 1), ("stone", 1, 0)]
)
def test_lava_and_magma_burn(block, depth, damage):
    sim = flat_sim()
    sim.state.blocks[..., FLOOR - depth] = BLOCK[block]
    sim.state.food[:] = 10
    act(sim, 20)
    assert sim.state.health[0, 0] == 20 - 2 * damage


def test_hunger_heals_and_starves():
    sim = flat_sim(worlds=2)
    sim.state.health[:] = 10
    sim.state.food[:, 0] = (20, 0)
    act(sim, 80)
    assert sim.state.health[:, 0].tolist() == [11, 9]
    assert sim.state.food[0, 0] < 20


def test_yaw_wraps_and_pitch_is_held():
    sim = flat_sim()
    act(sim, 7, pitch=NO_TURN + 1, yaw=NO_TURN - 1)
    assert sim.state.yaw_deg[0, 0] == 360 - 7 * 15
    assert sim.state.pitch_deg[0, 0] == 90


def test_the_edge_of_the_world_is_a_wall():
    sim = flat_sim()
    for yaw in (0, 90, 180, 270):
        sim.look(0, 0, yaw, 0)
        act(sim, 60, move=1, mode=SPRINTING)
    assert (sim.state.position[0, 0, [0, 2]] >= 0.3 - 1e-6).all()
    assert (sim.state.position[0, 0, [0, 2]] <= 15.7 + 1e-6).all()


def test_a_body_is_never_inside_a_solid_block():
    rng = np.random.default_rng(5)
    worlds, ticks = 64, 300
    sim = flat_sim(worlds=worlds)
    kinds = [BLOCK[name] for name in ("stone", "dirt", "water", "oak_log", "sand", "grass")]
    clutter = rng.choice(kinds, sim.state.blocks[..., FLOOR:20].shape)
    sim.state.blocks[..., FLOOR:20] = np.where(rng.random(clutter.shape) < 0.25, clutter, 0)
    sim.state.position[:, :, 1] = 20
    give(sim, 3, "dirt", 64)
    assert PLACES_BLOCK[sim.state.item[0, 0, 3]] == BLOCK["dirt"]
    solid = SOLID.copy()
    for actions in random_actions(rng, ticks, worlds):
        sim.state.health[:] = 20
        sim.tick(actions)
        for b, (x, y, z) in enumerate(sim.state.position[:, 0]):
            assert body_fits(sim.state.blocks, solid, b, x, y, z)
    moved = np.ptp(sim.state.position[:, 0], axis=0)
    assert (moved > 4).all()
    assert math.isfinite(sim.state.velocity.sum())
