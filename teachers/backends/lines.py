"""Who may call next where the calls under way over all replicas are limited.

Invariants: a line is free while fewer than `limit` calls are under way (0: no limit); all who wait come back,
together, no more than `POLLS_PER_S` times a second and none sooner than after `POLL_S`; who has waited for
`OVERDUE_S` goes before who has waited less, so none waits for ever; who waited and died is forgotten.

Times are monotonic seconds of the desk's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

POLL_S = 0.05
POLLS_PER_S = 100.0
"""Each is a call to the desk, which may be a process away and has other things to do."""
OVERDUE_S = 5.0
LATE_S = 2.0
"""Who has not come back so long after twice the time that it was told is not waiting any more."""


@dataclass(frozen=True)
class _Waiter:
    since_s: float
    gone_at_s: float


class Lines:
    """The queue for `limit` lines; whose they are is the desk's to know."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, _Waiter] = {}

    def wait_s(self, key: str, under_way: int, now_s: float) -> float:
        """Seconds until the question `key` is to come back; 0 where a line is free for it now."""
        if not self._limit:
            return 0.0
        known = self._waiting.get(key)
        since_s = known.since_s if known and known.gone_at_s > now_s else now_s
        self._waiting = {k: w for k, w in self._waiting.items() if k != key and w.gone_at_s > now_s}
        first = sum(w.since_s < min(since_s, now_s - OVERDUE_S) for w in self._waiting.values())
        free = self._limit - under_way - first
        # Kept although a line is free: it may not get it (a rate limit), and then its turn is not lost.
        wait_s = 0.0 if free > 0 else max(POLL_S, (len(self._waiting) + 1) / POLLS_PER_S)
        self._waiting[key] = _Waiter(since_s, now_s + 2 * wait_s + LATE_S)
        return wait_s

    def taken(self, key: str) -> None:
        """The question has its line."""
        self._waiting.pop(key, None)
