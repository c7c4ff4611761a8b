"""The recording: every answered question by its content address, in one SQLite file.

Invariant: what was put is there after a kill of any process (WAL), and never changes: the first answer to a
question is the answer. Images are kept as hashes alone. Each call is known by the run that paid it: several
runs may share a recording, and none is charged for what another asked. That a question got no answer is kept
too, for a replay: whoever asks in earnest asks again.

An export is JSON lines, one call each, sorted by key; importing one adds what is not known yet.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from teachers.backends.types import Ask, Call, address, canonical

_TABLE = """
CREATE TABLE IF NOT EXISTS calls (
  key TEXT PRIMARY KEY, purpose TEXT NOT NULL, ask TEXT NOT NULL, text TEXT NOT NULL, model TEXT NOT NULL,
  tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, latency_s REAL NOT NULL, cost REAL NOT NULL,
  at_s REAL NOT NULL, run TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID
"""
_UNANSWERED = """
CREATE TABLE IF NOT EXISTS unanswered (
  key TEXT PRIMARY KEY, purpose TEXT NOT NULL, ask TEXT NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID
"""
_FIELDS = "text, model, tokens_in, tokens_out, latency_s, cost"


class Totals(NamedTuple):
    """Of the recorded calls that one run paid, or of all."""

    calls: int
    tokens: int
    cost: float


Tokens = Annotated[int, Field(gt=-(2**53), lt=2**53)]
"""What a column of SQLite, and the sum over one, can hold."""


class ExportLine(BaseModel):
    """One line of an export; with a `reason` it is a question that got no answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str
    purpose: str
    ask: dict[str, Any]
    text: str
    model: str
    tokens_in: Tokens
    tokens_out: Tokens
    latency_s: float
    cost: float
    reason: str = ""


class Recording:
    """Opens (and makes) the file; what is put is charged to `run` ("": to nobody, as what is loaded from a
    file). Safe to share between threads; processes share it through one desk."""

    def __init__(self, path: Path, run: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.run = path, run
        self._lock = threading.Lock()
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(_TABLE)
            self._base.execute(_UNANSWERED)
            if not any(column[1] == "run" for column in self._base.execute("PRAGMA table_info(calls)")):
                self._base.execute("ALTER TABLE calls ADD COLUMN run TEXT NOT NULL DEFAULT ''")
        except sqlite3.DatabaseError as error:
            if _is_export(path):
                raise ValueError(
                    f"{path} is an export of calls, not a recording: make one of it with `python retort.py "
                    f"calls calls.sqlite --load {path}`, and name that in teacher.endpoint.recording"
                ) from error
            raise ValueError(
                f"{path} is no recording of calls ({error}); name another file in teacher.endpoint.recording"
            ) from error

    def get(self, key: str) -> Call | None:
        """The answer to a question, if it was recorded."""
        with self._lock:
            row = self._base.execute(f"SELECT {_FIELDS} FROM calls WHERE key = ?", (key,)).fetchone()
        return None if row is None else Call(*row)

    def put(self, key: str, purpose: str, told: str, call: Call, run: str | None = None) -> Call:
        """Record an answer, charged to `run` (None: the recording's own); returns the one that stands (an
        earlier one is kept)."""
        row = (
            key, purpose, told, call.text, call.model, call.tokens_in,
            call.tokens_out, call.latency_s, call.cost, time.time(), self.run if run is None else run,
        )  # fmt: skip
        with self._lock:
            made = self._base.execute(
                "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        if made.rowcount:
            return call
        standing = self.get(key)
        assert standing is not None
        return standing

    def put_unanswered(self, key: str, purpose: str, told: str, reason: str) -> None:
        """Record that a question got no answer."""
        row = key, purpose, told, reason
        with self._lock:
            self._base.execute("INSERT OR REPLACE INTO unanswered VALUES (?, ?, ?, ?)", row)

    def unanswered(self, key: str) -> str:
        """Why a question got no answer ("": it was not recorded so)."""
        with self._lock:
            row = self._base.execute("SELECT reason FROM unanswered WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def add(self, ask: Ask, call: Call) -> Call:
        """`put` for an `Ask`."""
        return self.put(ask.key, ask.purpose, ask.told, call)

    def totals(self, run: str | None = None) -> Totals:
        """Over the calls that `run` paid (None: over all)."""
        with self._lock:
            row = self._base.execute(
                "SELECT COUNT(*), COALESCE(SUM(tokens_in + tokens_out), 0), COALESCE(SUM(cost), 0) "
                "FROM calls WHERE ? IS NULL OR run = ?",
                (run, run),
            ).fetchone()
        return Totals(*row)

    def by_purpose(self, run: str | None = None, until_s: float | None = None) -> dict[str, dict[str, float]]:
        """Per purpose ("manager", "conductor", "actor"): calls, tokens, and the sum of their seconds, of the
        calls that `run` paid (None: of all) up to `until_s` (of `time.time`; None: to the last)."""
        with self._lock:
            rows = self._base.execute(
                "SELECT purpose, COUNT(*), SUM(tokens_in + tokens_out), SUM(latency_s), SUM(cost) FROM calls "
                "WHERE (? IS NULL OR run = ?) AND (? IS NULL OR at_s <= ?) GROUP BY purpose ORDER BY purpose",
                (run, run, until_s, until_s),
            ).fetchall()
        names = ("calls", "tokens", "seconds", "cost")
        return {row[0]: dict(zip(names, map(float, row[1:]), strict=True)) for row in rows}

    def export(self, target: Path) -> int:
        """Write all calls as JSON lines, and what got no answer after them; returns how many calls."""
        with self._lock:
            rows = self._base.execute(
                f"SELECT key, purpose, ask, {_FIELDS} FROM calls ORDER BY key"
            ).fetchall()
            lacking = self._base.execute(
                "SELECT key, purpose, ask, '', '', 0, 0, 0.0, 0.0, reason FROM unanswered "
                "WHERE key NOT IN (SELECT key FROM calls) ORDER BY key"
            ).fetchall()
        lines = []
        for key, purpose, ask, *call in [*rows, *lacking]:
            fields = dict(zip([*_FIELDS.split(", "), "reason"], call, strict=False))
            lines.append(json.dumps({"key": key, "purpose": purpose, "ask": json.loads(ask), **fields}))
        beside = target.with_name(f"{target.name}.part")
        beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.replace(beside, target)
        return len(rows)

    def load(self, source: Path) -> int:
        """Add the calls of an export; returns how many lines it had. Raises as `read_export`, before anything
        is added."""
        return self.load_lines(read_export(source))

    def load_lines(self, exported: Sequence[ExportLine]) -> int:
        """Add what `read_export` gave; returns how many lines that was."""
        for line in exported:
            told = canonical(line.ask)
            if line.reason:
                self.put_unanswered(line.key, line.purpose, told, line.reason)
                continue
            call = Call(line.text, line.model, line.tokens_in, line.tokens_out, line.latency_s, line.cost)
            self.put(line.key, line.purpose, told, call, run="")
        return len(exported)

    def close(self) -> None:
        """Let go of the file; what was written lies in the one file then."""
        with self._lock:
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._base.close()


def read_export(source: Path) -> list[ExportLine]:
    """The lines of an export. Raises ValueError, naming the line, for one that is no call."""
    lines: list[ExportLine] = []
    with source.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                line = ExportLine.model_validate_json(text)
            except ValidationError as error:
                raise ValueError(
                    f"{source}, line {number}, is no recorded call: {error.errors()[0]['msg']}"
                ) from error
            if line.key != address(canonical(line.ask)):
                raise ValueError(f"{source}, line {number}: its key is not that of its question")
            lines.append(line)
    return lines


def _is_export(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"{"
