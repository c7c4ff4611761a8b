"""The questions that are being asked, and a journal of them from which a desk that is started again goes on.

Invariant: what is in the journal when a process is killed is what was under way (a line is handed to the
system before the question is let go; the last one may be torn, and then its question was not let go either).

Times are monotonic seconds of the desk's clock, which all processes of one machine share.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TextIO

LINES = 4096
"""Lines of the journal before it is written anew."""


class Flight(NamedTuple):
    """When a question that is being asked counts as lost, and its estimated tokens."""

    lost_at_s: float
    tokens: int


class Flights:
    """Kept in memory; in `journal` too, if there is one: `again` goes on from it, else it begins empty. What
    writes raises OSError where the journal cannot be written."""

    def __init__(self, journal: Path | None = None, again: bool = False) -> None:
        self._journal = journal
        self._flying = _read(journal) if journal and again else {}
        self._lines = 0
        self._file: TextIO | None = None
        if journal:
            self._write_anew(journal)

    def get(self, key: str) -> Flight | None:
        """The flight of a question."""
        return self._flying.get(key)

    def begin(self, key: str, flight: Flight) -> None:
        """It is being asked from now on."""
        self._flying[key] = flight
        self._write(_line(key, flight))

    def end(self, key: str) -> Flight | None:
        """It is not any more; returns what it was, if it was."""
        flight = self._flying.pop(key, None)
        if flight is not None:
            self._write(f"{key}\n")
        return flight

    def under_way(self, now_s: float) -> int:
        """How many there are; those whose askers have died by now are forgotten."""
        self._flying = {key: flight for key, flight in self._flying.items() if flight.lost_at_s > now_s}
        return len(self._flying)

    def _write(self, line: str) -> None:
        if self._journal is None or self._file is None:
            return
        self._lines += 1
        if self._lines > LINES:
            self._write_anew(self._journal)
            return
        self._file.write(line)
        self._file.flush()

    def _write_anew(self, journal: Path) -> None:
        """The journal holds what is under way, and no more. It is made beside the old one: a kill leaves the
        one or the other."""
        if self._file is not None:
            self._file.close()
        beside = journal.with_name(f"{journal.name}.part")
        self._file = beside.open("w", encoding="ascii")
        self._file.writelines(_line(key, flight) for key, flight in self._flying.items())
        self._file.flush()
        beside.replace(journal)
        self._lines = len(self._flying)


def _line(key: str, flight: Flight) -> str:
    return f"{key} {flight.lost_at_s!r} {flight.tokens}\n"


def _read(journal: Path) -> dict[str, Flight]:
    """What was under way when the journal ended; a torn last line is passed over."""
    flying: dict[str, Flight] = {}
    if not journal.is_file():
        return flying
    for line in journal.read_text("ascii").splitlines(keepends=True):
        match line.split() if line.endswith("\n") else []:
            case [key, lost_at_s, tokens]:
                flying[key] = Flight(float(lost_at_s), int(tokens))
            case [key]:
                flying.pop(key, None)
    return flying
