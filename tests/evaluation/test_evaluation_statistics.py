"""Intervals agree with SciPy's, and behave at the edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluation.records import Score
from evaluation.statistics import bootstrap_mean, disjoint, wilson


@given(st.integers(1, 400), st.data())
def test_wilson_agrees_with_scipy(episodes: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, episodes))
    expected = binomtest(successes, episodes).proportion_ci(0.95, method="wilson")
    low, high = wilson(successes, episodes)
    assert low == pytest.approx(max(0.0, expected.low), abs=1e-9)
    assert high == pytest.approx(min(1.0, expected.high), abs=1e-9)


def test_wilson_refuses_what_is_no_count() -> None:
    with pytest.raises(ValueError, match="no count"):
        wilson(3, 2)
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_is_deterministic_and_holds_the_mean() -> None:
    values = [0.1, 0.4, 0.5, 0.9]
    low, high = bootstrap_mean(values)
    assert (low, high) == bootstrap_mean(values)
    assert low <= 0.475 <= high
    assert math.isnan(bootstrap_mean([])[0])


def test_disjoint() -> None:
    assert disjoint((0.1, 0.2), (0.3, 0.4))
    assert not disjoint((0.1, 0.3), (0.3, 0.4))


def test_a_score_sums_episodes_up() -> None:
    score = Score.of("s", "student", [True, True, False, True], [1.0, 1.0, 0.5, 1.0], [2, 4, 8, 2], 1.6, 16)
    assert (score.episodes, score.successes, score.success) == (4, 3, 0.75)
    assert score.iterations == 4.0
    assert score.seconds_per_decision == pytest.approx(0.1)
    assert score.success_low < 0.75 < score.success_high
