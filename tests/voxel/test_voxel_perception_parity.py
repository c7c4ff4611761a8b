"""Things in sight against plain counting of a frame's pixels: the same clusters, sizes, columns and order, in
frames of all sizes and however much of the frame is asked about."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, flat_sim

from worlds.voxel.data import ANIMAL_KIND, ANIMALS, BLOCK, BLOCK_NAMES
from worlds.voxel.perception import CLUSTER, MIN_PIXELS, block_mask, things_in_sight
from worlds.voxel.render import Rendered, render
from worlds.voxel.sim import VoxelSim

NAMES = ("pumpkin", "melon", "gold_block", "oak_log")
Told = tuple[str, int, int, tuple[float, ...], tuple[int, ...]]


def scene(seed: int) -> VoxelSim:
    """Posts, walls and animals scattered over a plain, seen from somewhere among them."""
    random = np.random.default_rng(seed)
    sim = flat_sim(size=(40, 40, 24))
    for _ in range(60):
        x, z = random.integers(0, 40, 2)
        height = int(random.integers(1, 4))
        sim.state.blocks[0, x, z, FLOOR : FLOOR + height] = BLOCK[str(random.choice([*NAMES, "stone"]))]
    for slot in range(4):
        sim.state.animal_kind[0, slot] = random.choice(list(ANIMAL_KIND.values()))
        x, z = random.uniform(2, 38, 2)
        sim.state.animal_position[0, slot] = x, FLOOR, z
    sim.state.position[0, 0] = 20.5, FLOOR + random.uniform(0, 5), 20.5
    sim.look(0, 0, float(random.uniform(0, 360)), float(random.uniform(-10, 30)))
    return sim


def counted(frame: Rendered, sim: VoxelSim, names: tuple[str, ...]) -> list[Told]:
    """(name, column, pixels, mean of the cells or place of the animal, nearest cell), nearest first."""
    state, size = sim.state, frame.block_id.shape[1]
    body = state.position[0, 0, [0, 2]]
    found: list[tuple[float, Told]] = []

    def tell(name: str, columns: list[int], place: tuple[float, ...], cell: tuple[int, ...]) -> None:
        if len(columns) / size**2 >= MIN_PIXELS / 64**2:
            column = int(np.mean(columns) * 5 / size)
            away = float(np.hypot(place[0] - body[0], place[2] - body[1]))
            found.append((away, (name, column, len(columns), tuple(np.round(place, 6)), cell)))

    for n in range(len(state.animal_kind[0])):
        columns = np.nonzero(frame.animal == n)[1].tolist()
        x, y, z = (float(v) for v in state.animal_position[0, n])
        if columns:
            tell(ANIMALS[state.animal_kind[0, n]].name, columns, (x, y, z), (int(x), int(z), int(y)))
    for name in names:
        pixels: dict[tuple[int, ...], list[int]] = {}
        for row, column in np.argwhere(frame.block_id == BLOCK[name]).tolist():
            pixels.setdefault(tuple(frame.cell[row, column].tolist()), []).append(column)
        while pixels:
            cluster, edge = [], [next(iter(pixels))]
            columns = pixels.pop(edge[0])
            while edge:
                at = edge.pop()
                cluster.append(at)
                for cell in [c for c in pixels if np.abs(np.subtract(c, at)).max() <= CLUSTER]:
                    columns += pixels.pop(cell)
                    edge.append(cell)
            x, z, y = np.mean(cluster, axis=0) + 0.5
            nearest = min(cluster, key=lambda c: float(np.hypot(c[0] + 0.5 - body[0], c[1] + 0.5 - body[1])))
            tell(name, columns, (x, y, z), nearest)
    return [told for _, told in sorted(found, key=lambda entry: entry[0])]


@pytest.mark.parametrize("size", [33, 64, 100])
def test_the_things_of_a_frame_are_those_that_its_pixels_count_up_to(size: int) -> None:
    number = 0
    for seed in range(12):
        sim = scene(seed)
        frame = render(sim.state, 0, 0, size)
        things = things_in_sight(frame, sim.state, 0, 0, block_mask(NAMES))
        expected = counted(frame, sim, NAMES)
        assert [thing.name for thing in things] == [name for name, *_ in expected]
        body = sim.state.position[0, 0]
        for thing, (_, column, pixels, place, nearest) in zip(things, expected, strict=True):
            assert (thing.column, thing.pixels) == (column, pixels)
            assert thing.position == pytest.approx(place, abs=1e-5)
            away = np.hypot(*(np.array(thing.position) - body)[[0, 2]])
            assert thing.distance == pytest.approx(away)
            # Of cells that are equally near, any may be told.
            told, best = (np.hypot(*(np.array(c[:2]) + 0.5 - body[[0, 2]])) for c in (thing.cell, nearest))
            assert told == pytest.approx(best)
            if thing.animal < 0:
                assert (frame.cell[frame.block_id == BLOCK[thing.name]] == thing.cell).all(axis=1).any()
        number += len(things)
    assert number > 40


def test_arms_that_meet_at_their_far_end_are_one_thing() -> None:
    """Two bars too far apart to touch, joined on the right: read from the left, they were two until then."""
    sim = flat_sim(size=(32, 32, 24))
    for height in (0, 4):
        sim.state.blocks[0, 12:21, 8, FLOOR + height] = BLOCK["melon"]
    before = things_in_sight(render(sim.state, 0, 0, 64), sim.state, 0, 0, block_mask(NAMES))
    sim.state.blocks[0, 20, 8, FLOOR : FLOOR + 5] = BLOCK["melon"]
    frame = render(sim.state, 0, 0, 64)
    (thing,) = things_in_sight(frame, sim.state, 0, 0, block_mask(NAMES))
    assert len(before) == 2
    assert thing.pixels == (frame.block_id == BLOCK["melon"]).sum()


def test_no_pixel_is_lost_where_the_frame_is_full_of_what_is_asked_for() -> None:
    """From a tower over a plain of sand nearly every pixel shows a cell of its own; the melon on the far
    right is in sight for all that."""
    sim = flat_sim(size=(96, 96, 24))
    sim.state.blocks[0, :, :, FLOOR - 1] = BLOCK["sand"]
    sim.state.position[0, 0] = 48.5, FLOOR + 12, 80.5
    sim.state.pitch_deg[:] = 30
    sim.state.blocks[0, 60:64, 66:70, FLOOR : FLOOR + 4] = BLOCK["melon"]
    frame = render(sim.state, 0, 0, 64)
    shown = {name: int((frame.block_id == BLOCK[name]).sum()) for name in ("sand", "melon")}
    assert shown["melon"] > 2 * MIN_PIXELS
    assert len(np.unique(frame.cell[frame.block_id > 0], axis=0)) > 1024
    told = dict.fromkeys(shown, 0)
    for thing in things_in_sight(frame, sim.state, 0, 0, block_mask(BLOCK_NAMES)):
        told[thing.name] += thing.pixels
    assert told["melon"] == shown["melon"]
    assert told["sand"] > 0.95 * shown["sand"]  # at the horizon lie specks too small to be things
