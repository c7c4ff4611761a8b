"""A teacher whose own score is taken: chance never acts for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import toy

from actors.types import State
from cluster.evaluate import JudgedTeacher
from cluster.run import RunFailed, RunPaused
from student.prompts import build_prompt
from teachers.backends.types import Verdict
from teachers.types import UNANSWERED, Label, Role, Teacher
from worlds.types import Mirror, Observation


class Unheard:
    """A teacher whose endpoint gives no answer from its `after`-th question on."""

    version = "unheard"

    def __init__(self, inner: Teacher, after: int) -> None:
        self._inner, self._left = inner, after

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        label = self._inner.label(observation, mirror, role)
        self._left -= 1
        return (
            label if self._left >= 0 else replace(label, valid=False, reason=f"{UNANSWERED}nobody is there")
        )


@pytest.mark.parametrize(
    ("verdict", "error", "match"),
    [
        (Verdict("spent", "the budget is spent"), RunPaused, "budget is spent, then go on with"),
        (None, RunFailed, "nobody is there"),
    ],
)
def test_it_ends_with_the_first_label_that_is_not_to_be_had(
    verdict: Verdict | None, error: type[Exception], match: str
) -> None:
    world = toy.make_world(toy.SUITE)
    world.reset(seed=0)
    seen = world.observe()
    state = State(toy.SUITE, "actor", seen, world.mirror(), build_prompt(seen))
    teacher = JudgedTeacher(lambda suite: Unheard(toy.make_teacher(suite), 2), 1, lambda: verdict)
    assert all(label.valid for label in teacher.label_batch([state, state]))
    with pytest.raises(error, match=match):
        teacher.label_batch([state])
