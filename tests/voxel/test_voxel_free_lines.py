"""A skill tells nothing of what no eye could see: worlds that look alike give the same outcome."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, flat_sim, give

from worlds.voxel.data import BLOCK, SOLID
from worlds.voxel.free_lines import free_line, sees_cell
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body

EYE = (16.5, FLOOR + 1.62, 20.5)


def walled(bend: bool, blocked: bool) -> Skills:
    """A room of walls two cells thick without a door, and a tunnel that leads into it, straight or with a
    bend; `blocked` by a stone in its far part. The body stands before the way down and has looked round."""
    sim = flat_sim(size=(32, 32, 24))
    blocks = sim.state.blocks[0]
    sim.state.position[0, 0] = (16.5, FLOOR, 20.5)
    blocks[13:20, 3:10, FLOOR : FLOOR + 4] = BLOCK["stone_bricks"]
    blocks[14:19, 4:9, FLOOR : FLOOR + 4] = 0
    for depth, z in enumerate((15, 14, 13), start=1):
        blocks[16, z, FLOOR - depth : FLOOR] = 0
    side = 18 if bend else 16
    blocks[16 : side + 1, 12, 5:7] = blocks[side, 8:13, 5:7] = blocks[16 : side + 1, 8, 5:7] = 0
    blocks[16, 8, 5:8] = blocks[16, 7, 6:9] = blocks[16, 6, 7:9] = 0
    if blocked:
        blocks[side, 10, 5:7] = BLOCK["stone"]
    body = Body(sim)
    body.look()
    return Skills(body)


def test_a_walk_says_nothing_of_a_tunnel_round_a_bend() -> None:
    free, blocked = walled(bend=True, blocked=False), walled(bend=True, blocked=True)
    assert (free.body.look().rgb == blocked.body.look().rgb).all()
    assert (free.body.state.seen == blocked.body.state.seen).all()
    told = [skills.run("goto 16 6") for skills in (free, blocked)]
    assert told[0] == told[1]
    assert told[0].text == "no path"


def test_what_the_eye_sees_below_the_ground_can_be_walked() -> None:
    skills = walled(bend=False, blocked=False)
    skills.body.state.seen[:] = True
    skills.body.state.position[0, 0] = (16.5, FLOOR - 3, 13.3)  # at the foot of the way down
    skills.body.forget_frame()
    assert skills.run("goto 16 9").text == "ok"
    assert skills.body.cell == (16, 9, 5)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_table_or_furnace_in_the_rock_serves_nobody(depth: int) -> None:
    """The ground is solid: what lies below its first layer cannot be seen."""
    sim = flat_sim()
    skills = Skills(Body(sim))
    give(sim, 0, "oak_planks", 8)
    give(sim, 1, "stick", 8)
    give(sim, 2, "iron_ore", 1)
    give(sim, 3, "coal", 1)
    x, z, y = skills.body.cell
    sim.state.blocks[0, x + 1, z, y - depth] = BLOCK["crafting_table"]
    sim.state.blocks[0, x - 1, z, y - depth] = BLOCK["furnace"]
    assert skills.run("craft wooden_pickaxe").text == "missing crafting_table"
    assert skills.run("smelt iron_ingot").text == "missing furnace"
    sim.state.blocks[0, x + 1, z, y - depth + 1 : y] = 0  # a shaft down to the table
    assert skills.run("craft wooden_pickaxe").text == "ok"


def test_a_table_serves_behind_the_back() -> None:
    sim = flat_sim()
    skills = Skills(Body(sim))
    give(sim, 0, "oak_planks", 8)
    give(sim, 1, "stick", 8)
    x, z, y = skills.body.cell
    sim.state.blocks[0, x, z + 2, y] = BLOCK["crafting_table"]
    assert skills.run("craft wooden_pickaxe").text == "ok"


def test_a_free_line_agrees_with_small_steps_along_it() -> None:
    rng = np.random.default_rng(0)
    blocks = np.where(rng.random((12, 12, 12)) < 0.15, BLOCK["stone"], 0).astype(np.uint8)
    told = []
    for _ in range(400):
        eye, point = rng.uniform(0.0, 12.0, (2, 3))
        cells = np.floor(np.linspace(eye, point, 4001)).astype(int)
        ends = {tuple(cells[0]), tuple(cells[-1])}
        between = {cell for x, y, z in cells if (cell := (x, y, z)) not in ends}
        met = [cell for cell in between if blocks[cell[0], cell[2], cell[1]]]
        # A ray that cuts a corner by less than a step of 1/4000 is met by one and not by the other.
        cut = [cell for cell in met if (np.floor(cells) == cell).all(axis=1).sum() < 3]
        if not cut:
            told.append(free_line(blocks, SOLID, tuple(eye), tuple(point)) == (not met))
    assert len(told) > 300
    assert np.mean(told) > 0.99


def test_a_cell_is_seen_by_any_of_its_faces() -> None:
    blocks = np.zeros((32, 32, 24), np.uint8)
    blocks[16, 15, FLOOR] = BLOCK["stone"]
    assert sees_cell(blocks, SOLID, EYE, 16, 14, FLOOR)  # its top, over the stone before it
    blocks[:, 15] = BLOCK["stone"]
    assert not sees_cell(blocks, SOLID, EYE, 16, 14, FLOOR)
    blocks[:, 15, FLOOR + 1] = 0
    assert sees_cell(blocks, SOLID, EYE, 16, 14, FLOOR + 1)
