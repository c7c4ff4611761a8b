"""Several bodies in one world: one is as before, more share the task and are faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from actors.teacher import TeacherReplica
from actors.types import State
from evaluation import crews
from evaluation.config import EvaluationConfig
from evaluation.crews import play, play_crews
from evaluation.records import CrewTime
from teachers.config import TeacherConfig
from teachers.endpoint.reader import read_situation
from teachers.make import TeacherMaker, make_teacher
from teachers.roles import Phase
from teachers.team.critic import before_action
from teachers.team.describe import actor_text
from teachers.types import Label
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_talk import message_due
from worlds.base import join_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec
from worlds.voxel.crew import SUITES, Crew, Message


def spec(suite: str, index: int = 0) -> EpisodeSpec:
    return EpisodeSpec(suite, "validation", index, 2)


def teacher() -> TeacherReplica:
    return TeacherReplica("teacher", TeacherMaker(TeacherConfig()))


@pytest.mark.parametrize("suite", SUITES)
def test_a_crew_of_one_plays_as_the_single_world(suite: str) -> None:
    world, (member,) = make_world(suite), Crew(spec(suite), 1).members
    world.reset(options={"episode": spec(suite)})
    labels = make_teacher(suite)
    for _ in range(12):
        observation = world.observe()
        assert (observation.frame == member.observe().frame).all()
        assert observation.status == member.observe().status
        label = labels.label(observation, world.mirror())
        assert label == labels.label(member.observe(), member.mirror())
        *_, info = world.step(join_reply(label.note, label.action))
        *_, other = member.step(join_reply(label.note, label.action))
        assert info == other


@pytest.mark.parametrize("suite", SUITES)
def test_members_have_their_own_views_and_one_task(suite: str) -> None:
    crew = Crew(spec(suite), 3)
    frames = [member.observe().frame for member in crew.members]
    assert not any((frames[0] == frame).all() for frame in frames[1:])
    mirrors = [member.mirror() for member in crew.members]
    assert [m.facts["bodies"].index(m.facts["pose"]) for m in mirrors] == [0, 1, 2]
    own = [member.task.body.state.seen[0, a].sum() for a, member in enumerate(crew.members)]
    known = mirrors[0].facts["known"].sum()
    assert known >= max(own)
    crew.members[1].step("turn right 90")
    assert [len(member.observe().history) for member in crew.members] == [0, 1, 0]
    assert len({member.task.score() for member in crew.members}) == 1


def test_what_one_digs_is_gone_for_all() -> None:
    crew = Crew(spec("voxel/block_search"), 4)
    took = play(crew, "voxel/block_search", teacher())
    assert crew.score().success
    assert took.rounds < crew.max_rounds
    assert all(len(member.task.targets()) == 0 for member in crew.members)
    carried = [member.observe().status.inventory.get("diamond", 0) for member in crew.members]
    assert sum(count > 0 for count in carried) >= 2  # it was shared work


def test_more_bodies_need_fewer_rounds() -> None:
    config = EvaluationConfig(episodes=6, bodies=(1, 2, 4), split="validation")
    scores = play_crews(config, SUITES, teacher(), 64)
    for suite in SUITES:
        rounds = [score.rounds for score in scores if score.suite == suite]
        assert rounds[0] > 1.2 * rounds[1] > 1.2 * rounds[2]
        assert [score.success for score in scores if score.suite == suite][2] == 1.0


def test_the_teams_time_and_the_worlds_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that the labels of a round move by 10 s and the step of a body by 1 s."""
    now, crew = [0.0], Crew(spec("voxel/block_search"), 4)
    monkeypatch.setattr(crews, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(TeacherReplica):
        def label_batch(self, states: Sequence[State]) -> list[Label]:
            now[0] += 10
            return super().label_batch(states)

    steps = [0]
    for member in crew.members:

        def step(reply: str, act: Callable[[str], object] = member.step) -> object:
            now[0], steps[0] = now[0] + 1, steps[0] + 1
            return act(reply)

        monkeypatch.setattr(member, "step", step)
    took = play(crew, "voxel/block_search", Slow("teacher", TeacherMaker(TeacherConfig())))
    assert took.rounds < steps[0] <= 4 * took.rounds
    assert took == CrewTime(took.rounds, 10.0 * took.rounds, float(steps[0]))


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot share voxel/goal_name"):
        Crew(spec("voxel/goal_name"), 2)
    with pytest.raises(ValueError, match="each at least 1"):
        EvaluationConfig(bodies=(0,))


def test_a_crew_is_a_function_of_its_episode() -> None:
    one, other = Crew(spec("voxel/map_exploration"), 4), Crew(spec("voxel/map_exploration"), 4)
    frames = [[member.observe().frame for member in crew.members] for crew in (one, other)]
    assert np.array_equal(frames[0], frames[1])


def talking() -> tuple[Crew, Message]:
    """A crew of four that was played until one told another of an ore (the first episode where one does)."""
    for index in range(40):
        crew, labeler = (
            Crew(spec("voxel/block_search", index), 4, talk=True),
            make_teacher("voxel/block_search"),
        )
        for _ in range(12):
            labels = [labeler.label(member.observe(), member.mirror()) for member in crew.members]
            for member, label in zip(crew.members, labels, strict=True):
                member.step(join_reply(label.note, label.action))
            if crew.sent:
                return crew, crew.sent[0]
    raise AssertionError("nobody said anything")


def test_a_message_is_a_decision_and_reaches_its_receiver_alone() -> None:
    crew, message = talking()
    sender = crew.members[message.sender - 1]
    assert sender.observe().history[-1].action == f"message {message.receiver} {message.text}"
    assert message.round == sender.iteration
    told = {n: member.mirror().facts["messages"] for n, member in enumerate(crew.members, start=1)}
    assert [m["text"] for m in told[message.receiver]] == [message.text]
    assert {n for n in told if told[n]} == {message.sender, message.receiver}


def test_a_receiver_goes_by_what_it_is_told() -> None:
    crew, message = talking()
    member = crew.members[message.receiver - 1]
    observation, mirror = member.observe(), member.mirror()
    config = TeacherConfig(map="own")
    situation = VoxelSituation.read(observation, mirror, config)
    mirror = replace(mirror, facts={**mirror.facts, "recent_targets": np.zeros((0, 3))})  # it saw none itself
    deaf = replace(mirror, facts={**mirror.facts, "messages": []})
    x, z = map(int, message.text.split()[-2:])
    assert [x + 0.5, z + 0.5] in situation.targets.tolist()
    assert [x + 0.5, z + 0.5] not in VoxelSituation.read(observation, deaf, config).targets.tolist()
    stale = replace(mirror, facts={**mirror.facts, "iteration": mirror.facts["iteration"] + 12})
    assert [x + 0.5, z + 0.5] not in VoxelSituation.read(observation, stale, config).targets.tolist()


def test_nothing_is_told_twice_and_a_message_can_be_rehearsed() -> None:
    crew, message = talking()
    member = crew.members[message.sender - 1]
    situation = VoxelSituation.read(member.observe(), member.mirror(), TeacherConfig())
    offers = [action for action in situation.observation.actions if action.startswith("message ")]
    assert offers
    for action in offers:
        assert before_action(situation, action) == ""
        assert before_action(situation, action.replace("message ", "message 9")) != ""
    assert not message_due(situation).endswith(message.text)


def test_a_prompt_tells_what_was_said_and_where_the_others_are() -> None:
    crew, _ = talking()
    for n, member in enumerate(crew.members, start=1):
        situation = VoxelSituation.read(member.observe(), member.mirror(), TeacherConfig())
        told = read_situation(actor_text(situation, Phase("search", "diamond_ore")))
        assert told.body == situation.body == n - 1
        assert told.facts["messages"] == situation.facts["messages"]
        for other, place in situation.others.items():
            assert told.others[other] == pytest.approx(place, abs=0.06)
        assert message_due(told) == message_due(situation)


def test_a_silent_crew_says_nothing_and_what_is_said_is_in_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    mute = Crew(spec(SUITES[0]), 4).members[0]
    assert not any(action.startswith("message") for action in mute.observe().actions)
    monkeypatch.setattr(crews, "episodes", lambda config, suite: [spec(suite, 10)])
    labeler = TeacherReplica("teacher", TeacherMaker(TeacherConfig(map="own")))
    silent, talk, again = (
        play_crews(EvaluationConfig(bodies=(8,), talk=talk), SUITES[:1], labeler, 64)[0]
        for talk in (False, True, True)
    )
    assert not silent.said
    assert talk.said
    assert (again.said, again.rounds) == (talk.said, talk.rounds)
    assert talk.said[0].index == 10
