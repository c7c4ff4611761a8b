"""`World`: the skill level that every world offers, a `gymnasium.Env` whose action is one line of text.

A world implements five hooks (`_begin`, `_apply`, `_observe_now`, `_score`, `mirror`); this class
keeps the parts that are the same everywhere: notes, history, retrieval of text that is off the
grammar, the iteration cap and the episode's end.

Invariant: `step` never raises for any text: what is not legal is retrieved to the nearest legal
action, and the retrieval is recorded in `info["retrieved"]` and in the history.
"""

from __future__ import annotations

import difflib
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from worlds.types import (
    NOTE_SEPARATOR,
    EpisodeSpec,
    Frame,
    Goal,
    Mirror,
    Observation,
    Outcome,
    Sound,
    Status,
    Turn,
)

HISTORY_TURNS = 8
NOTE_CHARS = 120
TEXT_CHARS = 400


@dataclass(frozen=True)
class View:
    """What a world perceives now, before the base class adds the goal and the history."""

    frame: Frame
    status: Status
    sounds: tuple[Sound, ...]
    actions: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """The episode's standing: `success`, the family's metric in 0..1, whether it is over."""

    success: bool
    metric: float
    finished: bool


def split_reply(reply: str) -> tuple[str, str]:
    """Split a reply `note | action` into (note, action); a reply without a bar is all action."""
    note, bar, action = reply.rpartition(NOTE_SEPARATOR.strip())
    return (note.strip()[:NOTE_CHARS], action.strip()) if bar else ("", reply.strip())


def join_reply(note: str, action: str) -> str:
    """The inverse of `split_reply`."""
    return f"{note}{NOTE_SEPARATOR}{action}" if note else action


def retrieve(text: str, actions: tuple[str, ...]) -> str:
    """The legal action nearest to `text` by character overlap (ties: the first)."""
    return max(actions, key=lambda action: difflib.SequenceMatcher(None, text, action).ratio())


class World(gymnasium.Env[dict[str, Any], str]):
    """The skill level. `reset(options={"episode": EpisodeSpec(...)})` begins a named episode;
    `step(reply)` takes `note | action`; `observe()` gives the typed observation, `mirror()` the
    privileged one. The Gymnasium observation is the dict {"frame", "text"} of the same content.
    """

    name: str
    """The world's short name, e.g. "voxel"; the first part of its suites."""

    max_iterations: int

    compass = True
    """Whether the status tells a heading; a world without one leaves it at 0."""

    def __init__(self, frame_size: int = 64) -> None:
        self.frame_size = frame_size
        self.observation_space = gymnasium.spaces.Dict(
            {
                "frame": gymnasium.spaces.Box(0, 255, (frame_size, frame_size, 3), np.uint8),
                "text": gymnasium.spaces.Text(TEXT_CHARS, charset=PRINTABLE),
            }
        )
        self.action_space = gymnasium.spaces.Text(NOTE_CHARS + 80, charset=PRINTABLE)
        self.iteration = 0
        self._goal = Goal("")
        self._history: list[Turn] = []
        self._view: View | None = None
        self._begun = False

    # -- hooks --------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self, episode: EpisodeSpec) -> Goal:
        """Set the world up for `episode`, set `self.max_iterations`, return the goal.
        Raises ValueError, with a sentence, for a suite this world does not have."""

    @abstractmethod
    def _default_episode(self, seed: int) -> EpisodeSpec:
        """The episode that a bare `reset(seed=...)` begins."""

    @abstractmethod
    def _apply(self, action: str) -> Outcome:
        """Carry a legal action out."""

    @abstractmethod
    def _observe_now(self) -> View:
        """Perceive."""

    @abstractmethod
    def _score(self) -> Score:
        """Judge."""

    @abstractmethod
    def mirror(self) -> Mirror:
        """The privileged view of the present state, for teachers alone."""

    # -- the Gymnasium interface --------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin `options["episode"]`, or the default episode of `seed`."""
        super().reset(seed=seed)
        episode = (options or {}).get("episode")
        if episode is None:
            chosen = seed if seed is not None else int(self.np_random.integers(2**31))
            episode = self._default_episode(chosen)
        self.episode: EpisodeSpec = episode
        self.iteration = 0
        self._history = []
        self._begun = False
        self._goal = self._begin(episode)
        self._begun = True
        self._view = None
        return self._as_dict(), {"episode": episode}

    def step(self, action: str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out a reply `note | action`; the reward is the gain of the family's metric."""
        note, wanted = split_reply(action)
        seen = self.observe()
        legal = seen.actions
        done_before = self._score()
        retrieved = None if wanted in legal else retrieve(wanted, legal)
        outcome = self._apply(retrieved or wanted)
        self.iteration += 1
        self._history.append(Turn(note, retrieved or wanted, outcome.text, seen.status.heading_deg))
        self._view = None
        score = self._score()
        truncated = not score.finished and self.iteration >= self.max_iterations
        info = {
            "outcome": outcome.text,
            "ticks": outcome.ticks,
            "retrieved": retrieved,
            "success": score.success,
            "metric": score.metric,
        }
        reward = score.metric - done_before.metric
        return self._as_dict(), reward, score.finished, truncated, info

    def observe(self) -> Observation:
        """The typed observation of the present state (rendered once per state). Raises RuntimeError where no
        episode has begun."""
        if not self._begun:
            raise RuntimeError(f"no episode of the {self.name} world has begun: call reset() first")
        if self._view is None:
            self._view = self._observe_now()
        view = self._view
        return Observation(
            frame=view.frame,
            goal=self._goal,
            status=view.status,
            sounds=view.sounds,
            history=tuple(self._history[-HISTORY_TURNS:]),
            actions=view.actions,
            notes=view.notes,
        )

    def overview(self) -> tuple[Frame, tuple[float, float]]:
        """For reports: the world from above, (H, W, 3) uint8, and the own place in it, (x, y) in pixels.
        A world without a map shows its frame."""
        return self.observe().frame, (0.0, 0.0)

    def render(self) -> Frame:  # type: ignore[override]
        """The present frame, (H, W, 3) uint8."""
        return self.observe().frame

    def close(self) -> None:
        """Let go of what the world holds (typed: Gymnasium's own is not)."""

    def _as_dict(self) -> dict[str, Any]:
        seen = self.observe()
        text = f"{seen.goal.text} {seen.status.remarks}".strip()
        return {"frame": seen.frame, "text": text[:TEXT_CHARS] or "-"}


PRINTABLE = frozenset(chr(code) for code in range(32, 127))
