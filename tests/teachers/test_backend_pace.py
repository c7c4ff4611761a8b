"""Rate limits: no minute has more than its limit, and what is allowed does flow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teachers.backends.pace import Pace

sizes = st.lists(st.integers(1, 400), min_size=1, max_size=300)


def drive(pace: Pace, tokens: list[int]) -> list[tuple[float, int]]:
    """When each request was let through by an asker that waits just as long as it is told to."""
    now, taken = 0.0, []
    for amount in tokens:
        while wait_s := pace.take(amount, now):
            now += wait_s + 1e-9
        taken.append((now, amount))
    return taken


@given(sizes, st.integers(10, 600), st.integers(500, 5000))
def test_no_window_of_a_minute_has_more_than_the_limits(tokens: list[int], requests: int, limit: int) -> None:
    taken = drive(Pace(requests, limit), tokens)
    for start, _ in taken:
        window = [amount for at, amount in taken if start <= at < start + 60.0]
        assert len(window) <= requests
        # One question that is dearer than the bucket holds may overdraw it, and is paid back after.
        assert sum(window) <= limit + max(tokens)


def test_what_is_allowed_flows() -> None:
    taken = drive(Pace(600, 0), [1] * 1200)
    assert taken[-1][0] < 135  # 1,200 requests at 600 a minute take about two


def test_without_limits_nothing_waits() -> None:
    assert {at for at, _ in drive(Pace(0, 0), [10**9] * 50)} == {0.0}


def test_what_was_given_back_can_be_taken() -> None:
    pace = Pace(10, 0)  # a bucket of one request
    assert pace.take(1, 0.0) == 0
    assert pace.take(1, 0.0) > 0
    pace.give_back(1)
    assert pace.take(1, 0.0) == 0
