"""Serial mode: the same components in this process, without Ray, for a debugger and for benchmarks.

Invariant: nothing runs but inside `results` and `poll`, in the order in which the distiller calls them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from actors.policies import LabelPolicy, StudentPolicy
from actors.rollout import Rollout
from actors.teacher import TeacherReplica
from actors.types import EpisodeOutcome, Labeler, Policy
from cluster.config import RunConfig
from cluster.ports import Job
from learner import checkpoint
from learner.config import LearnerConfig
from learner.learner import Learner
from learner.publish import WeightSnapshot
from learner.replay import ReplaySource
from student.config import StudentConfig
from student.student import Student
from student.types import Sample
from teachers.backends.types import Verdict
from teachers.make import TeacherMaker, key_of, make_expert, open_desk, recording_of
from teachers.team.reflect import Reflector
from worlds.make import make_world


def learner_config(config: RunConfig, phase: str) -> LearnerConfig:
    """The learner's settings of a phase: the reference is always cloned, with its own rate."""
    if phase == "reference":
        return replace(config.learner, algorithm="bc", lr=config.reference.lr, seed=config.seed)
    return replace(config.learner, seed=config.seed)


class LocalRollouts:
    """Plays jobs in this process, one episode per `results` call at least."""

    def __init__(self, config: RunConfig, student: StudentConfig, teacher: TeacherMaker) -> None:
        self._student = Student.load(student)
        self._rollout = Rollout(
            partial(make_world, frame_size=config.frame_size),
            config.cluster.worlds_per_host,
            config.seed,
            student.memory_notes,
        )
        threads = 1 if teacher.desk is None else config.cluster.worlds_per_host
        self._labelers: dict[str, Labeler] = {
            "teacher": TeacherReplica("teacher", teacher, threads),
            "expert": TeacherReplica("expert", make_expert),
        }
        self._jobs: list[tuple[int, Iterator[EpisodeOutcome]]] = []

    def publish(self, weights: WeightSnapshot) -> None:
        """Load the weights, after checking that they are whole."""
        weights.verify()
        self._student.load_weights(weights.tensors)

    def submit(self, job: Job) -> None:
        """Queue a job; it is played when results are asked for."""
        policy: Policy
        if job.reached_by == "student":
            policy = StudentPolicy(self._student, job.settings.version)
        else:
            policy = LabelPolicy(self._labelers[job.reached_by])
        labeler = self._labelers[job.labelled_by]
        self._jobs.append((job.chunk, self._rollout.play(job.specs, policy, labeler, job.settings)))

    def results(self, wait_s: float) -> list[tuple[int, EpisodeOutcome]]:
        """The next episode of the oldest job."""
        while self._jobs:
            chunk, outcomes = self._jobs[0]
            for outcome in outcomes:
                return [(chunk, outcome)]
            self._jobs.pop(0)
        return []

    def seconds(self) -> Mapping[str, float]:
        """See `ports.Rollouts.seconds`."""
        return dict(self._rollout.progress.seconds)

    def close(self) -> None:
        """Close the worlds."""
        self._rollout.close()


class LocalLearning:
    """The learner in this process; a version is trained and saved inside `poll`."""

    def __init__(self, learner: Learner, checkpoints: Path) -> None:
        self._learner = learner
        self._checkpoints = checkpoints
        self._work: tuple[Sequence[Sample], ReplaySource, int, bool] | None = None

    @property
    def version(self) -> int:
        """The version that is trained."""
        return self._learner.version

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        """Keep the work for `poll`."""
        assert self._work is None, "poll the version that was begun before starting another"
        self._work = (fresh, pool, steps, save)

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        """Train the version that was begun."""
        assert self._work is not None, "start a version before polling"
        fresh, pool, steps, save = self._work
        self._work = None
        metrics = self._learner.train(fresh, pool, steps)
        if save:
            self._learner.save(self._checkpoints)
        return metrics

    def snapshot(self) -> WeightSnapshot:
        """The weights of the present version."""
        return self._learner.snapshot()

    def close(self) -> None:
        """Let go of DeepSpeed."""
        self._learner.close()


class SerialMachinery:
    """See `ports.Machinery`."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        self._config = config
        self._desk = (
            None
            if config.teacher.backend == "scripted"
            else open_desk(config.teacher, recording_of(config.teacher, folder), folder.name)
        )

    def rollouts(self, student: StudentConfig) -> LocalRollouts:
        """Players in this process."""
        return LocalRollouts(self._config, student, self._teacher())

    def learning(
        self, phase: str, student: StudentConfig, reference: StudentConfig | None, checkpoints: Path
    ) -> LocalLearning:
        """A learner in this process."""
        learner = Learner.load(learner_config(self._config, phase), student, reference)
        checkpoints.mkdir(parents=True, exist_ok=True)
        newest = checkpoint.latest(checkpoints)
        if newest is not None:
            learner.restore(newest)
        return LocalLearning(learner, checkpoints)

    def verdict(self) -> Verdict | None:
        """The desk's."""
        return self._desk.verdict() if self._desk else None

    def news(self) -> list[str]:
        """The desk's."""
        return self._desk.news() if self._desk else []

    def reflector(self) -> Reflector | None:
        """Asks from this process."""
        return self._teacher().reflector()

    def _teacher(self) -> TeacherMaker:
        return TeacherMaker(self._config.teacher, self._desk, key_of(self._config.teacher))

    def close(self) -> None:
        """Nothing was started."""
