"""What each role may answer, as pydantic models: the structured outputs that an endpoint is asked for.

Invariant: nothing here is trusted beyond its shape: every text is retrieved by the roles out of what the
task gives a meaning to.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from worlds.voxel.rehearsal import PLAN_STEPS

Short = Annotated[str, Field(max_length=200)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    thought: Annotated[str, Field(max_length=1000)]
    """Why, in a sentence or two; for people who read the rollouts."""


class ManagerReply(_Reply):
    """One subtask per body, in the order of the bodies."""

    subtasks: Annotated[list[Short], Field(min_length=1, max_length=64)]


class ConductorReply(_Reply):
    """What the body does until further notice, and the skills foreseen."""

    phase: Short
    steps: Annotated[list[Short], Field(max_length=PLAN_STEPS)]


class ActorReply(_Reply):
    """The next skill."""

    action: Short
    also_good: Annotated[list[Short], Field(max_length=4)]


class PlainReply(ActorReply):
    """The next action in a world without roles of its own, with the describer's note."""

    note: Short


class CriticReply(_Reply):
    """What to learn from a failed attempt."""

    lesson: Annotated[str, Field(min_length=1, max_length=300)]


ALL: tuple[type[BaseModel], ...] = (
    ManagerReply,
    ConductorReply,
    ActorReply,
    PlainReply,
    CriticReply,
)
