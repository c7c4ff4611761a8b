"""The desk and the caller: asked once, within limits, from a recording if there is one."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from desks import ASK, CALL, Chat, Clock, fails, made, numbered

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Halted, NoAnswer, Unreachable


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


def test_a_run_with_an_unanswered_question_is_replayed(tmp_path: Path) -> None:
    caller, _, _, _ = made(tmp_path, fails(Unreachable("400: too long", "rejected"), 1))
    with pytest.raises(NoAnswer, match="too long"):
        caller.ask(ASK, caller.patience())
    replayed, chat, desk, _ = made(tmp_path, lambda _: CALL, replay=True)
    with pytest.raises(NoAnswer, match="too long"):
        replayed.ask(ASK, replayed.patience())
    assert chat.tries == 0
    assert desk.verdict() is None


def test_limits_hold_over_all_who_ask(tmp_path: Path) -> None:
    caller, chat, _, clock = made(tmp_path, lambda _: CALL, requests_per_minute=60, patience_s=1e6)
    for i in range(120):
        caller.ask(numbered(i), caller.patience())
    assert 100 < clock.slept < 180
    assert chat.tries == 120


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
