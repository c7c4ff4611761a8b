"""An evaluation that a narrower one would write over is kept.

Invariant: what took minutes to play leaves a run folder by a person's hand alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from evaluation.config import EvaluationConfig
from evaluation.records import CrewScore, Evaluation

REPORT = "report.html"


def covers(new: Evaluation, old: Evaluation) -> bool:
    """Whether `new` tells all that `old` does, of as many episodes."""
    played, before = _played(new), _played(old)
    return new.split == old.split and all(played.get(what, 0) >= count for what, count in before.items())


def _played(evaluation: Evaluation) -> dict[tuple[str, str], int]:
    """Episodes of each (suite, policy or number of bodies)."""
    scores = {(score.suite, score.policy): score.episodes for score in evaluation.scores}
    return scores | {(crew.suite, crew.named): crew.episodes for crew in evaluation.crews}


def crews_to_renew(file: Path, config: EvaluationConfig, suites: Collection[str]) -> list[CrewScore]:
    """Those in the evaluation `file` that one with `config` plays anew, in as many episodes: they stay until
    then."""
    old = _read(file)
    return [
        crew
        for crew in (old.crews if old and old.split == config.split else ())
        if crew.suite in suites and crew.bodies in config.bodies and crew.episodes <= config.episodes
    ]


def set_aside(file: Path, new: Evaluation) -> Path | None:
    """Move the evaluation `file` and the report beside it into a folder of their own where `new` does not
    cover them. Returns that folder, None where nothing had to be moved."""
    if not file.is_file():
        return None
    old = _read(file)  # what cannot be read by this version may be by another: it is kept
    if old and covers(new, old):
        return None
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(file.stat().st_mtime))
    folder, more = file.parent / "evaluations" / when, 1
    while folder.exists():  # of the same second, or of the hour that a clock was put back by
        more += 1
        folder = folder.with_name(f"{when}-{more}")
    folder.mkdir(parents=True)
    file.replace(folder / file.name)
    report = file.with_name(REPORT)
    if report.is_file():
        report.replace(folder / REPORT)
    return folder


def _read(file: Path) -> Evaluation | None:
    """None where there is none, or none that this version can read."""
    try:
        return Evaluation.model_validate_json(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
