"""How fast questions may be asked: a pure token bucket for requests and tokens per minute.

Invariant: in no window of 60 s are more than the limit taken (a bucket holds a tenth of the limit and refills
at nine tenths of it a minute, so what is in it and what flows in never exceed the limit).
"""

from __future__ import annotations

from dataclasses import dataclass

BURST = 0.1
"""Share of a minute's limit that may be taken at once."""


@dataclass
class _Bucket:
    """Holds up to `BURST` of `limit` (0: no limit). A question dearer than the whole bucket waits until it is
    full and leaves it in debt."""

    limit: float
    level: float = 0.0
    at_s: float = float("-inf")

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` can be taken."""
        if not self.limit:
            return 0.0
        room = max(1.0, BURST * self.limit)
        flow = max(self.limit - room, self.limit / 2) / 60.0
        filled = room if self.at_s == float("-inf") else self.level + (now_s - self.at_s) * flow
        self.level, self.at_s = min(room, filled), now_s
        return max(0.0, (min(amount, room) - self.level) / flow)

    def take(self, amount: float) -> None:
        self.level -= amount

    def drain(self, now_s: float) -> None:
        self.level, self.at_s = 0.0, now_s


class Pace:
    """Requests and tokens per minute together (0: no limit)."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._requests = _Bucket(requests_per_minute)
        self._tokens = _Bucket(tokens_per_minute)

    def take(self, tokens: int, now_s: float) -> float:
        """Take one request of about `tokens`; returns 0, or the seconds to wait where nothing was taken."""
        wait_s = max(self._requests.wait_s(1, now_s), self._tokens.wait_s(tokens, now_s))
        if wait_s > 0:
            return wait_s
        self._requests.take(1)
        self._tokens.take(tokens)
        return 0.0

    def drain(self, now_s: float) -> None:
        """Begin without a burst: what was taken in the minute before is not known."""
        self._requests.drain(now_s)
        self._tokens.drain(now_s)

    def give_back(self, tokens: int) -> None:
        """What was taken was not used."""
        self._requests.take(-1)
        self._tokens.take(-tokens)

    def correct(self, tokens: int) -> None:
        """A request cost so many more (or, negative, fewer) tokens than was thought."""
        self._tokens.take(tokens)
