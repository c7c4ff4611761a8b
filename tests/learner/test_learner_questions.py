"""Packed questions of pretraining: each sees its frame's prefix and nothing of the others; what is cached for
one student is not another's; a config that cannot be trained with is refused by its key."""

from __future__ import annotations

import gc
from dataclasses import asdict
from typing import get_type_hints

import numpy as np
import pytest
import torch
from squares import Squares
from torch import Tensor, nn

from learner.pretraining import data
from learner.pretraining.base_model import command
from learner.pretraining.config import PretrainConfig
from learner.pretraining.steps import batches, make_optimiser
from student.config import StudentConfig
from student.student import Student
from worlds.grounding import Question


@pytest.fixture(scope="module")
def views() -> data.Views:
    return data.collect(Squares, 24, 3, "pretrain", workers=0)


def make_student(*words: str) -> Student:
    return Student.fresh(StudentConfig(), words=words, hidden=32, layers=2, heads=2, intermediate=48)


def blocks(packed: data.Packed, row: int) -> tuple[int, list[range]]:
    """(length of the prefix, the places of each question), read off the positions: a question begins where
    the prefix ends, and so do all others; padding stands at 0."""
    at = packed.position_ids[row].tolist()
    turns = [i for i in range(1, len(at)) if at[i] <= at[i - 1]]
    end = next((i for i in turns if at[i] == 0), len(at))
    starts = [i for i in turns if i < end]
    prefix = at[starts[0]]
    return prefix, [range(a, b) for a, b in zip([prefix, *starts], [*starts, end], strict=True)]


def test_to_change_a_question_moves_its_own_answer_and_to_change_the_prefix_moves_all(
    views: data.Views,
) -> None:
    student = make_student("red", "green")
    rows = np.array([2, 9, 17])
    packed = data.pack(student, views, Squares(), rows, 4, 2, 16, np.random.default_rng(0), captions=0.5)
    picture = student.policy.model.config.image_token_id

    def answers(ids: Tensor) -> Tensor:
        with torch.no_grad():
            features = student.image_features(data.image_batch(views, packed.images))
            embeds = student.policy.embed(ids, features)
            hidden = student.policy.hidden(embeds, packed.mask, packed.position_ids)
            return torch.log_softmax(student.policy.logits(hidden), -1)

    before, checked = answers(packed.input_ids), 0
    for row in range(len(rows)):
        prefix, questions = blocks(packed, row)
        assert len(questions) == 4
        asked = [[i for i in question if packed.targets[row, i] >= 0] for question in questions]
        assert all(asked)
        for changed in (range(prefix), *questions):
            ids = packed.input_ids.clone()
            places = [i for i in changed if ids[row, i] != picture]
            ids[row, places] = 9
            moved = (answers(ids) - before).abs().amax(-1) > 1e-5
            assert not moved[torch.arange(len(rows)) != row].any()
            for question, where in zip(questions, asked, strict=True):
                own = changed in (range(prefix), question)
                assert bool(moved[row, where].any()) == own
                checked += 1
    assert checked == 3 * 5 * 4


def test_a_picture_has_as_many_tokens_as_it_is_asked_to_have_each_time(views: data.Views) -> None:
    student = make_student()
    picture = student.policy.model.config.image_token_id
    for visual_tokens in (16, 4, 1):
        rng = np.random.default_rng(0)
        packed = data.pack(student, views, Squares(), np.arange(8), 4, 0, visual_tokens, rng)
        assert any(goal for goal, _ in packed.images)
        assert int((packed.input_ids == picture).sum()) == visual_tokens * len(packed.images)


def test_token_ids_are_forgotten_with_their_student(views: data.Views) -> None:
    """Or a later student whose tokenizer happens to take the old one's place in memory would read them."""
    gc.collect()
    known = len(data._KNOWN)
    for extra in range(3):
        student = make_student(*(f"zz{letter}" for letter in "abc"[:extra]), "quux")
        answer = data._Cached(student, 16).answer(Question("where", "quux"))
        assert answer == [*student.encode_text(" quux"), *student.separator]
    del student
    gc.collect()
    assert len(data._KNOWN) == known


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (8, 8), (5, 9), (1, 1)])
def test_an_epoch_shows_no_frame_twice(count: int, batch: int) -> None:
    shown, again = (list(batches(count, batch, 12, np.random.default_rng(4))) for _ in range(2))
    assert [rows.tolist() for rows in shown] == [rows.tolist() for rows in again]
    assert {len(rows) for rows in shown} == {min(count, batch)}
    per_epoch = max(1, count // batch)
    epochs = [np.concatenate(shown[i : i + per_epoch]).tolist() for i in range(0, 12, per_epoch)]
    assert all(len(set(epoch)) == len(epoch) for epoch in epochs)
    assert {row for epoch in epochs for row in epoch} == set(range(count))
    assert count < 5 or len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("steps", [1, 20, 300])
def test_the_rate_rises_for_a_thirtieth_of_the_steps_and_falls_to_nothing(steps: int) -> None:
    optimiser, schedule = make_optimiser([([nn.Parameter(torch.zeros(1))], 2.0)], steps)
    rates = []
    for _ in range(steps + 1):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    top = max(1, steps // 30) - 1
    assert rates[: top + 1] == pytest.approx([2.0 * (i + 1) / (top + 1) for i in range(top + 1)], rel=0.01)
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, 0) for key in ("width", "frames", "threads", "dense_batch", "question_batch", "questions")),
        ("eval_frames", 0),
        *((key, -1) for key in ("seed", "workers", "dense_steps", "question_steps", "vision_lr", "captions")),
        ("width", 30),
        ("keep", "eyes"),
        ("dense_lr", 0.0),
        ("question_lr", 1.0),
        ("vision_lr", 2.0),
        ("captions", 1.5),
    ],
)
def test_what_cannot_be_trained_with_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"\b{key}\b"):
        PretrainConfig(**{key: value})  # type: ignore[arg-type]


def test_the_command_on_a_card_makes_the_same_config_again() -> None:
    for config in (
        PretrainConfig(out="base"),
        PretrainConfig(world="babyai", out="x/b", seed=3, bf16=False, captions=0.0, vision_lr=1e-05),
        PretrainConfig(out="runs/c", init="runs/base", keep="encoder", width=32, dense_lr=0.5, frames=7),
    ):
        python, script, what, world, *changes, flag, out = command(config).split()
        assert (python, script, what, flag) == ("python", "retort.py", "pretrain", "--out")
        kinds, given = get_type_hints(PretrainConfig), dict(change.split("=") for change in changes)
        read = {k: v == "True" if kinds[k] is bool else v for k, v in given.items()}
        read = {k: kinds[k](v) if kinds[k] in (int, float) else v for k, v in read.items()}  # type: ignore[operator]
        again = PretrainConfig(world=world, out=out, **read)  # type: ignore[arg-type]
        assert asdict(again) == asdict(config) | {"out": config.out.split("/")[-1]}
        assert len(changes) == sum(
            value != getattr(PretrainConfig(), k) for k, value in asdict(config).items()
        ) - (config.world != "voxel") - (config.out != "runs/base")
