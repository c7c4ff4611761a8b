"""Skills: what they do, how they fail, and that they never use what the body cannot perceive."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, carried, flat_sim, give
from hypothesis import given, settings
from hypothesis import strategies as st

from worlds.types import Outcome
from worlds.voxel.data import BLOCK, ITEM, STACK
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body
from worlds.voxel.skills_nav import find_path

MIDDLE = 16


EYE = (MIDDLE + 0.5, FLOOR + 1.62, MIDDLE + 0.5)


def skills_in(size: int = 32) -> Skills:
    """A body in the middle of a flat world, facing north (-z)."""
    return Skills(Body(flat_sim(size=(size, size, 24))))


def put(skills: Skills, name: str, x: int, z: int, *ys: int) -> None:
    for y in ys:
        skills.body.blocks[x, z, y] = BLOCK[name]
    skills.body.forget_frame()


def run(skills: Skills, text: str) -> str:
    return skills.run(text).text


def moved(skills: Skills) -> tuple[float, float]:
    """(east, north) of the middle."""
    x, _, z = skills.body.position
    return x - MIDDLE - 0.5, MIDDLE + 0.5 - z


# -- moving ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "heading"),
    [("turn left 45", 315), ("turn right 45", 45), ("turn left 90", 270), ("turn around", 180)],
)
def test_a_turn_is_one_tick_and_exact(text: str, heading: float) -> None:
    skills = skills_in()
    assert skills.run(text) == Outcome("ok", 1)
    assert skills.body.yaw_deg == heading


@pytest.mark.parametrize("blocks", [2, 4, 8])
def test_forward_goes_as_far_as_it_says(blocks: int) -> None:
    skills = skills_in()
    outcome = skills.run(f"forward {blocks}")
    assert outcome.text == "ok"
    assert outcome.ticks < 8 * blocks
    assert moved(skills)[0] == 0.0
    assert moved(skills)[1] == pytest.approx(blocks, abs=0.3)


def test_forward_climbs_steps_and_goes_round_a_trunk() -> None:
    skills = skills_in()
    put(skills, "stone", MIDDLE, MIDDLE - 2, FLOOR)
    put(skills, "oak_log", MIDDLE, MIDDLE - 5, *range(FLOOR, FLOOR + 4))
    assert run(skills, "forward 8") == "ok"
    assert moved(skills)[1] == pytest.approx(8, abs=0.3)


def test_forward_is_stuck_at_a_wall_and_says_part_after_a_while() -> None:
    skills = skills_in()
    for x in range(32):
        put(skills, "stone", x, MIDDLE - 4, FLOOR, FLOOR + 1)
    assert run(skills, "forward 8") == "part"
    assert run(skills, "forward 2") == "stuck"


@pytest.mark.parametrize("danger", ["pit", "lava"])
def test_forward_stops_before_what_hurts(danger: str) -> None:
    skills = skills_in()
    for z in range(MIDDLE - 3):
        skills.body.blocks[:, z, 1 if danger == "pit" else FLOOR - 1 : FLOOR] = (
            0 if danger == "pit" else BLOCK["lava"]
        )
    assert run(skills, "forward 8") == "part"
    run(skills, "forward 8")
    assert moved(skills)[1] < 3.3
    assert skills.body.state.health[0, 0] == 20.0


def test_look_and_jump() -> None:
    skills = skills_in()
    assert run(skills, "look down") == "ok"
    assert skills.body.pitch_deg == 30.0
    run(skills, "look level")
    assert skills.body.pitch_deg == 0.0
    assert run(skills, "jump") == "ok"


# -- going to places ------------------------------------------------------------------------------


def test_goto_a_place_needs_a_way_that_has_been_seen() -> None:
    skills = skills_in()
    behind = f"goto {MIDDLE} {MIDDLE + 9}"
    assert run(skills, behind) == "no path"
    assert moved(skills) == (0.0, 0.0)
    assert run(skills, "scan") == "ok"
    assert run(skills, behind) == "ok"
    assert np.allclose(moved(skills), (0, -9), atol=0.5)
    assert skills.body.yaw_deg % 45 == 0


def test_goto_walks_round_a_wall() -> None:
    skills = skills_in()
    run(skills, "scan")
    for x in range(MIDDLE - 4, MIDDLE + 5):
        put(skills, "stone", x, MIDDLE - 3, FLOOR, FLOOR + 1, FLOOR + 2)
    assert run(skills, f"goto {MIDDLE} {MIDDLE - 7}") == "ok"
    assert moved(skills)[1] == pytest.approx(7, abs=0.5)


def test_a_path_keeps_to_known_columns_and_out_of_lava() -> None:
    skills = skills_in()
    blocks = skills.body.blocks
    blocks[:, MIDDLE - 2, FLOOR - 1] = BLOCK["lava"]
    goals = np.zeros((32, 32), np.bool_)
    goals[MIDDLE, MIDDLE - 5] = True
    known = np.ones((32, 32), np.bool_)
    assert find_path(blocks, known, (MIDDLE, MIDDLE, FLOOR), goals, 10_000, EYE) is None
    blocks[2, MIDDLE - 2, FLOOR - 1] = BLOCK["stone"]
    path = find_path(blocks, known, (MIDDLE, MIDDLE, FLOOR), goals, 10_000, EYE)
    assert path is not None
    assert (2, MIDDLE - 2, FLOOR) in path
    known[2] = False
    assert find_path(blocks, known, (MIDDLE, MIDDLE, FLOOR), goals, 10_000, EYE) is None


# -- only what is in sight ------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["goto", "mine"])
@pytest.mark.parametrize("where", ["behind the back", "behind a wall", "too far to be seen", "buried"])
def test_a_hidden_thing_cannot_be_used(verb: str, where: str) -> None:
    skills = skills_in(96)
    skills.body.state.position[0, 0] = (16.5, FLOOR, 90.5)
    give(skills.body.sim, 0, "iron_pickaxe")
    match where:
        case "behind the back":
            put(skills, "pumpkin", 16, 94, FLOOR)
        case "behind a wall":
            put(skills, "pumpkin", 16, 85, FLOOR)
            for x in range(10, 24):
                put(skills, "stone", x, 87, *range(FLOOR, FLOOR + 4))
        case "too far to be seen":
            put(skills, "pumpkin", 16, 20, FLOOR)
        case "buried":
            put(skills, "pumpkin", 16, 85, FLOOR - 2)
    before = skills.body.state.copy()
    outcome = skills.run(f"{verb} pumpkin")
    assert (outcome.text, outcome.ticks) == ("not in sight", 0)
    assert np.array_equal(before.position, skills.body.state.position)


def test_a_thing_in_sight_can_be_gone_to_and_searched_for() -> None:
    skills = skills_in()
    put(skills, "pumpkin", MIDDLE, MIDDLE + 8, FLOOR, FLOOR + 1)
    assert run(skills, "goto pumpkin") == "not in sight"
    assert run(skills, "search pumpkin") == "ok"
    assert run(skills, "goto pumpkin") == "ok"
    assert moved(skills)[1] == pytest.approx(-8, abs=3)
    assert run(skills, "search melon") == "not in sight"


@pytest.mark.parametrize("name", ["air", "nonsense"])
def test_what_is_no_thing_is_refused_at_once(name: str) -> None:
    skills = skills_in()  # with the sky in sight
    for verb, failure in (("search", "thing"), ("goto", "thing"), ("mine", "block")):
        assert skills.run(f"{verb} {name}") == Outcome(f"no such {failure} {name}", 0)


@pytest.mark.parametrize("distance", ["\uff15", "\u0663", "-2", "0", "51", "9" * 5000])
def test_forward_takes_plain_digits_alone(distance: str) -> None:
    assert skills_in().run(f"forward {distance}") == Outcome("no such skill", 0)


# -- working --------------------------------------------------------------------------------------


def test_mine_walks_there_and_digs_with_the_right_tool() -> None:
    skills = skills_in()
    put(skills, "diamond_ore", MIDDLE + 1, MIDDLE - 7, FLOOR)
    assert run(skills, "mine diamond_ore") == "no tool"
    give(skills.body.sim, 0, "stone_pickaxe")
    assert run(skills, "mine diamond_ore") == "no tool"
    give(skills.body.sim, 3, "iron_pickaxe")
    assert run(skills, "mine diamond_ore") == "ok"
    assert carried(skills.body.sim, "diamond") == 1
    assert run(skills, "mine diamond_ore") == "not in sight"


def test_mine_digs_a_trunk_up_to_the_reach_of_the_hand() -> None:
    skills = skills_in()
    put(skills, "oak_log", MIDDLE, MIDDLE - 4, *range(FLOOR, FLOOR + 4))
    for count in range(1, 5):
        assert run(skills, "mine oak_log") == "ok"
        assert carried(skills.body.sim, "oak_log") == count


def test_mine_refuses_what_would_be_lost() -> None:
    skills = skills_in()
    put(skills, "oak_log", MIDDLE, MIDDLE - 4, FLOOR, FLOOR + 1)
    for slot in range(36):
        give(skills.body.sim, slot, "dirt", int(STACK[ITEM["dirt"]]))
    assert run(skills, "mine oak_log") == "inventory full"


@pytest.mark.parametrize("name", ["water", "lava", "bedrock"])
def test_what_no_tool_can_mine_is_named(name: str) -> None:
    skills = skills_in()
    skills.body.blocks[MIDDLE - 2 : MIDDLE + 3, MIDDLE - 7 : MIDDLE - 4, FLOOR - 1] = BLOCK[name]
    skills.body.forget_frame()
    assert skills.body.in_sight(name)
    assert run(skills, f"mine {name}") == f"cannot mine {name}"


def test_mine_a_block_across_a_gulf_has_no_path() -> None:
    skills = skills_in()
    skills.body.blocks[:, MIDDLE - 8 : MIDDLE - 3, 1:FLOOR] = 0
    put(skills, "oak_log", MIDDLE, MIDDLE - 9, FLOOR, FLOOR + 1)
    assert run(skills, "mine oak_log") == "no path"


def test_from_a_log_to_a_pickaxe() -> None:
    skills = skills_in()
    assert run(skills, "craft oak_planks") == "missing 1 oak_log"
    assert run(skills, "craft moon") == "no such recipe"
    give(skills.body.sim, 0, "oak_log", 4)
    for _ in range(4):
        assert run(skills, "craft oak_planks") == "ok"
    assert run(skills, "craft stick") == "ok"
    assert run(skills, "craft wooden_pickaxe") == "missing crafting_table"
    assert run(skills, "craft crafting_table") == "ok"
    assert run(skills, "place crafting_table") == "ok"
    assert run(skills, "place crafting_table") == "missing crafting_table"
    assert run(skills, "craft wooden_pickaxe") == "ok"
    assert run(skills, "equip wooden_pickaxe") == "ok"
    assert run(skills, "equip diamond_pickaxe") == "missing diamond_pickaxe"
    give(skills.body.sim, 9, "water_bucket")
    assert run(skills, "place water_bucket") == "cannot place water_bucket"


def test_a_bucket_is_filled_from_water_in_sight() -> None:
    skills = skills_in()
    assert run(skills, "fill bucket") == "not in sight"
    skills.body.blocks[MIDDLE - 2 : MIDDLE + 3, MIDDLE - 7 : MIDDLE - 4, FLOOR - 1] = BLOCK["water"]
    skills.body.forget_frame()
    assert run(skills, "fill bucket") == "missing bucket"
    give(skills.body.sim, 0, "bucket")
    assert run(skills, "fill bucket") == "ok"
    assert carried(skills.body.sim, "water_bucket") == 1


def test_messages_reach_other_bodies_alone() -> None:
    skills = Skills(Body(flat_sim(bodies=2)))
    assert run(skills, "message 1 hello") == "no such agent"
    assert run(skills, "message 3 hello") == "no such agent"
    assert run(skills, "message 3") == "no such agent"
    assert run(skills, "message 2") == "no text"
    assert run(skills, "message 2 the melon is north") == "ok"
    assert skills.outbox == [(2, "the melon is north")]


_VERBS = ("turn", "look", "forward", "jump", "goto", "mine", "craft", "place", "fill", "put", "take", "equip")
_OBJECTS = ("left 45", "level", "8", "-3", "9999999 8", "pumpkin", "cow", "chest", "stone", "diamond_pickaxe")
_texts = st.tuples(st.sampled_from(_VERBS), st.sampled_from(_OBJECTS)).map(" ".join)


@settings(max_examples=40)
@given(st.one_of(st.text(max_size=20), _texts))
def test_no_text_raises_or_runs_for_ever(text: str) -> None:
    outcome = skills_in().run(text)
    assert outcome.text
    assert outcome.ticks < 3000
