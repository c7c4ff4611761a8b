"""A stopped evaluation finds its scores again, and never those of other settings or weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.config import EvaluationConfig
from evaluation.kept import KeptScores, digest_of
from evaluation.records import Score

CONFIG = EvaluationConfig(episodes=2)
SCORE = Score.of("voxel/goal_name", "student", [True, False], [1.0, 0.0], [3, 40], 1.0, 43)


def weights(folder: Path, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def test_a_score_comes_back_whole_or_not_at_all(tmp_path: Path) -> None:
    kept = KeptScores(tmp_path / "scores")
    digest = digest_of(CONFIG, {"seed": 0}, None)
    assert kept.get(SCORE.suite, SCORE.policy, digest) is None
    kept.put(SCORE, digest)
    assert kept.get(SCORE.suite, SCORE.policy, digest) == SCORE
    assert kept.get(SCORE.suite, "teacher", digest) is None
    (file,) = (tmp_path / "scores").iterdir()
    file.write_text(file.read_text()[:-5])
    assert kept.get(SCORE.suite, SCORE.policy, digest) is None


@pytest.mark.parametrize(
    ("config", "settings", "content", "same"),
    [
        (replace(CONFIG, policies=("student",), workers=1, traced=0), {"seed": 0}, b"one", True),
        (replace(CONFIG, temperature=0.1), {"seed": 0}, b"one", False),
        (CONFIG, {"seed": 1}, b"one", False),
        (CONFIG, {"seed": 0}, b"two", False),
    ],
)
def test_what_changes_a_score_changes_its_digest(
    config: EvaluationConfig, settings: dict[str, int], content: bytes, same: bool, tmp_path: Path
) -> None:
    first = digest_of(CONFIG, {"seed": 0}, weights(tmp_path / "model", b"one"))
    assert (digest_of(config, settings, weights(tmp_path / "model", content)) == first) is same
