"""The three roles of the team: a manager plans for all bodies, a conductor puts one body's subtask into a
phase, an actor chooses the next skill (STEVE-2: centralised planning, decentralised execution).

Invariant: each role reads the situation and the text-bearing result of the role above it, and nothing
else, so the label of every role is a function of (observation, mirror).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from teachers.types import Label, Role

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True)
class Subtask:
    """One body's share: a verb, what it is about, and the compass region to work in ("" anywhere)."""

    verb: str
    what: str
    region: str = ""

    @property
    def text(self) -> str:
        """E.g. "find pumpkin north"."""
        return " ".join(part for part in (self.verb, self.what, self.region) if part)


@dataclass(frozen=True)
class Plan:
    """The manager's answer: one subtask per body."""

    subtasks: tuple[Subtask, ...]

    @property
    def text(self) -> str:
        """One body: its subtask; several: "body 1 ..., body 2 ..."."""
        if len(self.subtasks) == 1:
            return self.subtasks[0].text
        return ", ".join(f"body {i} {subtask.text}" for i, subtask in enumerate(self.subtasks, start=1))


@dataclass(frozen=True)
class Phase:
    """The conductor's answer: what the body does until further notice, e.g. "search pumpkin". `steps` are the
    skills that it foresees; they are no part of the text."""

    name: str
    what: str = ""
    region: str = ""
    steps: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The phase as text."""
        return " ".join(part for part in (self.name, self.what, self.region) if part)


@dataclass(frozen=True)
class Choice:
    """The actor's answer; see `Label` for `equally_good` and `values`."""

    action: str
    equally_good: tuple[str, ...]
    values: Mapping[str, float] = field(default_factory=dict)


class Manager(Protocol[S_contra]):
    """Plans for all bodies."""

    def plan(self, situation: S_contra) -> Plan:
        """The task split."""
        ...


class Conductor(Protocol[S_contra]):
    """Leads one body."""

    def phase(self, situation: S_contra, subtask: Subtask) -> Phase:
        """The phase of the own body's subtask."""
        ...


class Actor(Protocol[S_contra]):
    """Moves one body."""

    def act(self, situation: S_contra, phase: Phase) -> Choice:
        """The next skill."""
        ...


class Situation(Protocol):
    """What the roles read: a world's own view of (observation, mirror)."""

    @property
    def body(self) -> int:
        """Index of the own body in the plan."""
        ...

    @property
    def note(self) -> str:
        """The describer's memo."""
        ...


Sit = TypeVar("Sit", bound=Situation)


def team_label(
    situation: Sit, manager: Manager[Sit], conductor: Conductor[Sit], actor: Actor[Sit], role: Role
) -> Label:
    """Ask the roles from the top down until `role` has answered."""
    plan = manager.plan(situation)
    if role == "manager":
        return Label(role, plan.text, situation.note, (plan.text,))
    said: tuple[str, ...] = (f"manager: {plan.text}",)
    phase = conductor.phase(situation, plan.subtasks[situation.body])
    if role == "conductor":
        return Label(role, phase.text, situation.note, (phase.text,), said=said)
    said = (*said, f"conductor: {phase.text}")
    choice = actor.act(situation, phase)
    return Label(role, choice.action, situation.note, choice.equally_good, choice.values, said=said)
