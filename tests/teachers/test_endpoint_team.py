"""The team over a real endpoint, through the real client: what the scripted team says, and its replay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import endpoints
import pytest
from endpoints import Endpoint, agreement, states, teacher_config, team

from teachers.backends.recording import Recording
from teachers.config import TeacherConfig
from teachers.make import make_teacher
from teachers.team import critic, describe
from teachers.types import ROLES
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.world import SUITES


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with endpoints.serving() as server:
        yield server


@pytest.mark.parametrize("suite", SUITES)
def test_the_team_says_what_the_scripted_team_says(suite: str, endpoint: Endpoint, tmp_path: Path) -> None:
    """Where its copy of the world tells it no more; else it knows better, for it tried."""
    teacher, _ = team(teacher_config(endpoint.url), tmp_path, suite)
    reached = states(suite, 2, 24)
    labels = [teacher.label(observation, mirror) for observation, mirror, _ in reached]
    assert all(label.valid for label in labels)
    said = [line for label in labels for line in label.said if line.startswith("critic to")]
    assert all("on a copy of the world" in line for line in said)
    read = [VoxelSituation.read(observation, mirror, TeacherConfig()) for observation, mirror, _ in reached]
    told = zip(labels, reached, read, strict=True)
    alike = [(label, state) for label, state, situation in told if not critic.knows_more(situation)]
    assert len(alike) >= 0.5 * len(labels)
    assert agreement([label for label, _ in alike], [state for _, state in alike]) >= 0.95
    assert agreement(labels, reached) >= 0.85
    assert [label.note for label in labels] == [scripted.note for _, _, scripted in reached]


def test_every_role_answers_as_the_scripted_one(endpoint: Endpoint, tmp_path: Path) -> None:
    for suite in SUITES:
        teacher, _ = team(teacher_config(endpoint.url), tmp_path, suite)
        scripted = make_teacher(suite)
        observation, mirror, _ = states(suite, 1, 1)[0]
        for role in ROLES[:2]:
            label, expected = (
                teacher.label(observation, mirror, role),
                scripted.label(observation, mirror, role),
            )
            assert (label.role, label.action, label.note) == (role, expected.action, expected.note)


@pytest.mark.parametrize(
    ("lost", "suite"),
    [("Places known", "voxel/goal_name"), ("Last turns", "voxel/map_exploration")],
)
def test_a_prompt_that_lost_information_gives_worse_labels(
    lost: str, suite: str, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = states(suite, 3, 40)
    reached = [state for state in reached if state[2].action.startswith(("forward", "turn"))]
    whole, _ = team(teacher_config(endpoint.url), tmp_path / "whole", suite)
    told = agreement([whole.label(o, m) for o, m, _ in reached], reached)
    usual = describe.actor_text
    cut = re.compile(rf"^{lost}: .*\n", re.MULTILINE)
    monkeypatch.setattr("teachers.team.llm_roles.actor_text", lambda *a: cut.sub("", usual(*a)))
    blind, _ = team(teacher_config(endpoint.url), tmp_path / "blind", suite)
    assert agreement([blind.label(o, m) for o, m, _ in reached], reached) < told - 0.2


def test_a_recording_replays_without_a_network(tmp_path: Path) -> None:
    reached = states("voxel/block_search", 1, 12)
    with endpoints.serving() as server:
        teacher, desk = team(teacher_config(server.url), tmp_path / "run", "voxel/block_search")
        labels = [teacher.label(observation, mirror) for observation, mirror, _ in reached]
        version = teacher.version
    desk._recording.export(tmp_path / "calls.jsonl")
    Recording(tmp_path / "elsewhere.sqlite").load(tmp_path / "calls.jsonl")
    config = teacher_config(server.url, "recorded", recording=str(tmp_path / "elsewhere.sqlite"))
    replayed, desk = team(config, tmp_path / "other", "voxel/block_search")
    assert [replayed.label(observation, mirror) for observation, mirror, _ in reached] == labels
    assert replayed.version == version
    assert desk.verdict() is None
    fresh = states("voxel/goal_sound", 1, 1)[0]
    label = replayed.label(fresh[0], fresh[1])
    assert not label.valid
    assert "does not hold" in label.reason
