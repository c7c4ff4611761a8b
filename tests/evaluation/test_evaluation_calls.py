"""The table of a run's teacher calls against a count by hand: each answer once, to the run that paid it, and
per episode only what was asked while there were rounds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.calls import ALL, LATER, ROUNDS, RoleCalls, labelled_episodes, labelled_until, role_calls
from teachers.backends import recording as recording_module
from teachers.backends.recording import Recording
from teachers.backends.types import Call

ROLES = ("actor", "conductor", "critic", "manager")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the recording takes for the time."""
    clock = SimpleNamespace(now=0.0)
    clock.time = lambda: clock.now
    monkeypatch.setattr(recording_module, "time", clock)
    return clock


def sums(paid: list[tuple[str, Call]]) -> dict[str, tuple[float, float, float, float]]:
    """Calls, tokens, seconds and cost by role, added up one after another; "all" is the last."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for role, call in sorted(paid, key=lambda one: one[0]):
        for name in (role, ALL):
            for place, value in enumerate((1, call.tokens_in + call.tokens_out, call.latency_s, call.cost)):
                found[name][place] += value
    return {name: (a, b, c, d) for name, (a, b, c, d) in found.items()}


def figures(row: RoleCalls) -> tuple[float, float, float, float]:
    return row.calls, row.tokens, row.seconds, row.cost


@pytest.mark.parametrize("seed", range(4))
def test_the_table_is_what_one_would_count(seed: int, tmp_path: Path, clock: SimpleNamespace) -> None:
    rng = np.random.default_rng(seed)
    shared = Recording(tmp_path / "calls.sqlite")
    first: dict[str, tuple[float, str, str, Call]] = {}
    for second in range(120):
        clock.now = float(second)
        key, run, role = (
            f"{rng.integers(90)}",
            "mine" if rng.random() < 0.6 else "other",
            ROLES[rng.integers(4)],
        )
        call = Call("{}", "m", int(rng.integers(999)), int(rng.integers(99)), float(rng.random()), 0.25)
        shared.put(key, role, "{}", call, run)
        first.setdefault(key, (clock.now, run, role, call))  # a recorded answer is never asked for again
    for run in ("mine", "other", None):
        for until_s in (None, 1e9, 60.0, 59.5):
            paid = [(at, role, call) for at, by, role, call in first.values() if run in (None, by)]
            whole = sums([(role, call) for _, role, call in paid])
            early = sums([(role, call) for at, role, call in paid if until_s is None or at <= until_s])
            rows = role_calls(shared, run, until_s)
            told = {row.role: row for row in rows}
            assert len(told) == len(rows)
            assert figures(told[ALL]) == pytest.approx(whole[ALL])
            for role in ROLES:
                assert figures(told[role]) == pytest.approx(early[role])
            if early[ALL][0] == whole[ALL][0]:
                assert [row.role for row in rows] == [*ROLES, ALL]
                assert all(row.labelled for row in rows)
                continue
            assert [row.role for row in rows] == [*ROLES, ROUNDS, LATER, ALL]
            assert figures(told[ROUNDS]) == pytest.approx(early[ALL])
            assert np.add(figures(told[ROUNDS]), figures(told[LATER])) == pytest.approx(whole[ALL])
            assert [row.labelled for row in rows] == [True] * 5 + [False] * 2
    shared.close()


def test_rounds_that_other_runs_had_paid_for_are_not_charged_with_an_evaluation(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    shared = Recording(tmp_path / "calls.sqlite")
    for number in range(6):
        clock.now = float(number)
        shared.put(f"{number}", "actor", "{}", Call("{}", "m", 300, 100, 0.5, 0.0), "other")
    clock.now = 20.0
    shared.put("evaluated", "actor", "{}", Call("{}", "m", 300, 100, 0.5, 0.0), "mine")
    rows = role_calls(shared, "mine", 10.0)
    assert [(row.role, row.calls, row.labelled) for row in rows] == [(LATER, 1, False), (ALL, 1, False)]
    assert all(row.cells(4)[4:7] == ("", "", "") for row in rows)
    assert role_calls(shared, "nobody", 10.0) == []
    shared.close()


def test_labelled_are_the_episodes_of_distillation_alone_up_to_the_last_round() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        records = [
            {
                "kind": ("rollout", "learn")[int(rng.integers(2))],
                "phase": ("distil", "reference")[int(rng.integers(2))],
                "time": float(rng.uniform(0, 99)),
                "episodes": int(rng.integers(1, 9)),
            }
            for _ in range(int(rng.integers(0, 8)))
        ]
        ours = [r for r in records if (r["kind"], r["phase"]) == ("rollout", "distil")]
        assert labelled_episodes(records) == sum(r["episodes"] for r in ours)
        assert labelled_until(records) == (max(r["time"] for r in ours) if ours else None)
