"""Reflection (EMMA, arXiv 2311.16714, section 2.2, after Reflexion): a critic looks back at failed attempts,
and its lessons are told to the actor from then on.

Invariant: lessons reach labels through `Mirror.facts["lessons"]` alone, so a label stays a function of
(observation, mirror); they are told to teachers, never to students.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.types import Halted, NoAnswer, Unanswered
from teachers.team.planner import GaveUp, Planner, Talk
from teachers.team.replies import CriticReply
from teachers.team.skills import similarity

KEPT = 32
"""Lessons of one suite that are remembered; the newest stay."""
TOLD = 12
"""Disagreements of one attempt that the critic is told of: the first ones, where it went astray."""
AT_ONCE = 4


class Disagreement(NamedTuple):
    """A decision where the student did something else than the team said."""

    step: int
    did: str
    said: str


class Attempt(NamedTuple):
    """A failed attempt: its suite, the task in words, its decisions, and where the two disagreed."""

    suite: str
    task: str
    decisions: int
    disagreements: tuple[Disagreement, ...]


class Lesson(NamedTuple):
    """What the critic made of one attempt: `about` is the task that it failed."""

    suite: str
    about: str
    text: str


class Reflector:
    """Asks the critic about failed attempts."""

    def __init__(self, config: EndpointConfig, caller: Caller) -> None:
        self._caller = caller
        self._planner = Planner("critic", CriticReply, caller, config)

    def lessons(self, attempts: Sequence[Attempt]) -> list[Lesson]:
        """At most one lesson per attempt, in their order; none of an attempt that the critic has no answer
        about."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [lesson for lesson in pool.map(self._lesson, attempts) if lesson is not None]

    def _lesson(self, attempt: Attempt) -> Lesson | None:
        def judge(reply: CriticReply) -> Lesson:
            return Lesson(attempt.suite, attempt.task, " ".join(reply.lesson.split()))

        try:
            return self._planner.plan(attempt_text(attempt), judge, Talk(self._caller.patience()))
        except (GaveUp, NoAnswer, Halted, Unanswered):
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


def remember(known: Sequence[Lesson], new: Sequence[Lesson]) -> tuple[Lesson, ...]:
    """`known` and then `new`, each lesson once, the newest `KEPT` of each suite."""
    latest = list(dict.fromkeys([*reversed(new), *reversed(known)]))
    kept: list[Lesson] = []
    for lesson in latest:
        if sum(other.suite == lesson.suite for other in kept) < KEPT:
            kept.append(lesson)
    return tuple(reversed(kept))


def recall(lessons: Sequence[Lesson], state: str, count: int) -> list[str]:
    """The texts of the `count` lessons nearest to a state in words (ties: the newest), each once."""
    latest = list(reversed(lessons))
    nearest = sorted(latest, key=lambda lesson: -similarity(state, f"{lesson.about} {lesson.text}"))
    return list(dict.fromkeys(lesson.text for lesson in nearest))[:count]
