"""A world, a teacher and a student small enough to reason about, for the tests of what runs them.

The world is a corridor of `LENGTH` cells; the frame shows the own cell (red) and the target (green). It
can be told to misbehave on chosen episode indices: that is how the tests break things.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from student.types import Decision, Prompt
from teachers.types import Label
from worlds.base import Score, View, World
from worlds.types import EpisodeSpec, Goal, Mirror, Observation, Outcome, Status

if TYPE_CHECKING:  # a host of worlds starts quicker without torch
    from torch import Tensor

LENGTH = 9
ACTIONS = ("go left", "go right", "wait", "done")
NOTES = ("see left", "see right", "see here")
SUITE = "toy/corridor"


def note_of(gap: int) -> str:
    return "see here" if gap == 0 else "see right" if gap > 0 else "see left"


class ToyWorld(World):
    """`mischief`: episode index -> "raise" | "hang" | "die" (at step 2) | "raise once" (first try of this
    process). `child` starts a child process at reset, as a Minecraft server would."""

    name = "toy"

    def __init__(self, mischief: dict[int, str] | None = None, child: bool = False, pause_s: float = 0.0):
        super().__init__(frame_size=16)
        self.max_iterations = 12
        self._mischief = {} if mischief is None else mischief
        self._child = child
        self._pause_s = pause_s
        self.closed = False

    def _begin(self, episode: EpisodeSpec) -> Goal:
        draws = np.random.default_rng(episode.seed)
        self._at, self._target = (int(cell) for cell in draws.choice(LENGTH, 2, replace=False))
        self._done = False
        if self._child:
            self._process = subprocess.Popen(["sleep", "600"])
        return Goal("find green")

    def _default_episode(self, seed: int) -> EpisodeSpec:
        return EpisodeSpec(SUITE, "train", seed)

    def _apply(self, action: str) -> Outcome:
        time.sleep(self._pause_s)
        if self.iteration == 2:
            self._misbehave(self._mischief.get(self.episode.index, ""))
        if action == "done":
            self._done = True
            return Outcome("ok", 1)
        wanted = self._at + {"go left": -1, "go right": 1, "wait": 0}[action]
        self._at = int(np.clip(wanted, 0, LENGTH - 1))
        return Outcome("ok" if self._at == wanted else "no path", 1)

    def _misbehave(self, how: str) -> None:
        if how == "raise once":
            self._mischief.pop(self.episode.index)
        if how.startswith("raise"):
            raise RuntimeError("the corridor collapsed")
        if how == "hang":
            time.sleep(600)
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)

    def _observe_now(self) -> View:
        frame = np.zeros((16, 16, 3), dtype=np.uint8)
        frame[:, self._target] = (0, 255, 0)
        frame[8:, self._at] = (255, 0, 0)
        return View(frame, Status(position=(float(self._at), 0.0, 0.0)), (), ACTIONS, NOTES)

    def _score(self) -> Score:
        gap = abs(self._target - self._at)
        return Score(self._done and gap == 0, 1.0 - gap / LENGTH, self._done)

    def mirror(self) -> Mirror:
        facts = {"gap": self._target - self._at, "index": self.episode.index}
        return Mirror("toy", facts, f"the target is {facts['gap']} cells to the right")

    def close(self) -> None:
        self.closed = True


class ToyTeacher:
    """Walks to the target; calls walking and waiting equally good while one cell away. Raises on the
    episode indices in `puzzled`."""

    def __init__(self, version: str = "toy-1", puzzled: Sequence[int] = (), delay_s: float = 0.0) -> None:
        self.version = version
        self._puzzled = tuple(puzzled)
        self._delay_s = delay_s

    def label(self, observation: Observation, mirror: Mirror, role: str = "actor") -> Label:
        time.sleep(self._delay_s)
        if mirror.facts["index"] in self._puzzled:
            raise ValueError("I have never seen such a corridor")
        gap = mirror.facts["gap"]
        if role != "actor":
            return Label(role, f"walk {note_of(gap)[4:]}", "", (f"walk {note_of(gap)[4:]}",))  # type: ignore[arg-type]
        action = "done" if gap == 0 else "go right" if gap > 0 else "go left"
        return Label("actor", action, note_of(gap), (action, "wait") if abs(gap) == 1 else (action,))


class CountingTeacher:
    """Far away; tells (as an invalid label's reason) how many questions were open when it answered."""

    version = "counting-1"

    def __init__(self) -> None:
        self._open = 0
        self._lock = threading.Lock()

    def label(self, observation: Observation, mirror: Mirror, role: str = "actor") -> Label:
        with self._lock:
            self._open += 1
        time.sleep(0.3)
        with self._lock:
            seen, self._open = self._open, self._open - 1
        return Label(role, "", valid=False, reason=str(seen))  # type: ignore[arg-type]


def make_counting_teacher(suite: str) -> CountingTeacher:
    return CountingTeacher()


class ToyStudent:
    """Sees where the target is and goes there with a strength `skill` (its only weight); it has no idea
    when its image is black. The draw of entry i depends on seeds[i] alone."""

    def __init__(self, skill: float = 0.0) -> None:
        import torch

        self._skill = torch.tensor([skill])

    def weights(self) -> dict[str, Tensor]:
        return {"skill": self._skill}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self._skill = weights["skill"].clone()

    def decide(
        self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int], version: int = 0
    ) -> list[Decision]:
        return [
            self._one(prompt, temperature, seed, version) for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def _one(self, prompt: Prompt, temperature: float, seed: int, version: int) -> Decision:
        row = prompt.images[0][12]
        scores = np.zeros(len(prompt.actions))
        note = NOTES[0]
        if row.any():
            at = int(row[:, 0].argmax())
            target = int(row[:, 1].argmax()) if row[:, 1].any() else at
            note = note_of(target - at)
            wanted = "done" if target == at else "go right" if target > at else "go left"
            scores[prompt.actions.index(wanted)] = float(self._skill)
        logprobs = scores - np.log(np.exp(scores).sum())
        noise = np.random.default_rng(seed).gumbel(size=len(scores))
        best = int(np.argmax(logprobs + temperature * noise))
        order = np.argsort(-logprobs, kind="stable")
        alternatives = tuple((prompt.actions[i], float(logprobs[i])) for i in order)
        return Decision(note, prompt.actions[best], float(logprobs[best]), alternatives, 1.0, version)


def make_world(suite: str, mischief: dict[int, str] | None = None, **how: float) -> ToyWorld:
    """A maker that other processes can import."""
    assert suite == SUITE
    return ToyWorld(mischief, **how)  # type: ignore[arg-type]


def make_teacher(suite: str) -> ToyTeacher:
    assert suite == SUITE
    return ToyTeacher()


def broken_student() -> ToyStudent:
    raise ValueError("student.path=nowhere is no checkpoint")


def specs(count: int, first: int = 0) -> list[EpisodeSpec]:
    return [EpisodeSpec(SUITE, "train", index) for index in range(first, first + count)]
