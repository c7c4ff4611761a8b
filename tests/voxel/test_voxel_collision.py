"""Bodies against blocks: the sweep and the fit by arithmetic on plain boxes, no cell ever newly entered, and
motion that is the same whichever way the world is turned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, SOLID
from worlds.voxel.physics import HALF_WIDTH, HEIGHT, LAVA, SKIN, WATER, body_fits, move_body, sweep

LIQUID = np.zeros(len(SOLID), np.uint8)
LIQUID[[BLOCK["water"], BLOCK["lava"]]] = WATER, LAVA
KINDS = [BLOCK[name] for name in ("stone", "water", "lava", "poppy", "oak_leaves", "glass")]
SIZE = (9, 9, 12)
AROUND = 8
"""Cells beyond the grid that are looked at."""
Cell = tuple[int, int, int]


def clutter(random: np.random.Generator, worlds: int, share: float = 0.25) -> NDArray[np.uint8]:
    shape = (worlds, *SIZE)
    return np.where(random.random(shape) < share, random.choice(KINDS, shape), 0).astype(np.uint8)


def overlapped(world: NDArray[np.uint8], x: float, y: float, z: float) -> set[Cell]:
    """The solid cells (x, z, y) that a body at (x, y, z) is in by more than the skin: every cell's box
    against the body's. Outside the grid everything is solid but the sky."""
    below_sky = np.pad(SOLID[world], ((0, 0), (0, 0), (0, AROUND)))
    solid = np.pad(below_sky, ((AROUND, AROUND), (AROUND, AROUND), (AROUND, 0)), constant_values=True)
    inside = []
    for low, high, cells in (
        (x - HALF_WIDTH, x + HALF_WIDTH, solid.shape[0]),
        (z - HALF_WIDTH, z + HALF_WIDTH, solid.shape[1]),
        (y, y + HEIGHT, solid.shape[2]),
    ):
        first = np.arange(cells) - AROUND
        inside.append(np.minimum(high, first + 1) - np.maximum(low, first) > SKIN)
    met = solid & inside[0][:, None, None] & inside[1][None, :, None] & inside[2]
    return {tuple(cell) for cell in np.argwhere(met)}


def place_in(random: np.random.Generator) -> tuple[float, float, float]:
    x, z = random.uniform(0.4, SIZE[0] - 0.4, 2)
    return float(x), float(random.uniform(0, SIZE[2])), float(z)


def test_a_body_fits_where_its_box_shares_no_room_with_a_solid_cell() -> None:
    random = np.random.default_rng(1)
    blocks, told = clutter(random, 1, 0.1), []
    for _ in range(600):
        x, y, z = place_in(random)
        if random.random() < 0.3:  # over the border, or up in the sky
            x, y, z = x - random.uniform(0, 1), y + random.uniform(-2, 6), z + random.uniform(0, 1)
        fits = body_fits(blocks, SOLID, 0, x, y, z)
        assert fits == (not overlapped(blocks[0], x, y, z)), (x, y, z)
        told.append(fits)
    assert 0.1 < np.mean(told) < 0.9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_sweep_goes_as_far_as_small_steps_would(axis: int) -> None:
    """The first step of 1/50 block that enters a solid cell tells where the sweep has to end."""
    random = np.random.default_rng(10 + axis)
    blocks, stopped = clutter(random, 1, 0.12), 0
    for _ in range(60):
        x, y, z = place_in(random)
        while overlapped(blocks[0], x, y, z):
            x, y, z = place_in(random)
        delta = float(random.uniform(-3, 3))
        unit = [(1, 0, 0), (0, 0, 1), (0, 1, 0)][axis]  # x, y, z of axes x, z, y
        gone = sweep(blocks, SOLID, 0, x, y, z, axis, delta)
        assert 0.0 <= gone / delta <= 1.0
        free = 0.0
        for t in np.linspace(0.0, delta, 1 + math.ceil(abs(delta) * 50)):
            if overlapped(blocks[0], x + unit[0] * t, y + unit[1] * t, z + unit[2] * t):
                break
            free = float(t)
        assert abs(gone - free) <= 1 / 50 + 2 * SKIN, (x, y, z, delta)
        if gone != delta:
            end = [v + u * gone for v, u in zip((x, y, z), unit, strict=True)]
            assert not overlapped(blocks[0], *end)
            face = end[{0: 0, 1: 2, 2: 1}[axis]]
            face += ((-HALF_WIDTH, HALF_WIDTH), (-HALF_WIDTH, HALF_WIDTH), (0.0, HEIGHT))[axis][delta > 0]
            assert face == pytest.approx(round(face), abs=1e-9)  # it touches a cell
            stopped += 1
    assert stopped > 15


class Bodies:
    """One body in each of some worlds, moved by `move_body` alone."""

    def __init__(self, blocks: NDArray[np.uint8]) -> None:
        worlds = len(blocks)
        self.blocks = blocks
        self.position = np.zeros((worlds, 1, 3))
        self.velocity = np.zeros((worlds, 1, 3))
        self.yaw_deg = np.zeros((worlds, 1))
        self.on_ground = np.zeros((worlds, 1), np.bool_)

    def move(self, b: int, forward: int, right: int, mode: int) -> float:
        return move_body(
            self.blocks, SOLID, LIQUID, self.position, self.velocity, self.yaw_deg, self.on_ground, b, 0,
            forward, right, mode,
        )  # fmt: skip


def draw_move(random: np.random.Generator) -> tuple[int, int, int]:
    forward, right = random.choice((0, 1, 1, 1, -1)), random.choice((0, 0, 1, -1))
    return int(forward), int(right), int(random.integers(4))


def test_a_move_enters_no_solid_cell_that_the_body_was_not_in() -> None:
    """Bodies thrown at random into clutter, some of them set down inside of blocks, some very fast."""
    random = np.random.default_rng(4)
    bodies = Bodies(clutter(random, 60))
    stuck = moved = 0
    for b in range(60):
        world = bodies.blocks[b]
        bodies.position[b, 0] = place_in(random)
        bodies.velocity[b, 0] = random.uniform(-1.5, 1.5, 3)
        for _ in range(25):
            before = overlapped(world, *bodies.position[b, 0])
            start = bodies.position[b, 0].copy()
            bodies.yaw_deg[b, 0] += random.uniform(-40, 40)
            fallen = bodies.move(b, *draw_move(random))
            after = overlapped(world, *bodies.position[b, 0])
            assert after <= before, (b, start, bodies.position[b, 0])
            assert fallen >= 0.0
            stuck, moved = stuck + bool(before), moved + (not np.array_equal(start, bodies.position[b, 0]))
    assert stuck > 50
    assert moved > 700


def quarter(
    blocks: NDArray[np.uint8], position: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], list[float]]:
    """A world (X, Z, Y) and a place turned a quarter clockwise, as seen from above: north becomes east."""
    x, y, z = position
    turned = np.ascontiguousarray(np.flip(blocks.swapaxes(0, 1), axis=0))
    return turned, [SIZE[1] - z, y, x]


def test_a_world_turned_by_a_quarter_turns_the_path_and_nothing_else() -> None:
    random = np.random.default_rng(6)
    blocks = clutter(random, 24, 0.2)
    straight, turned = Bodies(blocks), Bodies(blocks.copy())
    climbed = 0.0
    for b in range(24):
        while overlapped(blocks[b], *straight.position[b, 0]):
            straight.position[b, 0] = place_in(random)
        straight.yaw_deg[b, 0] = random.uniform(0, 360)  # so that the two axes are never pushed alike
        turned.blocks[b], turned.position[b, 0] = quarter(blocks[b], straight.position[b, 0])
        turned.yaw_deg[b, 0] = straight.yaw_deg[b, 0] + 90.0
        for _ in range(80):
            move = draw_move(random)
            height = straight.position[b, 0, 1]
            fallen = straight.move(b, *move)
            assert turned.move(b, *move) == pytest.approx(fallen, abs=1e-6)
            _, expected = quarter(blocks[b], straight.position[b, 0])
            assert turned.position[b, 0] == pytest.approx(expected, abs=1e-6)
            assert turned.on_ground[b, 0] == straight.on_ground[b, 0]
            climbed += max(0.0, straight.position[b, 0, 1] - height)
    assert climbed > 20  # steps, jumps and swimming were among it
