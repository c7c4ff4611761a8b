"""Where a student still does something else than its team says: what one reads to find out what it lacks.

Invariant: counted are the states of a run's last round, as the ledger has them, and the action that the
student drew there (at the round's temperature); what the team holds to be equally good is no disagreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actors.codec import order_of
from ledger import Ledger
from worlds.base import split_reply

MOST = 8
"""Rows of a suite."""


class Difference(NamedTuple):
    """Of `states` in which the team said `told`, the student would have done `did` in `times`."""

    told: str
    did: str
    times: int
    states: int


class Differences(NamedTuple):
    """Of `states` of a suite the student differed in `differed`; `rows` are the most frequent cases."""

    suite: str
    states: int
    differed: int
    rows: list[Difference]


def last_round(records: Iterable[Mapping[str, Any]]) -> int | None:
    """The chunk of the last round in which the student was asked (not all moves were the teacher's), from the
    records of `metrics.jsonl`."""
    rounds = (r for r in records if r["kind"] == "rollout" and r.get("reached_by") == "student")
    return max((r["step"] for r in rounds if r.get("mix", 0.0) < 1.0), default=None)


def differences(folder: Path, chunk: int) -> list[Differences]:
    """Those of one chunk in the ledger `folder`, by suite. Raises LedgerError where it cannot be read."""
    said: dict[str, Counter[str]] = {}
    differed: dict[str, Counter[tuple[str, str]]] = {}
    with Ledger.open(folder, writable=False) as ledger:
        columns = ("suite", "role", "chosen", "rejected", "valid")
        for records in ledger.scan(columns, since=order_of(chunk), before=order_of(chunk + 1)):
            for record in records:
                suite, role, chosen, rejected, valid = (record.columns[name] for name in columns)
                if role != "actor" or not valid:
                    continue
                told = split_reply(chosen)[1]
                said.setdefault(suite, Counter())[told] += 1
                if rejected:
                    differed.setdefault(suite, Counter())[told, split_reply(rejected)[1]] += 1
    found = []
    for suite, told_times in said.items():
        cases = differed.get(suite, Counter())
        rows = [Difference(*case, times, told_times[case[0]]) for case, times in cases.most_common(MOST)]
        found.append(Differences(suite, told_times.total(), cases.total(), rows))
    return found
