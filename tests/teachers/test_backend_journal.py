"""What a desk has written down when it is started again, and what stops when nothing can be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from desks import ASK, CALL, Clock, fails, made, numbered

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import LOST_S, CallDesk
from teachers.backends.flights import LINES, Flight, Flights
from teachers.backends.recording import Recording
from teachers.backends.types import Call, Halted, NoAnswer, Unreachable


def test_a_question_whose_asker_died_is_asked_again(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL, timeout_s=30.0)
    assert desk.open("q", 1).kind == "ask"
    assert desk.open("q", 1).kind == "wait"
    clock.sleep(41.0)
    assert desk.open("q", 1).kind == "ask"


def test_an_answer_that_cannot_be_written_down_stops_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be paid again, and no budget would ever be spent."""

    def full(*_: object) -> Call:
        raise sqlite3.OperationalError("database or disk is full")

    caller, chat, desk, _ = made(tmp_path, lambda _: CALL, budget_tokens=250)
    monkeypatch.setattr(Recording, "put", full)
    assert caller.ask(ASK, caller.patience()) == CALL
    with pytest.raises(Halted, match=r"calls\.sqlite cannot be written"):
        caller.ask(numbered(1), caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("unrecorded", 1)


def test_a_question_without_an_answer_that_cannot_be_written_down_stops_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay would look for it in vain, and the next answer is not recorded either."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    caller, chat, desk, _ = made(tmp_path, fails(Unreachable("400: filtered", "rejected"), 1))
    monkeypatch.setattr(Recording, "put_unanswered", full)
    with pytest.raises(NoAnswer, match="filtered"):
        caller.ask(ASK, caller.patience())
    with pytest.raises(Halted, match=r"calls\.sqlite cannot be written"):
        caller.ask(numbered(1), caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("unrecorded", 1)


def test_a_desk_that_is_started_again_counts_the_calls_under_way(tmp_path: Path) -> None:
    """Its callers live on: two of them hold both lines, one ends, the other dies."""
    config, clock, journal = EndpointConfig(in_flight=2, timeout_s=30.0), Clock(), tmp_path / "flights"

    def desk(again: bool) -> CallDesk:
        recording = Recording(tmp_path / "calls.sqlite")
        return CallDesk(config, recording, clock=clock, flights=Flights(journal, again), again=again)

    first = desk(again=False)
    assert [first.open(key, 1).kind for key in ("over", "a", "b")] == ["ask", "ask", "line"]
    first.close("over", "actor", "{}", CALL)
    assert first.open("b", 1).kind == "ask"
    second = desk(again=True)
    assert second.open("c", 1).kind == "line"
    assert second.open("a", 1).kind == "wait"  # it is asked once
    second.close("a", "actor", "{}", CALL)
    assert second.open("c", 1).kind == "ask"
    third = desk(again=True)
    assert third.open("d", 1).kind == "line"
    clock.sleep(30.0 + LOST_S)  # who asked b and c has died
    assert [third.open(key, 1).kind for key in ("b", "d")] == ["ask", "ask"]
    fresh = desk(again=False)  # another run, whose callers are new too
    assert [fresh.open(key, 1).kind for key in ("e", "f")] == ["ask", "ask"]


def test_a_desk_that_is_started_again_grants_no_second_burst(tmp_path: Path) -> None:
    config, clock = EndpointConfig(requests_per_minute=60), Clock()

    def asked(again: bool) -> int:
        desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"), clock=clock, again=again)
        return sum(desk.open(f"{again} {i}", 1).kind == "ask" for i in range(20))

    assert asked(again=False) == 6
    assert asked(again=True) == 0


def test_a_journal_is_read_up_to_the_line_that_a_kill_tore(tmp_path: Path) -> None:
    journal = tmp_path / "flights"
    flights = Flights(journal)
    for i in range(3 * LINES):  # it is written anew on the way
        flights.begin(f"k{i}", Flight(float(i), i))
        if i >= 3:
            assert flights.end(f"k{i}") == Flight(float(i), i)
    assert journal.read_text().count("\n") <= LINES
    with journal.open("a") as file:
        file.write("k9 77.0 1")
    again = Flights(journal, again=True)
    assert [again.get(f"k{i}") for i in (0, 1, 2)] == [Flight(float(i), i) for i in range(3)]
    assert again.get("k9") is None
    assert again.under_way(1.0) == 1


def test_a_journal_that_cannot_be_written_stops_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    _, _, desk, _ = made(tmp_path, lambda _: CALL)
    monkeypatch.setattr(Flights, "begin", full)
    ticket = desk.open("q", 1)
    assert (ticket.kind, "no space left" in ticket.reason) == ("halted", True)
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "unrecorded"
