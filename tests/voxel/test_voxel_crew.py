"""Several bodies in one world: one is as before, more share the task and are faster."""

from __future__ import annotations

import numpy as np
import pytest

from actors.teacher import TeacherReplica
from evaluation.config import EvaluationConfig
from evaluation.crews import play, play_crews
from teachers.config import TeacherConfig
from teachers.make import TeacherMaker, make_teacher
from worlds.base import join_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec
from worlds.voxel.crew import SUITES, Crew


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
    rounds = play(crew, "voxel/block_search", teacher())
    assert crew.score().success
    assert rounds < crew.max_rounds
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


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot share voxel/goal_name"):
        Crew(spec("voxel/goal_name"), 2)
    with pytest.raises(ValueError, match="each at least 1"):
        EvaluationConfig(bodies=(0,))


def test_a_crew_is_a_function_of_its_episode() -> None:
    one, other = Crew(spec("voxel/map_exploration"), 4), Crew(spec("voxel/map_exploration"), 4)
    frames = [[member.observe().frame for member in crew.members] for crew in (one, other)]
    assert np.array_equal(frames[0], frames[1])
