"""Lines through blocks against exact geometry: a plain slab test of every cell says what a free line, the
hand's target and the animal in the way are, for lines of any length and slant."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import flat_sim
from numpy.typing import NDArray

from worlds.voxel.data import ANIMALS, BLOCK, LIQUID, REPLACEABLE, SOLID
from worlds.voxel.free_lines import free_line
from worlds.voxel.interact import HIT_REACH, REACH, look_vector, put_block, target_animal, target_block
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.tables import TABLES

SIDE = 10
KINDS = ("stone", "oak_leaves", "glass", "water", "lava", "poppy", "grass", "dirt")
Point = NDArray[np.float64]
"""x, y, z."""


def clutter(seed: int, share: float, size: tuple[int, int, int] = (SIDE,) * 3) -> NDArray[np.uint8]:
    """Random blocks (X, Z, Y): cubes, liquids and plants."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.array([BLOCK[name] for name in KINDS], np.uint8), size)
    return np.where(rng.random(ids.shape) < share, ids, 0).astype(np.uint8)


def within(low: Point, high: Point, start: Point, way: Point) -> tuple[NDArray[np.float64], ...]:
    """Where the lines start + t * way enter and leave boxes (..., 3): t, t (enter > leave: never)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - start) / way, (high - start) / way
    return np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)


def cells(x: int, z: int, y: int) -> Point:
    """The low corners of all cells, by x, y, z."""
    return np.stack(np.meshgrid(*map(np.arange, (x, y, z)), indexing="ij"), -1).astype(np.float64)


@pytest.mark.parametrize("seed", range(4))
def test_a_free_line_is_one_that_crosses_no_cube_between_its_ends(seed: int) -> None:
    blocks = clutter(seed, 0.25)
    solid_xyz = SOLID[blocks].transpose(0, 2, 1)
    rng, told, low = np.random.default_rng([seed, 1]), [], cells(SIDE, SIDE, SIDE)
    for trial in range(250):
        eye = rng.uniform(0.0, SIDE, 3)
        point = rng.uniform(0.0, SIDE, 3) if trial % 2 else np.clip(eye + rng.normal(0, 1.5, 3), 0.01, 9.99)
        enter, leave = within(low, low + 1, eye, point - eye)
        length = np.minimum(leave, 1.0) - np.maximum(enter, 0.0)
        if (abs(length) < 1e-9).any():
            continue  # through an edge: either answer will do
        crossed = (length > 0) & solid_xyz
        for end in (eye, point):
            crossed[tuple(np.floor(end).astype(int))] = False
        free = free_line(blocks, SOLID, tuple(eye), tuple(point))
        assert free == (not crossed.any())
        assert free == free_line(blocks, SOLID, tuple(point), tuple(eye))
        told.append(free)
    assert len(told) > 200
    assert 0.2 < np.mean(told) < 0.9


@pytest.mark.parametrize("liquids", [False, True])
def test_the_hand_meets_the_first_block_on_its_ray(liquids: bool) -> None:
    sim, rng, hits = flat_sim(), np.random.default_rng(int(liquids)), 0
    low = cells(16, 16, 24)
    for trial in range(300):
        if trial % 60 == 0:
            sim.state.blocks[0] = clutter(trial, 0.08, (16, 16, 24))
        sim.state.position[0, 0] = rng.uniform(0.1, 15.9, 3)
        sim.look(0, 0, rng.uniform(0, 360), rng.uniform(-90, 90))
        eye = sim.state.position[0, 0] + (0.0, EYE_HEIGHT, 0.0)
        if sim.state.blocks[0, int(eye[0]), int(eye[2]), int(eye[1])]:
            continue  # it looks out of a block
        enter, leave = within(low, low + 1, eye, np.array(look_vector(sim.arrays, 0, 0)))
        enter = np.maximum(enter, 0.0)
        if (abs(leave - enter) < 1e-9).any():
            continue
        block = sim.state.blocks[0].transpose(0, 2, 1)
        stops = (block > 0) & (liquids | ~LIQUID[block]) & (leave > enter) & (enter <= REACH)
        distance, x, z, y, *before = target_block(sim.arrays, TABLES, 0, 0, liquids)
        if not stops.any():
            assert (distance, x) == (-1.0, -1)
            continue
        first = np.unravel_index(np.where(stops, enter, np.inf).argmin(), stops.shape)
        assert (x, y, z) == first
        assert distance == pytest.approx(enter[first])
        assert abs(np.array(before) - (x, z, y)).sum() == 1  # the face that is looked at
        assert enter[before[0], before[2], before[1]] < distance
        hits += 1
    assert hits > 60


def test_the_animal_that_is_hit_is_the_nearest_box_on_the_ray() -> None:
    sim, rng, hits = flat_sim(), np.random.default_rng(2), 0
    for _ in range(400):
        sim.look(0, 0, rng.uniform(0, 360), rng.uniform(-40, 60))
        eye = sim.state.position[0, 0] + (0.0, EYE_HEIGHT, 0.0)
        kinds = rng.integers(0, len(ANIMALS), 12)
        sim.state.animal_kind[0] = kinds
        sim.state.animal_position[0] = sim.state.position[0, 0] + rng.uniform(-3, 3, (12, 3)) * (1, 0.4, 1)
        half = np.array([(ANIMALS[k].width / 2, 0.0, ANIMALS[k].width / 2) for k in kinds])
        tall = np.array([(ANIMALS[k].width / 2, ANIMALS[k].height, ANIMALS[k].width / 2) for k in kinds])
        at = sim.state.animal_position[0]
        enter, leave = within(at - half, at + tall, eye, np.array(look_vector(sim.arrays, 0, 0)))
        enter = np.maximum(enter, 0.0)
        met = (kinds > 0) & (enter < leave) & (enter <= HIT_REACH)
        if (met & (enter == 0)).sum() > 1:
            continue  # the eye is inside of two
        expected = int(np.where(met, enter, np.inf).argmin()) if met.any() else -1
        assert target_animal(sim.arrays, TABLES, 0, 0, HIT_REACH) == expected
        hits += expected >= 0
    assert hits > 80


def test_no_cube_is_put_into_anybody_and_everything_else_goes_where_it_may() -> None:
    sim, rng = flat_sim(bodies=2), np.random.default_rng(4)
    placed = refused = 0
    for _ in range(600):
        sim.state.blocks[0, :, :, 8:] = rng.choice([0, BLOCK["grass"], BLOCK["dirt"]], (16, 16, 16))
        cell = rng.integers((4, 8, 4), (8, 12, 8))  # x, y, z
        boxes = []
        for a in range(2):
            sim.state.position[0, a] = place = cell + rng.uniform(-2, 2, 3)
            boxes.append((place, 0.3, 1.8))
        kind = int(rng.integers(len(ANIMALS)))
        sim.state.animal_kind[0, 5] = kind
        sim.state.animal_position[0, 5] = place = cell + rng.uniform(-2, 2, 3)
        boxes += [(place, ANIMALS[kind].width / 2, ANIMALS[kind].height)] if kind else []
        inside = any(
            (cell + 1e-6 < np.add(at, (r, tall, r))).all()
            and (cell + 1 - 1e-6 > np.subtract(at, (r, 0, r))).all()
            for at, r, tall in boxes
        )
        block = int(rng.choice([BLOCK["stone"], BLOCK["water"], BLOCK["poppy"]]))
        x, y, z = (int(v) for v in cell)
        old = int(sim.state.blocks[0, x, z, y])
        done = put_block(sim.arrays, TABLES, 0, x, z, y, block)
        assert done == (bool(REPLACEABLE[old]) and not (SOLID[block] and inside))
        assert sim.state.blocks[0, x, z, y] == (block if done else old)
        placed, refused = placed + done, refused + inside
    assert min(placed, refused) > 50
