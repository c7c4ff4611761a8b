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
    played = {(score.suite, score.policy): score.episodes for score in new.scores}
    return new.split == old.split and all(
        played.get((score.suite, score.policy), 0) >= score.episodes for score in old.scores
    )


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
    folder = file.parent / "evaluations" / when
    folder.mkdir(parents=True, exist_ok=True)
    file.replace(folder / file.name)
    report = file.with_name(REPORT)
    if report.is_file():
        report.replace(folder / REPORT)
    return folder
