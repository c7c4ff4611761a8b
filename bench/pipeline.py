"""The whole beside its stages: how much of the slowest stage the pipeline keeps, what asynchrony gains.

Runs of the real distiller on a real Ray cluster, from the shipped base model, on the same episodes: each
stage alone, all together at S = 1, and, with a teacher that takes half a second per answer, S = 0 against
S = 2. Throughputs are fresh samples per second over the student's rounds, start-up left out.

Where a round takes P to be played and L to be trained on, asynchrony hides the shorter of the two, and of P
also the end, when a few long episodes keep the rest waiting: with S > 0 the next round's begin meanwhile.
What it can gain is bounded by what lockstep leaves idle: `async_gain_limit` is one by the share of the cores'
time that lockstep uses.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from actors.ray_parts import Parts
from actors.teacher import TeacherMaker
from actors.types import PlaySettings
from bench.busy import Busy
from bench.rows import row, say
from cluster.config import RunConfig, load_config
from cluster.metrics import read_metrics
from cluster.plan import make_plan
from cluster.ports import Job
from cluster.ray_mode import RayMachinery
from cluster.train import train_phases
from learner.replay import ReplayPool
from student.config import StudentConfig
from student.types import Sample
from teachers.config import TeacherConfig
from teachers.make import make_teacher
from teachers.types import Label, Role, Teacher
from worlds.types import EpisodeSpec, Mirror, Observation

ANSWER_S = 0.5
THREADS = 64
"""Questions that the slow teacher takes at once: one of every world."""
OVERRIDES = [
    "name=bench",
    "suites=[voxel/goal_name]",
    "evaluation.policies=[]",
    "reference.episodes=16",
    "reference.epochs=1",
    "distil.relabel_epochs=1",
    "distil.rounds=5",
    "distil.episodes_per_round=48",
    "learner.steps_per_version=60",
    "learner.bf16=mixed",  # as the presets have it
    "cluster.hosts=2",
    "cluster.worlds_per_host=24",
]
SLOW = ["distil.mix_start=1", "distil.mix_decay=0.4", "cluster.worlds_per_host=32"]
"""As in configs/llm-teacher.yaml, the preset for teachers that take their time. Where the teacher moves, a
world waits for its answer; meanwhile asynchrony has the next round's episodes to play."""
DEADLINE_S = 600.0


class SlowTeacher:
    """A teacher behind a slow line: the same labels, `ANSWER_S` later."""

    def __init__(self, inner: Teacher) -> None:
        self._inner = inner
        self.version = f"slow-{inner.version}"

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The inner teacher's label, after the wait."""
        time.sleep(ANSWER_S)
        return self._inner.label(observation, mirror, role)


def make_slow_teacher(suite: str, config: TeacherConfig) -> Teacher:
    """A `SlowTeacher` around the suite's own."""
    return SlowTeacher(make_teacher(suite, config))


class SlowMachinery(RayMachinery):
    """Ray mode with slow teachers that take `THREADS` questions at once."""

    def parts(self, student: StudentConfig) -> Parts:
        """See `RayMachinery.parts`."""
        usual = super().parts(student)
        slow: dict[str, TeacherMaker] = {
            **usual.teachers,
            "teacher": partial(make_slow_teacher, config=self._config.teacher),
        }
        return replace(usual, teachers=slow, teacher_threads=THREADS)


def run() -> list[dict[str, Any]]:
    """Rows `pipeline_efficiency`, `async_gain`, `max_staleness_minus_bound`, and one per stage alone."""
    with tempfile.TemporaryDirectory() as folder:
        runs = f"runs_dir={folder}"
        say("each stage alone ...")
        stages = _stages_alone(load_config(None, [*OVERRIDES, runs]))
        say("all together at S = 1 ...")
        whole = _rounds(load_config(None, [*OVERRIDES, runs, "distil.staleness=1"]), RayMachinery)
        bound = 2
        slow = [*OVERRIDES, *SLOW, runs]
        say(f"a slow teacher at S = {bound} ...")
        paced = _rounds(load_config(None, [*slow, f"distil.staleness={bound}"]), SlowMachinery)
        say("a slow teacher at S = 0 ...")
        lockstep = _rounds(load_config(None, [*slow, "distil.staleness=0"]), SlowMachinery)
    slowest = min(stages, key=lambda name: stages[name])
    rows = [row(f"{name}_alone_samples_per_s", rate, "samples/s") for name, rate in stages.items()]
    rows.append(row("pipeline_efficiency", whole["rate"], "samples/s", f"{slowest} alone", stages[slowest]))
    rows.append(row("async_gain", paced["rate"], "samples/s", "S = 0", lockstep["rate"]))
    rows.append(row("async_gain_limit", 1.0 / lockstep["busy"], "times the samples/s of S = 0"))
    rows.append(row("max_staleness_minus_bound", max(paced["lag"] - bound, whole["lag"] - 1), "versions"))
    return rows


def _rounds(config: RunConfig, machinery: type[RayMachinery]) -> dict[str, float]:
    """Run the distiller; from the first student round's end to the last's: fresh samples per second, the
    share of the cores' time that was used, and the greatest lag."""
    with Busy() as busy:
        folder = train_phases(config, None, machinery)
    learn = [record for record in read_metrics(folder.metrics_file) if record["kind"] == "learn"]
    rounds = [record for record in learn if record["step"] >= 2]
    seconds = rounds[-1]["time"] - rounds[0]["time"]
    return {
        "rate": sum(record["fresh"] for record in rounds[1:]) / seconds,
        "busy": busy.share(rounds[0]["time"], rounds[-1]["time"]),
        "lag": max(record["lag_max"] for record in rounds),
    }


def _stages_alone(config: RunConfig) -> dict[str, float]:
    """Fresh samples per second of each stage with the machine to itself."""
    machinery = RayMachinery(config, Path(config.runs_dir))
    try:
        rates, samples = _producers_alone(config, machinery)
        checkpoints = Path(config.runs_dir) / "alone"
        learning = machinery.learning("distil", config.student, config.student, checkpoints)
        # The second half is a round's worth of samples that the learner has not seen, as in a run: with
        # fewer, the steps of a version would count for less; known ones would find their features cached.
        half = len(samples) // 2
        pool, fresh = ReplayPool(samples=samples[:half]), samples[half:]
        learning.train(samples[:half], pool)
        began = time.perf_counter()
        learning.train(fresh, pool)
        rates["learner"] = len(fresh) / (time.perf_counter() - began)
        learning.close()
    finally:
        machinery.close()
    return rates


def _producers_alone(config: RunConfig, machinery: RayMachinery) -> tuple[dict[str, float], list[Sample]]:
    """Hosts with policy and teacher, without a learner: the seconds that they spend in each stage give its
    own rate."""
    specs = [spec for chunk in make_plan(config)[2:4] for spec in chunk.specs]
    rollouts = machinery.rollouts(config.student)
    samples: list[Sample] = []
    try:
        _play(rollouts, config, specs[:4], samples)
        before = dict(rollouts.seconds())
        samples.clear()
        _play(rollouts, config, specs[4:], samples)
        time.sleep(2.0)
        rollouts.results(2.0)
        busy = {name: value - before.get(name, 0.0) for name, value in rollouts.seconds().items()}
    finally:
        rollouts.close()
    hosts = config.cluster.hosts
    names = ("simulator", "policy", "teacher")
    return {name: hosts * len(samples) / max(busy.get(name, 0.0), 1e-6) for name in names}, samples


def _play(rollouts: Any, config: RunConfig, specs: Sequence[EpisodeSpec], samples: list[Sample]) -> None:
    settings = PlaySettings(temperature=config.distil.temperature)
    rollouts.submit(Job(0, tuple(specs), "student", "teacher", settings))
    left, end = len(specs), time.monotonic() + DEADLINE_S
    while left:
        if time.monotonic() > end:
            raise ValueError(
                f"the benchmark's episodes did not end within {DEADLINE_S:.0f} s: look at run.log"
            )
        for _, outcome in rollouts.results(1.0):
            left -= 1
            samples.extend(getattr(outcome, "samples", ()))
