"""Pretraining: packed questions are single prompts, views are a function of the seed, and it learns."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from squares import Squares

from learner.pretraining import base_model, data
from learner.pretraining.config import PretrainConfig
from learner.pretraining.dense import class_asked_about, note_table
from learner.pretraining.questions import learn_to_answer
from student.config import StudentConfig
from student.encoder import RetortVisionConfig
from student.grounding import evaluate_grounding
from student.prompts import build_prompt
from student.student import Student
from student.types import Decision
from worlds.grounding import UNSEEN
from worlds.types import Goal, Observation


@pytest.fixture(scope="module")
def views() -> data.Views:
    return data.collect(Squares, 64, 0, "pretrain", workers=0)


@pytest.fixture(scope="module")
def student() -> Student:
    return Student.fresh(
        StudentConfig(), hidden=32, layers=2, heads=2, intermediate=48, words=["red", "green"]
    )


def test_a_packed_question_is_the_prompt_of_an_actor(
    student: Student, views: data.Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, turns, rows = Squares(), 3, np.array([3, 11])
    histories = [data.random_history(source, turns, np.random.default_rng(row)) for row in rows]
    given = iter(histories)
    monkeypatch.setattr(data, "random_history", lambda *_: next(given))
    asked: list[list[Any]] = []
    choose = data.choose_questions

    def record(*args: Any) -> list[Any]:
        asked.append(choose(*args))
        return asked[-1]

    monkeypatch.setattr(data, "choose_questions", record)
    packed = data.pack(student, views, source, rows, 4, turns, 16, np.random.default_rng(0))
    with torch.no_grad():
        features = student.image_features(data.image_batch(views, packed.images))
        embeds = student.policy.embed(packed.input_ids, features)
        hidden = student.policy.hidden(embeds, packed.mask, packed.position_ids)
        logprobs = torch.log_softmax(student.policy.logits(hidden), -1)
    found = logprobs.gather(-1, packed.targets.clamp(min=0)[..., None])[..., 0]
    for index, row in enumerate(rows):
        mine = found[index][packed.targets[index] >= 0].tolist()
        for question in asked[index]:
            image = views.goal_images[question.goal_image] if question.goal_image >= 0 else None
            prompt = build_prompt(
                Observation(
                    views.frames[row], Goal(question.text, image, question.sound), views.statuses[row],
                    views.sounds[row], histories[index], source.actions, source.notes,
                )
            )  # fmt: skip
            with torch.no_grad():
                batch = student.reply_batch([prompt], [f"{question.answer} | forward 2"])
                scores = student.policy(**batch)
            size = len(student.encode_text(" " + question.answer)) + 1
            whole = scores.token_logprobs[batch["reply_mask"].bool()][:size].tolist()
            assert mine[:size] == pytest.approx(whole, abs=1e-4)
            mine = mine[size:]
        assert not mine


def test_views_are_a_function_of_seed_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CHUNK", 8)
    first, again = (data.collect(Squares, 20, 5, "pretrain", 0) for _ in range(2))
    other = data.collect(Squares, 20, 5, "test", 0)
    assert len(first.frames) == len(first.questions) == 20
    assert np.array_equal(first.frames, again.frames)
    assert first.questions == again.questions
    assert not np.array_equal(first.frames, other.frames)
    assert len(first.goal_images) == 9
    pictured = [q.goal_image for asked in first.questions[16:] for q in asked if q.kind == "pictured"]
    assert all(6 <= image < 9 for image in pictured)


def test_questions_are_mixed(views: data.Views) -> None:
    rng = np.random.default_rng(0)
    chosen = [data.choose_questions(asked, 3, rng) for asked in views.questions for _ in range(4)]
    share = np.mean([q.answer != UNSEEN for asked in chosen for q in asked])
    assert all(len({q.text for q in asked}) == 3 for asked in chosen)
    assert 0.3 < share < 0.67
    assert any(q.kind == "pictured" for asked in chosen for q in asked)


def test_a_share_of_the_frames_is_described(views: data.Views) -> None:
    rng = np.random.default_rng(0)
    chosen = [data.choose_questions(asked, 3, rng, 0.25) for asked in views.questions for _ in range(8)]
    captions = [[q for q in asked if q.kind == "caption"] for asked in chosen]
    assert {len(found) for found in captions} == {0, 1}
    assert 0.18 < np.mean([len(found) for found in captions]) < 0.32
    assert all(len(asked) == 3 for asked in chosen)
    assert all(q.kind != "caption" for asked in views.questions for q in data.choose_questions(asked, 3, rng))


def test_the_note_table_holds_every_named_answer(views: data.Views) -> None:
    table, things = note_table(views, Squares.notes)
    answers = [question.answer for question in views.questions[0] if question.kind == "named"]
    assert things == ["find red", "find green", "find blue"]
    assert table.shape == (64, 3)
    assert [Squares.notes[index] for index in table[0]] == answers


def test_figures_of_a_perfect_and_of_a_blind_student(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Squares().sample(30, 1, "test")
    truth = {
        (frame.tobytes(), build_text(question)): question.answer
        for frame, asked in zip(batch.frames, batch.questions, strict=True)
        for question in asked
    }

    def perfect(prompts: Any, *_: Any) -> list[Decision]:
        keys = [(p.images[0].tobytes(), p.text.rpartition("goal ")[2]) for p in prompts]
        return [Decision(truth[key], "", 0.0, (), 1.0, 0) for key in keys]

    monkeypatch.setattr(student, "decide", perfect)
    figures = evaluate_grounding(student, Squares(), 30, 1)
    assert figures["all/exact"] == figures["all/absent"] == figures["heard/placed"] == 1.0
    monkeypatch.setattr(
        student, "decide", lambda prompts, *_: [Decision(UNSEEN, "", 0.0, (), 1.0, 0)] * len(prompts)
    )
    figures = evaluate_grounding(student, Squares(), 30, 1)
    assert (figures["named/exact"], figures["named/absent"], figures["named/accuracy"]) == (0.0, 1.0, 0.5)


def build_text(question: Any) -> str:
    return f"<image> {question.text} :" if question.kind == "pictured" else f"{question.text} :"


@pytest.mark.slow
def test_it_learns_and_writes_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "make_source", lambda world, frame_size: Squares())
    config = PretrainConfig(
        out=str(tmp_path / "base"), frames=512, workers=0, dense_steps=110, dense_batch=32,
        question_steps=100, question_batch=16, questions=3, eval_frames=60,
    )  # fmt: skip
    said: list[dict[str, Any]] = []
    facts = base_model.pretrain(config, lambda entry: said.append(dict(entry)))
    dense = [entry for entry in said if entry["stage"] == "dense"]
    answers = [entry for entry in said if entry["stage"] == "questions"]
    assert dense[-1]["dense_loss"] < 0.3 * dense[0]["dense_loss"]
    assert dense[-1]["seen_exact"] > 0.4 > dense[0]["seen_exact"]
    assert answers[-1]["loss"] < 0.3 * answers[0]["loss"]
    assert facts["held-out grounding, heard/accuracy"] > 0.5
    card = (tmp_path / "base" / "README.md").read_text(encoding="utf-8")
    assert "python retort.py pretrain voxel frames=512 workers=0" in card
    again = Student.load(StudentConfig(path=config.out))
    assert evaluate_grounding(again, Squares(), 60, 0)["named/exact"] == pytest.approx(
        facts["held-out grounding, named/exact"]
    )
    more = dataclasses.replace(config, init=config.out, dense_steps=0, question_steps=2, vision_lr=1e-4)
    assert base_model.pretrain(more, lambda entry: None)["seed"] == 0


def test_only_tokens_of_answers_compete(student: Student, views: data.Views) -> None:
    """Every target is among them; actions, goals and, where none are asked for, captions are not."""
    packed = data.pack(student, views, Squares(), np.arange(32), 4, 0, 16, np.random.default_rng(0))
    answers = data.answer_tokens(student, views)
    assert answers[packed.targets[packed.targets >= 0]].all()
    assert not answers[student.policy.model.config.image_token_id]
    assert answers.sum() < data.answer_tokens(student, views, captions=0.5).sum()


def test_a_word_that_answers_nothing_is_not_pushed_down(student: Student, views: data.Views) -> None:
    """Its row of the embedding (never shown, never asked) is left as it was but for the decay of weights."""
    own = copy.deepcopy(student)
    rows = own.policy.model.get_input_embeddings().weight
    silent = own.tokenizer.convert_tokens_to_ids("~")
    before = rows[silent].detach().clone()
    config = PretrainConfig(question_steps=20, question_batch=8, questions=4, captions=0.0, vision_lr=0.0)
    learn_to_answer(own, Squares(), views, config, np.random.default_rng(0), lambda _: None)
    assert torch.allclose(rows[silent], before, rtol=1e-4, atol=1e-6)


def test_a_fresh_language_model_sees_through_the_encoder_of_another(
    tmp_path: Path, views: data.Views
) -> None:
    made = Student.fresh(StudentConfig(dtype="float32"), seed=7)
    made.save(tmp_path / "base", {})
    config = PretrainConfig(init=str(tmp_path / "base"), keep="encoder", seed=1)
    new = base_model.new_student(config, Squares(), views)
    kept, drawn = made.policy.model.state_dict(), new.policy.model.state_dict()
    for name in kept:
        if "vision_tower" in name:
            assert torch.equal(kept[name], drawn[name]), name
    name = next(name for name in kept if "layers.0" in name and name.endswith("q_proj.weight"))
    assert not torch.equal(kept[name], drawn[name])
    with pytest.raises(ValueError, match="keep=encoder keeps that of a base model"):
        PretrainConfig(keep="encoder")
    Student.fresh(StudentConfig(dtype="float32"), vision=RetortVisionConfig(top_blocks=1)).save(
        tmp_path / "small", {}
    )
    small = dataclasses.replace(config, init=str(tmp_path / "small"))
    with pytest.raises(ValueError, match="its encoder has other layers"):
        base_model.new_student(small, Squares(), views)


def test_a_fresh_encoder_of_another_width_speaks_with_the_language_model_of_another(tmp_path: Path) -> None:
    made = Student.fresh(StudentConfig(dtype="float32"), seed=7, words=["red", "square"])
    made.save(tmp_path / "base", {})
    config = PretrainConfig(init=str(tmp_path / "base"), keep="language", width=16)
    views = data.collect(Squares, 32, 0, "pretrain", 0)
    new = base_model.new_student(config, Squares(), views)
    assert new.policy.model.config.vision_config.width == 16
    assert new.encode_text("red square") == made.encode_text("red square")
    kept, drawn = made.policy.model.state_dict(), new.policy.model.state_dict()
    for name in kept:
        if "language_model" in name or "lm_head" in name:
            assert torch.equal(kept[name], drawn[name]), name
    few = {"dense_steps": 1, "question_steps": 1, "dense_batch": 8, "question_batch": 8, "questions": 2}
    base_model.train(new, Squares(), views, dataclasses.replace(config, **few), lambda _: None)
    new.save(tmp_path / "new", {})
    again = Student.load(StudentConfig(path=str(tmp_path / "new"), dtype="float32"))
    assert torch.equal(again.image_features(views.frames), new.image_features(views.frames))


def test_the_longest_class_name_within_a_question_counts() -> None:
    assert class_asked_about("go to the red ball", ("ball", "red ball", "red box")) == 1
    with pytest.raises(ValueError, match="names none of the source's classes"):
        class_asked_about("open the gate", ("ball", "door"))


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(ValueError, match="no grounding source; use voxel or babyai"):
        base_model.make_source("atari")
