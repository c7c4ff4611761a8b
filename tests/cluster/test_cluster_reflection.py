"""What a failed attempt leaves behind: where it went astray, and the way that was gone from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.reflection import REMEMBERED_DECISIONS, Reflection, _attempt
from ledger import Ledger
from student.types import Prompt, Sample
from teachers.backends.types import Unanswered
from teachers.team.frames import packed
from teachers.team.memory import Memory
from worlds.types import EpisodeSpec

FRAME = np.zeros((16, 16, 3), np.uint8)
PROMPT = Prompt("<image> actor ; north goal find melon :", (FRAME,), (), ("scan",))


def sample(step: int, chosen: str, rejected: str = "", executed: str = "student") -> Sample:
    return Sample(
        f"{step}", "voxel/goal_name", "train", 3, "voxel/goal_name:train:3:d2@0", step, "actor", PROMPT,
        chosen, rejected, None, executed, 1, "t", 0.1,
    )  # fmt: skip


def test_the_way_is_told_from_the_first_disagreement_with_who_moved() -> None:
    steps = [
        sample(0, "see none | scan"),
        sample(1, "see left far | turn left 45", "see none | forward 8"),
        sample(2, "see none | turn around", "see none | scan", executed="teacher"),
        replace(sample(3, ""), valid=False, reason="no answer"),
        sample(4, "see none | forward 8"),
    ]
    attempt = _attempt([*reversed(steps), replace(sample(1, "search melon", "find"), role="conductor")])
    assert attempt.path == "forward 8 (better turn left 45), turn around (not scan), (no advice), forward 8"
    assert (attempt.task, attempt.decisions, attempt.state) == ("find melon", 5, "see left far")
    assert attempt.frame == packed(FRAME)
    assert [d.step for d in attempt.disagreements] == [1, 2]


def test_the_way_is_bounded_and_an_attempt_without_disagreement_has_none() -> None:
    long = _attempt([sample(i, "see none | scan", "see none | forward 8") for i in range(30)])
    assert long.path.count("better") == REMEMBERED_DECISIONS
    agreed = _attempt([sample(i, "see none | scan") for i in range(3)])
    assert (agreed.path, agreed.frame, agreed.state, agreed.disagreements) == ("", "", "", ())


def test_a_critic_that_cannot_be_asked_now_is_asked_later(tmp_path: Path) -> None:
    """An outage and a spent budget are no answers: nothing is written down as looked back at."""
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.put_metadata({"outcome/0/0": ["s", 0, False]})

        class Away:
            def lessons(self, attempts: object) -> list[Memory]:
                raise Unanswered("out")

        away = Reflection(ledger, Away(), 2)  # type: ignore[arg-type]
        with pytest.raises(Unanswered):
            away.look_back(0, [EpisodeSpec("s", "train", 0)], [])
        assert away.owes(0)
        assert not Reflection(ledger, None, 2).owes(0)
