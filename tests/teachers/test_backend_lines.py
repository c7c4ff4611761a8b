"""Calls under way are limited over all replicas and for each, and a replica that dies keeps no line."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import LOST_S, CallDesk
from teachers.backends.lines import LATE_S, OVERDUE_S, POLL_S, POLLS_PER_S, Lines
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Message, Unanswered
from teachers.config import TeacherConfig

ASK = Ask("actor", (Message("user", "u"),), "{}", "m")
CALL = Call("{}", "m", 60, 40, 0.1, 0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def desk_of(tmp_path: Path, **settings: Any) -> tuple[CallDesk, Clock]:
    clock = Clock()
    config = EndpointConfig(**settings)
    return CallDesk(config, Recording(tmp_path / "calls.sqlite"), clock=clock), clock


class Counted:
    """A chat that takes `seconds`, and how many of all replicas' questions were ever with it at once."""

    lock = threading.Lock()

    def __init__(self, seconds: float, all_: list[int]) -> None:
        self._seconds, self._all, self.here, self.most = seconds, all_, 0, 0

    def ask(self, ask: Ask) -> Call:
        with self.lock:
            self.here, self._all[0] = self.here + 1, self._all[0] + 1
            self.most, self._all[1] = max(self.most, self.here), max(self._all)
        time.sleep(self._seconds)
        with self.lock:
            self.here, self._all[0] = self.here - 1, self._all[0] - 1
        return CALL


def test_a_line_is_free_when_a_call_has_ended(tmp_path: Path) -> None:
    desk, clock = desk_of(tmp_path, in_flight=2)
    assert [desk.open(key, 1).kind for key in "abc"] == ["ask", "ask", "line"]
    assert "in_flight" in desk.open("c", 1).reason
    desk.close("a", "actor", "{}", CALL)
    assert desk.open("a", 1).kind == "recorded"  # takes none
    assert desk.open("c", 1).kind == "ask"
    assert desk.open("d", 1).kind == "line"
    desk.fail("b", "dropped", "down")
    clock.now += 1
    assert desk.open("d", 1).kind == "ask"


def test_a_replica_that_died_keeps_its_lines_no_longer_than_a_call_may_take(tmp_path: Path) -> None:
    desk, clock = desk_of(tmp_path, in_flight=2, timeout_s=30.0)
    assert [desk.open(key, 1).kind for key in "ab"] == ["ask", "ask"]
    clock.now += 30.0 + LOST_S - 0.1
    assert desk.open("c", 1).kind == "line"
    clock.now += 0.2
    assert [desk.open(key, 1).kind for key in "cde"] == ["ask", "ask", "line"]


def test_who_has_no_line_takes_nothing_of_the_rates(tmp_path: Path) -> None:
    desk, _ = desk_of(tmp_path, in_flight=1, requests_per_minute=20)
    assert desk.open("a", 1).kind == "ask"
    for _ in range(50):
        assert desk.open("b", 1).kind == "line"
    desk.close("a", "actor", "{}", CALL)
    assert desk.open("b", 1).kind == "ask"  # the second of two that may go at once


def test_limits_hold_for_each_replica_and_over_all_and_no_line_lies_idle(tmp_path: Path) -> None:
    """Two replicas of six lines each, and eight over both: real threads and a real clock."""
    config = EndpointConfig(in_flight=8, replica_in_flight=6)
    desk, all_ = CallDesk(config, Recording(tmp_path / "calls.sqlite")), [0, 0]
    chats = [Counted(0.05, all_) for _ in range(2)]
    callers = [Caller(config, desk, chat) for chat in chats]
    began = time.monotonic()
    with ThreadPoolExecutor(40) as many:
        asked = [
            many.submit(callers[i % 2].ask, replace(ASK, model=f"m{i}"), callers[0].patience())
            for i in range(160)
        ]
        assert [one.result(timeout=60) for one in asked] == [CALL] * 160
    assert all_ == [0, 8]
    assert max(chat.most for chat in chats) <= 6
    ideal_s = 160 / 8 * 0.05
    assert time.monotonic() - began < 3 * ideal_s + 1.0


def test_who_gets_no_line_within_its_patience_says_so(tmp_path: Path) -> None:
    config = EndpointConfig(in_flight=1, timeout_s=0.3, patience_s=0.3)
    desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"))
    assert desk.open("another replica's", 1).kind == "ask"
    caller = Caller(config, desk, Counted(0.0, [0, 0]))
    with pytest.raises(Unanswered, match=r"teacher\.endpoint\.in_flight calls were under way"):
        caller.ask(ASK, caller.patience())


@given(st.integers(1, 400))
def test_many_who_wait_do_not_ask_the_desk_all_the_time(waiting: int) -> None:
    lines = Lines(1)
    waits = [lines.wait_s(str(i), 1, 0.0) for i in range(waiting)]
    again = [lines.wait_s(str(i), 1, waits[i]) for i in range(waiting)]
    assert min(waits) >= POLL_S
    assert sum(1 / wait for wait in again) <= max(POLLS_PER_S, 1 / POLL_S) * 1.01


def test_who_has_waited_long_goes_first_and_who_died_waiting_holds_nobody_up() -> None:
    lines, now = Lines(1), 0.0
    while now <= OVERDUE_S:
        now += lines.wait_s("old", 1, now)
    lines.wait_s("dead", 1, 0.0)
    assert lines.wait_s("fresh", 0, now) > 0
    assert lines.wait_s("old", 0, now) == 0
    lines.taken("old")
    assert lines.wait_s("fresh", 0, now + 1.0) == 0
    lines, now = Lines(1), 0.0
    while now <= OVERDUE_S:
        now += lines.wait_s("dies", 1, now)
    assert lines.wait_s("fresh", 0, now) > 0
    assert lines.wait_s("fresh", 0, now + 2 * POLL_S + LATE_S) == 0


@pytest.mark.slow
def test_a_killed_replicas_lines_come_back_on_ray(tmp_path: Path) -> None:
    """Three lines: a process dies with two, and another waits until they count as lost."""
    import ray

    from actors.ray_desk import RemoteDesk, start_desk
    from cluster.ray_start import start_ray

    class Replica:
        def __init__(self, desk: RemoteDesk) -> None:
            self._desk = desk

        def open(self, keys: str) -> tuple[int, list[str]]:
            return os.getpid(), [self._desk.open(key, 1).kind for key in keys]

    start_ray(256)
    try:
        endpoint = EndpointConfig(in_flight=3, timeout_s=1.0)
        desk = start_desk(TeacherConfig(backend="openai", endpoint=endpoint), tmp_path / "calls.sqlite")
        made = ray.remote(Replica).options(num_cpus=0)
        first, second = made.remote(desk), made.remote(desk)
        pid, kinds = ray.get(first.open.remote("ab"), timeout=60)
        assert kinds == ["ask", "ask"]
        assert ray.get(second.open.remote("cd"), timeout=60)[1] == ["ask", "line"]
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        while ray.get(second.open.remote("d"), timeout=60)[1] == ["line"]:
            assert time.monotonic() - began < 2 * (1.0 + LOST_S)
            time.sleep(0.2)
        assert time.monotonic() - began > 0.5 * LOST_S
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_a_desk_that_ray_starts_again_counts_the_calls_under_way(tmp_path: Path) -> None:
    import ray

    from actors.ray_desk import start_desk
    from cluster.ray_start import start_ray

    start_ray(256)
    try:
        endpoint = EndpointConfig(in_flight=2, timeout_s=60.0)
        desk = start_desk(TeacherConfig(backend="openai", endpoint=endpoint), tmp_path / "calls.sqlite")
        assert [desk.open(key, 1).kind for key in ("a", "b", "c")] == ["ask", "ask", "line"]
        ray.kill(desk.handle, no_restart=False)
        assert desk.open("c", 1).kind == "line"
        desk.close("a", "actor", "{}", Call("{}", "m", 60, 40, 0.1))
        assert [desk.open(key, 1).kind for key in ("c", "d")] == ["ask", "line"]
    finally:
        ray.shutdown()
