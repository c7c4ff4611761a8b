"""The team's memory: what became of earlier attempts, as words, a corrected piece of the way and a frame.

Invariant: memories reach labels through `Mirror.facts["lessons"]` alone, so a label stays a function of
(observation, mirror); they are told to teachers, never to students. Of each suite the newest `KEPT` stay, the
oldest goes first; what is recalled depends on the memories of the state's own suite and on the state alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from teachers.team.skills import similarity
from worlds.types import Frame

KEPT = 32
"""Memories of one suite."""
CELLS = 8
"""A frame is remembered as so many cells a side, the mean colour of each."""
FRAME_WEIGHT = 0.25
"""How much the likeness of frames counts beside that of words: frames of one world are all rather alike."""


class Memory(NamedTuple):
    """One failed attempt, where it first went astray. `about` is its task, `state` what the describer said
    there, `frame` the `fingerprint` of what was in view ("": none), `did` what the student did and `said`
    what the team said in its place, `outcome` how the attempt ended, `text` the critic's lesson."""

    suite: str
    about: str
    state: str
    frame: str
    did: str
    said: str
    outcome: str
    text: str

    @property
    def told(self) -> str:
        """As a line for a model, or for who reads a rollout: the lesson, and the piece that it comes from."""
        where = f" where the describer said {self.state!r}" if self.state else ""
        piece = f" [{self.outcome}{where}: did {self.did}, better {self.said}]" if self.did else ""
        return f"{self.text}{piece}"


def fingerprint(frame_HW3: Frame) -> str:
    """The mean colours of CELLS x CELLS cells as hex digits; for frames of at least so many pixels a side."""
    rows = [np.array_split(row, CELLS, axis=1) for row in np.array_split(frame_HW3, CELLS)]
    means = [cell.mean(axis=(0, 1)) for row in rows for cell in row]
    return np.array(means).round().astype(np.uint8).tobytes().hex()


def likeness(one: str, other: str) -> float:
    """Of two fingerprints: 1 for equal ones, 0 for black and white, or where one is missing."""
    if not one or not other:
        return 0.0
    a, b = (np.frombuffer(bytes.fromhex(text), np.uint8).astype(np.float64) for text in (one, other))
    return float(1.0 - np.abs(a - b).mean() / 255.0)


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
    view = fingerprint(frame_HW3)

    def nearness(memory: Memory) -> float:
        words = similarity(state, f"{memory.about} {memory.state} {memory.text}")
        return words + FRAME_WEIGHT * likeness(view, memory.frame)

    latest = list(reversed(memories))
    nearest = sorted(latest, key=lambda memory: -nearness(memory))
    lessons: dict[str, Memory] = {}
    for memory in nearest:
        lessons.setdefault(memory.text, memory)
    return list(lessons.values())[:count]
