"""`retort calls` is readable in 80 columns, on a terminal and in a pipe."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from cluster.calls import run_calls
from evaluation.calls import HEADINGS, labelled_until, role_calls
from teachers.backends.recording import Recording
from teachers.backends.types import Call

WIDEST = Call("{}", "m", 10_000_000, 0, 999.9, 999.99)
"""Its figures, and those per episode, are as wide as any are."""
LARGE = Call("{}", "m", 74_558_123, 9_000_000, 1234.5, 123_456.0)


def made(run: Path, call: Call, episodes: int) -> list[tuple[str, ...]]:
    """A run folder whose roles asked once each; returns the rows that are to be told."""
    run.mkdir()
    (run / "config.yaml").write_text("name: tiny\n")
    record = {
        "time": 9e9,
        "kind": "rollout",
        "step": 1,
        "phase": "distil",
        "episodes": episodes,
        "successes": 0,
    }
    (run / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    recording = Recording(run / "calls.sqlite")
    for role in ("manager", "conductor", "actor", "plain", "critic"):
        recording.put(role, role, "{}", call)
    rows = [row.cells(episodes) for row in role_calls(recording)]
    recording.close()
    return rows


@pytest.mark.parametrize(("call", "episodes"), [(WIDEST, 1), (LARGE, 7), (LARGE, 0)])
def test_no_cell_is_cut_at_80_columns(
    call: Call,
    episodes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = made(tmp_path / "run", call, episodes)
    run_calls(tmp_path / "run", None, None)
    about, *table = capsys.readouterr().out.splitlines()
    assert about.startswith(str(tmp_path / "run" / "calls.sqlite"))  # whole, however long it is
    assert max(map(len, table)) <= 80
    assert "…" not in "".join(table)
    printed = [cells_of(line) for line in table]
    assert printed[-len(rows) :] == [[cell for cell in row if cell] for row in rows]
    headings = printed[0] + printed[1]
    assert all(part in headings for name in HEADINGS for part in name.replace("/", "/ ").split())


def test_what_was_asked_after_the_rounds_is_told_apart(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "calls.sqlite")
    for i in range(6):
        recording.put(f"round{i}", "actor" if i else "manager", "{}", Call("{}", "m", 300, 100, 0.5, 0.0))
    time.sleep(0.01)
    record = {"time": time.time(), "kind": "rollout", "phase": "distil", "episodes": 3}
    until_s = labelled_until([record, {"time": 9e9, "kind": "learn", "phase": "distil"}])
    time.sleep(0.01)
    recording.put("evaluated", "actor", "{}", Call("{}", "m", 300, 100, 0.5, 0.0))
    rows = role_calls(recording, None, until_s)
    recording.close()
    assert [(row.role, row.calls) for row in rows] == [
        ("actor", 5), ("manager", 1), ("rounds", 6), ("later", 1), ("all", 7),
    ]  # fmt: skip
    assert rows[2].cells(3)[4] == "2.00"
    assert rows[3].cells(3)[4:7] == rows[4].cells(3)[4:7] == ("", "", "")
    assert labelled_until([]) is None


def cells_of(line: str) -> list[str]:
    """The cells of a printed row: a unit belongs to the figure before it."""
    cells: list[str] = []
    for word in line.split():
        if word in ("k", "M", "G", "T"):
            cells[-1] += f" {word}"
        else:
            cells.append(word)
    return cells


@pytest.mark.parametrize(("text", "error"), [(None, FileNotFoundError), ("no call\n", ValueError)])
def test_what_cannot_be_loaded_leaves_no_recording(
    text: str | None, error: type[Exception], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "calls.jsonl").write_text(text)
    with pytest.raises(error):
        run_calls(tmp_path / "new.sqlite", None, tmp_path / "calls.jsonl")
    assert not list(tmp_path.glob("new.sqlite*"))
