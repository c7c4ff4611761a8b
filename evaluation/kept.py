"""Scores that are kept as they come, so that a stopped evaluation goes on where it was.

Invariant: a score is found again only under the digest of all that it was played with; a changed setting or
other weights give another digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.config import EvaluationConfig
from evaluation.files import write_whole
from evaluation.records import Score
from student.fingerprint import fingerprint

NOT_PLAYED = ("suites", "policies", "traced", "workers")
"""Keys of the evaluation config that change no single score."""


class KeptScores:
    """The scores of one run, a small JSON file each in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, suite: str, policy: str, digest: str) -> Score | None:
        """The score, None where it is not there or not whole."""
        try:
            return Score.model_validate_json(self._file(suite, policy, digest).read_text("utf-8"))
        except (OSError, ValueError):
            return None  # it is played again, and written anew

    def put(self, score: Score, digest: str) -> None:
        """Raises OSError where it cannot be written."""
        self.folder.mkdir(exist_ok=True)
        write_whole(self._file(score.suite, score.policy, digest), score.model_dump_json())

    def _file(self, suite: str, policy: str, digest: str) -> Path:
        return self.folder / f"{suite.replace('/', '-')}-{policy}-{digest}.json"


def digest_of(evaluation: EvaluationConfig, settings: dict[str, Any], model: Path | None) -> str:
    """What a score depends on, as 16 hex digits: the evaluation's own keys, `settings` (whatever else enters,
    as JSON), and the weights of the folder `model` (None: the policy has none)."""
    played = {key: value for key, value in asdict(evaluation).items() if key not in NOT_PLAYED}
    weights = fingerprint(model) if model else ""
    told = json.dumps([played, settings, weights], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
