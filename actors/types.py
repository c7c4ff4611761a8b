"""What goes in and out of an episode that is played, and the ports of the player.

Invariant: a `State` is the only thing here that can hold a `Mirror`, and it holds one only where a teacher
labels or a privileged policy acts; policies of the student kind read its `prompt` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from student.types import Decision, Prompt, Sample
from teachers.team.memory import Memory
from teachers.types import Label, Role
from worlds.types import EpisodeSpec, Mirror, Observation, Outcome


@dataclass(frozen=True)
class State:
    """One state in which a role must decide. `mirror` is None where nobody privileged looks."""

    suite: str
    role: Role
    observation: Observation
    mirror: Mirror | None
    prompt: Prompt


class Answer(Protocol):
    """The labels of a question."""

    def __call__(self) -> list[Label]:
        """One label per state; waits for them (never beyond a deadline)."""
        ...

    def ready(self) -> bool:
        """Whether they are there (or will never be: then the call says why)."""
        ...


class Labeler(Protocol):
    """A teacher, near or far."""

    @property
    def name(self) -> str:
        """ "teacher" or "expert": recorded as the one that acted, when it acts."""
        ...

    def ask(self, states: Sequence[State]) -> Answer:
        """Ask for the labels of some states; the caller may go on before it needs them."""
        ...

    def version(self, suite: str) -> str:
        """The version of the teacher that labels this suite."""
        ...


class Policy(Protocol):
    """Who decides."""

    @property
    def name(self) -> str:
        """Recorded as the one that acted."""
        ...

    @property
    def learns(self) -> bool:
        """Whether its replies are paired with the teacher's."""
        ...

    @property
    def privileged(self) -> bool:
        """Whether it is given mirrors."""
        ...

    def act(self, states: Sequence[State], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        """One decision per state; the randomness of entry i comes from `seeds[i]` alone."""
        ...


@dataclass(frozen=True)
class PlaySettings:
    """How episodes are played. `version` is the policy's, for all of them. With probability `mix` per
    decision the labeler acts, else the policy, at `temperature`. `roles` from the top down: the text
    of each is the order to the next, and the last one's moves the world. `trace` keeps every step.
    `lessons` are the team's memories, told to teachers with the mirrors of their suites."""

    version: int = 0
    mix: float = 0.0
    temperature: float = 0.0
    roles: tuple[Role, ...] = ("actor",)
    trace: bool = False
    lessons: tuple[Memory, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """Episodes for a player, and who plays them. Assignments of one `job` are played by the same and in the
    same way; `number` comes back with each outcome."""

    number: int
    job: int
    specs: tuple[EpisodeSpec, ...]
    policy: Policy
    labeler: Labeler | None
    settings: PlaySettings


@dataclass(frozen=True)
class TraceStep:
    """One step of the acting role, for a report: what was seen, the reply that counted, what the policy
    decided and the teacher advised (None: not asked), and what became of it."""

    observation: Observation
    reply: str
    decision: Decision | None
    label: Label | None
    outcome: Outcome


@dataclass(frozen=True)
class EpisodeResult:
    """One whole episode. `decisions` counts the world's steps, `model_calls` what the policy was asked,
    `ticks` the primitive steps; `legal_mass` is the policy's mean probability of a legal action."""

    spec: EpisodeSpec
    success: bool
    metric: float
    decisions: int
    model_calls: int
    ticks: int
    legal_mass: float = 1.0
    samples: tuple[Sample, ...] = ()
    trace: tuple[TraceStep, ...] = ()


@dataclass(frozen=True)
class EpisodeFailure:
    """An episode that broke its world: `reason` says where and how. Nothing of it is kept."""

    spec: EpisodeSpec
    reason: str


EpisodeOutcome = EpisodeResult | EpisodeFailure


@dataclass
class Progress:
    """What a player is doing, for a watcher in another thread: the stage ("simulator", "policy",
    "teacher"), the episode it is busy with where there is one and the number of its assignment, since when
    (monotonic seconds), and the seconds spent in each stage so far."""

    stage: str = "idle"
    spec: EpisodeSpec | None = None
    number: int = 0
    since_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)


def episode_name(spec: EpisodeSpec, version: int) -> str:
    """The name of an episode as played by one policy version."""
    return f"{spec.suite}:{spec.split}:{spec.index}:d{spec.difficulty}@v{version}"


def derive_seed(run_seed: int, spec: EpisodeSpec, step: int, purpose: str) -> int:
    """A 63-bit seed that depends on these and on nothing else: not on batches, hosts or time."""
    facts = f"{run_seed}|{spec.suite}|{spec.split}|{spec.index}|{spec.difficulty}|{step}|{purpose}"
    return int.from_bytes(hashlib.blake2b(facts.encode(), digest_size=8).digest(), "big") >> 1
