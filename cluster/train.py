"""`python retort.py train`: the whole run, from the base model to the report.

Invariant: every stage leaves its result in the run folder before the next begins, and a resumed run skips
what is there.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from actors.supervise import RolloutsFailed
from cluster.checks import check_prompts, check_resumed, check_start, check_unfinished
from cluster.config import RunConfig, dump_config, load_config
from cluster.distill import Distiller
from cluster.metrics import MetricsLog
from cluster.plan import Chunk, make_plan
from cluster.ports import Machinery
from cluster.reflection import Reflection
from cluster.run import RunFailed, RunFolder, RunPaused
from cluster.watch import Watch
from evaluation.files import write_whole
from ledger import Ledger, LedgerError
from ledger.segments import FULL
from student.config import StudentConfig
from teachers.backends.types import Verdict
from teachers.team.prompting import prompt_hashes


def run_training(config: RunConfig, resume: Path | None = None) -> RunFolder:
    """Train into a fresh run folder, or go on with the one at `resume`; evaluate; write the report.

    Raises ValueError for what the user can mend, RunFailed where a part kept failing or the disk is full,
    RunPaused where the teacher's budget is spent.
    """
    folder = train_phases(config, resume)
    if config.evaluation.policies:
        from cluster.evaluate import evaluate_run

        evaluate_run(folder.path, [], False, keep=True)
    return folder


def train_phases(
    config: RunConfig, resume: Path | None, make: Callable[[RunConfig, Path], Machinery] | None = None
) -> RunFolder:
    """The training part of `run_training`, on the machinery that `make` gives (None: the config's mode)."""
    check_start(config)
    if resume is None:
        folder = RunFolder.create(Path(config.runs_dir), config.name)
        if config.teacher.backend != "scripted":
            write_whole(folder.prompts_file, json.dumps(prompt_hashes(), indent=1))
    else:
        folder = RunFolder.open(resume)
        before = load_config(folder.config_file)
        check_resumed(before, config)
        check_unfinished(folder, before, config)
        check_prompts(folder)
    write_whole(folder.config_file, dump_config(config))
    handler = _log_to(folder.path / "run.log")
    plan = make_plan(config)
    with Watch(len(plan)) as watch:
        watch.say(f"run folder: {folder.path}")
        metrics = MetricsLog(folder.metrics_file, folder.tensorboard)
        try:
            with Ledger.open(folder.ledger) as ledger:
                machinery = (make or make_machinery)(config, folder.path)
                try:
                    _run_phases(config, folder, plan, machinery, ledger, metrics, watch)
                finally:
                    machinery.close()
        except RunPaused as pause:
            raise RunPaused(
                f"{pause}, then go on with `python retort.py train --resume {folder.path}`"
            ) from pause
        except (LedgerError, RolloutsFailed, OSError) as error:
            raise RunFailed(
                f"{error}{_mend(error)}; then go on with `python retort.py train --resume {folder.path}`"
            ) from error
        finally:
            metrics.close()
            logging.getLogger().removeHandler(handler)
            handler.close()
    return folder


def _mend(error: Exception) -> str:
    """What helps, where the system's own words ("No space left on device") leave it out."""
    full = any(os.strerror(number) in str(error) for number in FULL)
    return ": free some space" if full else ""


def make_machinery(config: RunConfig, folder: Path) -> Machinery:
    """The parts in this process or on Ray."""
    if config.cluster.mode == "serial":
        from cluster.serial import SerialMachinery

        return SerialMachinery(config, folder)
    from cluster.ray_mode import RayMachinery

    return RayMachinery(config, folder)


def _run_phases(
    config: RunConfig,
    folder: RunFolder,
    plan: tuple[Chunk, ...],
    machinery: Machinery,
    ledger: Ledger,
    metrics: MetricsLog,
    watch: Watch,
) -> None:
    def verdict() -> Verdict | None:
        """Asked at every turn of the loop: what the teacher's desk has to tell is told by the way."""
        for line in machinery.news():
            watch.say(line)
        return machinery.verdict()

    reference = replace(config.student, path=str(folder.export("reference")))
    stages = (("reference", config.student, None), ("distil", reference, reference))
    for phase, student, frozen in stages:
        chunks = [chunk for chunk in plan if chunk.phase == phase]
        result = folder.export("reference" if phase == "reference" else "student")
        if (result / "config.json").is_file():
            continue
        checkpoints = folder.checkpoints / phase
        # The players first: their processes come up while the learner's ranks do.
        rollouts = machinery.rollouts(student)
        try:
            learning = machinery.learning(phase, student, frozen, checkpoints)
            try:
                reflection = Reflection(ledger, machinery.reflector(), config.teacher.endpoint.reflections)
                Distiller(
                    config, chunks, rollouts, learning, ledger, metrics, watch, verdict, reflection
                ).run()
                _export(student, learning.snapshot().tensors, result, config, phase)
            finally:
                learning.close()
        finally:
            rollouts.close()


def _export(student: StudentConfig, tensors: object, target: Path, config: RunConfig, phase: str) -> None:
    """Write the trained student as a `from_pretrained` folder with its card."""
    from student.student import Student

    trained = Student.load(replace(student, dtype="float32", device="cpu"))
    trained.load_weights(tensors)  # type: ignore[arg-type]
    trained.save(
        target,
        {
            "title": f"Retort student: {config.name} ({phase})",
            "learnt from": "its teacher" if phase == "distil" else "the rule-based expert",
            "suites": ", ".join(config.suites),
            "algorithm": config.learner.algorithm if phase == "distil" else "bc",
            "beta": config.learner.beta,
            "seed": config.seed,
            "command": f"python retort.py train {config.name}.yaml (the run's config.yaml)",
            "licence": "Apache-2.0",
        },
    )


def _log_to(file: Path) -> logging.Handler:
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for every call would drown the rest
    return handler
