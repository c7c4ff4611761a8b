"""What is in sight: the one rule behind notes, grounding labels, skills and the mirror."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, flat_sim

from worlds.voxel.data import ANIMAL_KIND, BLOCK
from worlds.voxel.mirror import NOTES
from worlds.voxel.perception import MIN_PIXELS, Thing, block_mask, note_about, things_in_sight
from worlds.voxel.render import render
from worlds.voxel.sim import VoxelSim

X, Z = 48, 48
MASK = block_mask(["pumpkin", "melon", "no block at all", "air"])


def world() -> VoxelSim:
    """A flat 96x96 world, the body in the middle, facing north (-z)."""
    return flat_sim(size=(96, 96, 24))


def put(sim: VoxelSim, name: str, east: int, north: int, height: int = 2) -> None:
    sim.state.blocks[0, X + east, Z - north, FLOOR : FLOOR + height] = BLOCK[name]


def seen(sim: VoxelSim) -> list[Thing]:
    return things_in_sight(render(sim.state, 0, 0, 64), sim.state, 0, 0, MASK)


@pytest.mark.parametrize(
    ("east", "north", "note"),
    [
        (0, 4, "see centre near"),
        (-8, 9, "see far-left far"),
        (8, 9, "see far-right far"),
        (-5, 12, "see left far"),
        (5, 12, "see right far"),
        (0, 12, "see centre far"),
        (0, -5, "see none"),
        (-20, 4, "see none"),
    ],
)
def test_a_thing_is_told_by_column_and_distance(east: int, north: int, note: str) -> None:
    sim = world()
    put(sim, "pumpkin", east, north)
    assert note_about("pumpkin", seen(sim)) == note
    assert note_about("melon", seen(sim)) == "see none"
    assert note in NOTES


def test_pixels_are_those_of_the_frame_and_enough_of_them_make_it_visible() -> None:
    for north in range(3, 46):
        sim = world()
        put(sim, "pumpkin", 0, north, height=1)
        pixels = int((render(sim.state, 0, 0, 64).block_id == BLOCK["pumpkin"]).sum())
        things = seen(sim)
        assert bool(things) == (pixels >= MIN_PIXELS)
        assert sum(thing.pixels for thing in things) in (0, pixels)
    assert pixels < MIN_PIXELS


def test_things_apart_are_two_and_things_that_touch_are_one() -> None:
    sim = world()
    for east in (-6, -5, 4):
        put(sim, "pumpkin", east, 9)
    put(sim, "melon", 0, 5)
    things = seen(sim)
    assert [thing.name for thing in things] == ["melon", "pumpkin", "pumpkin"]
    assert [thing.distance for thing in things] == sorted(thing.distance for thing in things)
    left = min((t for t in things if t.name == "pumpkin"), key=lambda t: t.column)
    assert left.position[0] == pytest.approx(X - 5, abs=0.6)


def test_a_wall_hides() -> None:
    sim = world()
    put(sim, "pumpkin", 0, 8)
    assert seen(sim)
    for east in range(-4, 5):
        put(sim, "stone", east, 5, height=3)
    assert not seen(sim)


def test_an_animal_is_a_thing_of_its_own() -> None:
    sim = world()
    for slot, east in enumerate((-1.2, 0.5)):
        sim.state.animal_kind[0, slot] = ANIMAL_KIND["pig"]
        sim.state.animal_position[0, slot] = (X + east, FLOOR, Z - 6.0)
        sim.state.animal_health[0, slot] = 10
    things = seen(sim)
    assert [thing.name for thing in things] == ["pig", "pig"]
    assert {thing.animal for thing in things} == {0, 1}
    assert np.allclose(things[0].position, sim.state.animal_position[0, things[0].animal])
