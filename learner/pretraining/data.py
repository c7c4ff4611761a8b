"""Grounding views kept compactly, and packed into training batches.

Invariant: a packed question is exactly what `build_prompt` would show for its frame, history and goal, at
the same positions: the questions of one frame share its prefix and never see each other. So what is
learnt from packed questions holds for single prompts.

Shapes: N frames, Q questions a frame, B rows, T tokens, G grid side, C classes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from student.prompts import IMAGE, goal_text, heard_text, prefix_text
from student.scoring import additive
from student.student import Student
from worlds.grounding import UNSEEN, GroundingSource, Question
from worlds.types import Frame, Observation, Sound, Split, Status, Turn
from worlds.types import Goal as _Goal

CHUNK = 1024
FAILURES = ("ok", "ok", "ok", "part", "stuck")


@dataclass
class Views:
    """N views. `goal_images` (M, H, W, 3); the image indices in `questions` are into it."""

    frames: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    questions: list[list[Question]]
    sounds: list[tuple[Sound, ...]]
    statuses: list[Status]
    goal_images: NDArray[np.uint8]


def collect(
    make_source: Callable[[], GroundingSource],
    count: int,
    seed: int,
    split: Split,
    workers: int,
    report: Callable[[str, float], None] = lambda stage, done: None,
) -> Views:
    """`count` views in chunks of `CHUNK`, a function of `count`, `seed` and `split` alone; `make_source`
    must be importable when `workers` > 0 (processes are spawned). `report` is told ("frames", share done)."""
    jobs = [(make_source, min(CHUNK, count - start), seed * 100_003 + start, split)
            for start in range(0, count, CHUNK)]  # fmt: skip
    chunks: list[Views] = []
    if not workers:
        for job in jobs:
            chunks.append(_chunk(job))
            report("frames", len(chunks) / len(jobs))
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for chunk in pool.imap(_chunk, jobs):
                chunks.append(chunk)
                report("frames", len(chunks) / len(jobs))
    return _joined(chunks)


def _chunk(job: tuple[Callable[[], GroundingSource], int, int, Split]) -> Views:
    make_source, count, seed, split = job
    batch = make_source().sample(count, seed, split)
    images = batch.goal_images if batch.goal_images is not None else batch.frames[:0]
    captions = [Question(CAPTION, caption, "caption") for caption in batch.captions]
    questions = [[*asked, caption] for asked, caption in zip(batch.questions, captions, strict=True)]
    return Views(batch.frames, batch.classes, questions, batch.sounds, batch.statuses, images)


def _joined(chunks: Sequence[Views]) -> Views:
    questions: list[list[Question]] = []
    shift = 0
    for chunk in chunks:
        for asked in chunk.questions:
            questions.append(
                [q._replace(goal_image=q.goal_image + shift) if q.goal_image >= 0 else q for q in asked]
            )
        shift += len(chunk.goal_images)
    return Views(
        frames=np.concatenate([chunk.frames for chunk in chunks]),
        classes=np.concatenate([chunk.classes for chunk in chunks]),
        questions=questions,
        sounds=[sounds for chunk in chunks for sounds in chunk.sounds],
        statuses=[status for chunk in chunks for status in chunk.statuses],
        goal_images=np.concatenate([chunk.goal_images for chunk in chunks]),
    )


def random_history(source: GroundingSource, turns: int, rng: np.random.Generator) -> tuple[Turn, ...]:
    """`turns` made-up past decisions: distractors that say nothing about the frame."""
    notes, actions = source.notes, source.actions
    return tuple(
        Turn(
            UNSEEN if rng.random() < 0.5 else notes[rng.integers(len(notes))],
            actions[rng.integers(len(actions))],
            FAILURES[rng.integers(len(FAILURES))],
            45.0 * int(rng.integers(8)),
        )
        for _ in range(turns)
    )


CAPTION = "say what is in sight"
"""What the caption answers, worded as a goal."""


def choose_questions(
    asked: Sequence[Question], count: int, rng: np.random.Generator, captions: float = 0.0
) -> list[Question]:
    """`count` of a frame's questions, shuffled: those about something in sight first (at most half;
    pictured and heard ones before named ones), the rest at random, so that answers are neither rare nor
    always the same. The last one is the caption in a share `captions` of the frames."""
    if captions and rng.random() < captions:
        caption = [question for question in asked if question.kind == "caption"]
        return choose_questions(asked, count - len(caption), rng) + caption
    asked = [question for question in asked if question.kind != "caption"]
    # Pictured and heard ones first: there are few, and they need the names to be known already.
    order = sorted(rng.permutation(len(asked)), key=lambda i: asked[i].kind == "named")
    seen = [i for i in order if asked[i].answer != UNSEEN][: -(-count // 2)]
    special = [i for i in order if asked[i].kind != "named" and i not in seen][:2]
    rest = [i for i in order if i not in seen and i not in special]
    chosen = (seen + special + rest)[:count]
    return [asked[i] for i in rng.permutation(chosen)]


class Packed(NamedTuple):
    """One packed batch: `input_ids`, `position_ids`, `targets` (B, T; target -100 where nothing is asked: the
    target stands at the token that predicts it), the additive mask (B, 1, T, T), and for the image runs in
    reading order whether they show a goal image, and which image."""

    input_ids: Tensor
    position_ids: Tensor
    targets: Tensor
    mask: Tensor
    images: list[tuple[bool, int]]


def pack(
    student: Student, views: Views, source: GroundingSource, rows: NDArray[np.int64], questions: int, turns:
    int, visual_tokens: int, rng: np.random.Generator, captions: float = 0.0,
) -> Packed:  # fmt: skip
    """Pack `questions` questions about each of the frames `rows`, after a random history of `turns` turns;
    in a share `captions` of them one is the caption."""
    tokenizer = _Cached(student, visual_tokens)
    sequences, images = [], []
    for row in rows:
        observation = Observation(
            views.frames[row], _Goal(""), views.statuses[row], views.sounds[row],
            random_history(source, turns, rng), (), (),
        )  # fmt: skip
        prefix = tokenizer.prompt(prefix_text(observation))
        images.append((False, int(row)))
        blocks = []
        for question in choose_questions(views.questions[row], questions, rng, captions):
            pictured = question.goal_image >= 0
            images += [(True, question.goal_image)] if pictured else []
            heard = heard_text(question.sound, views.sounds[row])
            head = tokenizer.prompt(" " + goal_text(question.text, pictured, heard))
            blocks.append((head, tokenizer.answer(question)))
        sequences.append((prefix, blocks))
    return Packed(*_tensors(sequences, student), images)


def _tensors(
    sequences: Sequence[tuple[list[int], list[tuple[list[int], list[int]]]]], student: Student
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    longest = max(len(prefix) + sum(len(a) + len(b) - 1 for a, b in blocks) for prefix, blocks in sequences)
    shape = (len(sequences), longest)
    ids, places = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    targets, block = np.full(shape, -100, np.int64), np.full(shape, -1, np.int64)
    for row, (prefix, blocks) in enumerate(sequences):
        at = len(prefix)
        ids[row, :at], places[row, :at], block[row, :at] = prefix, np.arange(at), 0
        for index, (head, tail) in enumerate(blocks, start=1):
            size = len(head) + len(tail) - 1
            ids[row, at : at + size] = head + tail[:-1]
            places[row, at : at + size] = np.arange(len(prefix), len(prefix) + size)
            block[row, at : at + size] = index
            targets[row, at + len(head) - 1 : at + size] = tail
            at += size
    block_BT = torch.from_numpy(block).to(student.device)
    own = (block_BT[:, :, None] == block_BT[:, None, :]) | (block_BT[:, None, :] == 0)
    seen = own & torch.ones(longest, longest, dtype=torch.bool, device=student.device).tril()
    tensors = [torch.from_numpy(array).to(student.device) for array in (ids, places, targets)]
    return tensors[0], tensors[1], tensors[2], additive(seen, student.policy.model.dtype)


def answer_tokens(student: Student, views: Views, captions: float = 0.0) -> Tensor:
    """(vocabulary,) bool: the tokens that the answers to the questions about `views` are made of; those of
    captions too where there are any."""
    tokenizer = _Cached(student, 0)
    asked = [question for questions in views.questions for question in questions]
    answers = {(q.kind, q.answer): q for q in asked if captions or q.kind != "caption"}
    ids = sorted({token for question in answers.values() for token in tokenizer.answer(question)})
    tokens = torch.zeros(student.policy.model.get_input_embeddings().num_embeddings, dtype=torch.bool)
    tokens[ids] = True
    return tokens.to(student.device)


class _Cached:
    """Token ids of texts; most questions and answers recur."""

    def __init__(self, student: Student, visual_tokens: int) -> None:
        self.student = student
        self.run = [student.policy.model.config.image_token_id] * visual_tokens
        self.known: dict[Any, list[int]] = _KNOWN.setdefault(student.tokenizer, {})

    def prompt(self, text: str) -> list[int]:
        key = (text, len(self.run))
        if key not in self.known:
            if len(self.known) > 100_000:
                self.known.clear()
            pieces = [self.student.encode_text(piece) for piece in text.split(IMAGE)]
            ids = list(pieces[0])
            for piece in pieces[1:]:
                ids += self.run + piece
            self.known[key] = ids
        return self.known[key]

    def answer(self, question: Question) -> list[int]:
        key = (question.kind == "caption", question.answer)
        if key not in self.known:
            end = [self.student.tokenizer.eos_token_id] if key[0] else list(self.student.separator)
            self.known[key] = self.student.encode_text(" " + question.answer) + end
        return self.known[key]


# Weakly: another student's tokenizer may come to lie where one that is gone lay.
_KNOWN: WeakKeyDictionary[Any, dict[Any, list[int]]] = WeakKeyDictionary()


def image_batch(views: Views, images: Sequence[tuple[bool, int]]) -> list[Frame]:
    """The frames of `Packed.images`."""
    return [views.goal_images[index] if goal else views.frames[index] for goal, index in images]
