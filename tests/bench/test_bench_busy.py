"""How busy the machine was: shares against burns of known length, and a real one."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from bench import busy
from bench.busy import Busy

CORES = 4


class Burns(SimpleNamespace):
    """A machine of `CORES` cores on which second i is spent as `load[i]` cores' time says; it is looked at
    every `every_s`."""

    load: list[float]
    every_s: float

    def spent_s(self, at: float) -> float:
        whole = int(at)
        return sum(self.load[:whole]) + (self.load[whole] * (at - whole) if at > whole else 0.0)

    def noted(self, monkeypatch: pytest.MonkeyPatch) -> Busy:
        """What `Busy` notes on it, looking from second 0 to the last."""
        moments = [n * self.every_s for n in range(int(len(self.load) / self.every_s) + 1)]
        looks = iter(moments)
        now = [0.0]

        def times() -> SimpleNamespace:
            now[0] = next(looks)
            third = self.spent_s(now[0]) / 3  # in the user's programs, the system's and those that yield
            return SimpleNamespace(user=third, system=third, nice=third, idle=1e9, iowait=1e9)

        watched = Busy()
        waits = iter([False] * len(moments) + [True])
        monkeypatch.setattr(
            watched, "_end", SimpleNamespace(wait=lambda every: next(waits), set=lambda: None)
        )
        monkeypatch.setattr(busy, "time", SimpleNamespace(time=lambda: now[0]))
        monkeypatch.setattr(psutil, "cpu_times", times)
        monkeypatch.setattr(psutil, "cpu_count", lambda: CORES)
        with watched:
            pass
        return watched


def test_a_share_is_the_burnt_part_of_all_cores_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two moments at which it looked, by adding up what was burnt second by second."""
    rng = np.random.default_rng(0)
    machine = Burns(load=[float(x) for x in rng.uniform(0, CORES, 20)], every_s=0.5)
    watched = machine.noted(monkeypatch)
    for _ in range(60):
        began, ended = sorted(float(x) / 2 for x in rng.choice(40, 2, replace=False))
        burnt = machine.spent_s(ended) - machine.spent_s(began)
        assert watched.share(began, ended) == pytest.approx(burnt / (CORES * (ended - began)))


def test_an_idle_and_a_full_machine_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Burns(load=[0.0] * 5 + [float(CORES)] * 5, every_s=0.25)
    watched = machine.noted(monkeypatch)
    assert watched.share(0.0, 5.0) == 0.0
    assert watched.share(5.0, 10.0) == pytest.approx(1.0)
    assert watched.share(2.5, 7.5) == pytest.approx(0.5)


def test_moments_between_looks_are_off_by_one_look_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Burns(load=[float(CORES) * (second % 2) for second in range(20)], every_s=0.5)
    watched = machine.noted(monkeypatch)
    rng = np.random.default_rng(1)
    for _ in range(60):
        began, ended = float(rng.uniform(0, 5)), float(rng.uniform(10, 19))
        share = (machine.spent_s(ended) - machine.spent_s(began)) / (CORES * (ended - began))
        assert abs(watched.share(began, ended) - share) <= 2 * 0.5 / (ended - began)


def test_a_burn_on_this_machine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """However loaded it is: what this process has used is in the share, whatever others have added."""
    monkeypatch.setattr(busy, "EVERY_S", 0.02)
    with Busy() as watched:
        time.sleep(0.1)
        began, used_s = time.time(), time.process_time()
        while time.process_time() - used_s < 0.5:
            sum(range(1000))
        ended = time.time()
        time.sleep(0.1)
    burnt_s = watched.share(began, ended) * (psutil.cpu_count() or 1) * (ended - began)
    assert burnt_s >= 0.7 * 0.5
    assert watched.share(began, ended) <= 1.1
