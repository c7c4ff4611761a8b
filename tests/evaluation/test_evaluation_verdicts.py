"""A verdict says no more than the intervals do, and the intervals are worth what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from evaluation.records import CrewScore, CrewTime, Score, verdicts
from evaluation.statistics import bootstrap_mean, disjoint, wilson


def score(suite: str, policy: str, won: int, played: int, metric: float | None = None) -> Score:
    successes = [i < won for i in range(played)]
    made = Score.of(suite, policy, successes, [float(one) for one in successes], [2] * played, 1.0, 8)
    return made if metric is None else made.model_copy(update={"metric": metric})


def test_above_and_below_are_said_of_disjoint_intervals_alone() -> None:
    rng = np.random.default_rng(0)
    said = {"above": 0, "below": 0, "not told apart": 0}
    for _ in range(60):
        played = int(rng.integers(1, 120))
        student, reference = (
            score("s", name, int(rng.integers(played + 1)), played) for name in ("student", "reference")
        )
        (sentence,) = verdicts([reference, student])
        word = next(word for word in said if word in sentence)
        said[word] += 1
        if student.success_low > reference.success_high:
            assert word == "above"
        elif student.success_high < reference.success_low:
            assert word == "below"
        else:
            assert word == "not told apart"
        # The same in the other's words: swapped, above is below.
        swapped = [
            student.model_copy(update={"policy": "reference"}),
            reference.model_copy(update={"policy": "student"}),
        ]
        opposite = {"above": "below", "below": "above", "not told apart": "not told apart"}[word]
        assert opposite in verdicts(swapped)[0]
    assert min(said.values()) > 4


def test_suites_are_judged_apart_and_in_their_order() -> None:
    scores = [
        score("b", "student", 5, 10),
        score("a", "teacher", 10, 10),
        score("b", "teacher", 0, 10),  # of no success there is no share
        score("a", "student", 4, 10),
        score("c", "student", 4, 10),
        score("a", "reference", 4, 10),
    ]
    assert verdicts(scores) == [
        "a: the student has 40 % of its teacher's success and is not told apart from its reference "
        "(overlapping 95 % intervals)"
    ]
    assert verdicts([*scores, score("b", "reference", 5, 10)])[0].startswith(
        "b: the student is not told apart"
    )


def test_wilson_covers_the_true_rate_as_often_as_it_says() -> None:
    """Exactly, by the binomial law: on average over rates 95 %, and nowhere inside much below."""
    for episodes in (20, 50, 200):
        bounds = np.array([wilson(won, episodes) for won in range(episodes + 1)])
        rates = np.linspace(0.05, 0.95, 181)
        inside = (bounds[:, 0, None] <= rates) & (rates <= bounds[:, 1, None])
        covered = (binom.pmf(np.arange(episodes + 1)[:, None], episodes, rates) * inside).sum(axis=0)
        assert covered.mean() == pytest.approx(0.95, abs=0.01)
        assert covered.min() > 0.9


def test_wilson_narrows_with_episodes_and_treats_failures_as_successes() -> None:
    for episodes in (1, 7, 40):
        lows, highs = zip(*(wilson(won, episodes) for won in range(episodes + 1)), strict=True)
        assert list(lows) == sorted(lows)
        assert [1 - high for high in highs] == pytest.approx(list(reversed(lows)))
        for won in range(episodes + 1):
            few, many = wilson(won, episodes), wilson(10 * won, 10 * episodes)
            assert many[1] - many[0] < few[1] - few[0]
            assert few[0] - 1e-12 <= won / episodes <= few[1] + 1e-12


def test_a_bootstrap_moves_and_stretches_with_its_values_and_stays_within_them() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 9, 40):
        values = rng.normal(size=size)
        low, high = bootstrap_mean(list(values))
        assert values.min() - 1e-12 <= low <= high <= values.max() + 1e-12
        moved = bootstrap_mean(list(3.0 * values + 7.0))
        assert moved == pytest.approx((3.0 * low + 7.0, 3.0 * high + 7.0))
    large = rng.normal(2.0, 3.0, 2000)
    low, high = bootstrap_mean(list(large))
    error = large.std() / math.sqrt(len(large))  # where there are many, it is the normal interval
    assert (low, high) == pytest.approx(
        (large.mean() - 1.96 * error, large.mean() + 1.96 * error), abs=error / 6
    )


def test_a_crews_sums_are_of_all_episodes_and_its_parts_add_up() -> None:
    rng = np.random.default_rng(3)
    for episodes in (1, 5, 30):
        played = [CrewTime(int(rng.integers(1, 40)), *map(float, rng.random(2))) for _ in range(episodes)]
        won = [bool(rng.integers(2)) for _ in played]
        metrics = [float(x) for x in rng.random(episodes)]
        crew = CrewScore.of_episodes("s", 2, won, metrics, played)
        assert (crew.success_low, crew.success_high) == wilson(sum(won), episodes)
        assert crew.seconds == pytest.approx(crew.team_seconds + crew.world_seconds)
        assert crew.seconds == pytest.approx(np.mean([one.team_s + one.world_s for one in played]))
        assert crew.rounds == pytest.approx(np.mean([one.rounds for one in played]))
        assert crew.metric == pytest.approx(np.mean(metrics))
        assert crew.rounds_low <= crew.rounds <= crew.rounds_high
        assert crew.seconds_low - 1e-9 <= crew.seconds <= crew.seconds_high + 1e-9


def test_intervals_that_touch_are_not_apart() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        a, b = (tuple(sorted(float(x) for x in rng.integers(0, 6, 2))) for _ in range(2))
        apart = not any(a[0] <= x <= a[1] and b[0] <= x <= b[1] for x in range(6))
        assert disjoint((a[0], a[1]), (b[0], b[1])) == disjoint((b[0], b[1]), (a[0], a[1])) == apart
