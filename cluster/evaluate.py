"""`retort eval`: every policy of a run on the same held-out episodes, then the report.

Invariant: models are read from the run's `export/` folders, so what is evaluated is what is shipped.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from actors.policies import BlankPolicy, LabelPolicy, RandomPolicy, StudentPolicy
from actors.teacher import TeacherReplica
from actors.types import Policy, State
from cluster.checks import check_suites
from cluster.config import RunConfig, load_config
from cluster.plan import make_plan
from cluster.reflection import Reflection
from cluster.run import RunFailed, RunFolder, RunPaused
from evaluation.archive import crews_to_renew, set_aside
from evaluation.crews import play_crews
from evaluation.evaluate import evaluate, record
from evaluation.files import write_whole
from evaluation.kept import KeptScores, digest_of
from evaluation.records import CrewScore, Evaluation, Score, verdicts
from evaluation.report import write_report
from ledger import Ledger, LedgerError
from student.config import StudentConfig
from student.student import Student
from teachers.backends.types import Verdict
from teachers.make import TeacherMaker, key_of, make_expert, open_desk, recording_of
from teachers.team.memory import Memory
from teachers.types import Label

MODELS = ("reference", "student", "blank")
"""The policies whose models the run makes."""
Job = tuple[RunConfig, RunFolder, str, str]
"""Config, run, suite, policy."""


def evaluate_run(
    run: Path,
    overrides: Sequence[str],
    as_json: bool,
    console: Console | None = None,
    keep: bool = False,
) -> Path:
    """Evaluate the run at `run` with its own config plus `overrides`; write `evaluation.json` and the report.
    With `keep`, what an evaluation that was stopped has played already is not played again.

    Returns the report's path. Raises ValueError for a folder that is no run, or a model that it lacks.
    """
    folder = RunFolder.open(run)
    config = load_config(folder.config_file, overrides)
    console = console or Console(stderr=as_json)
    if not config.evaluation.policies:
        raise ValueError(
            "evaluation.policies is empty: name at least one, such as evaluation.policies=[student]"
        )
    check_suites(config)
    suites = config.evaluation.suites or config.suites
    for name in config.evaluation.policies:
        if name in MODELS:
            _exported(name, config, folder)  # what is missing is said before minutes are spent
    jobs = [(config, folder, suite, name) for suite in suites for name in config.evaluation.policies]
    kept = KeptScores(folder.scores)
    digests = [_digest(*job) for job in jobs]
    found = [
        kept.get(suite, name, digest) if keep else None
        for (_, _, suite, name), digest in zip(jobs, digests, strict=True)
    ]
    missing = [job for job, score in zip(jobs, found, strict=True) if score is None]
    played = _scores(missing, config.evaluation.workers or os.cpu_count() or 1)
    scores = []
    for before, digest in zip(found, digests, strict=True):
        score = before or next(played)
        if before is None:
            kept.put(score, digest)
        scores.append(score)
        _tell(console, score)
    for sentence in verdicts(scores):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    done = Evaluation(
        run=run.name,
        date=time.strftime("%Y-%m-%d"),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        split=config.evaluation.split,
        version=len(make_plan(config)),
        scores=scores,
        traces=[],
        crews=crews_to_renew(folder.evaluation_file, config.evaluation, suites),
    )
    aside = set_aside(folder.evaluation_file, done)
    if aside is not None:
        told = f"the evaluation before told more: it and its report are kept in {aside}"
        console.print(told, highlight=False, markup=False, soft_wrap=True)
    # The scores took minutes: they are safe before the traces are begun.
    write_whole(folder.evaluation_file, done.model_dump_json())
    if config.evaluation.bodies:
        labeler = make_labeler(config, folder, judged=True, paced=True)
        done.crews = play_crews(config.evaluation, suites, labeler, config.frame_size)
        for crew in done.crews:
            console.print(
                f"{crew.suite:26} {crew.named:10} {100 * crew.success:5.1f} %  "
                f"{crew.rounds:.1f} rounds  {crew.seconds:.2f} s (team {crew.team_seconds:.2f}, "
                f"world {crew.world_seconds:.2f})  n={crew.episodes}",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        write_whole(folder.evaluation_file, done.model_dump_json())
    if config.evaluation.traced and "student" in config.evaluation.policies:
        teacher = make_labeler(config, folder)
        done.traces = record(
            config.evaluation,
            suites,
            "student",
            make_policy("student", config, folder),
            teacher,
            config.frame_size,
            config.seed,
            config.student.memory_notes,
            team_lessons(config, folder),
        )
        write_whole(folder.evaluation_file, done.model_dump_json())
    report = write_report(folder.path)
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        rows = [json_row(score) for score in scores] + [crew_row(crew) for crew in done.crews]
        print(json.dumps(rows))
    return report


def team_lessons(config: RunConfig, folder: RunFolder) -> tuple[Memory, ...]:
    """What the run's team remembers at its end. Raises ValueError where its ledger cannot be read."""
    if not config.teacher.endpoint.reflections or not folder.ledger.is_dir():
        return ()
    try:
        with Ledger.open(folder.ledger, writable=False) as ledger:
            return Reflection(ledger, None, 0).known(len(make_plan(config)))
    except LedgerError as error:
        raise ValueError(f"the team's lessons are not to be had: {error}") from error


def _digest(config: RunConfig, folder: RunFolder, suite: str, name: str) -> str:
    """Of all that the policy's score on the suite depends on, but the program itself."""
    settings: dict[str, Any] = {
        "frame_size": config.frame_size,
        "seed": config.seed,
        "notes": config.student.memory_notes,
    }
    if name == "teacher":
        settings["teacher"] = asdict(config.teacher)
    model = None
    if name in MODELS:
        model = Path(_exported(name, config, folder).path)
    elif name == "base":
        model = config.student.folder()
    return digest_of(config.evaluation, settings, model)


def _scores(jobs: Sequence[Job], workers: int) -> Iterator[Score]:
    """The jobs' scores in their order, from `workers` processes of one thread each (1: from this one)."""
    near = [job for job in jobs if not _far(job)]
    workers = min(workers, len(near))
    if workers <= 1:
        yield from map(_score, jobs)
        return
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(workers, torch.set_num_threads, (1,)) as pool:
        scores = pool.imap(_score, near)
        for job in jobs:
            yield _score(job) if _far(job) else next(scores)


def _far(job: Job) -> bool:
    """Whether the policy asks an endpoint: then one process does, so that limits and budgets hold."""
    config, _, _, name = job
    return name == "teacher" and config.teacher.backend != "scripted"


def _score(job: Job) -> Score:
    config, folder, suite, name = job
    policy = make_policy(name, config, folder)
    notes = config.student.memory_notes
    return evaluate(config.evaluation, suite, name, policy, config.frame_size, config.seed, notes)


class JudgedTeacher(TeacherReplica):
    """A teacher whose own score is taken: chance must not act for it. `verdict` is its desk's."""

    def __init__(self, maker: TeacherMaker, threads: int, verdict: Callable[[], Verdict | None]) -> None:
        super().__init__("teacher", maker, threads)
        self._verdict = verdict

    def label_batch(self, states: Sequence[State]) -> list[Label]:
        """See `TeacherReplica.label_batch`. Raises RunPaused where the budget is spent, and RunFailed where
        labels are not to be had for another reason."""
        labels = super().label_batch(states)
        if not self.unanswered:
            return labels
        go_on = (
            "then go on with `python retort.py train --resume RUN`, or leave `teacher` out of "
            "evaluation.policies"
        )
        verdict = self._verdict()
        if verdict is not None and verdict.kind == "spent":
            raise RunPaused(f"{verdict.reason}, {go_on}")
        raise RunFailed(
            "the teacher's score would not be its own: labels were not to be had "
            f"({self.unanswered}); {go_on}"
        )


def _tell(console: Console, score: Score) -> None:
    line = (
        f"{score.suite:26} {score.policy:10} {100 * score.success:5.1f} %  "
        f"[{100 * score.success_low:.1f}, {100 * score.success_high:.1f}]  metric {score.metric:.3f}  "
        f"{score.iterations:.1f} decisions  {1e3 * score.seconds_per_decision:.2f} ms each  "
        f"n={score.episodes}"
    )
    for text in (line, *(f"  {remark}" for remark in score.remarks)):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def make_policy(name: str, config: RunConfig, folder: RunFolder) -> Policy:
    """The policy of that name. Raises ValueError when the run has not made its model yet."""
    match name:
        case "teacher":
            return LabelPolicy(make_labeler(config, folder, judged=True))
        case "expert":
            return LabelPolicy(TeacherReplica("expert", make_expert))
        case "random":
            return RandomPolicy()
        case "base":
            return StudentPolicy(Student.load(config.student), name="base")
        case "reference":
            return StudentPolicy(Student.load(_exported(name, config, folder)), name="reference")
        case "blank":
            return BlankPolicy(StudentPolicy(Student.load(_exported(name, config, folder))))
    return StudentPolicy(Student.load(_exported(name, config, folder)))


def make_labeler(
    config: RunConfig, folder: RunFolder, judged: bool = False, paced: bool = False
) -> TeacherReplica:
    """The teacher, as in training: over an endpoint, it goes on with the run's recording. `judged`: see
    `JudgedTeacher`; else a label that is not to be had is just not there. `paced`: see `Caller`."""
    if config.teacher.backend == "scripted":
        return TeacherReplica("teacher", TeacherMaker(config.teacher))
    desk = open_desk(config.teacher, recording_of(config.teacher, folder.path), folder.path.name)
    maker = TeacherMaker(config.teacher, desk, key_of(config.teacher), paced)
    threads = config.teacher.endpoint.lines
    if judged:
        return JudgedTeacher(maker, threads, desk.verdict)
    return TeacherReplica("teacher", maker, threads)


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
        "refused_labels": sum(score.refused.values()),
    }


def crew_row(crew: CrewScore) -> dict[str, object]:
    """One row of `eval --json`: several bodies of the teacher's in one world."""
    return {
        "suite": crew.suite,
        "policy": f"teacher, {crew.named}",
        "bodies": crew.bodies,
        "n": crew.episodes,
        "success": crew.success,
        "interval": [crew.success_low, crew.success_high],
        "metric": crew.metric,
        "iterations": crew.rounds,
        "seconds_per_episode": crew.seconds,
        "team_seconds_per_episode": crew.team_seconds,
        "world_seconds_per_episode": crew.world_seconds,
    }


def _exported(name: str, config: RunConfig, folder: RunFolder) -> StudentConfig:
    """Where the policy's model lies. Raises ValueError when the run has not made it yet."""
    model = "student" if name == "blank" else name
    path = folder.exported(model)
    return replace(config.student, path=str(path), lora=0)
