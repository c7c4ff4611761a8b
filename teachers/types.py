"""What a teacher says about one state.

Invariant: a label is a function of (observation, mirror) and of nothing hidden: no counter, no random
number. Asking twice gives the same label; asking about an old state gives the label of that state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from worlds.types import Mirror, Observation

UNANSWERED = "unanswered: "
"""Begins the reason of an invalid label that may be had later: its state is to be asked about again."""
Role = Literal["manager", "conductor", "actor"]
ROLES: tuple[Role, ...] = ("manager", "conductor", "actor")


@dataclass(frozen=True)
class Label:
    """What one role would have said.

    `note` is the describer's memo (one of `Observation.notes`, or ""), `action` the chosen text
    (for the actor: a legal skill; for manager and conductor: their plan or subtask text).
    `equally_good` holds every action as good as `action`, itself included: no preference pair
    is built between members. `values` are the planner's values (higher is better), so that old
    states can be relabelled. `valid=False` carries a `reason` and is never trained on. `said` is what the
    roles and their critics said on the way, a line each, for people who read the rollout.
    """

    role: Role
    action: str
    note: str = ""
    equally_good: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    valid: bool = True
    reason: str = ""
    said: tuple[str, ...] = ()


class Teacher(Protocol):
    """Anything that can label a state. `version` enters every sample's identity."""

    version: str

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The label of `role` for this state."""
        ...
