"""No evaluation that took minutes is written over by one that tells less, in whatever order they come."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evaluation.archive import covers, crews_to_renew, set_aside
from evaluation.config import EvaluationConfig
from evaluation.records import CrewScore, CrewTime, Evaluation, Score

POLICIES = ("teacher", "student", "random")


def score(suite: str, policy: str, episodes: int) -> Score:
    return Score.of(suite, policy, [True] * episodes, [1.0] * episodes, [3] * episodes, 1.0, 9)


def crew(suite: str, bodies: int, episodes: int) -> CrewScore:
    return CrewScore.of_episodes(
        suite, bodies, [True] * episodes, [1.0] * episodes, [CrewTime(3, 1.0, 1.0)] * episodes
    )


def evaluation(scores: list[Score], crews: list[CrewScore], split: str = "test") -> Evaluation:
    return Evaluation(
        run="r", date="2026-01-01", machine="m", split=split, version=3, scores=scores, crews=crews, traces=[]
    )


def at_random(rng: np.random.Generator) -> Evaluation:
    scores = [
        score(suite, policy, int(rng.integers(1, 4)))
        for suite in ("a", "b")
        for policy in POLICIES
        if rng.random() < 0.6
    ]
    crews = [crew("a", bodies, int(rng.integers(1, 3))) for bodies in (1, 2) if rng.random() < 0.3]
    return evaluation(scores, crews, "test" if rng.random() < 0.8 else "validation")


def told(one: Evaluation) -> set[tuple[str, str, str, int]]:
    """Each episode of each row, as what must not be lost."""
    rows = [(s.suite, s.policy, s.episodes) for s in one.scores]
    rows += [(c.suite, f"{c.bodies} bodies", c.episodes) for c in one.crews]
    return {(one.split, suite, who, n) for suite, who, count in rows for n in range(count)}


def test_one_covers_another_where_it_tells_each_of_its_episodes() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(80):
        new, old = at_random(rng), at_random(rng)
        if new.split == old.split:
            found.append(covers(new, old))
            assert found[-1] == (told(old) <= told(new))
        else:
            assert not covers(new, old)
        assert covers(new, new)
    assert 1 < sum(found) < len(found) - 1


@pytest.mark.parametrize("same_second", [False, True])
def test_whatever_was_told_can_still_be_read(same_second: bool, tmp_path: Path) -> None:
    """As `eval` does it again and again in one run folder, the clock standing still or not."""
    rng = np.random.default_rng(1)
    file = tmp_path / "evaluation.json"
    all_told: set[tuple[str, str, str, int]] = set()
    for turn in range(15):
        new = at_random(rng)
        aside = set_aside(file, new)
        assert aside is None or (aside / "report.html").read_text() == f"page {turn - 1}"
        file.write_text(new.model_dump_json())
        (tmp_path / "report.html").write_text(f"page {turn}")
        os.utime(file, (0, 0) if same_second else (60 * turn, 60 * turn))
        all_told |= told(new)
        kept = [file, *tmp_path.glob("evaluations/*/evaluation.json")]
        assert all_told == set.union(*(told(Evaluation.model_validate_json(f.read_text())) for f in kept))
        assert all(one.with_name("report.html").is_file() for one in kept)


def test_several_bodies_minutes_are_kept_too(tmp_path: Path) -> None:
    """They are played after the scores are written: until then the new evaluation has those before, where it
    plays them anew, and no others."""
    file = tmp_path / "evaluation.json"
    scores = [score("a", "teacher", 2)]
    file.write_text(evaluation(scores, [crew("a", 8, 2)]).model_dump_json())
    aside = set_aside(file, evaluation(scores, []))
    assert aside is not None
    assert Evaluation.model_validate_json((aside / file.name).read_text()).crews[0].bodies == 8
    aside.joinpath(file.name).replace(file)
    again = EvaluationConfig(episodes=2, bodies=(1, 8))
    kept = crews_to_renew(file, again, ["a"])
    assert [one.bodies for one in kept] == [8]
    assert set_aside(file, evaluation(scores, kept)) is None
    for narrower in (
        EvaluationConfig(episodes=1, bodies=(8,)),
        EvaluationConfig(episodes=2, bodies=(1,)),
        EvaluationConfig(episodes=2, bodies=(8,), split="validation"),
    ):
        assert crews_to_renew(file, narrower, ["a"]) == []
    assert crews_to_renew(file, again, ["b"]) == crews_to_renew(tmp_path / "none", again, ["a"]) == []
