"""The call desk as a process of its own, for teacher replicas in several processes.

Invariant: no call to the desk waits without a deadline, and one that it passes leaves the label open for
later; a desk that died is started again by Ray and goes on from its recording and from its journal of the
calls under way, so its limits hold over them (a verdict is found again; a question whose leave was on its way
to the asker when the desk died waits until it counts as lost).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from teachers.backends.types import Call, Ticket, Trouble, Unanswered, Verdict
from teachers.config import TeacherConfig
from teachers.make import open_desk

DESK_S = 60.0
"""Seconds that a call may take: it may wait for a restart, never for an endpoint."""


class DeskProcess:
    """A `CallDesk` behind Ray; methods as in `teachers.backends.desk.Desk`."""

    def __init__(self, config: TeacherConfig, path: Path, run: str) -> None:
        again = bool(ray.get_runtime_context().was_current_actor_reconstructed)
        self._desk = open_desk(config, path, run, journal_of(path, run), again)

    def do(self, what: str, *arguments: Any) -> Any:
        """Call one of the desk's methods."""
        return getattr(self._desk, what)(*arguments)


@dataclass(frozen=True)
class RemoteDesk:
    """A `Desk` in another process."""

    handle: Any

    def open(self, key: str, tokens: int) -> Ticket:
        """See `Desk.open`."""
        ticket: Ticket = self._do("open", key, tokens)
        return ticket

    def close(self, key: str, purpose: str, told: str, call: Call) -> Call:
        """See `Desk.close`."""
        standing: Call = self._do("close", key, purpose, told, call)
        return standing

    def fail(self, key: str, reason: str, trouble: Trouble, retry_after_s: float = 0.0) -> bool:
        """See `Desk.fail`."""
        wide: bool = self._do("fail", key, reason, trouble, retry_after_s)
        return wide

    def give_up(self, key: str, purpose: str, told: str, reason: str) -> None:
        """See `Desk.give_up`."""
        self._do("give_up", key, purpose, told, reason)

    def verdict(self) -> Verdict | None:
        """See `Desk.verdict`."""
        verdict: Verdict | None = self._do("verdict")
        return verdict

    def news(self) -> list[str]:
        """See `Desk.news`."""
        news: list[str] = self._do("news")
        return news

    def _do(self, what: str, *arguments: Any) -> Any:
        try:
            return ray.get(self.handle.do.remote(what, *arguments), timeout=DESK_S)
        except (GetTimeoutError, RayActorError) as error:
            raise Unanswered(f"the desk of the calls does not answer ({type(error).__name__})") from error


def journal_of(path: Path, run: str = "") -> Path:
    """Where the desk over the recording `path` keeps its calls under way: of use to a desk that is started
    again by Ray, and to nobody after that."""
    return path.with_name(f"{path.name}.{run or 'desk'}.flights")


def start_desk(config: TeacherConfig, path: Path, run: str = "") -> RemoteDesk:
    """A desk on this node, where its recording `path` is, for `run`; `ray.init` comes first."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node = ray.get_runtime_context().get_node_id()
    made = ray.remote(DeskProcess).options(
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=-1,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    return RemoteDesk(made.remote(config, path, run))
