"""The command line, in this process: what a user can mend ends in one sentence on stderr and status 2, before
anything is written; a pause is no failure."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

import cluster.calls
import cluster.evaluate  # its seconds of imports are no test's
import retort
from cluster.run import RunFailed, RunPaused


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one run that has not got far."""
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("name: begun\nsuites: [babyai/GoToObj]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETORT_DEBUG", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The status that the command ends with."""
    monkeypatch.setattr(sys, "argv", ["retort.py", *arguments])
    try:
        retort.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "a.yaml", "b.yaml"], "takes one preset"),
        (["train", "a.yaml", "--resume", "begun"], "takes one preset"),
        (["train", "seed=1"], "takes one preset"),
        (
            ["train", "--resume", "begun", "distil.staleness"],
            "takes one preset",
        ),  # an override without a value
        (["eval", "begun"], "begun has no exported reference yet"),
        (["eval", "begun", "evaluation.policies=[]"], "evaluation.policies is empty"),
        (["eval", "begun", "evaluation.policies=[expert]", "evaluation.suites=[[1]]"], "evaluation.suites"),
        (["report", "nowhere"], "nowhere is no run folder"),
        (["calls", "begun"], "there is no recording"),
        (["calls", "begun/config.yaml"], "is no recording of calls"),
        (["serve", "port=8001"], "name what to serve"),
        (["key", "ann", "--scopes", "act,everything"], "everything"),
        (["watch", "colour=red"], "colour"),
        (["play", "voxel/goal_name", "--difficulty", "9"], "difficulty 9"),
        (["endpoint", "--jitter", "2"], "jitter"),
        (["pretrain", "voxel", "seeds=1"], "seeds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_mend_is_one_sentence_and_status_2(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run(monkeypatch, *arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("retort: ")
    assert sentence in told
    assert told.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def ended_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    def raises(*_: object) -> None:
        raise error

    monkeypatch.setattr(cluster.calls, "run_calls", raises)
    return run(monkeypatch, "calls", "begun")


def test_a_pause_ends_well_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(RunPaused("the budget is spent, then go on"), monkeypatch) == 0
    captured = capsys.readouterr()
    assert captured.out == "paused: the budget is spent, then go on\n"
    assert captured.err == ""


@pytest.mark.parametrize("error", [RunFailed("it broke"), OSError("it broke"), ValueError("it broke")])
def test_a_failure_is_a_sentence_and_with_debug_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(error, monkeypatch) == 2
    assert capsys.readouterr().err == "retort: it broke\n"
    monkeypatch.setenv("RETORT_DEBUG", "1")
    with pytest.raises(type(error), match="it broke"):
        ended_with(error, monkeypatch)


def test_what_is_our_own_mistake_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    for mistake in (KeyError("x"), AssertionError("x"), sqlite3.OperationalError("x")):
        with pytest.raises(type(mistake)):
            ended_with(mistake, monkeypatch)
