"""Dense labels against a count by hand: a class is in a cell of the grid where enough of its pixels show it,
and what is asked about a frame is answered from the pixels of that frame."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from worlds.voxel.data import ANIMALS, BLOCK_NAMES
from worlds.voxel.grounding import GRID, NAMED, VoxelGrounding
from worlds.voxel.mirror import COLUMNS, NOTES
from worlds.voxel.render import render
from worlds.voxel.state import VoxelState
from worlds.voxel.tasks.common import new_ground, put_body, world_config

SURFACES = {
    "water": lambda name: name == "water",
    "leaves": lambda name: name.endswith("_leaves"),
    "log": lambda name: name.endswith("_log") and name != "oak_log",
    "grass": lambda name: name in ("grass_block", "podzol", "dirt", "coarse_dirt"),
    "sand": lambda name: name in ("sand", "red_sand", "sandstone", "gravel"),
    "snow": lambda name: name in ("snow_block", "ice", "packed_ice"),
}


@pytest.mark.parametrize("size", [64, 96])
def test_a_class_is_in_a_cell_where_enough_pixels_show_it(size: int) -> None:
    source, rng, named = VoxelGrounding(size), np.random.default_rng(size), Counter[str]()
    config = world_config(rng, 2)
    ground = new_ground(VoxelState.empty(1, config.size), 9, config)
    state = ground.state
    for _ in range(5):
        put_body(state, ground.stands[rng.integers(len(ground.stands))], 90.0 * rng.integers(4))
        x, y, z = state.position[0, 0]
        for n in range(3):  # some to the north of it, where it may look
            state.animal_position[0, n] = (x + rng.uniform(-4, 4), y, z - rng.uniform(2, 6))
        rendered = render(state, 0, 0, size)
        counts: dict[tuple[int, int], Counter[str]] = {at: Counter() for at in product(range(GRID), repeat=2)}
        for row, column in product(range(size), repeat=2):
            cell = counts[row * GRID // size, column * GRID // size]
            animal, depth = int(rendered.animal[row, column]), float(rendered.depth[row, column])
            block = BLOCK_NAMES[rendered.block_id[row, column]]
            if animal >= 0:
                cell[ANIMALS[state.animal_kind[0, animal]].name] += 1
            elif depth == np.inf:
                cell["sky"] += 1
            else:
                cell[block] += block in NAMED
                for name, holds in SURFACES.items():
                    cell[name] += holds(block)
            cell["near"] += depth < 6.0
            cell["mid"] += 6.0 <= depth < 14.0
        told = source._classes(rendered, state)
        least = 2 * size**2 // 64**2
        for (row, column), cell in counts.items():
            shown = {name for name, pixels in cell.items() if pixels >= least}
            there = np.flatnonzero(told[row, column])
            assert {source.class_names[k] for k in there} == shown
            named.update(shown)
    assert {"near", "mid", "sky", "leaves"} <= set(named)
    assert len(set(named) & {animal.name for animal in ANIMALS}) > 0
    assert len(named) > 8


def test_a_caption_and_the_answers_of_a_frame_tell_the_same() -> None:
    batch, told = VoxelGrounding(64).sample(96, 4, "validation"), 0
    for caption, questions in zip(batch.captions, batch.questions, strict=True):
        answers = {q.text.removeprefix("find "): q.answer for q in questions if q.kind == "named"}
        things = [] if caption == NOTES[0] else caption.removeprefix("see ").split(" and ")
        assert len(things) <= 4
        for thing in {t.split(" ")[0]: t for t in reversed(things)}.values():
            name, column, distance = thing.split(" ")
            assert column in COLUMNS
            assert answers[name] == f"see {column} {distance}"
            told += 1
        assert (caption == NOTES[0]) == all(answer == NOTES[0] for answer in answers.values())
    assert told > 40
