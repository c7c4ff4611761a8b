"""What each role may answer, as pydantic models: the structured outputs that an endpoint is asked for.

Invariant: nothing here is trusted beyond its shape: verbs and names are checked by the roles against what the
world has.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from worlds.voxel.rehearsal import PLAN_STEPS

Short = Annotated[str, Field(max_length=200)]
Region = Literal["anywhere", "west", "east", "north-west", "north-east", "south-west", "south-east"]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    thought: Annotated[str, Field(max_length=1000)]
    """Why, in a sentence or two; for people who read the rollouts."""


class SubtaskReply(BaseModel):
    """One body's share."""

    model_config = ConfigDict(extra="forbid")

    order: Short
    region: Region


class ManagerReply(_Reply):
    """One subtask per body, in the order of the bodies."""

    subtasks: Annotated[list[SubtaskReply], Field(min_length=1, max_length=64)]


class ConductorReply(_Reply):
    """What the body does until further notice, and the skills foreseen."""

    phase: Literal["explore", "search", "approach", "mine", "craft", "smelt", "place", "done"]
    what: Short
    region: Region
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
