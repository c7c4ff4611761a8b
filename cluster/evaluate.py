"""`retort eval`: every policy of a run on the same held-out episodes, then the report.

Invariant: models are read from the run's `export/` folders, so what is evaluated is what is shipped.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from actors.policies import BlankPolicy, LabelPolicy, RandomPolicy, StudentPolicy
from actors.teacher import TeacherReplica
from actors.types import Policy
from cluster.config import RunConfig, load_config
from cluster.plan import make_plan
from cluster.run import RunFolder, write_whole
from evaluation.evaluate import evaluate, record
from evaluation.records import Evaluation, Score
from evaluation.report import write_report
from student.student import Student
from teachers.make import make_expert, make_teacher


def evaluate_run(run: Path, overrides: Sequence[str], as_json: bool, console: Console | None = None) -> Path:
    """Evaluate the run at `run` with its own config plus `overrides`; write `evaluation.json` and the report.

    Returns the report's path. Raises ValueError for a folder that is no run, or a model that it lacks.
    """
    folder = RunFolder.open(run)
    config = load_config(folder.config_file, overrides)
    console = console or Console(stderr=as_json)
    policies = {name: make_policy(name, config, folder) for name in config.evaluation.policies}
    suites = config.evaluation.suites or config.suites

    def tell(suite: str, policy: str, score: Score) -> None:
        console.print(
            f"{suite:26} {policy:10} {100 * score.success:5.1f} %  "
            f"[{100 * score.success_low:.1f}, {100 * score.success_high:.1f}]  metric {score.metric:.3f}  "
            f"{score.iterations:.1f} decisions  {1e3 * score.seconds_per_decision:.2f} ms each  "
            f"n={score.episodes}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        for reason in score.broken:
            console.print(f"  broken: {reason}", highlight=False, markup=False, soft_wrap=True)

    notes = config.student.memory_notes
    scores = evaluate(config.evaluation, suites, policies, config.frame_size, config.seed, notes, tell)
    done = Evaluation(
        run=run.name,
        date=time.strftime("%Y-%m-%d"),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        split=config.evaluation.split,
        version=len(make_plan(config)),
        scores=scores,
        traces=[],
    )
    # The scores took minutes: they are safe before the traces are begun.
    write_whole(folder.evaluation_file, done.model_dump_json())
    if config.evaluation.traced and "student" in policies:
        teacher = TeacherReplica("teacher", partial(make_teacher, config=config.teacher))
        done.traces = record(
            config.evaluation,
            suites,
            "student",
            policies["student"],
            teacher,
            config.frame_size,
            config.seed,
            notes,
        )
        write_whole(folder.evaluation_file, done.model_dump_json())
    report = write_report(folder.path)
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps([json_row(score) for score in scores]))
    return report


def make_policy(name: str, config: RunConfig, folder: RunFolder) -> Policy:
    """The policy of that name. Raises ValueError when the run has not made its model yet."""
    match name:
        case "teacher":
            return LabelPolicy(TeacherReplica("teacher", partial(make_teacher, config=config.teacher)))
        case "expert":
            return LabelPolicy(TeacherReplica("expert", make_expert))
        case "random":
            return RandomPolicy()
        case "base":
            return StudentPolicy(Student.load(config.student), name="base")
        case "reference":
            return StudentPolicy(_exported("reference", config, folder), name="reference")
        case "blank":
            return BlankPolicy(StudentPolicy(_exported("student", config, folder)))
    return StudentPolicy(_exported("student", config, folder))


def json_row(score: Score) -> dict[str, object]:
    """One row of `eval --json`."""
    return {
        "suite": score.suite,
        "policy": score.policy,
        "n": score.episodes,
        "successes": score.successes,
        "success": score.success,
        "interval": [score.success_low, score.success_high],
        "metric": score.metric,
        "iterations": score.iterations,
        "seconds_per_decision": score.seconds_per_decision,
        "model_calls_per_episode": score.model_calls_per_episode,
    }


def _exported(model: str, config: RunConfig, folder: RunFolder) -> Student:
    path = folder.export(model)
    if not (path / "config.json").is_file():
        raise ValueError(
            f"{folder.path} has no exported {model} yet: finish the run with `train --resume {folder.path}`, "
            f"or leave it out with evaluation.policies=[...]"
        )
    return Student.load(replace(config.student, path=str(path), lora=0))
