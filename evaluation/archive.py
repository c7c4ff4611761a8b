"""An evaluation that a narrower one would write over is kept.

Invariant: what took minutes to play leaves a run folder by a person's hand alone.
"""

from __future__ import annotations

import time
from pathlib import Path

from evaluation.records import Evaluation

REPORT = "report.html"


def covers(new: Evaluation, old: Evaluation) -> bool:
    """Whether `new` tells all that `old` does, of as many episodes."""
    played, before = _played(new), _played(old)
    return new.split == old.split and all(played.get(what, 0) >= count for what, count in before.items())


def _played(evaluation: Evaluation) -> dict[tuple[str, str], int]:
    """Episodes of each (suite, policy or number of bodies)."""
    scores = {(score.suite, score.policy): score.episodes for score in evaluation.scores}
    return scores | {(crew.suite, crew.named): crew.episodes for crew in evaluation.crews}


def set_aside(file: Path, new: Evaluation) -> Path | None:
    """Move the evaluation `file` and the report beside it into a folder of their own where `new` does not
    cover them. Returns that folder, None where nothing had to be moved."""
    if not file.is_file():
        return None
    try:
        if covers(new, Evaluation.model_validate_json(file.read_text("utf-8"))):
            return None
    except ValueError:
        pass  # what cannot be read by this version may be by another: it is kept
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
