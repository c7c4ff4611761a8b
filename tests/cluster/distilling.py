"""Players and a learner small enough to reason about, and a run of the distiller over them, to be killed and
run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest import mock

import toy

from actors.policies import LabelPolicy, StudentPolicy
from actors.rollout import Rollout
from actors.teacher import TeacherReplica
from actors.types import EpisodeFailure, EpisodeOutcome
from cluster import distill
from cluster.config import DistilConfig, ReferenceConfig, RunConfig
from cluster.distill import Distiller
from cluster.metrics import MetricsLog
from cluster.plan import make_plan
from cluster.ports import Job
from cluster.watch import Watch
from learner.publish import WeightSnapshot, snapshot
from learner.replay import ReplaySource
from ledger import Ledger
from student.types import Sample
from teachers.backends.types import Verdict

EPISODES, ROUNDS = 4, 2


class Stop(Exception):
    """The process dies here."""


class Players:
    """Plays jobs at once and hands the episodes over last one first; those in `broken` fail."""

    def __init__(self, broken: Sequence[int] = ()) -> None:
        self.broken = broken
        self.version = 0
        self.played: list[tuple[int, int]] = []
        self._done: list[tuple[int, EpisodeOutcome]] = []
        self._teacher = TeacherReplica("teacher", toy.make_teacher)

    def publish(self, weights: WeightSnapshot) -> None:
        self.version = weights.version

    def submit(self, job: Job) -> None:
        if job.reached_by == "student":
            assert job.settings.version == self.version
        rollout = Rollout(toy.make_world, width=2, run_seed=0)
        student = StudentPolicy(toy.ToyStudent(1.0), job.settings.version)
        policy = student if job.reached_by == "student" else LabelPolicy(self._teacher)
        played = list(rollout.play(job.specs, policy, self._teacher, job.settings))
        for outcome in reversed(played):
            broken = job.chunk > 1 and outcome.spec.index in self.broken
            end = EpisodeFailure(outcome.spec, "the corridor collapsed") if broken else outcome
            self.played.append((job.chunk, outcome.spec.index))
            self._done.append((job.chunk, end))

    def results(self, wait_s: float) -> list[tuple[int, EpisodeOutcome]]:
        done, self._done = self._done[:1], self._done[1:]
        return done

    def seconds(self) -> Mapping[str, float]:
        return {}

    def close(self) -> None:
        """Nothing is held."""


class Learner:
    """Notes what it is given. `dies_at` (version, "before" or "after" its checkpoint) ends the process;
    `saved` outlives it."""

    def __init__(self, ledger: Ledger, saved: list[int], dies_at: tuple[int, str] | None = None) -> None:
        self._ledger, self._saved, self._dies_at = ledger, saved, dies_at
        self._version = len(saved)
        self.fresh: list[list[Sample]] = []
        self.replayable: list[int] = []
        self.steps: list[int] = []

    @property
    def version(self) -> int:
        return self._version

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        self.fresh.append(list(fresh))
        self.replayable.append(len(pool))
        self.steps.append(steps)

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        assert set(self._ledger.states([s.sample_id for s in self.fresh[-1]])) <= {"claimed"}
        if self._dies_at == (self._version, "before"):
            raise Stop
        self._saved.append(len(self.fresh[-1]))
        if self._dies_at == (self._version, "after"):
            raise Stop
        self._version += 1
        return {"loss": 1.0}

    def snapshot(self) -> WeightSnapshot:
        return snapshot(self._version, {})

    def close(self) -> None:
        """Nothing is held."""


class Run:
    """One phase of a run in a folder, to be run, killed and run again."""

    def __init__(self, folder: Path, staleness: int = 0, adaptive: bool = False) -> None:
        self.folder = folder
        self.config = RunConfig(
            suites=(toy.SUITE,),
            reference=ReferenceConfig(episodes=EPISODES, epochs=0.01),
            distil=DistilConfig(
                rounds=ROUNDS,
                episodes_per_round=EPISODES,
                staleness=staleness,
                adaptive=adaptive,
                curriculum=(1, 2) if adaptive else (2,),
            ),
        )
        self.plan = make_plan(self.config)

    def go(
        self,
        phase: str,
        saved: list[int],
        players: Players,
        dies_at: tuple[int, str] | None = None,
        verdict: Callable[[], Verdict | None] = lambda: None,
    ) -> Learner:
        log = MetricsLog(self.folder / "metrics.jsonl", self.folder / "tensorboard")
        chunks = [chunk for chunk in self.plan if chunk.phase == phase]
        try:
            with mock.patch.object(distill, "WAIT_S", 0.0), Ledger.open(self.folder / "ledger") as ledger:
                learner = Learner(ledger, saved, dies_at)
                watch = Watch(len(self.plan))
                Distiller(self.config, chunks, players, learner, ledger, log, watch, verdict).run()
                return learner
        finally:
            log.close()

    def counts(self) -> dict[str, int]:
        with Ledger.open(self.folder / "ledger", writable=False) as ledger:
            return {state: count for state, count in ledger.counts().items() if count}


def ids(fresh: Sequence[Sequence[Sample]]) -> list[str]:
    return [sample.sample_id for samples in fresh for sample in samples]
