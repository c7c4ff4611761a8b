"""The search is a function of what the student is told, and its phases follow one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.voxel_explore import REGIONS, WALKS_BETWEEN, bounds, middle, unseen, walks_since_scan
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


def test_the_quarters_tile_the_world() -> None:
    area = 0.0
    for region in REGIONS:
        low, high = bounds(64, 48, region)
        area += (high[0] - low[0]) * (high[1] - low[1])
        x, z = middle(low, high)
        assert (x > 32) == ("east" in region)
        assert (z > 24) == ("south" in region)
    assert area == 64 * 48
