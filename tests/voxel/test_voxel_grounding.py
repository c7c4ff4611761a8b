"""Grounding frames: labels that the frames bear out, and worlds that splits do not share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from worlds.grounding import UNSEEN, GroundingBatch
from worlds.types import NOTE_SEPARATOR
from worlds.voxel.grounding import CELL_PIXELS, GRID, NAMED, VoxelGrounding
from worlds.voxel.mirror import COLUMNS, NOTES
from worlds.voxel.perception import MIN_PIXELS
from worlds.voxel.state import VoxelState
from worlds.voxel.tasks.common import CALLS, GOAL_PICTURED, LANDMARKS, close_up, goal_named, new_ground
from worlds.voxel.terrain import TerrainConfig


@pytest.fixture(scope="module")
def batch() -> GroundingBatch:
    return VoxelGrounding().sample(128, seed=3, split="pretrain")


def test_shapes_are_the_protocols(batch: GroundingBatch) -> None:
    names = VoxelGrounding.class_names
    assert len(set(names)) == len(names)
    assert batch.frames.shape == (128, 64, 64, 3)
    assert batch.classes.shape == (128, GRID, GRID, len(names))
    assert batch.classes.dtype == np.uint8
    assert set(np.unique(batch.classes)) == {0, 1}
    lists = (batch.questions, batch.sounds, batch.statuses, batch.captions)
    assert [len(part) for part in lists] == [128] * 4
    assert batch.goal_images is not None
    assert batch.goal_images.shape[1:] == (64, 64, 3)


def test_it_is_a_function_of_its_arguments(batch: GroundingBatch) -> None:
    again = VoxelGrounding().sample(128, seed=3, split="pretrain")
    assert np.array_equal(batch.frames, again.frames)
    assert np.array_equal(batch.classes, again.classes)
    assert batch.questions == again.questions
    assert batch.captions == again.captions
    for other in (VoxelGrounding().sample(64, 4, "pretrain"), VoxelGrounding().sample(64, 3, "test")):
        assert not np.array_equal(batch.frames[:64], other.frames)


def test_answers_are_notes_and_questions_are_goals(batch: GroundingBatch) -> None:
    for asked in batch.questions:
        assert all(question.answer in NOTES and NOTE_SEPARATOR not in question.text for question in asked)
        assert [q.text for q in asked if q.kind == "named"] == [goal_named(name) for name in NAMED]
        assert all(q.text == GOAL_PICTURED and q.goal_image >= 0 for q in asked if q.kind == "pictured")
        assert all(q.sound in CALLS and q.sound in q.text for q in asked if q.kind == "heard")


def test_things_are_in_view_often_enough_and_absent_often_enough(batch: GroundingBatch) -> None:
    shown = Counter(q.text for asked in batch.questions for q in asked if q.answer != UNSEEN)
    assert all(shown[goal_named(name)] >= 3 for name in LANDMARKS)
    share = np.mean([any(q.answer != UNSEEN for q in asked) for asked in batch.questions])
    assert share > 0.5
    blank = np.mean([q.answer == UNSEEN for asked in batch.questions for q in asked if q.kind == "named"])
    assert blank > 0.5


def test_an_answer_agrees_with_the_dense_classes_of_its_frame(batch: GroundingBatch) -> None:
    """A thing that is answered to be in a column has its class in the grid's columns there, and a landmark
    whose answer is "none" fills next to nothing of the grid."""
    checked = 0
    for classes, asked in zip(batch.classes, batch.questions, strict=True):
        for name, question in zip(NAMED, asked, strict=False):
            present = classes[:, :, batch.class_names.index(name)]
            if question.answer == UNSEEN:
                assert name not in LANDMARKS or present.sum() <= MIN_PIXELS // CELL_PIXELS
            elif present.any():
                column = COLUMNS.index(question.answer.split()[1])
                covered = slice(int(column * GRID / 5), int(np.ceil((column + 1) * GRID / 5)))
                checked += 1
                assert present[:, max(0, covered.start - 1) : covered.stop + 1].any()
    assert checked > 50


def test_goal_pictures_show_one_kind_each(batch: GroundingBatch) -> None:
    """Pictures are of landmarks that fill a part of the frame, and of other worlds than the frames."""
    assert batch.goal_images is not None
    used = [q.goal_image for asked in batch.questions for q in asked if q.kind == "pictured"]
    assert len(set(used)) > 10
    assert max(used) < len(batch.goal_images)
    frames = {frame.tobytes() for frame in batch.frames}
    assert not frames & {picture.tobytes() for picture in batch.goal_images}


@pytest.mark.parametrize("name", ["lapis_block", "tnt"])
def test_a_close_up_is_full_of_its_thing(name: str) -> None:
    config = TerrainConfig(landmarks=(name,))
    ground = new_ground(VoxelState.empty(1, config.size), 5, config)
    picture = close_up(ground, name, np.random.default_rng(0), 64)
    assert picture is not None
    red, _, blue = picture[16:48, 16:48].reshape(-1, 3).mean(axis=0)
    assert (blue > red) == (name == "lapis_block")
    assert close_up(ground, "pumpkin", np.random.default_rng(0), 64) is None
