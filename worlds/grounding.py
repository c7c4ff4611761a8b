"""Grounding: frames with the simulator's free labels, from which a base model learns to see.

Invariant: a batch shows viewpoints, never a demonstration: no action is ever an answer. The wording of a
question is that of the task goals (`Goal.text`), the wording of an answer is that of `Observation.notes`, so
that what is learnt carries over to acting without a translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worlds.types import Sound, Split, Status

UNSEEN = "see none"
"""The answer when the thing asked for is not in the frame, in every world."""

Kind = Literal["named", "pictured", "heard", "caption"]


class Question(NamedTuple):
    """One question about one frame. `text` is worded as a `Goal.text`; `answer` is one of the source's
    notes (for "caption": free words). `goal_image` indexes `GroundingBatch.goal_images` for a "pictured"
    question (-1: none); `sound` is `Goal.sound` for a "heard" one."""

    text: str
    answer: str
    kind: Kind = "named"
    goal_image: int = -1
    sound: str | None = None


@dataclass(frozen=True)
class GroundingBatch:
    """N frames with labels.

    `frames` (N, H, W, 3) uint8; `classes` (N, G, G, C) uint8, 1 where class c has pixels in the cell of a
    GxG grid over the frame (rows from the top); `class_names` the C names; `questions` N lists;
    `sounds` and `statuses` what an observation of each frame would carry (N each); `captions` N sentences;
    `goal_images` (M, H, W, 3) uint8, or None.
    """

    frames: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    class_names: tuple[str, ...]
    questions: list[list[Question]]
    sounds: list[tuple[Sound, ...]]
    statuses: list[Status]
    captions: list[str]
    goal_images: NDArray[np.uint8] | None = None


class GroundingSource(Protocol):
    """A world's endless supply of labelled views. `notes` is its note vocabulary, `actions` action texts
    from which random histories are made up (as distractors; they are never answers)."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def actions(self) -> tuple[str, ...]: ...

    def sample(self, count: int, seed: int, split: Split) -> GroundingBatch:
        """`count` views, a function of the arguments; worlds of two splits are never the same."""
        ...
