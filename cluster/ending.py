"""What SIGINT and SIGTERM do to a server.

Invariant: while it starts, either ends it at once, with what it has started; once it waits, either ends the
wait.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Ending:
    """`status` is that of a process that a signal ended: 128 and its number."""

    def __init__(self) -> None:
        self.status = 128 + signal.SIGTERM  # Ray's own handler, while it starts, does not tell
        self._starting, self._told = True, threading.Event()

    def mind(self) -> None:
        """Put the handlers in place, also where somebody else's are."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._come)

    def wait(self) -> None:
        """Until either signal."""
        self._starting = False
        self.mind()
        self._told.wait()

    def _come(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        self._told.set()
        if self._starting:
            raise SystemExit(self.status)
