"""The team's memory: what became of earlier attempts, as words, the corrected way and a frame.

Invariant: memories reach labels through `Mirror.facts["lessons"]` alone, so a label stays a function of
(observation, mirror); they are told to teachers, never to students. Of each suite the newest `KEPT` stay, the
oldest goes first; what is recalled depends on the memories of the state's own suite and on the state alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from teachers.team.frames import png, unpacked
from teachers.team.wording import similarity
from worlds.types import Frame

KEPT = 32
"""Memories of one suite."""
CELLS = 8
"""Frames are compared by the mean colours of so many cells a side."""
FRAME_WEIGHT = 0.25
"""How much the likeness of frames counts beside that of words: frames of one world are all rather alike."""


class Memory(NamedTuple):
    """One failed attempt, where it first went astray. `about` is its task, `state` what the describer said
    there, `frame` what was in view, packed ("": none), `path` the decisions from there on with the
    team's corrections, `outcome` how the attempt ended, `text` the critic's lesson."""

    suite: str
    about: str
    state: str
    frame: str
    path: str
    outcome: str
    text: str

    @property
    def told(self) -> str:
        """As a line for a model, or for who reads a rollout: the lesson, and the way that it comes from."""
        where = f" where the describer said {self.state!r}" if self.state else ""
        way = f" [{self.outcome}{where}; from there: {self.path}]" if self.path else ""
        return f"{self.text}{way}"


def colours(frame_HW3: Frame) -> NDArray[np.float64]:
    """The mean colours (CELLS, CELLS, 3) of a frame's cells; it has at least so many pixels a side."""
    rows = [np.array_split(row, CELLS, axis=1) for row in np.array_split(frame_HW3, CELLS)]
    return np.array([[cell.mean(axis=(0, 1)) for cell in row] for row in rows])


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of two frames by their `colours`: 1 for equal ones, 0 for black and white."""
    return float(1.0 - np.abs(one - other).mean() / 255.0)


@lru_cache(maxsize=256)
def _remembered_colours(frame: str) -> NDArray[np.float64]:
    return colours(unpacked(frame))


def remember(known: Sequence[Memory], new: Sequence[Memory]) -> tuple[Memory, ...]:
    """`known` and then `new`, each memory once, the newest `KEPT` of each suite."""
    latest = list(dict.fromkeys([*reversed(new), *reversed(known)]))
    kept: list[Memory] = []
    for memory in latest:
        if sum(other.suite == memory.suite for other in kept) < KEPT:
            kept.append(memory)
    return tuple(reversed(kept))


def recall(memories: Sequence[Memory], state: str, frame_HW3: Frame, count: int) -> list[Memory]:
    """The `count` memories nearest to a state in words and frame (ties: the newest), each lesson once."""
    if not memories or not count:
        return []
    view = colours(frame_HW3)

    def nearness(memory: Memory) -> float:
        words = similarity(state, f"{memory.about} {memory.state} {memory.text}")
        alike = likeness(view, _remembered_colours(memory.frame)) if memory.frame else 0.0
        return words + FRAME_WEIGHT * alike

    latest = list(reversed(memories))
    nearest = sorted(latest, key=lambda memory: -nearness(memory))
    lessons: dict[str, Memory] = {}
    for memory in nearest:
        lessons.setdefault(memory.text, memory)
    return list(lessons.values())[:count]


def show(memories: Sequence[Memory], frames: int) -> tuple[list[str], tuple[bytes, ...]]:
    """How memories are told to a model whose first picture is its own frame: their lines, and the first
    `frames` of their frames as PNG; a line names its picture."""
    pictured = [memory for memory in memories if memory.frame][:frames]
    names = {memory: f" [picture {number}]" for number, memory in enumerate(pictured, start=2)}
    lines = [f"{memory.told}{names.get(memory, '')}" for memory in memories]
    return lines, tuple(png(unpacked(memory.frame)) for memory in pictured)
