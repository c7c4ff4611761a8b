"""What goes between the page and the playground.

Invariant: a page names an episode and an action, never a state: what the student is asked about is what the
world shows, so nothing that a page sends can reach the student but a picture and a goal of its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from serve.wire import ActResponse, Picture, Wire, Word

MAX_INDEX = 2**30
"""Seeds are four times the index; from there on they name the worlds of goal pictures."""
Suite = Annotated[str, StringConstraints(max_length=80)]
Agreement = Literal["agrees", "equally good", "differs"]


class OpenRequest(Wire):
    """An episode to begin: `index` is the world's seed within its split."""

    suite: Suite
    split: Literal["train", "validation", "test"] = "validation"
    index: int = Field(ge=0, lt=MAX_INDEX)
    difficulty: int = Field(default=2, ge=1, le=9)
    teacher: bool = False


class StepRequest(Wire):
    """One decision to carry out: the student's, or `action`. `decisions` is how many the page has seen, so
    that a click on an old state does nothing."""

    decisions: int = Field(ge=0)
    action: Word | None = None


class LookRequest(Wire):
    """A picture of one's own, and the goal with which the student is to look at it; `suite` lends actions."""

    frame: Picture
    goal: Word
    suite: Suite


class SuiteInfo(BaseModel):
    """A suite and its difficulty levels, 1 easiest."""

    name: str
    difficulties: tuple[int, ...]


class Catalogue(BaseModel):
    """What can be asked for here. `command` starts a student where none answers."""

    suites: list[SuiteInfo]
    teacher: bool
    temperature: float
    student: str
    max_index: int = MAX_INDEX


class Opinion(BaseModel):
    """What the teacher would do in this state; `reason` says why it has no advice where `valid` is False."""

    action: str
    note: str
    equally_good: list[str]
    said: list[str]
    valid: bool
    reason: str


class Heard(BaseModel):
    """A sound: `where` as seen from the own heading, `loudness` in 0..1."""

    name: str
    where: str
    loudness: float


class PastTurn(BaseModel):
    """One decision that was carried out. `agreement` is the action's with the teacher (None: not asked)."""

    by: Literal["student", "hand"]
    note: str
    action: str
    outcome: str
    teacher: str | None
    agreement: Agreement | None


class Scene(BaseModel):
    """An episode as it stands. Pictures are PNG data URIs; `path_xy` are pixels of `above`, the present
    place last. `decision` is the student's in this state (None: not asked yet), `agreement` its with the
    teacher."""

    id: str
    suite: str
    split: str
    index: int
    difficulty: int
    goal: str
    goal_image: str | None
    goal_sound: str | None
    decisions: int
    max_decisions: int
    over: bool
    success: bool
    metric: float
    frame: str
    heading_deg: float
    heading: str
    position: tuple[float, float, float]
    inventory: dict[str, int]
    words: str
    sounds: list[Heard]
    actions: list[str]
    above: str
    path_xy: list[tuple[float, float]]
    turns: list[PastTurn]
    decision: ActResponse | None
    opinion: Opinion | None
    agreement: Agreement | None


class Look(BaseModel):
    """The student's decision on a picture, and the picture as it saw it."""

    frame: str
    decision: ActResponse
