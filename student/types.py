"""The student's input, output and training sample.

Invariant: nothing here can hold a `Mirror`; a `Sample` keeps what the student saw, what it was told
to prefer, and where that came from.
"""

from __future__ import annotations

from dataclasses import dataclass

from worlds.types import Frame


@dataclass(frozen=True)
class Prompt:
    """What the model is given for one decision: text with one `<image>` per entry of `images`
    (each (H, W, 3) uint8), and the replies it may choose among: first a note (unless there are
    none), then an action."""

    text: str
    images: tuple[Frame, ...]
    notes: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """One decision. `logprob` is the natural log-probability of the whole reply before any
    temperature; `alternatives` are (action, log-probability given the note), best first, normalised
    by the model's own vocabulary, so that the sum of their exponentials is `legal_mass` <= 1."""

    note: str
    action: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]
    legal_mass: float
    version: int


@dataclass(frozen=True)
class Sample:
    """One training sample: a state that was reached, with the teacher's reply and the student's.

    `chosen` and `rejected` are whole replies ("note | action"). `rejected` is "" where no pair may
    be built (same action, a tie, or no student reply). `next_frame` is the frame after the executed
    action where that action was the chosen one, else None.
    `executed` names whose action moved the world: "student", "teacher" or "expert".
    """

    sample_id: str
    suite: str
    split: str
    index: int
    episode: str
    step: int
    role: str
    prompt: Prompt
    chosen: str
    rejected: str
    next_frame: Frame | None
    executed: str
    policy_version: int
    teacher_version: str
    beta: float
    valid: bool = True
    reason: str = ""
