"""The ledger itself: every sample that was produced, and what became of it.

Invariants: records of one append become visible together, after their segment is durable; a record that
was acknowledged (a `flush` returned, or a second passed) survives the death of every process; it is trained
on once (again only where the weights that had learnt it are lost: `reopen`), or ends `filtered` or `failed`
with a reason; appending it again changes nothing.

One process writes (a lock file sees to that) from any of its threads; others may read.
"""

from __future__ import annotations

import fcntl
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ledger.records import NEED_REASON, STATES, TRANSITIONS, LedgerError, Record, State
from ledger.segments import fits, read_rows, segment_number, segment_path, to_table, write_segment

FLUSH_S = 0.5
"""Half of the promised second: the rest is for the write itself."""

FLUSH_RECORDS = 512

SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
  number INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, lost INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS samples (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, place INTEGER NOT NULL,
  segment INTEGER NOT NULL, row INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'produced', owner TEXT, lease_until REAL, reason TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS by_place ON samples (place, seq);
CREATE INDEX IF NOT EXISTS by_state ON samples (state, place, seq);
CREATE TABLE IF NOT EXISTS metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
AMONG = "id IN (SELECT value FROM json_each(?))"
EVERY = 2**63 - 1

log = logging.getLogger(__name__)


class Ledger:
    """Use `Ledger.open`. `ignored` names the files that a crash left unfinished, `lost` the segments whose
    bytes are gone (their open records are `failed`)."""

    def __init__(self, folder: Path, writable: bool, flush_s: float, clock: Callable[[], float]) -> None:
        self.folder = folder
        self.segments = folder / "segments"
        self.ignored: tuple[str, ...] = ()
        self.lost: tuple[str, ...] = ()
        self._writable = writable
        self._clock = clock
        self._lock = threading.RLock()
        self._buffer: dict[str, int] = {}
        self._tables: list[pa.Table] = []
        self._failure: LedgerError | None = None
        self._closing = threading.Event()
        self._population: tuple[tuple[int, ...], NDArray[np.int64]] | None = None
        self._writer_lock = _take_lock(folder) if writable else None
        mode = "rwc" if writable else "ro"
        self._db = sqlite3.connect(
            f"{(folder / 'index.sqlite').absolute().as_uri()}?mode={mode}",
            uri=True, isolation_level=None, check_same_thread=False, timeout=30.0,
        )  # fmt: skip
        if writable:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            self._recover()
            self._flusher = threading.Thread(target=self._flush_often, args=(flush_s,), daemon=True)
            self._flusher.start()
        else:
            self._db.execute("SELECT 1 FROM metadata LIMIT 1")  # a file that is none is told here, not later

    @classmethod
    def open(
        cls,
        folder: str | Path,
        writable: bool = True,
        flush_s: float = FLUSH_S,
        clock: Callable[[], float] = time.time,
    ) -> Ledger:
        """Open the ledger in `folder`; a writer makes it if it is not there, and returns the claims of dead
        processes to `produced`. Raises LedgerError when another process writes to it, when it cannot be
        written, or when there is none to read."""
        path = Path(folder)
        try:
            if writable:
                (path / "segments").mkdir(parents=True, exist_ok=True)
            elif not (path / "index.sqlite").is_file():
                raise LedgerError(f"{path} holds no ledger (no index.sqlite): name a run folder's ledger/")
            return cls(path, writable, flush_s, clock)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger {path} cannot be opened: {error}") from error

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Make everything durable and let the ledger go."""
        try:
            self.flush()
        finally:
            self._closing.set()
            if self._writable:
                self._flusher.join()
            with self._lock:
                self._db.close()
            if self._writer_lock is not None:
                self._writer_lock.close()

    # -- writing ------------------------------------------------------------------------------

    def append(self, records: Sequence[Record]) -> int:
        """Take records in; returns how many were new. They are durable within a second, or when `flush`
        returns. Raises LedgerError when what is waiting cannot be made durable (it stays in memory: free
        space and call `flush`), ValueError when a column mixes types (nothing is taken)."""
        self._must_write()
        with self._lock:
            if self._failure is not None:
                self.flush()
            fresh = {record.sample_id: record for record in records if record.sample_id not in self._buffer}
            query = f"SELECT id FROM samples WHERE {AMONG}"
            for (known,) in self._db.execute(query, (json.dumps(list(fresh)),)):
                del fresh[known]
            if not fresh:
                return 0
            table = to_table([record.columns for record in fresh.values()])
            if not fits(self._tables, table):
                self.flush()
            self._tables.append(table)
            self._buffer.update((name, record.order) for name, record in fresh.items())
            if len(self._buffer) >= FLUSH_RECORDS:
                self.flush()
            return len(fresh)

    def flush(self) -> None:
        """Make everything appended so far durable and visible. Raises LedgerError when that fails."""
        with self._lock:
            if not self._buffer:
                return
            try:
                self._commit()
            except LedgerError as error:
                self._failure = error
                raise
            self._failure = None
            self._buffer.clear()
            self._tables.clear()

    def _commit(self) -> None:
        (number,) = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM segments").fetchone()
        (first,) = self._db.execute("SELECT coalesce(max(seq), 0) + 1 FROM samples").fetchone()
        size = write_segment(self.segments, number, self._tables)
        rows = [
            (first + row, name, order, number, row) for row, (name, order) in enumerate(self._buffer.items())
        ]
        try:
            with self._transaction():
                self._db.execute("INSERT INTO segments (number, bytes) VALUES (?, ?)", (number, size))
                self._db.executemany(
                    "INSERT INTO samples (seq, id, place, segment, row) VALUES (?, ?, ?, ?, ?)", rows
                )
        except LedgerError:
            segment_path(self.segments, number).unlink(missing_ok=True)
            raise

    def _flush_often(self, flush_s: float) -> None:
        while not self._closing.wait(flush_s):
            try:
                self.flush()
            except LedgerError as error:
                log.error("ledger: %s", error)

    # -- states -------------------------------------------------------------------------------

    def claim(self, count: int, lease_s: float, owner: str, before: int = EVERY) -> list[str]:
        """Give up to `count` produced records to `owner` for `lease_s` seconds, in training order, among
        those whose order is below `before`. Claims whose lease has run out are given out again."""
        self._must_write()
        self.flush()
        with self._transaction():
            now = self._clock()
            self._release("lease_until <= ?", now)
            rows = self._db.execute(
                "SELECT id FROM samples WHERE state = 'produced' AND place < ? ORDER BY place, seq LIMIT ?",
                (before, count),
            ).fetchall()
            ids = [row[0] for row in rows]
            self._db.execute(
                f"UPDATE samples SET state = 'claimed', owner = ?, lease_until = ? WHERE {AMONG}",
                (owner, now + lease_s, json.dumps(ids)),
            )
        return ids

    def settle(
        self,
        ids: Sequence[str],
        state: State,
        reason: str = "",
        owner: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Move claimed records to a final state (or back to `produced`) and store `metadata` in the same
        transaction. Raises LedgerError, and changes nothing, if one of them is not claimed (by `owner`, where
        given): its lease ran out, or it was settled before."""
        self._must_write()
        if state not in TRANSITIONS["claimed"]:
            raise LedgerError(f"claimed records cannot become {state!r}, only {TRANSITIONS['claimed']}")
        if state in NEED_REASON and not reason:
            raise LedgerError(f"a record that is {state} needs a reason")
        wanted = list(dict.fromkeys(ids))
        with self._transaction():
            changed = self._db.execute(
                "UPDATE samples SET state = ?, reason = ?, owner = NULL, lease_until = NULL "
                f"WHERE state = 'claimed' AND {AMONG} AND owner = coalesce(?, owner)",
                (state, reason, json.dumps(wanted), owner),
            ).rowcount
            if changed != len(wanted):
                raise LedgerError(
                    f"{len(wanted) - changed} of {len(wanted)} records are not claimed"
                    f"{f' by {owner}' if owner else ''}: their lease ran out or they were settled before; "
                    "claim with a longer lease_s"
                )
            self._put(metadata or {})

    def reopen(self, first: int) -> int:
        """Make the trained records of order `first` or above `produced` again, because the checkpoint that
        had learnt from them is lost; returns how many."""
        self._must_write()
        with self._transaction():
            return self._db.execute(
                "UPDATE samples SET state = 'produced' WHERE state = 'trained' AND place >= ? "
                "AND segment NOT IN (SELECT number FROM segments WHERE lost)",
                (first,),
            ).rowcount

    def put_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Store JSON values by key."""
        self._must_write()
        with self._transaction():
            self._put(metadata)

    def metadata(self, key: str, default: Any = None) -> Any:
        """The JSON value stored under `key`."""
        with self._lock:
            row = self._db.execute("SELECT value FROM metadata WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    # -- reading ------------------------------------------------------------------------------

    def counts(self, before: int = EVERY) -> dict[State, int]:
        """Records in each state, among those whose order is below `before`."""
        query = "SELECT state, count(*) FROM samples WHERE place < ? GROUP BY state"
        found = dict(self._select(query, (before,)))
        return {state: found.get(state, 0) for state in STATES}

    def orders(self, since: int, before: int) -> list[int]:
        """The places of the records in the training order that lie in [since, before), ascending."""
        rows = self._select(
            "SELECT place FROM samples WHERE place >= ? AND place < ? ORDER BY place", (since, before)
        )
        return [place for (place,) in rows]

    def reasons(self) -> dict[tuple[State, str], int]:
        """How many records are in each (state, reason), among those that carry a reason."""
        query = "SELECT state, reason, count(*) FROM samples WHERE reason != '' GROUP BY state, reason"
        return {(state, reason): count for state, reason, count in self._select(query)}

    def states(self, ids: Sequence[str]) -> list[State | None]:
        """The state of each record; None where there is none."""
        query = f"SELECT id, state FROM samples WHERE {AMONG}"
        found = dict(self._select(query, (json.dumps(list(ids)),)))
        return [found.get(name) for name in ids]

    def draw(self, seed: int, step: int, count: int, before: int = EVERY) -> list[str]:
        """A replay batch: up to `count` distinct records, a function of (seed, step) and of the records whose
        order is below `before` and that are neither filtered nor failed."""
        self.flush()
        with self._lock:
            (outside,) = self._db.execute("PRAGMA data_version").fetchone()
            key = (before, outside, self._db.total_changes)
            if self._population is None or self._population[0] != key:
                rows = self._db.execute(
                    "SELECT seq FROM samples WHERE place < ? AND state NOT IN ('filtered', 'failed') "
                    "AND segment NOT IN (SELECT number FROM segments WHERE lost) ORDER BY place, seq",
                    (before,),
                ).fetchall()
                self._population = (key, np.array([row[0] for row in rows], dtype=np.int64))
            seqs = self._population[1]
        generator = np.random.default_rng((seed, step))
        drawn = generator.choice(seqs, size=min(count, len(seqs)), replace=False).tolist()
        found = dict(
            self._select(
                "SELECT seq, id FROM samples WHERE seq IN (SELECT value FROM json_each(?))",
                (json.dumps(drawn),),
            )
        )
        return [found[seq] for seq in drawn]

    def read(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> list[Record]:
        """The records `ids` in this order, with the named columns only (None: all). Raises LedgerError for an
        unknown id or a segment that cannot be read."""
        query = f"SELECT id, segment, row, place FROM samples WHERE {AMONG}"
        places = {row[0]: row[1:] for row in self._select(query, (json.dumps(list(ids)),))}
        if missing := [name for name in ids if name not in places]:
            raise LedgerError(f"the ledger has no record {missing[0]} ({len(missing)} of {len(ids)} unknown)")
        by_segment: dict[int, list[str]] = {}
        for name in dict.fromkeys(ids):
            by_segment.setdefault(places[name][0], []).append(name)
        found: dict[str, Record] = {}
        for number, names in by_segment.items():
            payloads = read_rows(self.segments, number, [places[name][1] for name in names], columns)
            for name, payload in zip(names, payloads, strict=True):
                found[name] = Record(name, payload, places[name][2])
        return [found[name] for name in ids]

    def scan(
        self,
        columns: Sequence[str] | None = None,
        batch: int = 256,
        since: int = 0,
        before: int = EVERY,
    ) -> Iterator[list[Record]]:
        """The records with orders in [since, before) whose payload is readable, in training order."""
        query = (
            "SELECT id FROM samples WHERE place >= ? AND place < ? AND segment NOT IN "
            "(SELECT number FROM segments WHERE lost) ORDER BY place, seq"
        )
        ids = [row[0] for row in self._select(query, (since, before))]
        for start in range(0, len(ids), batch):
            yield self.read(ids[start : start + batch], columns)

    # -- inside -------------------------------------------------------------------------------

    def _recover(self) -> None:
        query = "SELECT number, bytes, lost FROM segments"
        known = {number: (size, bool(lost)) for number, size, lost in self._db.execute(query)}
        ignored = []
        for path in sorted(self.segments.iterdir()):
            if segment_number(path) not in known:
                ignored.append(path.name)
                path.unlink()
        lost = [
            number
            for number, (size, lost_before) in known.items()
            if not lost_before and _size(segment_path(self.segments, number)) != size
        ]
        with self._transaction():
            self._release("1")
            for number in lost:
                self._db.execute("UPDATE segments SET lost = 1 WHERE number = ?", (number,))
                self._db.execute(
                    "UPDATE samples SET state = 'failed', reason = ? "
                    "WHERE segment = ? AND state = 'produced'",
                    (f"segment {number} is torn", number),
                )
        self.ignored = tuple(ignored)
        self.lost = tuple(segment_path(self.segments, number).name for number in lost)
        for name in self.ignored:
            log.warning("ledger: %s was not finished when its writer died; it was never acknowledged", name)
        for name in self.lost:
            log.error("ledger: the bytes of segment %s are gone or torn; its open records are failed", name)

    def _release(self, condition: str, *values: float) -> None:
        self._db.execute(
            "UPDATE samples SET state = 'produced', owner = NULL, lease_until = NULL "
            f"WHERE state = 'claimed' AND {condition}",
            values,
        )

    def _put(self, metadata: Mapping[str, Any]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO metadata (key, value) VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in metadata.items()],
        )

    def _select(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        self.flush()
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise LedgerError(
                    f"{self.folder / 'index.sqlite'} cannot be written ({error}): free some space on its "
                    "disk or start the run in another runs_dir; nothing is half-written"
                ) from error
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _must_write(self) -> None:
        if not self._writable:
            raise LedgerError(f"{self.folder} was opened for reading: use Ledger.open(folder)")


def _take_lock(folder: Path) -> IO[str]:
    stream = (folder / "writer.lock").open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        raise LedgerError(
            f"another process is writing to the ledger {folder}: wait for that run to end, or stop it"
        ) from error
    return stream


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
