"""Who may decide: the student, a teacher, chance, or a student that is shown nothing.

Invariant: only `LabelPolicy` looks at a mirror; the others decide from `State.prompt`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np

from actors.types import Labeler, Policy, State
from student.types import Decision, Prompt


class Decider(Protocol):
    """What decides for a student: `student.Student`, or a policy server far away."""

    def decide(
        self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int], version: int = 0
    ) -> list[Decision]:
        """One decision per prompt."""
        ...


@dataclass(frozen=True)
class StudentPolicy:
    """The student at one version."""

    decider: Decider
    version: int = 0
    name: str = "student"
    learns: ClassVar[bool] = True
    privileged: ClassVar[bool] = False

    def act(self, states: Sequence[State], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        return self.decider.decide([state.prompt for state in states], temperature, seeds, self.version)


@dataclass(frozen=True)
class BlankPolicy:
    """A policy whose images are black: what it still achieves, it achieves without seeing."""

    inner: Policy
    name: str = "blank"
    learns: ClassVar[bool] = False
    privileged: ClassVar[bool] = False

    def act(self, states: Sequence[State], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        return self.inner.act([self._blank(state) for state in states], temperature, seeds)

    @staticmethod
    def _blank(state: State) -> State:
        images = tuple(np.zeros_like(image) for image in state.prompt.images)
        return replace(state, mirror=None, prompt=replace(state.prompt, images=images))


@dataclass(frozen=True)
class RandomPolicy:
    """A legal action at random, without a note."""

    name: str = "random"
    learns: ClassVar[bool] = False
    privileged: ClassVar[bool] = False

    def act(self, states: Sequence[State], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        return [_uniform(state, seed) for state, seed in zip(states, seeds, strict=True)]


@dataclass(frozen=True)
class LabelPolicy:
    """A teacher that acts itself; where it has no valid label, chance does, and `refused` counts how often by
    the labels' reasons."""

    labeler: Labeler
    refused: Counter[str] = field(default_factory=Counter)
    learns: ClassVar[bool] = False
    privileged: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.labeler.name

    def act(self, states: Sequence[State], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        labels = self.labeler.ask(states)()
        self.refused.update(label.reason or "it had none" for label in labels if not label.valid)
        return [
            Decision(label.note, label.action, 0.0, ((label.action, 0.0),), 1.0, 0)
            if label.valid
            else _uniform(state, seed)
            for state, label, seed in zip(states, labels, seeds, strict=True)
        ]


def _uniform(state: State, seed: int) -> Decision:
    actions = state.prompt.actions
    chance = -float(np.log(len(actions)))
    action = actions[int(np.random.default_rng(seed).integers(len(actions)))]
    return Decision("", action, chance, tuple((other, chance) for other in actions), 1.0, 0)
