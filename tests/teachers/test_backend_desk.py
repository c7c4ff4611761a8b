"""The desk and the caller: asked once, within limits and budgets, through outages. Time is the test's own."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import LOST_S, OUT_AFTER, REFUSED_AFTER, CallDesk
from teachers.backends.flights import LINES, Flight, Flights
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Halted, Message, NoAnswer, Unanswered, Unreachable

ASK = Ask("actor", (Message("user", "u"),), "{}", "m")
CALL = Call("{}", "m", 60, 40, 0.1, 0.5)


class Clock:
    """Seconds that pass by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


class Chat:
    """Answers by `answer(number of the try)`."""

    def __init__(self, answer: Callable[[int], Call]) -> None:
        self._answer = answer
        self.tries = 0

    def ask(self, ask: Ask) -> Call:
        self.tries += 1
        return self._answer(self.tries)


def made(
    tmp_path: Path, answer: Callable[[int], Call], replay: bool = False, **settings: float
) -> tuple[Caller, Chat, CallDesk, Clock]:
    config, clock = EndpointConfig(**settings), Clock()  # type: ignore[arg-type]
    desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"), replay, clock)
    chat = Chat(answer)
    return Caller(config, desk, chat, clock.sleep, clock), chat, desk, clock


def numbered(i: int) -> Ask:
    return replace(ASK, model=f"m{i}")


def fails(error: Exception, times: int) -> Callable[[int], Call]:
    def answer(number: int) -> Call:
        if number <= times:
            raise error
        return CALL

    return answer


def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    caller, chat, _, _ = made(tmp_path, lambda _: CALL)
    assert [caller.ask(ASK, caller.patience()) for _ in range(3)] == [CALL] * 3
    assert chat.tries == 1


def test_who_measures_time_waits_for_a_recorded_answer_as_long_as_it_took(tmp_path: Path) -> None:
    """Once: a question that the same process asks again is not asked by anybody."""
    config, clock = EndpointConfig(), Clock()
    desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"), clock=clock)
    desk.close(ASK.key, ASK.purpose, ASK.told, replace(CALL, latency_s=2.5))
    for paced, slept in ((False, 0.0), (True, 2.5)):
        caller = Caller(config, desk, Chat(lambda _: CALL), clock.sleep, clock, paced=paced)
        began = clock.slept
        for _ in range(2):
            assert caller.ask(ASK, caller.patience()).latency_s == 2.5
        assert clock.slept - began == slept


def test_identical_questions_in_flight_are_asked_once(tmp_path: Path) -> None:
    """Real threads and a real clock: nine wait for the one that asks."""
    release = threading.Event()
    desk = CallDesk(EndpointConfig(), Recording(tmp_path / "calls.sqlite"))

    def answer(number: int) -> Call:
        assert release.wait(10)
        return replace(CALL, text=str(number))

    chat = Chat(answer)
    caller = Caller(EndpointConfig(), desk, chat)
    found: list[Call] = []
    threads = [
        threading.Thread(target=lambda: found.append(caller.ask(ASK, caller.patience()))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(10)
    assert [call.text for call in found] == ["1"] * 10
    assert chat.tries == 1


@pytest.mark.parametrize("error", [Unreachable("500"), Unreachable("429", "busy", 3.0)])
def test_a_try_that_fails_is_made_again(tmp_path: Path, error: Unreachable) -> None:
    caller, chat, _, clock = made(tmp_path, fails(error, 3))
    assert caller.ask(ASK, caller.patience()) == CALL
    assert chat.tries == 4
    assert clock.slept >= (9.0 if error.trouble == "busy" else 0.25 + 0.5 + 1.0)


def test_a_pause_that_one_was_asked_for_holds_for_all(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    assert desk.open("a", 1).kind == "ask"
    assert desk.open("under way", 1).kind == "ask"
    assert desk.fail("a", "busy", "busy", 5.0)
    desk.close("under way", "actor", "{}", CALL)  # does not lift the pause
    assert desk.open("b", 1).wait_s == pytest.approx(5.0)
    clock.sleep(5.0)
    assert desk.open("b", 1).kind == "ask"


def test_tries_and_patience_end_in_a_reason(tmp_path: Path) -> None:
    caller, chat, _, _ = made(tmp_path, fails(Unreachable("it is on fire"), 1000), tries=3)
    with pytest.raises(NoAnswer, match="3 tries: it is on fire"):
        caller.ask(ASK, caller.patience())
    assert chat.tries == 3
    caller, chat, _, clock = made(tmp_path, fails(Unreachable("out"), 10**6), patience_s=60)
    with pytest.raises(Unanswered, match="60 s: out"):
        caller.ask(ASK, caller.patience())  # an outage is not the question's fault: its tries are not spent
    assert chat.tries > 8
    assert 59 < clock.slept <= 60.001


def test_an_outage_is_probed_by_one_and_ends_for_all(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    for i in range(OUT_AFTER):
        assert desk.open(str(i), 1).kind == "ask"
        desk.fail(str(i), "down", "down")
    clock.sleep(1.0)
    assert desk.open("probe", 1).kind == "ask"
    others = [desk.open(f"other {i}", 1) for i in range(20)]
    assert {ticket.kind for ticket in others} == {"wait"}
    assert others[0].reason == "down"
    desk.close("probe", "actor", "{}", CALL)
    assert {desk.open(f"other {i}", 1).kind for i in range(20)} == {"ask"}


def test_no_second_probe_while_one_is_under_way(tmp_path: Path) -> None:
    """A silent endpoint keeps a probe for a whole timeout."""
    _, _, desk, clock = made(tmp_path, lambda _: CALL, timeout_s=30.0)
    for i in range(OUT_AFTER):
        assert desk.open(str(i), 1).kind == "ask"
        desk.fail(str(i), "down", "down")
    asked, ends = [], clock.now + 29
    while clock.now < ends:
        ticket = desk.open(f"at {clock.now}", 1)
        asked += [clock.now] if ticket.kind == "ask" else []
        clock.sleep(ticket.wait_s or 0.01)
    assert len(asked) == 1
    clock.sleep(LOST_S + 3.0)  # who asked has died
    assert desk.open("next", 1).kind == "ask"


def test_refusals_of_questions_that_were_under_way_together_are_one(tmp_path: Path) -> None:
    """A gateway that restarts refuses all of them; a wrong key refuses those that come after too."""
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    for i in range(8):
        assert desk.open(str(i), 1).kind == "ask"
    for i in range(8):
        clock.sleep(0.01)
        desk.fail(str(i), "404", "refused")
    assert desk.verdict() is None
    for i in range(REFUSED_AFTER - 1):
        clock.sleep(20.0)
        assert desk.open(f"later {i}", 1).kind == "ask"
        desk.fail(f"later {i}", "404", "refused")
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "refused"


def test_a_run_with_an_unanswered_question_is_replayed(tmp_path: Path) -> None:
    caller, _, _, _ = made(tmp_path, fails(Unreachable("400: too long", "rejected"), 1))
    with pytest.raises(NoAnswer, match="too long"):
        caller.ask(ASK, caller.patience())
    replayed, chat, desk, _ = made(tmp_path, lambda _: CALL, replay=True)
    with pytest.raises(NoAnswer, match="too long"):
        replayed.ask(ASK, replayed.patience())
    assert chat.tries == 0
    assert desk.verdict() is None


def test_probes_become_rarer(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    probes, ends = 0, clock.now + 600
    while clock.now < ends:
        ticket = desk.open("q", 1)
        if ticket.kind == "ask":
            probes += 1
            desk.fail("q", "down", "down")
        clock.sleep(ticket.wait_s or 0.01)
    assert 600 / 15 <= probes <= 600 / 15 + 15


def test_a_question_whose_asker_died_is_asked_again(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL, timeout_s=30.0)
    assert desk.open("q", 1).kind == "ask"
    assert desk.open("q", 1).kind == "wait"
    clock.sleep(41.0)
    assert desk.open("q", 1).kind == "ask"


def test_limits_hold_over_all_who_ask(tmp_path: Path) -> None:
    caller, chat, _, clock = made(tmp_path, lambda _: CALL, requests_per_minute=60, patience_s=1e6)
    for i in range(120):
        caller.ask(numbered(i), caller.patience())
    assert 100 < clock.slept < 180
    assert chat.tries == 120


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"budget_tokens": 250}, r"250 tokens is spent \(300\).*budget_tokens"),
        ({"budget_money": 1.2, "price_in": 1.0}, r"1\.2 is spent \(1\.50\).*budget_money"),
    ],
)
def test_a_budget_ends_the_questions(tmp_path: Path, settings: dict[str, float], told: str) -> None:
    caller, chat, desk, _ = made(tmp_path, lambda _: CALL, **settings)
    for i in range(3):
        caller.ask(numbered(i), caller.patience())
    assert desk.verdict() is None
    with pytest.raises(Halted, match=told):
        caller.ask(numbered(3), caller.patience())
    assert chat.tries == 3
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "spent"
    assert caller.ask(numbered(0), caller.patience()) == CALL  # what is recorded costs nothing


def test_a_budget_outlives_the_process(tmp_path: Path) -> None:
    caller, _, _, _ = made(tmp_path, lambda _: CALL, budget_tokens=250)
    for i in range(3):
        caller.ask(numbered(i), caller.patience())
    caller, chat, _, _ = made(tmp_path, lambda _: CALL, budget_tokens=250)
    with pytest.raises(Halted):
        caller.ask(numbered(9), caller.patience())
    assert chat.tries == 0


def test_a_shared_recording_spends_no_budget_but_that_of_who_asked(tmp_path: Path) -> None:
    file = tmp_path / "shared.sqlite"
    config = EndpointConfig(budget_tokens=250)
    first = CallDesk(config, Recording(file, "first"))
    for i in range(3):
        assert first.open(str(i), 100).kind == "ask"
        first.close(str(i), "actor", "{}", CALL)
    assert first.open("more", 100).kind == "halted"
    second = CallDesk(config, Recording(file, "second"))
    assert second.open("0", 100).kind == "recorded"
    assert second.open("more", 100).kind == "ask"
    resumed = CallDesk(config, Recording(file, "first"))
    assert resumed.open("more", 100).kind == "halted"


def test_a_verdict_tells_how_many_questions_may_still_be_answered(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL, budget_tokens=100, timeout_s=30.0)
    for key in ("a", "b", "c"):
        assert desk.open(key, 1).kind == "ask"
    desk.close("a", "actor", "{}", CALL)
    assert desk.open("d", 1).kind == "halted"

    def in_flight() -> int:
        verdict = desk.verdict()
        assert verdict is not None
        return verdict.in_flight

    assert in_flight() == 2
    desk.close("b", "actor", "{}", CALL)
    assert in_flight() == 1
    clock.sleep(41.0)  # who asked has died
    assert in_flight() == 0
    assert desk.open("b", 1).kind == "recorded"


def test_a_replay_never_asks(tmp_path: Path) -> None:
    caller, _, _, _ = made(tmp_path, lambda _: CALL)
    caller.ask(ASK, caller.patience())
    caller, chat, desk, _ = made(tmp_path, lambda _: CALL, replay=True)
    assert caller.ask(ASK, caller.patience()) == CALL
    with pytest.raises(Halted, match="does not hold"):
        caller.ask(numbered(1), caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("missed", 0)


def test_an_endpoint_that_refuses_ends_the_questions(tmp_path: Path) -> None:
    refused = Unreachable("401: look at key_file", "refused")
    caller, chat, desk, _ = made(tmp_path, fails(refused, 9))
    for _ in range(2):
        with pytest.raises(Halted, match="key_file"):
            caller.ask(ASK, caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("refused", 3)
    # A gateway that restarts refuses once or twice, and is believed to be well again.
    caller, _, desk, _ = made(tmp_path / "other", fails(refused, 2))
    assert caller.ask(ASK, caller.patience()) == CALL
    assert desk.verdict() is None


def test_an_account_without_money_pauses_the_run(tmp_path: Path) -> None:
    caller, chat, desk, _ = made(tmp_path, fails(Unreachable("402", "unpaid"), 9))
    with pytest.raises(Halted, match="put money into the account"):
        caller.ask(ASK, caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("spent", 1)


def test_a_question_that_is_not_taken_troubles_nobody_else(tmp_path: Path) -> None:
    caller, chat, desk, _ = made(tmp_path, fails(Unreachable("400: filtered", "rejected"), 1))
    with pytest.raises(NoAnswer, match="filtered"):
        caller.ask(ASK, caller.patience())
    assert desk.verdict() is None
    assert caller.ask(numbered(1), caller.patience()) == CALL
    assert chat.tries == 2


def test_a_busy_endpoint_is_waited_for_as_long_as_the_patience_lasts(tmp_path: Path) -> None:
    """However many tries that takes; the waits grow."""
    caller, chat, _, clock = made(tmp_path, fails(Unreachable("429", "busy", 1.0), 10**6), patience_s=70)
    with pytest.raises(Unanswered, match="429"):
        caller.ask(ASK, caller.patience())
    assert 8 < chat.tries < 16
    assert clock.slept == pytest.approx(70, abs=0.1)


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


def test_who_waits_keeps_nobody_from_a_recorded_answer(tmp_path: Path) -> None:
    """One call at a time, and the one that waits for a rate limit sleeps without holding it."""
    desk = CallDesk(EndpointConfig(replica_in_flight=1), Recording(tmp_path / "calls.sqlite"))
    desk.close(ASK.key, ASK.purpose, ASK.told, CALL)
    assert desk.open("other", 1).kind == "ask"
    desk.fail("other", "busy", "busy", 30.0)
    caller = Caller(EndpointConfig(replica_in_flight=1), desk, Chat(lambda _: CALL))
    sleeper = threading.Thread(target=lambda: caller.ask(numbered(1), caller.patience()), daemon=True)
    sleeper.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert caller.ask(ASK, caller.patience()) == CALL
    assert time.monotonic() - began < 1.0


def test_who_is_at_the_desk_keeps_no_line_to_the_endpoint_idle(tmp_path: Path) -> None:
    """One of nine questions has its answer and is being written down; eight lines are for the other eight."""
    allowed, written = 8, threading.Event()

    class SlowDesk(CallDesk):
        def close(self, key: str, purpose: str, told: str, call: Call) -> Call:
            assert key != ASK.key or written.wait(10)
            return super().close(key, purpose, told, call)

    together = threading.Barrier(allowed, timeout=10)
    counting, there = threading.Lock(), [0, 0]

    class Counted:
        def ask(self, ask: Ask) -> Call:
            with counting:
                there[0] += 1
                there[1] = max(there)
            if ask.key != ASK.key:
                together.wait()
            with counting:
                there[0] -= 1
            return CALL

    config = EndpointConfig(replica_in_flight=allowed)
    caller = Caller(config, SlowDesk(config, Recording(tmp_path / "calls.sqlite")), Counted())
    with ThreadPoolExecutor(24) as many:
        first = many.submit(caller.ask, ASK, caller.patience())
        rest = [many.submit(caller.ask, numbered(i), caller.patience()) for i in range(2 * allowed)]
        assert [one.result(timeout=20) for one in rest] == [CALL] * (2 * allowed)
        assert not first.done()
        written.set()
        assert first.result(timeout=10) == CALL
    assert there == [0, allowed]
