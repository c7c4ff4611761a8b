"""What a run's teacher calls came to, per role and per labelled episode: one table for page and terminal.

Invariants: a recorded answer is counted once, however often it was used; the episodes are those of the rounds
that the teacher labelled, as `metrics.jsonl` has them, and what is told per episode are the calls made up to
the end of those rounds, without an evaluation's; no figure takes more than seven characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from teachers.backends.config import EndpointConfig
from teachers.backends.recording import Recording
from teachers.config import TeacherConfig
from teachers.make import recording_of

ALL = "all"
ROUNDS, LATER = "rounds", "later"
"""The sums of what was asked up to the end of the last labelled round, and after it: by evaluations, for the
report's rollouts, in a round that is under way."""
HEADINGS = (
    "role", "calls", "tokens", "seconds", "calls/episode", "tokens/episode", "seconds/episode",
    "seconds/call", "cost",
)  # fmt: skip
UNITS = ("", " k", " M", " G", " T")


class RoleCalls(NamedTuple):
    """The calls of one role, or a sum of several. `seconds` is the sum of their latencies; `labelled` says
    whether they made labels of rounds, so that figures per episode mean something."""

    role: str
    calls: float
    tokens: float
    seconds: float
    cost: float
    labelled: bool = True

    def cells(self, episodes: int) -> tuple[str, ...]:
        """A row under `HEADINGS`; no figures per episode where none was labelled."""
        each = ("", "", "")
        if episodes and self.labelled:
            calls, tokens, seconds = (value / episodes for value in self[1:4])
            each = (scaled(calls, 2), scaled(tokens), scaled(seconds, 2))
        return (
            self.role,
            scaled(self.calls),
            scaled(self.tokens),
            scaled(self.seconds, 1),
            *each,
            scaled(self.seconds / self.calls, 3),
            scaled(self.cost, 4 if self.cost < 1 else 2),
        )


def scaled(value: float, decimals: int = 0) -> str:
    """Below 1,000 with so many decimals, below 10,000 whole, above with three digits and a unit: "74.6 M"."""
    if round(value, decimals) < 1000:
        return f"{value:.{decimals}f}"
    if round(value) < 10_000:
        return f"{value:,.0f}"
    power = 0
    while value >= 999.5 and power < len(UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}{UNITS[power]}"


def recorded_in(run: Path) -> tuple[Path, str | None]:
    """The recording of the run folder `run`, and the name under which its calls stand there (None: all that
    is there counts): a recording that runs share holds the calls of the others too, and a replay paid none.
    Raises ValueError for a config.yaml that is damaged."""
    file = run / "config.yaml"
    try:
        config = OmegaConf.load(file) if file.is_file() else OmegaConf.create()
        backend = OmegaConf.select(config, "teacher.backend", default="openai")
        shared = OmegaConf.select(config, "teacher.endpoint.recording", default="")
    except Exception as error:  # YAML's and OmegaConf's have no common parent
        raise ValueError(f"{file} is not readable as YAML: {error}") from error
    path = recording_of(TeacherConfig(endpoint=EndpointConfig(recording=shared)), run)
    return path, run.resolve().name if shared and backend == "openai" else None


def role_calls(recording: Recording, run: str | None = None, until_s: float | None = None) -> list[RoleCalls]:
    """Each role's, in the order of their names, and then the sum, of the calls that `run` paid (None: of
    all); nothing where nothing was asked. With calls after `until_s` (see `labelled_until`) the rows are of
    those before, with their sum as `ROUNDS`, and `LATER` and `ALL` follow."""
    everything = _rows(recording, run, None)
    if not everything:
        return []
    rows = _rows(recording, run, until_s)
    whole, rounds = _sum(ALL, everything), _sum(ROUNDS, rows)
    if rounds.calls == whole.calls:
        return [*everything, whole]
    later = RoleCalls(
        LATER,
        whole.calls - rounds.calls,
        whole.tokens - rounds.tokens,
        whole.seconds - rounds.seconds,
        whole.cost - rounds.cost,
        labelled=False,
    )
    # No row of rounds whose every answer had been paid before, by other runs: there is nothing to tell.
    return [*rows, *([rounds] if rows else []), later, whole._replace(labelled=False)]


def _rows(recording: Recording, run: str | None, until_s: float | None) -> list[RoleCalls]:
    found = recording.by_purpose(run, until_s)
    return [RoleCalls(role, s["calls"], s["tokens"], s["seconds"], s["cost"]) for role, s in found.items()]


def _sum(name: str, rows: Sequence[RoleCalls]) -> RoleCalls:
    return RoleCalls(
        name,
        sum(row.calls for row in rows),
        sum(row.tokens for row in rows),
        sum(row.seconds for row in rows),
        sum(row.cost for row in rows),
    )


def _labelled(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [r for r in records if r["kind"] == "rollout" and r.get("phase") == "distil"]


def labelled_episodes(records: Iterable[Mapping[str, Any]]) -> int:
    """Episodes whose states the teacher labelled, from the records of `metrics.jsonl`."""
    return sum(record["episodes"] for record in _labelled(records))


def labelled_until(records: Iterable[Mapping[str, Any]]) -> float | None:
    """When the last labelled round was over (of `time.time`); None: none is."""
    return max((record["time"] for record in _labelled(records)), default=None)
