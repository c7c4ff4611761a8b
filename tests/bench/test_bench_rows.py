"""What a benchmark ends in: rows with a ratio that can be recomputed, printed for people and, as one line of
JSON, for programs."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.rows import row, say
from bench.run import STAGES, run_bench


def test_the_ratio_is_of_the_values_as_they_were_measured() -> None:
    """Not of the rounded ones: a slow peer, of 0.0004 say, is none by which to divide once it is rounded."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        value, peer = (float(10 ** rng.uniform(-5, 5)) for _ in range(2))
        made = row("x", value, "steps/s", "peer", peer, digits=int(rng.integers(1, 7)))
        assert made["ratio"] == round(value / peer, 3)
    assert row("x", 3.0, "steps/s")["ratio"] is None
    assert (row("x", 1.23456, "s", digits=1)["value"], row("x", 0.0, "s", "p", 1.0)["ratio"]) == (1.2, 0.0)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The rows that the stage "world" ends in."""
    rows = [row("steps", 12_345.678, "steps/s", "minigrid", 1_000.0), row("kills", 3, "replicas in 10 min")]
    module = ModuleType("bench.world")
    module.run = lambda: rows  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.world", module)
    return rows


def test_people_read_values_beside_their_peers_and_programs_the_last_line(
    stage: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run_bench("world", True)
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["steps", "1.235e+04", "steps/s", "(12.35", "x", "minigrid:", "1,000)"]
    assert second.split() == ["kills", "3", "replicas", "in", "10", "min"]
    assert json.loads(last) == stage
    run_bench("world", False)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_unknown_stage_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError) as refused:
        run_bench("../world", False)
    assert all(stage in str(refused.value) for stage in STAGES)


def test_what_is_said_meanwhile_is_not_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    say("each stage alone ...")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(" each stage alone ...\n")
