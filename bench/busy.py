"""How busy the machine was between two moments.

Whatever else runs on it counts too: leave it alone while a benchmark asks.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left

import psutil

EVERY_S = 0.5


class Busy:
    """Notes the processors' time while it is entered."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._moments: list[float] = []
        self._spent_s: list[float] = []

    def __enter__(self) -> Busy:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def share(self, began: float, ended: float) -> float:
        """The share of all cores' time that was spent between two moments (`time.time()`), both inside of the
        time that was noted."""
        first, last = (min(bisect_left(self._moments, at), len(self._moments) - 1) for at in (began, ended))
        seconds = (self._moments[last] - self._moments[first]) * (psutil.cpu_count() or 1)
        return (self._spent_s[last] - self._spent_s[first]) / max(seconds, 1e-9)

    def _watch(self) -> None:
        while not self._end.wait(EVERY_S):
            now = psutil.cpu_times()
            self._moments.append(time.time())
            self._spent_s.append(now.user + now.system + getattr(now, "nice", 0.0))
