"""The ledger behaves as a dict of rows would: states, claims, draws and payloads, whatever is done in what
order, through reopenings, and from several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import Ledger, LedgerError, Record
from ledger.ledger import EVERY
from ledger.records import STATES
from ledger.segments import ROWS_PER_GROUP, read_rows, to_table, write_segment

OPERATIONS = [*["append", "claim", "settle"] * 3, *["late"] * 2, "reopen", "restart"]


@dataclass
class Row:
    """What is known of one record; rows stand in the order in which they came."""

    record: Record
    state: str = "produced"
    owner: str = ""
    until: float = 0.0
    reason: str = ""


@dataclass
class Plain:
    """A ledger in memory, in as few words as can be."""

    now: float = 1000.0
    rows: dict[str, Row] = field(default_factory=dict)

    def ordered(self, since: int = 0, before: int = EVERY) -> list[tuple[str, Row]]:
        among = [(n, row) for n, row in self.rows.items() if since <= row.record.order < before]
        # Sorting is stable: records of one order stay as they came.
        return sorted(among, key=lambda item: item[1].record.order)

    def release(self, everything: bool = False) -> None:
        for row in self.rows.values():
            if row.state == "claimed" and (everything or row.until <= self.now):
                row.state = "produced"

    def claim(self, count: int, lease_s: float, owner: str, before: int) -> list[str]:
        self.release()
        found = [name for name, row in self.ordered(0, before) if row.state == "produced"][:count]
        for name in found:
            row = self.rows[name]
            row.state, row.owner, row.until = "claimed", owner, self.now + lease_s
        return found

    def settle(self, ids: list[str], state: str, reason: str, owner: str | None) -> bool:
        rows = [self.rows.get(name) for name in ids]
        if any(r is None or r.state != "claimed" or owner not in (None, r.owner) for r in rows):
            return False
        for row in rows:
            assert row is not None
            row.state, row.reason = state, reason
        return True

    def draw(self, seed: int, step: int, count: int, before: int) -> list[str]:
        names = [name for name, row in self.ordered(0, before) if row.state not in ("filtered", "failed")]
        places = np.random.default_rng((seed, step)).choice(len(names), min(count, len(names)), replace=False)
        return [names[place] for place in places]


def made_up(rng: np.random.Generator, number: int) -> Record:
    columns: dict[str, Any] = {"number": number, "text": f"ä{number}", "blobs": [rng.bytes(9)] * (number % 3)}
    if number % 4:
        columns["share"] = number / 7
    return Record(f"r{number}", columns, int(rng.integers(8)))


def compare(ledger: Ledger, plain: Plain, rng: np.random.Generator) -> None:
    since, before = sorted(int(bound) for bound in rng.integers(0, 9, 2))
    counts = [row.state for _, row in plain.ordered(0, before)]
    assert ledger.counts(before) == {state: counts.count(state) for state in STATES}
    assert ledger.orders(since, before) == [row.record.order for _, row in plain.ordered(since, before)]
    asked = ["nobody", *rng.permutation(list(plain.rows)).tolist()]
    assert ledger.states(asked) == [None, *(plain.rows[name].state for name in asked[1:])]
    told = [(row.state, row.reason) for row in plain.rows.values() if row.reason]
    assert ledger.reasons() == {pair: told.count(pair) for pair in told}
    seed, step, count = (int(value) for value in rng.integers(0, 30, 3))
    assert ledger.draw(seed, step, count, before) == plain.draw(seed, step, count, before)
    found = [record for batch in ledger.scan(batch=3, since=since, before=before) for record in batch]
    wanted = [row.record for _, row in plain.ordered(since, before)]
    assert [(r.sample_id, r.order) for r in found] == [(r.sample_id, r.order) for r in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert {k: v for k, v in mine.columns.items() if v is not None} == theirs.columns


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_a_dict_of_rows_says_the_same(tmp_path: Path, seed: int) -> None:
    rng, plain, refused = np.random.default_rng(seed), Plain(), 0
    ledger = Ledger.open(tmp_path, clock=lambda: plain.now)
    for _ in range(80):
        owner = str(rng.choice(["one", "two"]))
        match str(rng.choice(OPERATIONS)):
            case "append":
                given = [made_up(rng, int(number)) for number in rng.integers(0, 60, rng.integers(1, 8))]
                new = {record.sample_id: record for record in given if record.sample_id not in plain.rows}
                assert ledger.append(given) == len(new)
                plain.rows.update({name: Row(record) for name, record in new.items()})
            case "claim":
                asked = (
                    int(rng.integers(0, 6)),
                    float(rng.choice([5, 10, 20])),
                    owner,
                    int(rng.integers(0, 9)),
                )
                assert ledger.claim(*asked) == plain.claim(*asked)
            case "settle":
                held = [name for name, row in plain.rows.items() if row.state == "claimed"] or ["nobody"]
                some = rng.choice(held, rng.integers(1, 4)).tolist()  # the same one twice, now and then
                some += rng.choice([*plain.rows, "nobody"], 1).tolist() if rng.random() < 0.1 else []
                state = str(rng.choice(["trained", "trained", "filtered", "failed", "produced"]))
                reason = "" if state in ("trained", "produced") else f"because {rng.integers(3)}"
                by = owner if rng.random() < 0.4 else None
                if plain.settle(some, state, reason, by):
                    ledger.settle(some, state, reason, by)  # type: ignore[arg-type]
                else:
                    refused += 1
                    with pytest.raises(LedgerError, match="not claimed"):
                        ledger.settle(some, state, reason, by)  # type: ignore[arg-type]
            case "late":
                plain.now += float(rng.choice([5, 10]))  # to the very second, too
            case "reopen":
                first = int(rng.integers(0, 9))
                again = [row for _, row in plain.ordered(first) if row.state == "trained"]
                assert ledger.reopen(first) == len(again)
                for row in again:
                    row.state = "produced"
            case "restart":
                ledger.close()
                plain.release(everything=True)  # whoever had claimed is gone
                ledger = Ledger.open(tmp_path, clock=lambda: plain.now)
        compare(ledger, plain, rng)
    ledger.close()
    assert len(plain.rows) > 15
    assert refused > 3


def test_rows_of_a_segment_are_read_in_any_order_with_any_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [dict(made_up(rng, number).columns) for number in range(3 * ROWS_PER_GROUP + 5)]
    parts = [rows[:1], rows[1 : ROWS_PER_GROUP + 7], rows[ROWS_PER_GROUP + 7 :]]
    write_segment(tmp_path, 4, [to_table(part) for part in parts])
    names = ["number", "text", "blobs", "share"]
    for count in (1, 2, 40):
        wanted = [int(row) for row in rng.integers(0, len(rows), count)] * 2
        columns = list(rng.permutation(names)[: rng.integers(1, 5)])
        assert read_rows(tmp_path, 4, wanted, [*columns, "not there"]) == [
            {name: rows[row].get(name) for name in columns} for row in wanted
        ]
    assert [row["number"] for row in read_rows(tmp_path, 4, range(len(rows)))] == list(range(len(rows)))


def test_threads_that_append_claim_and_settle_share_the_records_out(tmp_path: Path) -> None:
    trained: list[str] = []
    with Ledger.open(tmp_path, flush_s=0.01) as ledger:

        def work(worker: int) -> None:
            rng = np.random.default_rng(worker)
            for turn in range(8):
                # Half of them are appended by every worker, as by a player that was started anew.
                names = [f"all-{turn}", f"{worker}-{turn}"]
                ledger.append([Record(name, {"name": name}, turn) for name in names])
                held = ledger.claim(int(rng.integers(1, 4)), 60, f"worker {worker}")
                ledger.settle(held, "trained", owner=f"worker {worker}")
                trained.extend(held)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        everything = {f"all-{turn}" for turn in range(8)} | {f"{w}-{t}" for w in range(4) for t in range(8)}
        assert ledger.counts()["trained"] == len(trained) > 0
        assert sorted([*trained, *ledger.claim(99, 60, "the last")]) == sorted(everything)
        assert {r.columns["name"] for batch in ledger.scan() for r in batch} == everything
