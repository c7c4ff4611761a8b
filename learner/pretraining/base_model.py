"""`retort pretrain`: the base model, grounded on frames with the simulator's free labels.

Invariant: no demonstration of a task enters: what is learnt is where things are, in the wording in which the
student will later be asked and will answer. Views are of the split "pretrain"; the figures on the card are of
"test" worlds. The result is a function of the config (one process, one thread count).

Two stages: `dense` teaches the encoder, `questions` teaches the language model to answer from its tokens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learner.pretraining import data
from learner.pretraining.config import PretrainConfig
from learner.pretraining.dense import learn_to_see
from learner.pretraining.questions import learn_to_answer
from learner.pretraining.steps import Report
from student.config import StudentConfig
from student.encoder import of_width
from student.grounding import evaluate_grounding
from student.student import Student
from worlds.grounding import GroundingSource


def make_source(world: str, frame_size: int = 64) -> GroundingSource:
    """The grounding source of a world. Raises ValueError for a world that has none."""
    match world:
        case "voxel":
            from worlds.voxel.grounding import VoxelGrounding

            return VoxelGrounding(frame_size)
        case "babyai":
            from worlds.babyai.grounding import BabyAIGrounding

            return BabyAIGrounding(frame_size)
    raise ValueError(f"world={world!r} has no grounding source; use voxel or babyai.")


def pretrain(config: PretrainConfig, report: Report) -> dict[str, Any]:
    """Train a base model and write it to `config.out`. Returns the facts on its card."""
    began = time.monotonic()
    torch.set_num_threads(config.threads)
    maker = partial(make_source, config.world, config.frame_size)
    source = maker()
    views = data.collect(
        maker, config.frames, config.seed, "pretrain", config.workers,
        lambda stage, done: report({"stage": stage, "done": done}),
    )  # fmt: skip
    student = new_student(config, source, views)
    train(student, source, views, config, report)
    figures = evaluate_grounding(student, source, config.eval_frames, config.seed, "test")
    facts: dict[str, Any] = {
        "title": f"Retort base model: {config.world}",
        "command": command(config),
        "seed": config.seed,
        "hours": (time.monotonic() - began) / 3600,
        "trained on": "frames from random viewpoints with the simulator's labels; no demonstrations",
        **{f"held-out grounding, {name}": value for name, value in sorted(figures.items())},
    }
    student.save(config.out, facts)
    report({"stage": "done", "done": 1.0, **figures})
    return facts


def command(config: PretrainConfig) -> str:
    """The command that makes this base model again."""
    changed = [
        f"{name}={value}"
        for name, value in asdict(config).items()
        if value != getattr(PretrainConfig(), name) and name not in ("out", "world")
    ]
    name = Path(config.out).name
    return " ".join(["python retort.py pretrain", config.world, *changed, f"--out {name}"])


def new_student(config: PretrainConfig, source: GroundingSource, views: data.Views) -> Student:
    """A student whose tokenizer knows every word of the source, and its notes and actions as one token each,
    fresh or from `config.init`."""
    trained = Student.load(StudentConfig(path=config.init, dtype="float32")) if config.init else None
    if trained is not None and config.keep == "all":
        return trained
    if trained is not None and config.keep == "language":
        return trained.with_encoder(of_width(config.width), config.seed)
    shown = [question for questions in views.questions[:2000] for question in questions]
    shown = [question for question in shown if config.captions or question.kind != "caption"]
    asked = {question.text for question in shown}
    asked |= {question.answer for question in shown if question.kind == "caption"}
    heard = {sound.name for sounds in views.sounds for sound in sounds}
    words = [*source.notes, *source.actions, *source.class_names, *sorted(asked), *sorted(heard)]
    words += vocabulary(config.world)
    things = [name.replace("_", " ") for name in source.class_names if "_" in name]
    phrases = [*note_phrases(source.notes), *source.actions, *things]
    student = Student.fresh(
        StudentConfig(dtype="float32"), config.seed, words, phrases=phrases, vision=of_width(config.width)
    )
    if trained is not None:
        _keep_encoder(student, trained, config)
    return student


def _keep_encoder(student: Student, trained: Student, config: PretrainConfig) -> None:
    """Give `student` the encoder of `trained`. Raises ValueError where theirs are built otherwise."""
    encoder = trained.policy.model.model.vision_tower.state_dict()
    try:
        student.policy.model.model.vision_tower.load_state_dict(encoder)
    except RuntimeError as error:
        raise ValueError(
            f"init={config.init}: its encoder has other layers than a new one of width={config.width}, so "
            "keep=encoder cannot keep it; set width to its own, go on from it whole (keep=all), or train "
            "anew without init"
        ) from error


def vocabulary(world: str) -> tuple[str, ...]:
    """Further names of a world that its tasks use and its grounding does not."""
    if world != "voxel":
        return ()
    from worlds.voxel.data import BLOCK_NAMES, ITEM_NAMES

    return (*ITEM_NAMES, *BLOCK_NAMES)


def note_phrases(notes: Sequence[str]) -> list[str]:
    """The parts of notes that are tokens: "see left near" is "see left" and "near", so that where and how far
    are learnt apart."""
    return list(dict.fromkeys(note.rpartition(" ")[0] if note.count(" ") > 1 else note for note in notes))


def train(
    student: Student, source: GroundingSource, views: data.Views, config: PretrainConfig, report: Report
) -> None:
    """Both stages, in place."""
    rng = np.random.default_rng(config.seed)
    torch.manual_seed(config.seed)
    if config.dense_steps:
        learn_to_see(student, source, views, config, rng, report)
    if config.question_steps:
        learn_to_answer(student, source, views, config, rng, report)
    student.policy.eval()
