"""What a body remembers of its target: its own notes, seen from where it stands now."""

from __future__ import annotations

import pytest

from worlds.types import EpisodeSpec, Turn
from worlds.voxel.moves import shut_headings
from worlds.voxel.recall import Standpoint, recalled
from worlds.voxel.world import VoxelWorld


def stood(x: float = 0.0, z: float = 0.0, heading_deg: float = 0.0, about: str = "melon") -> Standpoint:
    return Standpoint(x, z, heading_deg, about)


def turn(note: str, action: str = "turn left 45", outcome: str = "ok") -> Turn:
    return Turn(note, action, outcome)


@pytest.mark.parametrize(
    ("note", "now", "told"),
    [
        ("see centre far", stood(), "target ahead far"),
        ("see centre far", stood(heading_deg=90.0), "target left far"),
        ("see far-right near", stood(heading_deg=45.0), "target ahead near"),
        ("see far-left far", stood(heading_deg=135.0), "target behind far"),
        ("see centre far", stood(z=-9.0), "target ahead near"),  # it walked north, 9 blocks
        ("see centre far", stood(z=-20.0), ""),  # it went past
        ("see centre near", stood(z=-8.0), ""),
        ("left far", stood(), ""),
        ("see centre far", stood(x=14.0, z=-14.0), "target left far"),
        ("see centre far", stood(z=-13.0), ""),  # it is there, and the episode goes on
        ("see none", stood(), ""),
        ("see a melon, I think", stood(), ""),
        ("see centre far", stood(about="pumpkin"), ""),
    ],
)
def test_the_place_of_a_note_is_told_from_where_the_body_stands_now(
    note: str, now: Standpoint, told: str
) -> None:
    assert recalled([(stood(), turn(note))], now) == told


def test_what_was_gone_past_does_not_come_back() -> None:
    walk = [(stood(z=-8.0 * i), turn("see none" if i else "see centre far", "forward 8")) for i in range(3)]
    assert recalled(walk[:1], stood(z=-8.0)) == "target ahead far"
    assert recalled(walk[:2], stood(z=-16.0)) == ""
    assert recalled(walk, stood(z=-24.0)) == ""
    again = [*walk, (stood(z=-24.0), turn("see far-left near"))]
    assert recalled(again, stood(z=-24.0)) == "target ahead-left near"


def test_where_notes_are_about_nothing_nothing_is_remembered() -> None:
    world = VoxelWorld("voxel/map_exploration")
    world.reset(options={"episode": EpisodeSpec("voxel/map_exploration", "train", 3)})
    world.step("see left far | scan")
    assert not world.observe().status.recalled


def test_the_latest_sighting_counts_until_it_is_dug() -> None:
    turns = [
        (stood(), turn("see centre far")),
        (stood(heading_deg=90.0), turn("see centre near")),
        (stood(), turn("see none")),
    ]
    assert recalled(turns, stood()) == "target right near"
    failed = (stood(), turn("see centre near", "mine melon", "out of reach"))
    assert recalled([*turns, failed], stood()) == "target ahead near"
    assert recalled([*turns, failed, (stood(), turn("see centre near", "mine melon"))], stood()) == ""


@pytest.mark.parametrize(
    ("turns", "shut"),
    [
        ([("forward 8", "stuck")], {0.0}),
        ([("forward 8", "part")], set()),
        ([("forward 8", "part"), ("forward 8", "part")], {0.0}),
        ([("forward 8", "stuck"), ("turn right 90", "ok")], {270.0}),
        ([("forward 8", "part"), ("message 2 melon at 1 1", "ok"), ("forward 8", "part")], {0.0}),
        ([("mine stone", "part"), ("forward 8", "part")], set()),
        ([("forward 8", "stuck"), ("turn left 45", "ok"), ("scan", "ok"), ("forward 2", "stuck")], {0, 45}),
        ([("forward 8", "stuck"), ("mine stone", "ok")], set()),  # the way may be free now
        ([("forward 8", "stuck"), ("turn around", "ok"), ("forward 2", "ok")], set()),  # another spot
    ],
)
def test_a_heading_is_shut_where_a_walk_from_this_spot_got_stuck(
    turns: list[tuple[str, str]], shut: set[float]
) -> None:
    assert shut_headings([turn("", action, outcome) for action, outcome in turns], 0.0) == shut


def test_the_status_line_tells_a_shut_way_ahead() -> None:
    world = VoxelWorld("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 3)})
    for _ in range(12):
        world.step("forward 8")
        if world.observe().history[-1].outcome == "stuck":
            break
    assert "blocked ahead" in world.observe().status.words.split(", ")
    world.step("turn around")
    assert "blocked ahead" not in world.observe().status.words
    world.step("turn around")
    assert "blocked ahead" in world.observe().status.words.split(", ")


def test_the_status_line_tells_it_from_the_notes_alone() -> None:
    """A false note is remembered like a true one, a true sighting that nobody noted is not."""
    world = VoxelWorld("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 3)})
    assert not world.observe().status.recalled
    world.step("see centre near | turn right 90")
    assert world.observe().status.recalled == "target left near"
    for _ in range(7):
        world.step("see none | turn right 90")
    assert world.observe().status.recalled == "target ahead near"
    world.step("see none | turn right 90")
    assert not world.observe().status.recalled  # its turn is no longer in the history
