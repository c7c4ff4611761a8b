"""Ray mode: hosts, teachers, policies and learner ranks as supervised Ray processes.

Invariant: a cluster that this module started is ended by it; one that RAY_ADDRESS (or `ray job submit`) names
is only joined.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import ray

from actors.policy import KEPT
from actors.ray_desk import journal_of, start_desk
from actors.ray_parts import AHEAD, Parts
from actors.ray_pool import PoolConfig, RayRollouts
from cluster.config import RunConfig
from cluster.ray_start import start_ray, told
from cluster.run import RunFailed
from cluster.serial import learner_config
from learner.ray_train import LearnerGroup, RayLearner
from learner.replay import ReplaySource
from student.config import StudentConfig
from student.student import Student
from student.types import Sample
from teachers.backends.types import Verdict
from teachers.make import TeacherMaker, key_of, make_expert, recording_of
from teachers.team.reflect import Reflector
from worlds.make import make_world

log = logging.getLogger(__name__)


class GroupLearning(RayLearner):
    """A learner group whose end is told as `RunFailed`."""

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        """See `RayLearner.start`."""
        with told("the learner cannot be given work"):
            super().start(fresh, pool, steps, save)

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        """See `RayLearner.poll`."""
        with told("the learner failed"):
            return super().poll(wait_s)


class RayMachinery:
    """See `ports.Machinery`."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        self._config = config
        start_ray(config.cluster.object_store_mb)
        self._check_room()
        recording = recording_of(config.teacher, folder)
        self._journal = journal_of(recording, folder.name)
        self._desk = (
            None
            if config.teacher.backend == "scripted"
            else start_desk(config.teacher, recording, folder.name)
        )

    def _check_room(self) -> None:
        """A process that cannot be placed would be missing without a word, and the run only slower."""
        cluster, there = self._config.cluster, ray.cluster_resources()
        reserved = {"CPU": cluster.cpus_reserved, "GPU": cluster.gpus_reserved}
        keys = {
            "CPU": "cluster.hosts, policies or learners, or cluster.cpus_host, cpus_policy, cpus_teacher or "
            "cpus_learner",
            "GPU": "cluster.policies or learners, or cluster.gpus_policy or gpus_learner",
        }
        for kind, amount in reserved.items():
            have = there.get(kind, 0.0)
            if amount <= have + 1e-6:
                continue
            sentence = f"cluster.* reserves {amount:g} {kind}s and Ray has {have:g}: lower {keys[kind]}"
            if "RAY_ADDRESS" not in os.environ:
                ray.shutdown()
                raise RunFailed(sentence)
            log.warning("%s, unless the cluster grows by itself", sentence)

    def rollouts(self, student: StudentConfig) -> RayRollouts:
        """A supervised pool of hosts with their teachers and policies."""
        config, cluster = self._config, self._config.cluster
        pool = PoolConfig(
            hosts=cluster.hosts,
            worlds_per_host=cluster.worlds_per_host,
            teachers=cluster.teachers,
            policies=cluster.policies,
            cpus_host=cluster.cpus_host,
            cpus_teacher=cluster.cpus_teacher,
            cpus_policy=cluster.cpus_policy,
            gpus_policy=cluster.gpus_policy,
            call_s=cluster.call_deadline_s,
        )
        return RayRollouts(self.parts(student), pool, config.seed)

    def parts(self, student: StudentConfig) -> Parts:
        """How each process of the pool makes what it holds."""
        config = self._config
        absolute = replace(student, path=str(student.folder().resolve()))
        cluster = config.cluster
        # A thread for every label that hosts may have open: each waits from its arrival, not from its turn.
        open_labels = AHEAD * cluster.worlds_per_host * -(-cluster.hosts // cluster.teachers)
        return Parts(
            world=partial(make_world, frame_size=config.frame_size),
            teachers={"teacher": self._teacher(), "expert": make_expert},
            teacher_threads=1 if self._desk is None else open_labels,
            student=partial(Student.load, absolute),
            memory_notes=student.memory_notes,
            versions=max(KEPT, config.distil.staleness + 1),
        )

    def learning(
        self, phase: str, student: StudentConfig, reference: StudentConfig | None, checkpoints: Path
    ) -> GroupLearning:
        """The learner's ranks under Ray Train."""
        cluster = self._config.cluster
        checkpoints.mkdir(parents=True, exist_ok=True)
        group = LearnerGroup(ranks=cluster.learners, cpus=cluster.cpus_learner, gpus=cluster.gpus_learner)
        absolute = [
            None if one is None else replace(one, path=str(one.folder().resolve()))
            for one in (student, reference)
        ]
        assert absolute[0] is not None
        settings = learner_config(self._config, phase)
        with told("the learner did not start"):
            return GroupLearning(settings, absolute[0], absolute[1], checkpoints, group)

    def verdict(self) -> Verdict | None:
        """The desk's."""
        with told("the desk of the teacher's calls cannot be asked"):
            return self._desk.verdict() if self._desk else None

    def news(self) -> list[str]:
        """The desk's, which stands in run.log too: the desk's own process does not write there."""
        with told("the desk of the teacher's calls cannot be asked"):
            news = self._desk.news() if self._desk else []
        for line in news:
            log.warning("%s", line)
        return news

    def reflector(self) -> Reflector | None:
        """Asks from this process."""
        return self._teacher().reflector()

    def _teacher(self) -> TeacherMaker:
        return TeacherMaker(self._config.teacher, self._desk, key_of(self._config.teacher))

    def close(self) -> None:
        """End the cluster that was started here, or leave the one that was joined."""
        ray.shutdown()
        self._journal.unlink(missing_ok=True)
