"""What a run's teacher calls came to, per role and per labelled episode: one table for page and terminal.

Invariant: a recorded answer is counted once, however often it was used; the episodes are those of the rounds
that the teacher labelled, as `metrics.jsonl` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from teachers.backends.recording import Recording

ALL = "all"
HEADINGS = (
    "role", "calls", "tokens", "seconds", "calls/episode", "tokens/episode", "seconds/episode",
    "seconds/call", "cost",
)  # fmt: skip


class RoleCalls(NamedTuple):
    """The calls of one role, or of `ALL` together. `seconds` is the sum of their latencies."""

    role: str
    calls: float
    tokens: float
    seconds: float
    cost: float

    def cells(self, episodes: int) -> tuple[str, ...]:
        """A row under `HEADINGS`; no figures per episode where none was labelled."""
        each = ("", "", "")
        if episodes:
            calls, tokens, seconds = (value / episodes for value in self[1:4])
            each = (f"{calls:.2f}", f"{tokens:,.0f}", f"{seconds:.2f}")
        return (
            self.role,
            f"{self.calls:,.0f}",
            f"{self.tokens:,.0f}",
            f"{self.seconds:,.1f}",
            *each,
            f"{self.seconds / self.calls:.3f}",
            f"{self.cost:.4f}",
        )


def role_calls(recording: Recording, run: str | None = None) -> list[RoleCalls]:
    """Each role's, in the order of their names, and then the sum, of the calls that `run` paid (None: of
    all); nothing where nothing was asked."""
    rows = [RoleCalls(role, **sums) for role, sums in recording.by_purpose(run).items()]
    if not rows:
        return []
    total = RoleCalls(ALL, *(sum(values) for values in zip(*(row[1:] for row in rows), strict=True)))
    return [*rows, total]


def labelled_episodes(records: Iterable[Mapping[str, Any]]) -> int:
    """Episodes whose states the teacher labelled, from the records of `metrics.jsonl`."""
    played = (r for r in records if r["kind"] == "rollout" and r.get("phase") == "distil")
    return sum(record["episodes"] for record in played)
