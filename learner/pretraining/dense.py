"""Stage 1: the encoder learns which classes each cell of the frame shows and, through a head that is thrown
away, every thing's note.

Shapes: B frames, C channels, G grid side, N views.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from learner.pretraining.config import PretrainConfig
from learner.pretraining.data import Views
from learner.pretraining.steps import Report, autocast, batches, descend, make_optimiser
from student.student import Student
from worlds.grounding import GroundingSource

MOST_WEIGHT = 20.0
"""A present class weighs as the root of absent cells per present cell in the dense loss, at most this."""


class DenseHead(nn.Module):
    """Reads cells (B, C, G, G) as class logits (B, classes, G, G) and as notes (B, things, notes): each thing
    is looked up where the cells show its class, and its note is read off their features and places. Thrown
    away after pretraining. `class_of` is each thing's class."""

    def __init__(self, width: int, cells: int, classes: int, class_of: Sequence[int], notes: int) -> None:
        super().__init__()
        self.class_of = list(class_of)
        self.classes = nn.Conv2d(width, classes, 1)
        self.attention = nn.Conv2d(width, len(self.class_of), 1)
        self.names = nn.Parameter(torch.randn(len(self.class_of), 32) * 0.3)
        self.notes = nn.Sequential(nn.Linear(width + cells + 33, 128), nn.ReLU(), nn.Linear(128, notes))

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of classes and notes."""
        shown = self.classes(cells)
        features = cells.flatten(2).transpose(1, 2)
        place = torch.eye(features.shape[1], device=cells.device).expand(len(cells), -1, -1)
        evidence = shown[:, self.class_of]
        looked = (evidence + self.attention(cells)).flatten(2).softmax(-1) @ torch.cat([features, place], -1)
        names = self.names.expand(len(cells), -1, -1)
        strongest = evidence.flatten(2).amax(-1, keepdim=True)
        return shown, self.notes(torch.cat([looked, names, strongest], -1))


def note_table(views: Views, notes: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """(N, things) int64: the index of the note about each thing that is asked for by name; -100 where this
    frame is not asked about it. And the things: the questions' texts."""
    index = {note: place for place, note in enumerate(notes)}
    things: dict[str, int] = {}
    rows: list[list[tuple[int, int]]] = []
    for questions in views.questions:
        named = [question for question in questions if question.kind == "named"]
        rows.append([(things.setdefault(q.text, len(things)), index[q.answer]) for q in named])
    table = np.full((len(rows), len(things)), -100, np.int64)
    for row, entries in enumerate(rows):
        for thing, note in entries:
            table[row, thing] = note
    return table, list(things)


def class_asked_about(text: str, class_names: Sequence[str]) -> int:
    """The class whose name is the longest one within the question's text ("go to the red ball": "red ball").
    Raises ValueError where none is."""
    found = [name for name in class_names if name in text]
    if not found:
        raise ValueError(f"The question {text!r} names none of the source's classes: add one to class_names.")
    return class_names.index(max(found, key=len))


def learn_to_see(
    student: Student, source: GroundingSource, views: Views, config: PretrainConfig,
    rng: np.random.Generator, report: Report,
) -> None:  # fmt: skip
    """Stage 1: dense labels for the encoder."""
    encoder = student.policy.model.model.vision_tower
    encoder.requires_grad_(True)
    encoder.learn_statistics = True
    encoder.train()
    encoder.to(memory_format=torch.channels_last)
    table, things = note_table(views, source.notes)
    class_of = [class_asked_about(text, source.class_names) for text in things]
    vision = encoder.config
    head = DenseHead(vision.width, vision.grid**2, views.classes.shape[-1], class_of, len(source.notes)).to(
        student.device
    )
    present = views.classes.reshape(-1, views.classes.shape[-1]).mean(0).clip(1e-6)
    weight = torch.tensor(np.sqrt(1 / present - 1).clip(1.0, MOST_WEIGHT), dtype=torch.float32)
    weight = weight.to(student.device).view(-1, 1, 1)
    optimiser, schedule = make_optimiser(
        [([*encoder.parameters(), *head.parameters()], config.dense_lr)], config.dense_steps
    )
    for step, rows in enumerate(batches(len(views.frames), config.dense_batch, config.dense_steps, rng)):
        with autocast(student, config):
            classes, notes = head(encoder.grid_features(student.pixels(views.frames[rows])))
        classes, notes = classes.float(), notes.float()
        wanted = torch.from_numpy(views.classes[rows]).to(student.device).permute(0, 3, 1, 2).float()
        dense = nn.functional.binary_cross_entropy_with_logits(classes, wanted, pos_weight=weight)
        answer = torch.from_numpy(table[rows]).to(student.device)
        where = nn.functional.cross_entropy(notes.flatten(0, 1), answer.flatten(), ignore_index=-100)
        descend(dense + where, optimiser, schedule)
        if step % 50 == 0 or step == config.dense_steps - 1:
            seen = answer > 0
            right = (notes.argmax(-1) == answer)[seen].float().mean()
            report({"stage": "dense", "done": (step + 1) / config.dense_steps, "dense_loss": dense.item(),
                    "note_loss": where.item(), "seen_exact": right.item()})  # fmt: skip
    encoder.learn_statistics = False
    encoder.eval()
