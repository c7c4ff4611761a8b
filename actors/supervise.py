"""Which episodes are still owed, who failed, and when to give up. Pure: no clock, no processes.

Invariants: every episode that was submitted leaves exactly once, as a result or in quarantine with all its
reasons; an episode is blamed for a death only where it was alone or was seen to hang, so a random kill
never condemns its neighbours; failures of machines and failures of episodes spend separate budgets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from actors.types import EpisodeFailure
from worlds.types import EpisodeSpec

JobT = TypeVar("JobT")


class RolloutsFailed(RuntimeError):
    """A budget is spent; the message names the last cause and what to change."""


@dataclass(frozen=True)
class InfraBudget:
    """How many failures of machinery in a row, without one finished episode between, end the run; a part is
    restarted after `backoff_s`, doubled with each failure in a row up to `backoff_max_s`."""

    consecutive: int = 6
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0

    def delay_s(self, failures: int) -> float:
        """How long to wait after that many failures in a row."""
        return min(self.backoff_max_s, self.backoff_s * 2.0 ** max(0, failures - 1))


@dataclass(frozen=True)
class DataBudget:
    """How often an episode is tried before it is quarantined, and how many may be quarantined in all."""

    attempts: int = 3
    quarantined: int = 50


@dataclass(frozen=True)
class Batch(Generic[JobT]):
    """Episodes of one job that are handed to a host together. A `suspect` one is all that its host plays:
    something in it may have brought another down."""

    job: JobT
    specs: tuple[EpisodeSpec, ...]
    suspect: bool = False


@dataclass
class Supervisor(Generic[JobT]):
    """The books of a pool. A job is any hashable thing that says how its episodes are played."""

    infra: InfraBudget = field(default_factory=InfraBudget)
    data: DataBudget = field(default_factory=DataBudget)
    failures_in_a_row: int = 0
    quarantined: int = 0
    _waiting: deque[Batch[JobT]] = field(default_factory=deque)
    _retries: deque[Batch[JobT]] = field(default_factory=deque)
    _owed: dict[tuple[JobT, EpisodeSpec], list[str]] = field(default_factory=dict)
    _holder: dict[tuple[JobT, EpisodeSpec], Batch[JobT]] = field(default_factory=dict)

    @property
    def owed(self) -> int:
        """Episodes that have not left yet."""
        return len(self._owed)

    def submit(self, job: JobT, specs: Sequence[EpisodeSpec]) -> None:
        """Owe these episodes of `job`. One that is owed already is not owed twice."""
        fresh = [spec for spec in dict.fromkeys(specs) if (job, spec) not in self._owed]
        self._owed.update({(job, spec): [] for spec in fresh})
        if fresh:
            self._waiting.append(Batch(job, tuple(fresh)))

    def held(self, batch: Batch[JobT]) -> list[EpisodeSpec]:
        """What the host of a batch still has to play of it: not what has left, nor what got a strike and is
        tried elsewhere."""
        return [spec for spec in batch.specs if self._holder.get((batch.job, spec)) is batch]

    def next_batch(self, limit: int, hosts: int, beside: Sequence[Batch[JobT]] = ()) -> Batch[JobT] | None:
        """Up to `limit` episodes of the oldest job, shared evenly among `hosts`; suspects go first, in the
        groups that are to tell them apart. None where there is nothing for a host that still plays the
        batches `beside`: as long as suspects wait it gets nothing else, so that a host is free for them soon.
        """
        if beside and (self._retries or any(batch.suspect for batch in beside)):
            return None
        if self._retries:
            batch = self._retries.popleft()
        elif self._waiting:
            whole = self._waiting.popleft()
            size = max(1, min(limit, -(-len(whole.specs) // hosts)))
            if whole.specs[size:]:
                self._waiting.appendleft(Batch(whole.job, whole.specs[size:]))
            batch = Batch(whole.job, whole.specs[:size])
        else:
            return None
        self._holder.update({(batch.job, spec): batch for spec in batch.specs})
        return batch

    def finished(self, job: JobT, spec: EpisodeSpec) -> bool:
        """An episode has its result; False if it had left before (the result is then to be dropped)."""
        self.failures_in_a_row = 0
        self._holder.pop((job, spec), None)
        return self._owed.pop((job, spec), None) is not None

    def episode_failed(
        self, job: JobT, spec: EpisodeSpec, reason: str, suspect: bool = False
    ) -> EpisodeFailure | None:
        """A strike against an episode. Returns None where it is tried again (alone if it is `suspect`), else
        its failure with all reasons: it is in quarantine. Raises RolloutsFailed when too many are."""
        reasons = self._owed.get((job, spec))
        if reasons is None:
            return None
        reasons.append(reason)
        self._holder.pop((job, spec), None)
        if len(reasons) < self.data.attempts:
            again = Batch(job, (spec,), suspect)
            if suspect:
                self._retries.append(again)
            else:
                self._waiting.appendleft(again)
            return None
        del self._owed[job, spec]
        self.quarantined += 1
        told = f"failed {len(reasons)} times: " + "; ".join(dict.fromkeys(reasons))
        if self.quarantined > self.data.quarantined:
            raise RolloutsFailed(
                f"{self.quarantined} episodes are in quarantine (DataBudget.quarantined="
                f"{self.data.quarantined}); the last is {spec}, which {told}. Mend the world, or raise "
                "the budget."
            )
        return EpisodeFailure(spec, told)

    def host_died(
        self, batches: Sequence[Batch[JobT]], reason: str, culprit: tuple[JobT, EpisodeSpec] | None = None
    ) -> tuple[JobT, EpisodeFailure] | None:
        """The host of `batches` is gone. With a `culprit` among them, or an episode that was alone, that one
        gets a strike, as in `episode_failed`, whose failure is returned with its job. Otherwise what is left
        of each job is tried again in two halves, and the machinery gets the blame."""
        left: dict[JobT, list[EpisodeSpec]] = {}
        for batch in batches:
            left.setdefault(batch.job, []).extend(self._let_go(batch))
        together = [(job, spec) for job, specs in left.items() for spec in specs]
        struck = culprit if culprit in together else None
        if struck is None and len(together) == 1:
            struck = together[0]
        if struck is not None:
            for job, specs in reversed(left.items()):
                others = tuple(spec for spec in specs if (job, spec) != struck)
                if others:
                    self._waiting.appendleft(Batch(job, others))
            failure = self.episode_failed(*struck, reason, suspect=True)
            return None if failure is None else (struck[0], failure)
        for job, specs in left.items():
            half = (len(specs) + 1) // 2
            for part in (specs[:half], specs[half:]):
                if part:
                    self._retries.append(Batch(job, tuple(part), suspect=True))
        self.infra_failed(reason)
        return None

    def give_back(self, batches: Sequence[Batch[JobT]]) -> None:
        """These were cut short and nobody in them is to blame: what is left of them is played again."""
        for batch in reversed(batches):
            left = self._let_go(batch)
            if left:
                queue = self._retries if batch.suspect else self._waiting
                queue.appendleft(Batch(batch.job, tuple(left), batch.suspect))

    def infra_failed(self, reason: str) -> float:
        """A failure of machinery; returns the seconds to wait before the part is started again. Raises
        RolloutsFailed when the budget is spent."""
        self.failures_in_a_row += 1
        if self.failures_in_a_row > self.infra.consecutive:
            raise RolloutsFailed(
                f"{self.failures_in_a_row} failures in a row without one finished episode between "
                f"(InfraBudget.consecutive={self.infra.consecutive}); the last: {reason}"
            )
        return self.infra.delay_s(self.failures_in_a_row)

    def _let_go(self, batch: Batch[JobT]) -> list[EpisodeSpec]:
        left = self.held(batch)
        for spec in left:
            del self._holder[batch.job, spec]
        return left
