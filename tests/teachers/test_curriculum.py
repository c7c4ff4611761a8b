"""The curriculum starves nothing and prefers what is neither sure nor hopeless."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.curriculum import FLOOR, Kind, Tally, draw, shares

KINDS = [Kind(suite, level) for suite in ("a", "b", "c") for level in (1, 2)]
outcomes = st.integers(0, 500).flatmap(
    lambda episodes: st.integers(0, episodes).map(lambda won: Tally(won, episodes))
)
tallies_of = st.dictionaries(st.sampled_from(KINDS), outcomes)


@given(tallies_of)
def test_no_kind_is_ever_starved(tallies: dict[Kind, Tally]) -> None:
    given_shares = shares(KINDS, tallies)
    assert sum(given_shares.values()) == pytest.approx(1.0)
    assert min(given_shares.values()) >= FLOOR / len(KINDS)


@given(tallies_of, st.integers(0, 300))
def test_a_draw_has_the_shares_and_the_count(tallies: dict[Kind, Tally], count: int) -> None:
    drawn = draw(KINDS, tallies, count)
    assert len(drawn) == count
    counted = Counter(drawn)
    if len({tallies.get(kind, Tally(0, 0)).episodes for kind in KINDS}) == 1:  # nobody fell behind
        assert all(abs(counted[kind] - share * count) < 1 for kind, share in shares(KINDS, tallies).items())


def test_what_succeeds_half_of_the_time_comes_most() -> None:
    tallies = {KINDS[0]: Tally(100, 100), KINDS[1]: Tally(50, 100), KINDS[2]: Tally(0, 100)}
    given_shares = shares(KINDS, tallies)
    assert given_shares[KINDS[1]] > 2 * given_shares[KINDS[0]]
    assert given_shares[KINDS[1]] > 2 * given_shares[KINDS[2]]
    assert given_shares[KINDS[3]] == pytest.approx(given_shares[KINDS[4]])


def test_kinds_are_mixed_within_a_draw() -> None:
    """A chunk that is cut short has had some of everything."""
    assert len(set(draw(KINDS, {}, 60)[:12])) == len(KINDS)


def test_small_draws_starve_nobody_in_the_long_run() -> None:
    """Six episodes a round for twelve kinds, of which one always succeeds and one never does."""
    kinds = [Kind("s", level) for level in range(12)]
    rates = dict.fromkeys(kinds, 0.5) | {kinds[0]: 1.0, kinds[11]: 0.0}
    tallies = dict.fromkeys(kinds, Tally(0, 0))
    for _ in range(200):
        for kind in draw(kinds, tallies, 6):
            played = tallies[kind].episodes
            tallies[kind] = Tally(round((played + 1) * rates[kind]), played + 1)
    counted = [tallies[kind].episodes for kind in kinds]
    assert sum(counted) == 1200
    assert min(counted) >= 0.95 * FLOOR * 1200 / 12
