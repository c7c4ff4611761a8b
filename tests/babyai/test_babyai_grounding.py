"""Grounding labels say what the frame shows, in the words of goals and notes."""

from __future__ import annotations

import numpy as np
import pytest

from worlds.babyai.grounding import QUESTIONS, BabyAIGrounding
from worlds.babyai.mirror import COLUMNS, NOTES, ROWS
from worlds.babyai.world import BabyAIWorld
from worlds.grounding import GroundingBatch
from worlds.types import EpisodeSpec


@pytest.fixture(scope="module")
def source() -> BabyAIGrounding:
    return BabyAIGrounding()


@pytest.fixture(scope="module")
def batch(source: BabyAIGrounding) -> GroundingBatch:
    return source.sample(160, 1, "pretrain")


def cells_of(batch: GroundingBatch, index: int, name: str) -> set[tuple[int, int]]:
    """(right, ahead) of the cells that show `name`, without the agent's own."""
    rows = np.argwhere(batch.classes[index, :, :, batch.class_names.index(name)])
    return {(int(column) - 3, 6 - int(row)) for row, column in rows} - {(0, 0)}


def test_shapes(batch: GroundingBatch) -> None:
    assert batch.frames.shape == (160, 64, 64, 3)
    assert batch.frames.dtype == batch.classes.dtype == np.uint8
    assert batch.classes.shape == (160, 8, 8, len(batch.class_names))
    assert not batch.classes[:, 7].any()
    assert len(batch.questions) == len(batch.captions) == len(batch.statuses) == len(batch.sounds) == 160


def test_every_answer_agrees_with_the_dense_labels(batch: GroundingBatch) -> None:
    present = 0
    for index, questions in enumerate(batch.questions):
        assert len(questions) == QUESTIONS
        for text, answer, *_ in questions:
            assert answer in NOTES
            cells = cells_of(batch, index, " ".join(text.split()[-2:]))
            if answer == "see none":
                assert not cells
                continue
            _, column, row = answer.split()
            at = (COLUMNS.index(column) - 3, ROWS.index(row))
            assert at in cells
            assert abs(at[0]) + at[1] == min(abs(right) + ahead for right, ahead in cells)
            present += 1
    assert 0.15 < present / (160 * QUESTIONS) < 0.7


def test_dense_labels_agree_with_the_pixels(batch: GroundingBatch) -> None:
    """Unseen tiles are black but for their grid lines, lit ones never are; red things show red."""
    tiles = batch.frames.reshape(160, 8, 8, 8, 8, 3).transpose(0, 1, 3, 2, 4, 5)
    inside = tiles[:, :7, :7, 2:, 2:].max(axis=(3, 4, 5))
    unseen = batch.classes[:, :7, :7, batch.class_names.index("unseen")].astype(bool)
    unseen[:, 6, 3] = False
    np.testing.assert_array_equal(inside == 0, unseen)
    ball = batch.classes[:, :7, :7, batch.class_names.index("red ball")].astype(bool)
    assert ball.any()
    reds = tiles[:, :7, :7, 3:5, 3:5].astype(int)[ball]
    assert (reds[..., 0] > 200).all()


def test_it_is_a_function_of_its_arguments(source: BabyAIGrounding, batch: GroundingBatch) -> None:
    again = BabyAIGrounding().sample(160, 1, "pretrain")
    np.testing.assert_array_equal(batch.frames, again.frames)
    assert (batch.questions, batch.captions) == (again.questions, again.captions)
    assert not np.array_equal(batch.frames, source.sample(160, 2, "pretrain").frames)
    assert not np.array_equal(batch.frames, source.sample(160, 1, "test").frames)


def test_missions_are_asked_in_their_own_words(source: BabyAIGrounding) -> None:
    asked = {q.text for questions in source.sample(800, 3, "pretrain").questions for q in questions}
    world = BabyAIWorld("babyai/GoToLocal")
    goals = set()
    for index in range(30):
        world.reset(options={"episode": EpisodeSpec("babyai/GoToLocal", "train", index)})
        goals.add(world.observe().goal.text)
    assert goals <= asked


def test_actions_are_never_answers_and_class_names_are_distinct(batch: GroundingBatch) -> None:
    assert len(set(batch.class_names)) == len(batch.class_names)
    assert not {q.answer for questions in batch.questions for q in questions} & set(BabyAIGrounding.actions)
