"""The types that a world hands to agents.

Invariant: an `Observation` holds only what a player of the world could perceive; everything else
about the state travels in a `Mirror`, and a `Mirror` goes to teachers alone. A student prompt is
built from an `Observation` and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""An RGB image, shape (H, W, 3), uint8."""

Split = Literal["train", "validation", "test", "pretrain"]

SPLIT_CODES: Mapping[str, int] = {"train": 0, "validation": 1, "test": 2, "pretrain": 3}
"""A world seed is `4 * index + code`, so the splits are disjoint by construction."""

NOTE_SEPARATOR = " | "
"""A reply is `note | action`: the note is the agent's own memo, the action is what it does."""


@dataclass(frozen=True)
class Sound:
    """One audible event: what it is, from where (degrees clockwise from the own heading, in
    (-180, 180]) and how loud (0..1, 1 at the listener)."""

    name: str
    bearing_deg: float
    loudness: float


@dataclass(frozen=True)
class Status:
    """What a player reads off the screen: the compass heading (degrees clockwise from north, in
    [0, 360)), the own position (blocks), the inventory (item name -> count) and `words`, a
    world's own short remarks ("in water"); and `recalled`, what follows for the present from the
    agent's own notes ("target left far")."""

    heading_deg: float = 0.0
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    inventory: Mapping[str, int] = field(default_factory=dict)
    words: str = ""
    recalled: str = ""

    @property
    def remarks(self) -> str:
        """`recalled` and `words`, as one text."""
        return ", ".join(part for part in (self.recalled, self.words) if part)


@dataclass(frozen=True)
class Goal:
    """The task as a player is given it: one sentence, and for multi-modal goals an image (H, W, 3)
    or the name of a sound."""

    text: str
    image: Frame | None = None
    sound: str | None = None


@dataclass(frozen=True)
class Turn:
    """One past decision of the agent itself: its note, its action, what became of it ("ok", or a named
    failure such as "no path"), and the compass reading (degrees clockwise from north) when it decided."""

    note: str
    action: str
    outcome: str
    heading_deg: float = 0.0


@dataclass(frozen=True)
class Observation:
    """All that the student may see.

    `frame` is (H, W, 3) uint8. `actions` are the texts that are legal now (the candidates), `notes`
    the closed vocabulary of memos a describer may write in this world (empty: no memo is asked
    for). `history` is oldest first.
    """

    frame: Frame
    goal: Goal
    status: Status
    sounds: tuple[Sound, ...]
    history: tuple[Turn, ...]
    actions: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Mirror:
    """The same state as privileged facts (for planners; values are JSON values or numpy arrays, the
    keys are documented by each world's `mirror.py`) and as text (for language-model teachers)."""

    world: str
    facts: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class EpisodeSpec:
    """Names one episode for ever: the suite ("voxel/goal_name", "babyai/GoToObj"), the split, the
    index within the split and the difficulty level (1 easiest). Raises ValueError for a split that there is
    not, and for a negative index."""

    suite: str
    split: Split
    index: int
    difficulty: int = 2

    def __post_init__(self) -> None:
        if self.split not in SPLIT_CODES:
            raise ValueError(f"there is no split {self.split!r}: it is one of {', '.join(SPLIT_CODES)}")
        if self.index < 0:
            raise ValueError(f"an episode's index is 0 or more, not {self.index}")

    @property
    def seed(self) -> int:
        """The world seed; two splits never share one."""
        return 4 * self.index + SPLIT_CODES[self.split]


@dataclass(frozen=True)
class Outcome:
    """What one action did: `text` is "ok" or a named failure; `ticks` are the primitive steps it
    took; `retrieved` is the legal action that replaced text off the grammar (None: it was legal)."""

    text: str
    ticks: int = 0
    retrieved: str | None = None
