"""What goes over the wire: an observation in, a decision out.

Invariant: `to_observation(from_observation(x)) == x`; whatever is accepted here can be asked of the model: no
text can pass for an image, a number is finite, and the candidates are distinct.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from serve.images import decode_frame, encode_frame
from student.prompts import IMAGE
from student.types import Decision
from worlds.types import Goal, Observation, Sound, Status, Turn

MAX_TEXT = 300
MAX_CANDIDATES = 512
MAX_CANDIDATE_TEXT = 4096
"""Characters of all candidates of a kind: memory for scoring grows with the square of their tokens."""


def _plain(text: str) -> str:
    if IMAGE in text:
        raise ValueError(f"a text must not hold {IMAGE!r}: pictures have fields of their own")
    if not text.isprintable():
        raise ValueError("a text must not hold control characters or line breaks")
    return text


def distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError where a text stands there twice."""
    if len(set(texts)) < len(texts):
        raise ValueError("the same text stands there twice")
    return texts


def bounded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError where all texts together are longer than what can be scored."""
    if sum(map(len, texts)) > MAX_CANDIDATE_TEXT:
        raise ValueError(f"all of them together have at most {MAX_CANDIDATE_TEXT} characters")
    return texts


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_plain)]
Word = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"^\S(.*\S)?$"),
    AfterValidator(_plain),
]
Candidates = Annotated[
    tuple[Word, ...],
    Field(max_length=MAX_CANDIDATES),
    AfterValidator(distinct),
    AfterValidator(bounded),
]
"""Texts to choose among."""
Picture = Annotated[str, Field(description="A PNG or JPEG, base64, with or without a data: prefix.")]
Role = Literal["manager", "conductor", "actor"]


class Wire(BaseModel):
    """Strict about names and numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class WireSound(Wire):
    """See `worlds.types.Sound`."""

    name: Word
    bearing_deg: float = Field(ge=-360, le=360)
    loudness: float = Field(ge=0, le=1)


class WireStatus(Wire):
    """See `worlds.types.Status`."""

    heading_deg: float = Field(default=0.0, ge=-3600, le=3600)
    position: tuple[Annotated[float, Field(ge=-1e7, le=1e7)], ...] = Field(
        default=(0.0, 0.0, 0.0), min_length=3, max_length=3
    )
    inventory: dict[Word, Annotated[int, Field(ge=0, le=10**6)]] = Field(default_factory=dict, max_length=256)
    words: Text = ""
    recalled: Text = ""


class WireGoal(Wire):
    """See `worlds.types.Goal`."""

    text: Word
    image: Picture | None = None
    sound: Word | None = None


class WireTurn(Wire):
    """See `worlds.types.Turn`."""

    note: Text = ""
    action: Word
    outcome: Text = "ok"
    heading_deg: float = Field(default=0.0, ge=-3600, le=3600)


class WireObservation(Wire):
    """See `worlds.types.Observation`: all that the student may see."""

    frame: Picture
    goal: WireGoal
    status: WireStatus = WireStatus()
    sounds: tuple[WireSound, ...] = Field(default=(), max_length=64)
    history: tuple[WireTurn, ...] = Field(default=(), max_length=64)
    actions: Candidates = Field(min_length=1, description="The actions that are legal now.")
    notes: Candidates = Field(
        default=(), description="The memos that may be written; none: no memo is asked for."
    )


class ActRequest(Wire):
    """One decision to be made. `model` is MODEL or MODEL@VERSION ("": the role's, or the first one).
    `temperature` 0 takes the best action; `seed` decides the draw otherwise."""

    observation: WireObservation
    model: Text = ""
    role: Role = "actor"
    order: Text = ""
    temperature: float | None = Field(default=None, ge=0, le=100)
    seed: int = Field(default=0, ge=0, lt=2**63)
    alternatives: int = Field(default=5, ge=0, le=MAX_CANDIDATES)


class BatchRequest(Wire):
    """Several decisions, answered in their order."""

    requests: tuple[ActRequest, ...] = Field(min_length=1, max_length=256)


class Skill(BaseModel):
    """The action, taken apart: "turn right 90" is `turn` of ["right", "90"]."""

    verb: str
    arguments: list[str]


class Alternative(BaseModel):
    """A legal action and its natural log-probability given the note."""

    action: str
    logprob: float


class ActResponse(BaseModel):
    """One decision. `logprob` is of the whole reply; `legal_mass` is the probability of all legal actions
    together; `model` and `version` say who decided."""

    action: str
    skill: Skill
    note: str
    logprob: float
    alternatives: list[Alternative]
    legal_mass: float
    model: str
    version: str


class BatchResponse(BaseModel):
    """The decisions, in the order of the requests."""

    responses: list[ActResponse]


def to_observation(wire: WireObservation, max_pixels: int) -> Observation:
    """The observation that was sent. Raises `Problem` for a picture that is none."""
    goal, status = wire.goal, wire.status
    x, y, z = status.position
    return Observation(
        frame=decode_frame(wire.frame, max_pixels),
        goal=Goal(
            goal.text, None if goal.image is None else decode_frame(goal.image, max_pixels), goal.sound
        ),
        status=Status(status.heading_deg, (x, y, z), dict(status.inventory), status.words, status.recalled),
        sounds=tuple(Sound(sound.name, sound.bearing_deg, sound.loudness) for sound in wire.sounds),
        history=tuple(Turn(t.note, t.action, t.outcome, t.heading_deg) for t in wire.history),
        actions=wire.actions,
        notes=wire.notes,
    )


def from_observation(seen: Observation) -> WireObservation:
    """The observation as it is sent; pictures lose nothing."""
    goal = WireGoal(
        text=seen.goal.text,
        image=None if seen.goal.image is None else encode_frame(seen.goal.image),
        sound=seen.goal.sound,
    )
    return WireObservation(
        frame=encode_frame(seen.frame),
        goal=goal,
        status=WireStatus(
            heading_deg=seen.status.heading_deg,
            position=seen.status.position,
            inventory=dict(seen.status.inventory),
            words=seen.status.words,
            recalled=seen.status.recalled,
        ),
        sounds=tuple(
            WireSound(name=s.name, bearing_deg=s.bearing_deg, loudness=s.loudness) for s in seen.sounds
        ),
        history=tuple(
            WireTurn(note=t.note, action=t.action, outcome=t.outcome, heading_deg=t.heading_deg)
            for t in seen.history
        ),
        actions=seen.actions,
        notes=seen.notes,
    )


def to_response(decision: Decision, count: int, model: str, version: str) -> ActResponse:
    """The answer with the best `count` alternatives."""
    verb, *arguments = decision.action.split() or [""]  # what is written freely may be nothing
    return ActResponse(
        action=decision.action,
        skill=Skill(verb=verb, arguments=arguments),
        note=decision.note,
        logprob=decision.logprob,
        alternatives=[Alternative(action=a, logprob=p) for a, p in decision.alternatives[:count]],
        legal_mass=decision.legal_mass,
        model=model,
        version=version,
    )
