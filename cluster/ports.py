"""What the distiller needs of the machinery, serial or Ray: a learner, and somebody who plays episodes.

Invariant: the distiller knows these protocols alone, so one process and a cluster run the same code in the
same order, and at S = 0 give the same samples and losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from actors.types import EpisodeOutcome, PlaySettings
from learner.publish import WeightSnapshot
from learner.replay import ReplaySource
from student.config import StudentConfig
from student.types import Sample
from teachers.backends.types import Verdict
from teachers.team.reflect import Reflector
from worlds.types import EpisodeSpec


@dataclass(frozen=True)
class Job:
    """Episodes to play. `reached_by` is "student", "teacher" or "expert", `labelled_by` "teacher" or
    "expert". `chunk` comes back with the outcomes."""

    chunk: int
    specs: tuple[EpisodeSpec, ...]
    reached_by: str
    labelled_by: str
    settings: PlaySettings


class Rollouts(Protocol):
    """Plays jobs; the student in it acts with the weights that were published last."""

    def publish(self, weights: WeightSnapshot) -> None:
        """Let the student act with these weights from the next `submit` on."""
        ...

    def submit(self, job: Job) -> None:
        """Queue a job."""
        ...

    def results(self, wait_s: float) -> list[tuple[int, EpisodeOutcome]]:
        """(chunk, outcome) of episodes that ended since the last call; waits `wait_s` at most."""
        ...

    def seconds(self) -> Mapping[str, float]:
        """Seconds spent in "simulator", "policy" and "teacher" so far, over all hosts."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


class Learning(Protocol):
    """A learner that trains one version at a time; `learner.ray_train.RayLearner` is one."""

    @property
    def version(self) -> int:
        """Versions trained so far in this phase."""
        ...

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        """Begin a version."""
        ...

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        """The metrics of the version that was begun, once it is done and saved."""
        ...

    def snapshot(self) -> WeightSnapshot:
        """The weights of the present version."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Machinery(Protocol):
    """Makes both, in one process or on a cluster."""

    def rollouts(self, student: StudentConfig) -> Rollouts:
        """Players with this student."""
        ...

    def learning(
        self, phase: str, student: StudentConfig, reference: StudentConfig | None, checkpoints: Path
    ) -> Learning:
        """The learner of a phase ("reference", "distil"), restored from `checkpoints` if there is one."""
        ...

    def verdict(self) -> Verdict | None:
        """Why the teacher may not be asked any more (None: it may)."""
        ...

    def news(self) -> list[str]:
        """What befell the teacher's endpoint since this was last asked, in sentences."""
        ...

    def reflector(self) -> Reflector | None:
        """The critic of failed attempts (None: nobody looks back)."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...
