"""Playing by hand and playing held-out episodes, in a corridor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import toy
from PIL import Image
from rich.console import Console

from actors.policies import LabelPolicy, RandomPolicy
from actors.teacher import TeacherReplica
from evaluation import evaluate, play
from evaluation.archive import set_aside
from evaluation.config import EvaluationConfig
from evaluation.records import Evaluation
from teachers.types import Label, Role
from worlds.types import EpisodeSpec, Mirror, Observation

MISCHIEF = 3


@pytest.fixture(autouse=True)
def corridor(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(suite: str, frame_size: int = 16) -> toy.ToyWorld:
        return toy.ToyWorld({MISCHIEF: "raise"})

    monkeypatch.setattr(play, "make_world", make)
    monkeypatch.setattr(evaluate, "make_world", make)


def walk(frames: Path, commands: Sequence[str]) -> list[str]:
    play.play_episode(toy.SUITE, 0, 1, frames, commands)
    return sorted(path.name for path in frames.iterdir())


def test_each_decision_leaves_a_frame_that_a_person_can_see(tmp_path: Path) -> None:
    assert walk(tmp_path / "frames", ["2", " wait "]) == ["000.png", "001.png", "002.png"]
    assert Image.open(tmp_path / "frames" / "002.png").size == (16 * play.SCALE, 16 * play.SCALE)


def test_blank_commands_act_not_and_q_ends(tmp_path: Path) -> None:
    assert walk(tmp_path, ["wait", "", "  ", "q", "wait"]) == ["000.png", "001.png"]


def test_the_end_of_the_episode_ends_the_play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert walk(tmp_path, ["done", "wait"]) == ["000.png", "001.png"]
    assert "success after 1 decisions" in capsys.readouterr().out


def test_a_world_without_heading_and_place_shows_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = toy.ToyWorld()
    world.reset(options={"episode": toy.specs(1)[0]})
    world._at, world._view = 3, None
    play._show(Console(), world, tmp_path)
    assert "heading 0 deg, at 3 0 0\n" in capsys.readouterr().out
    world._at, world._view = 0, None
    monkeypatch.setattr(toy.ToyWorld, "compass", False)
    play._show(Console(), world, tmp_path)
    told = capsys.readouterr().out
    assert "heading" not in told
    assert " at " not in told


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (99, ["0:turn left  1:go on  2:done"]),
        (20, ["0:turn left  1:go on", "2:done"]),
        (3, ["0:turn left", "1:go on", "2:done"]),
    ],
)
def test_actions_are_wrapped_between_their_names(width: int, lines: list[str]) -> None:
    assert play._in_lines(["0:turn left", "1:go on", "2:done"], width).splitlines() == lines


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"the folder .*frames cannot be made \(.*--frames FOLDER"):
        play.play_episode(toy.SUITE, 0, 1, tmp_path / "file" / "frames", [])


@pytest.mark.parametrize(
    ("line", "reply"), [("0", "go left"), ("3", "done"), ("4", "4"), ("²", "²"), ("wait", "wait")]
)
def test_a_number_is_the_action_at_that_place_and_all_else_is_text(line: str, reply: str) -> None:
    world = toy.ToyWorld()
    world.reset(options={"episode": toy.specs(1)[0]})
    assert play._as_reply(line, world.observe()) == reply


def test_policies_meet_the_same_held_out_episodes_and_a_broken_one_is_named() -> None:
    config = EvaluationConfig(episodes=5, batch=2, difficulty=1)
    policies = {
        "teacher": LabelPolicy(TeacherReplica("teacher", toy.make_teacher)),
        "random": RandomPolicy(),
    }
    teacher, chance = (
        evaluate.evaluate(config, toy.SUITE, name, policy, 16, 0, True) for name, policy in policies.items()
    )
    assert (teacher.episodes, teacher.successes, len(teacher.broken)) == (5, 4, 1)
    assert str(EpisodeSpec(toy.SUITE, "test", MISCHIEF, 1)) in teacher.broken[0]
    assert "the corridor collapsed" in teacher.broken[0]
    assert chance.successes < teacher.successes
    assert all(spec.split == "test" for spec in evaluate.episodes(config, toy.SUITE))


class Unsure:
    """A teacher that has no valid label in every second state."""

    version = "unsure"

    def __init__(self, suite: str) -> None:
        self._inner, self._asked = toy.make_teacher(suite), 0

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        self._asked += 1
        label = self._inner.label(observation, mirror, role)
        return label if self._asked % 2 else replace(label, valid=False, reason="it answered 'sideways'")


def test_where_chance_acts_for_a_teacher_its_score_says_so() -> None:
    config = EvaluationConfig(episodes=4, batch=2, difficulty=1)
    policies = [LabelPolicy(TeacherReplica("teacher", make)) for make in (Unsure, toy.make_teacher)]
    unsure, sure = (
        evaluate.evaluate(config, toy.SUITE, "teacher", policy, 16, 0, True) for policy in policies
    )
    assert unsure.refused["it answered 'sideways'"] > 3
    count = unsure.refused["it answered 'sideways'"]
    assert f"chance acted in its place in {count} decisions: it answered 'sideways'" in unsure.remarks
    assert not sure.refused
    assert not any("chance" in remark for remark in sure.remarks)
    mixed = unsure.model_copy(update={"refused": {"a": 1, "b": 3}})
    assert mixed.remarks[-1] == "chance acted in its place in 4 decisions, 3 of them as: b"


def test_an_evaluation_that_told_more_is_kept(tmp_path: Path) -> None:
    config = EvaluationConfig(episodes=2, batch=2, difficulty=1)
    scores = [evaluate.evaluate(config, toy.SUITE, n, RandomPolicy(), 16, 0, True) for n in ("random", "b")]
    whole = Evaluation(run="r", date="d", machine="m", split="test", version=1, scores=scores, traces=[])
    narrow = whole.model_copy(update={"scores": scores[:1]})
    file = tmp_path / "evaluation.json"
    assert set_aside(file, narrow) is None
    file.write_text(whole.model_dump_json())
    (tmp_path / "report.html").write_text("page")
    assert set_aside(file, whole) is None
    aside = set_aside(file, narrow)
    assert aside is not None
    assert Evaluation.model_validate_json((aside / file.name).read_text()) == whole
    assert (aside / "report.html").read_text() == "page"
    assert list(tmp_path.iterdir()) == [aside.parent]
    file.write_text("of another version")
    os.utime(file, (0, 0))
    aside = set_aside(file, whole)
    assert aside is not None
    assert (aside / file.name).read_text() == "of another version"


def test_a_trace_carries_the_label_under_each_decision() -> None:
    teacher = TeacherReplica("teacher", toy.make_teacher)
    config = EvaluationConfig(episodes=5, traced=2, difficulty=1)
    traces = evaluate.record(config, [toy.SUITE], "teacher", LabelPolicy(teacher), teacher, 16, 0, True)
    assert [trace.index for trace in traces] == [0, 1]
    for trace in traces:
        assert trace.success
        assert trace.steps[-1].action == trace.steps[-1].teacher_action == "done"
        assert all(step.frame.startswith("data:image/png;base64,") for step in trace.steps)
