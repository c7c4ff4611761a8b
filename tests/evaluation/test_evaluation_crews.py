"""What an episode of several bodies leaves to read: each body's frames, actions, and all that was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.teacher import TeacherReplica
from actors.types import State
from evaluation import crews
from evaluation.config import EvaluationConfig
from evaluation.crews import play_crews
from evaluation.records import CrewScore
from teachers.config import TeacherConfig
from teachers.make import TeacherMaker
from teachers.types import Label
from worlds.types import EpisodeSpec

SUITE = "voxel/block_search"
KEPT = 4


class Spoken(TeacherReplica):
    """The team, which says its way to each label, and has none for the second body in the second round."""

    def __init__(self) -> None:
        super().__init__("teacher", TeacherMaker(TeacherConfig(map="own")))
        self.rounds = 0

    def label_batch(self, states: Sequence[State]) -> list[Label]:
        self.rounds += 1
        labels = [
            replace(label, said=(f"manager: round {self.rounds}, body {n}", "critic to manager: no"))
            for n, label in enumerate(super().label_batch(states), start=1)
        ]
        if self.rounds == 2 and len(labels) > 1:
            labels[1] = replace(labels[1], valid=False, reason="it had no words")
        return labels


def played(monkeypatch: pytest.MonkeyPatch, index: int = 0, **settings: object) -> CrewScore:
    monkeypatch.setattr(crews, "TRACED_ROUNDS", KEPT)
    monkeypatch.setattr(
        crews,
        "episodes",
        lambda config, suite: [EpisodeSpec(suite, "validation", index, 2)] * config.episodes,
    )
    (score,) = play_crews(EvaluationConfig(episodes=1, **settings), (SUITE,), Spoken(), 64)  # type: ignore[arg-type]
    return score


def test_an_episode_of_several_bodies_is_traced_body_by_body(monkeypatch: pytest.MonkeyPatch) -> None:
    score = played(monkeypatch, bodies=(2,))
    assert [(trace.body, trace.bodies, trace.policy) for trace in score.traces] == [
        (1, 2, "teacher"), (2, 2, "teacher"),
    ]  # fmt: skip
    for trace in score.traces:
        assert len(trace.steps) == KEPT
        assert trace.later == score.rounds - KEPT > 0
        assert (trace.success, trace.metric) == (bool(score.success), score.metric)
        for number, step in enumerate(trace.steps, start=1):
            assert step.said[:2] == [
                f"manager: round {number}, body {trace.body}", "critic to manager: no",
            ]  # fmt: skip
    one, two = score.traces
    assert all(a.frame != b.frame for a, b in zip(one.steps, two.steps, strict=True))
    assert [step.action for step in one.steps] == [step.teacher_action for step in one.steps]
    assert two.steps[1].outcome == "no decision: it had no words"
    assert two.steps[2].map_xy == two.steps[1].map_xy  # so it stood where it was


def test_a_trace_is_what_was_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """The places of the replay are those of the bodies when they played."""
    stood: list[tuple[float, ...]] = []
    act = crews._act

    def watched(crew: crews.Crew, member: crews.Member, label: Label) -> str:
        stood.append(member.overview()[1])
        return act(crew, member, label)

    monkeypatch.setattr(crews, "_act", watched)
    one, two = played(monkeypatch, bodies=(2,)).traces
    assert [
        place for pair in zip(one.steps, two.steps, strict=True) for place in (pair[0].map_xy, pair[1].map_xy)
    ] == (stood[: 2 * KEPT])


def test_messages_stand_with_their_sender_and_in_the_next_round_with_their_receiver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Spoken, "label_batch", TeacherReplica.label_batch)
    score = played(monkeypatch, index=10, bodies=(8,), talk=True)
    message = score.said[0]
    assert message.round < KEPT
    sender, receiver = (score.traces[n - 1] for n in (message.sender, message.receiver))
    told = f"message to body {message.receiver}: {message.text}"
    assert told in sender.steps[message.round - 1].said
    heard = f"message from body {message.sender}: {message.text}"
    assert [heard in step.said for step in receiver.steps] == [n == message.round for n in range(KEPT)]


@pytest.mark.parametrize("settings", [{"bodies": (1,)}, {"bodies": (2,), "traced": 0}])
def test_one_body_has_rollouts_of_its_own_and_none_may_be_wanted(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    assert played(monkeypatch, **settings).traces == []
