"""The search is a function of what the student is told, and its phases follow one another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.voxel_explore import REGIONS, WALKS_BETWEEN, corners, next_corner, unseen, walks_since_scan
from worlds.types import Turn

LOOK, AROUND, WALK = "turn right 90", "turn around", "forward 8"


def turns(*actions: str, outcome: str = "ok") -> tuple[Turn, ...]:
    return tuple(Turn("", action, outcome) for action in actions)


@pytest.mark.parametrize(
    ("history", "walks"),
    [
        ((), WALKS_BETWEEN),
        (turns(LOOK, LOOK), WALKS_BETWEEN),
        (turns(LOOK, LOOK, LOOK, WALK), 1),
        (turns(LOOK, LOOK, LOOK, AROUND, WALK, WALK), 2),
        (turns(LOOK, LOOK, LOOK, WALK, WALK, LOOK, LOOK), 2),
        (turns(WALK, WALK, LOOK, LOOK, LOOK, WALK), 1),
        (turns(LOOK, LOOK, LOOK, WALK, LOOK, WALK), 2),
        (turns(LOOK, LOOK, LOOK) + turns(WALK, outcome="stuck"), WALKS_BETWEEN),
        (turns(LOOK, LOOK, LOOK, WALK) + turns(WALK, outcome="stuck") + turns(WALK), 2),
    ],
)
def test_walks_are_counted_from_the_last_look_around(history: tuple[Turn, ...], walks: int) -> None:
    assert walks_since_scan(history) == walks


@given(st.integers(0, 7).map(lambda k: 45.0 * k), st.integers(0, 3))
def test_three_looks_show_everything(heading: float, looks: int) -> None:
    seen = tuple((heading - 90.0 * k) % 360.0 for k in range(looks + 1))
    assert len(unseen(seen, heading)) == 3 - looks


def test_the_ring_is_walked_counter_clockwise_and_comes_round() -> None:
    ring = corners(48, 48)
    at, visited = np.array([30.0, 20.0]), []
    for _ in range(60):
        corner = next_corner(*at, ring, 5.0)
        if not visited or visited[-1] != corner:
            visited.append(corner)
        step = ring[corner] - at
        at = at + step / np.hypot(*step) * min(4.0, np.hypot(*step))
    assert len(visited) >= 5
    assert all((b - a) % 4 == 1 for a, b in pairwise(visited))


def test_the_ring_of_a_quarter_lies_inside_it() -> None:
    for region in REGIONS:
        x, z = corners(64, 64, region).T
        assert ((x > 32) == ("east" in region)).all()
        assert ((z > 32) == ("south" in region)).all()
