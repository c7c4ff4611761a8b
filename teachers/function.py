"""`FunctionTeacher`: a plain function as a teacher.

Invariant: what the function answers is checked before it becomes a label; an answer that is not a legal
action is an error of the function, told as such and never trained on.
"""

from __future__ import annotations

from collections.abc import Callable

from teachers.types import Label, Role
from worlds.types import Mirror, Observation


class FunctionTeacher:
    """Labels with `decide(observation, mirror)`, which answers an action text, a whole `Label` (to give a
    note, ties or values), or None where it has no opinion. It must be a function of its arguments alone.
    `version` names the function: change it when the answers change."""

    def __init__(self, decide: Callable[[Observation, Mirror], str | Label | None], version: str) -> None:
        self.decide = decide
        self.version = version

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The function's answer as a label. Raises ValueError for an action that is not legal now."""
        if role != "actor":
            return Label(role, "", valid=False, reason=f"teacher {self.version} knows no {role}")
        answer = self.decide(observation, mirror)
        if answer is None:
            return Label(role, "", valid=False, reason=f"teacher {self.version} has no opinion")
        label = answer if isinstance(answer, Label) else Label(role, answer, equally_good=(answer,))
        if label.valid and label.action not in observation.actions:
            raise ValueError(
                f"teacher {self.version} answered {label.action!r}, which is not among the actions "
                f"{', '.join(observation.actions)}; answer one of them, or None."
            )
        return label
