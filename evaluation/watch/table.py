"""The episodes that are kept.

Invariant: an episode is its owner's alone and does one thing at a time; no more than a bound are kept: one
that nobody touches for a while is forgotten, and where there is no room the one left alone longest makes it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from evaluation.watch.episode import HostedEpisode
from serve.problems import Problem

logger = logging.getLogger(__name__)


@dataclass
class _Entry:
    owner: str
    episode: HostedEpisode
    touched: float
    busy: threading.Lock = field(default_factory=threading.Lock)


class EpisodeTable:
    """Safe to use from several threads. `owner` is the name of an API key ("" where none is asked for)."""

    def __init__(self, limit: int, expiry_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._expiry_s, self._clock = limit, expiry_s, clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Episodes that are kept."""
        return len(self._entries)

    def add(self, owner: str, episode: HostedEpisode) -> str:
        """Keep it; returns its id. Raises `Problem` (429) where all that are kept are busy."""
        with self._lock:
            self._forget()
            if len(self._entries) >= self._limit:
                idle = [name for name, entry in self._entries.items() if not entry.busy.locked()]
                if not idle:
                    raise Problem(
                        429, f"all {self._limit} episodes are busy: try again", {"Retry-After": "2"}
                    )
                self._drop(min(idle, key=lambda name: self._entries[name].touched))
            name = secrets.token_urlsafe(16)
            self._entries[name] = _Entry(owner, episode, self._clock())
            return name

    @contextmanager
    def use(self, name: str, owner: str) -> Iterator[HostedEpisode]:
        """The episode, for one thing. Raises `Problem`: 404 for an unknown one, 409 for a busy one."""
        with self._lock:
            entry = self._own(name, owner)
            if not entry.busy.acquire(blocking=False):
                raise Problem(409, "this episode is busy with a decision: one at a time")
            entry.touched = self._clock()
        try:
            yield entry.episode
        finally:
            entry.busy.release()

    def close(self, name: str, owner: str) -> None:
        """Forget it. Raises `Problem` (404) for an unknown one."""
        with self._lock:
            self._own(name, owner)
            self._drop(name)

    def _own(self, name: str, owner: str) -> _Entry:
        self._forget()
        entry = self._entries.get(name)
        # Somebody else's is as unknown as none: its id is a secret.
        if entry is None or entry.owner != owner:
            raise Problem(404, "there is no such episode: it expired, was closed, or made room for another")
        return entry

    def _forget(self) -> None:
        oldest = self._clock() - self._expiry_s
        for name in [n for n, e in self._entries.items() if e.touched <= oldest and not e.busy.locked()]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name)
        try:
            entry.episode.world.close()
        except Exception:  # a world of the user's own: what it fails to give back is no reason to refuse
            logger.exception("a world of %s did not close", entry.episode.spec.suite)
