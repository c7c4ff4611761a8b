"""Reflection (EMMA, arXiv 2311.16714, section 2.2, after Reflexion): a critic looks back at failed attempts,
and what it makes of them enters the team's memory (`teachers.team.memory`).

Invariant: at most one memory of an attempt, and none of one that the critic has no answer about; where it
cannot be asked now, that is no answer, but raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.types import NoAnswer
from teachers.team.memory import Memory
from teachers.team.planner import GaveUp, Planner, Talk
from teachers.team.replies import CriticReply

TOLD = 12
"""Disagreements of one attempt that the critic is told of: the first ones, where it went astray."""
AT_ONCE = 4


class Disagreement(NamedTuple):
    """A decision where the student did something else than the team said."""

    step: int
    did: str
    said: str


class Attempt(NamedTuple):
    """A failed attempt: its suite, the task in words, its decisions, and where the two disagreed; of the
    first disagreement also the describer's words, the packed frame and the corrected way from there."""

    suite: str
    task: str
    decisions: int
    disagreements: tuple[Disagreement, ...]
    state: str = ""
    frame: str = ""
    path: str = ""


class Reflector:
    """Asks the critic about failed attempts."""

    def __init__(self, config: EndpointConfig, caller: Caller) -> None:
        self._caller = caller
        self._planner = Planner("critic", CriticReply, caller, config)

    def lessons(self, attempts: Sequence[Attempt]) -> list[Memory]:
        """The memories of the attempts, in their order. Raises Halted or Unanswered where the critic cannot
        be asked, now or any more."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [lesson for lesson in pool.map(self._lesson, attempts) if lesson is not None]

    def _lesson(self, attempt: Attempt) -> Memory | None:
        def judge(reply: CriticReply) -> Memory:
            return Memory(
                suite=attempt.suite,
                about=attempt.task,
                state=attempt.state,
                frame=attempt.frame,
                path=attempt.path,
                outcome=f"failed after {attempt.decisions} decisions",
                text=" ".join(reply.lesson.split()),
            )

        try:
            return self._planner.plan(attempt_text(attempt), judge, Talk(self._caller.patience()))
        except (GaveUp, NoAnswer):
            return None


def attempt_text(attempt: Attempt) -> str:
    """The attempt in labelled lines."""
    lines = [
        "Role: critic",
        f"Task: {' '.join(attempt.task.split())}",
        f"Decisions: {attempt.decisions}, without success",
        f"Disagreements: {len(attempt.disagreements)}",
    ]
    lines += [
        f"Decision {d.step + 1}: the student did {d.did}; the team said {d.said}"
        for d in attempt.disagreements[:TOLD]
    ]
    return "\n".join(lines)
