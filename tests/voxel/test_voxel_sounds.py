"""What a body hears: direction, loudness, order."""

from __future__ import annotations

import numpy as np
import pytest

from worlds.voxel.data import ANIMAL_KIND, WATER
from worlds.voxel.sounds import HEARING, bearing_deg, hear
from worlds.voxel.state import VoxelState


def quiet_world() -> VoxelState:
    state = VoxelState.empty(2, (64, 64, 24), bodies=2)
    state.position[:] = 32.5, 8.0, 32.5
    return state


def put(state: VoxelState, slot: int, kind: str, dx: float, dz: float) -> None:
    state.animal_kind[0, slot] = ANIMAL_KIND[kind]
    state.animal_position[0, slot] = state.position[0, 0] + (dx, 0.0, dz)


@pytest.mark.parametrize(
    ("dx", "dz", "yaw", "bearing"),
    [
        (1, 0, 0, 90),
        (0, -1, 0, 0),
        (-1, 0, 0, -90),
        (0, 1, 0, 180),
        (0, 1, 360, 180),
        (0, -1, 350, 10),
        (1, 0, 270, 180),
    ],
)
def test_bearing_is_clockwise_from_the_heading(dx: float, dz: float, yaw: float, bearing: float) -> None:
    assert bearing_deg(dx, dz, yaw) == pytest.approx(bearing)


def test_bearings_lie_in_the_half_open_circle() -> None:
    for angle in np.linspace(-720, 720, 97):
        assert -180 < bearing_deg(0.0, 1.0, angle) <= 180


def test_near_is_louder_and_comes_first() -> None:
    state = quiet_world()
    put(state, 0, "cow", 0, -20)
    put(state, 3, "pig", 5, 0)
    sounds = hear(state, 0, 0)
    assert [sound.name for sound in sounds] == ["oink", "moo"]
    assert sounds[0].loudness == pytest.approx(1 - 5 / HEARING)
    assert [round(sound.bearing_deg) for sound in sounds] == [90, 0]


def test_too_far_is_silent_and_worlds_are_apart() -> None:
    state = quiet_world()
    put(state, 0, "sheep", HEARING + 0.1, 0)
    assert hear(state, 0, 0) == ()
    put(state, 0, "sheep", 3, 0)
    assert len(hear(state, 0, 0)) == len(hear(state, 0, 1)) == 1
    assert hear(state, 1, 0) == ()


def test_turning_turns_the_bearing() -> None:
    state = quiet_world()
    put(state, 0, "chicken", 4, 0)
    state.yaw_deg[0, 0] = 90
    assert hear(state, 0, 0)[0].bearing_deg == pytest.approx(0)


def test_water_is_heard_from_its_nearest_cell() -> None:
    state = quiet_world()
    state.blocks[0, 32, 36, 8] = state.blocks[0, 32, 38, 8] = WATER
    (sound,) = hear(state, 0, 0)
    assert (sound.name, round(sound.bearing_deg)) == ("water", 180)
    state.blocks[0, 32, 34, 8] = WATER
    assert hear(state, 0, 0)[0].loudness > sound.loudness
