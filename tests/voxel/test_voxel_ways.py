"""The small rules of the way: the best frontier by trying every column, shut headings by walking along, and
words that go by place, heading and size alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worlds.types import Turn
from worlds.voxel.edges import edge_words, leads_out, squared
from worlds.voxel.frontier import OVERHEAD, SIGHT, STRIDE, WALK_BLOCKS, frontier
from worlds.voxel.moves import IN_PLACE, PART, STUCK, TURNS, WALKS, shut_headings
from worlds.voxel.state import VoxelState


def patchy(random: np.random.Generator, size: tuple[int, int], share: float) -> np.ndarray:
    """Discs on a map: what a body saw from some places."""
    x, z = np.indices(size)
    seen = np.zeros(size, np.bool_)
    while seen.mean() < share:
        seen |= np.hypot(x - random.uniform(0, size[0]), z - random.uniform(0, size[1])) < 9
    return seen


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
def test_the_frontier_is_the_column_that_shows_most_unseen_ones_per_decision(share: float) -> None:
    random = np.random.default_rng(int(100 * share))
    for size in ((33, 48), (40, 40)):
        seen, shut = patchy(random, size, share), random.random(size) < 0.3
        i, k = np.indices(size)
        x, z = (float(random.uniform(0, n)) for n in size)
        leave = float(random.choice([0.0, 6.0, 15.0]))
        rates = {}
        for cx in range(STRIDE // 2, size[0], STRIDE):
            for cz in range(STRIDE // 2, size[1], STRIDE):
                away = math.dist((cx + 0.5, cz + 0.5), (x, z))
                gain = int((~seen & (np.hypot(i - cx, k - cz) <= SIGHT)).sum())
                if gain and not shut[cx, cz] and away >= leave:
                    rates[cx + 0.5, cz + 0.5] = gain / (away / WALK_BLOCKS + OVERHEAD)
        goal = frontier(seen, shut, x, z, leave)
        assert goal in rates
        assert rates[goal] == pytest.approx(max(rates.values()))
        assert frontier(np.ones(size, np.bool_), shut, x, z, leave) is None
        assert frontier(seen, np.ones(size, np.bool_), x, z, leave) is None


def walked_along(turns: list[Turn], heading_deg: float) -> set[float]:
    """The same from the front: a walker that turns, walks and forgets what was shut once it moves on."""
    turned = 45.0 * sum(TURNS.get(turn.action, 0) for turn in turns)
    heading = (heading_deg - turned) % 360.0
    shut: set[float] = set()
    before = ("", "")
    for turn in turns:
        if turn.action.startswith(IN_PLACE):
            continue
        if turn.action in TURNS:
            heading = (heading + 45.0 * TURNS[turn.action]) % 360.0
        elif turn.action in WALKS and turn.outcome == STUCK:
            shut.add(heading)
        else:
            again = turn.action in WALKS and turn.outcome == PART and before[0] in WALKS and before[1] == PART
            shut = {heading} if again else set()
        before = (turn.action, turn.outcome)
    return shut


def test_shut_headings_are_those_that_a_walker_would_have_kept() -> None:
    random = np.random.default_rng(5)
    skills = [*TURNS, *WALKS, *WALKS, "scan", "craft stick", "message 1 none", "mine stone", "goto 3 4"]
    told = []
    for _ in range(1500):
        turns = [
            Turn("", str(random.choice(skills)), str(random.choice(["ok", STUCK, STUCK, PART, PART])))
            for _ in range(random.integers(0, 9))
        ]
        heading = 45.0 * random.integers(8)
        told.append(shut_headings(turns, heading))
        assert told[-1] == walked_along(turns, heading), turns
    assert {len(shut) for shut in told} >= {0, 1, 2, 3}


def test_the_words_go_by_the_squared_heading_and_the_size_of_the_world() -> None:
    state = VoxelState.empty(2, (40, 64, 24), bodies=2)
    random, told = np.random.default_rng(7), set()
    for _ in range(300):
        a, (x, z) = int(random.integers(2)), random.uniform(0, (40, 64))
        state.position[0, a] = x, random.uniform(0, 20), z
        state.yaw_deg[0, a] = random.uniform(0, 360)
        off = (state.yaw_deg[0, a] - squared(state.yaw_deg[0, a]) + 180.0) % 360.0 - 180.0
        assert abs(off) <= 22.5
        out = leads_out((x, z), squared(state.yaw_deg[0, a]), (0.0, 0.0), (40.0, 64.0))
        assert edge_words(state, a) == ("edge ahead" if out else "")
        told.add(edge_words(state, a))
        state.pitch_deg[0, a] = random.uniform(-90, 90)
        state.blocks[0] = random.integers(0, 2)  # what stands there does not matter
        assert edge_words(state, a) == ("edge ahead" if out else "")
    assert len(told) == 2
