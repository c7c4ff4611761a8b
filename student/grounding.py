"""How well a student sees: the grounding questions, asked through the very prompt and scoring that it acts
with.

Invariant: the figures are of frames from the split asked for, with a history that says nothing of the
frame, and an answer is right only when the whole note is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from student.prompts import build_prompt
from student.student import Student
from student.types import Prompt
from worlds.grounding import UNSEEN, GroundingBatch, GroundingSource, Question
from worlds.types import Goal, Observation, Split, Turn

BATCH = 128
ABSENT_PER_FRAME = 2


def evaluate_grounding(
    student: Student, source: GroundingSource, count: int, seed: int, split: Split = "test"
) -> dict[str, float]:
    """Ask about `count` frames: everything in sight, and two things that are not.

    For each kind ("named", "pictured", "heard") and for "all": `exact` is the share of things in sight whose
    whole note (where and how far) is right, `placed` the share whose direction is right, `absent` the share
    of things out of sight that are said to be so, `accuracy` the mean of `exact` and `absent`, `n` the
    number of things in sight that were asked about. Kinds that the source never asks about are left out.
    """
    batch = source.sample(count, seed, split)
    rng = np.random.default_rng(seed)
    asked = list(_ask(batch, source, rng))
    tallies: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        replies = student.decide([prompt for prompt, _ in part], 0.0, [0] * len(part))
        for (_, question), reply in zip(part, replies, strict=True):
            same_way = _direction(reply.note) == _direction(question.answer)
            entry = (question.answer != UNSEEN, reply.note == question.answer, same_way)
            tallies[question.kind].append(entry)
            tallies["all"].append(entry)
    figures: dict[str, float] = {}
    for kind, entries in tallies.items():
        seen = [entry for entry in entries if entry[0]]
        unseen = [entry for entry in entries if not entry[0]]
        exact, placed = _share([e[1] for e in seen]), _share([e[2] for e in seen])
        absent = _share([e[1] for e in unseen])
        figures |= {f"{kind}/exact": exact, f"{kind}/placed": placed, f"{kind}/absent": absent}
        figures |= {f"{kind}/accuracy": (exact + absent) / 2, f"{kind}/n": float(len(seen))}
    return figures


def _ask(
    batch: GroundingBatch, source: GroundingSource, rng: np.random.Generator
) -> Iterator[tuple[Prompt, Question]]:
    for index, questions in enumerate(batch.questions):
        history = tuple(
            Turn(UNSEEN, source.actions[rng.integers(len(source.actions))], "ok", 45.0 * rng.integers(8))
            for _ in range(rng.integers(9))
        )
        order = [questions[i] for i in rng.permutation(len(questions))]
        absent = [q for q in order if q.answer == UNSEEN][:ABSENT_PER_FRAME]
        for question in [q for q in order if q.answer != UNSEEN] + absent:
            image = batch.goal_images[question.goal_image] if batch.goal_images is not None else None
            observation = Observation(
                frame=batch.frames[index],
                goal=Goal(question.text, image if question.goal_image >= 0 else None, question.sound),
                status=batch.statuses[index],
                sounds=batch.sounds[index],
                history=history,
                actions=source.actions[:1],
                notes=source.notes,
            )
            yield build_prompt(observation), question


def _direction(note: str) -> str:
    """The note without its last word, the distance."""
    return note if note == UNSEEN else note.rpartition(" ")[0]


def _share(hits: list[bool]) -> float:
    return float(np.mean(hits)) if hits else float("nan")
