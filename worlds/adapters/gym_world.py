"""`GymWorld`: any Gymnasium environment that renders, as a `World`, from a handful of functions.

Invariant: the student is shown the rendered frame and the words of `GymTask`, never the environment's own
observation, and `facts` go to teachers alone. One action text is one environment step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from PIL import Image

from worlds.base import Score, View, World
from worlds.types import EpisodeSpec, Frame, Goal, Mirror, Outcome, Status


@dataclass(frozen=True)
class Now:
    """What the environment has said by now: `env` is unwrapped, `reward` the sum over the episode so far."""

    env: Any
    observation: Any
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GymTask:
    """How to play an environment. `make` builds it with `render_mode="rgb_array"`; `actions` maps action
    texts to its actions; the goal is one sentence; `facts` are for teachers; `words` are the student's status
    line; `notes` the memos that a describer may write (none: no memo is asked for)."""

    make: Callable[[], gymnasium.Env[Any, Any]]
    actions: Mapping[str, Any]
    goal: Callable[[Now], str]
    success: Callable[[Now], bool]
    facts: Callable[[Now], Mapping[str, Any]]
    max_iterations: int
    words: Callable[[Now], str] = lambda now: ""
    notes: tuple[str, ...] = ()


class GymWorld(World):
    """An environment of one's own. `suite` ("own/MODULE") is what a bare `reset(seed=...)` plays; the seed of
    an episode goes to the environment's `reset`, so its layouts must follow from the seed."""

    name = "own"
    compass = False

    def __init__(self, suite: str, task: GymTask, frame_size: int = 64) -> None:
        super().__init__(frame_size)
        self._suite, self._task = suite, task
        self._env = task.make()
        self.max_iterations = task.max_iterations
        if self._env.render_mode != "rgb_array":
            raise ValueError(
                f"{suite} is rendered as {self._env.render_mode!r}; make it with render_mode='rgb_array'."
            )

    def _default_episode(self, seed: int) -> EpisodeSpec:
        return EpisodeSpec(self._suite, "train", seed)

    def _begin(self, episode: EpisodeSpec) -> Goal:
        observation, info = self._env.reset(seed=episode.seed)
        self._now = Now(self._env.unwrapped, observation, info=info)
        return Goal(self._task.goal(self._now))

    def _apply(self, action: str) -> Outcome:
        observation, reward, terminated, truncated, info = self._env.step(self._task.actions[action])
        total = self._now.reward + float(reward)
        self._now = Now(self._env.unwrapped, observation, total, terminated, truncated, info)
        return Outcome("ok", ticks=1)

    def _score(self) -> Score:
        success = bool(self._task.success(self._now))
        return Score(success, float(success), success or self._now.terminated or self._now.truncated)

    def _observe_now(self) -> View:
        return View(
            frame=resized(self._rendered(), self.frame_size),
            status=Status(words=self._task.words(self._now)),
            sounds=(),
            actions=tuple(self._task.actions),
            notes=self._task.notes,
        )

    def _rendered(self) -> Frame:
        """What the environment's `render` gives. Raises ValueError where that is no frame."""
        frame: Any = self._env.render()
        if isinstance(frame, np.ndarray):
            told = f"an array of {frame.dtype}, shape {frame.shape}"
            if frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 and frame.size:
                return frame
        else:
            told = "None" if frame is None else f"a {type(frame).__name__}"
        raise ValueError(
            f"render() of {self._suite}'s environment gave {told}; it must give a frame: an array of uint8, "
            "shape (height, width, 3)."
        )

    def mirror(self) -> Mirror:
        """The task's facts, and their plain text."""
        facts = self._task.facts(self._now)
        told = "; ".join(f"{name} is {value}" for name, value in facts.items())
        return Mirror(self.name, facts, f"{self._goal.text}. {told}.")

    def close(self) -> None:
        """Close the environment."""
        self._env.close()  # type: ignore[no-untyped-call]


def resized(frame: Frame, size: int) -> Frame:
    """(H, W, 3) uint8 to (size, size, 3): area-averaged when it shrinks."""
    small: Frame = np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BOX))
    return small
