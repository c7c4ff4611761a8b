"""Stage 2: projector and language model (and the encoder, if `vision_lr`) learn to answer questions from the
encoder's tokens, several per frame behind one shared prefix."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from learner.precision import FLOAT32_ATTENTION
from learner.pretraining import data
from learner.pretraining.config import PretrainConfig
from learner.pretraining.steps import Report, autocast, batches, descend, make_optimiser
from student.student import Student
from worlds.grounding import GroundingSource

HISTORY_LENGTHS = (0, 0, 1, 1, 2, 2, 4, 8)
"""Turns of made-up history, drawn per batch."""


def learn_to_answer(
    student: Student, source: GroundingSource, views: data.Views, config: PretrainConfig,
    rng: np.random.Generator, report: Report,
) -> None:  # fmt: skip
    """Stage 2: packed questions for projector and language model (and the encoder, if `vision_lr`)."""
    policy, model = student.policy, student.policy.model
    encoder = list(model.model.vision_tower.parameters())
    rest = [p for name, p in model.named_parameters() if "vision_tower" not in name]
    groups = [(rest, config.question_lr)] + ([(encoder, config.vision_lr)] if config.vision_lr else [])
    policy.freeze_vision = not config.vision_lr
    model.model.vision_tower.requires_grad_(bool(config.vision_lr))
    policy.train()
    cached = (
        None
        if config.vision_lr
        else (_features(student, views.frames), _features(student, views.goal_images))
    )
    visual_tokens = student.visual_tokens(views.frames[:1])
    # What is never an answer here (actions, words of goals) must not be learnt to be one never: the student
    # is to say it later. So only answers compete.
    never = ~data.answer_tokens(student, views, config.captions)
    text = model.model.language_model.config
    usual, text._attn_implementation = text._attn_implementation, FLOAT32_ATTENTION
    optimiser, schedule = make_optimiser(groups, config.question_steps)
    for step, rows in enumerate(
        batches(len(views.frames), config.question_batch, config.question_steps, rng)
    ):
        turns = int(rng.choice(HISTORY_LENGTHS))
        packed = data.pack(
            student, views, source, rows, config.questions, turns, visual_tokens, rng, config.captions
        )
        if cached is not None:
            features = torch.stack([cached[goal][index] for goal, index in packed.images])
            features = features.to(student.device, model.dtype)
        with autocast(student, config):
            if cached is None:
                features = policy.vision(student.pixels(data.image_batch(views, packed.images)))
            embeds = policy.embed(packed.input_ids, features)
            hidden = policy.hidden(embeds, packed.mask, packed.position_ids)
            asked = packed.targets >= 0
            logits = policy.logits(hidden[asked]).masked_fill(never, -math.inf)
        loss = nn.functional.cross_entropy(logits, packed.targets[asked])
        descend(loss, optimiser, schedule)
        if step % 50 == 0 or step == config.question_steps - 1:
            right = (logits.argmax(-1) == packed.targets[asked]).float().mean()
            report({"stage": "questions", "done": (step + 1) / config.question_steps, "loss": loss.item(),
                    "token_accuracy": right.item()})  # fmt: skip
    text._attn_implementation = usual
    policy.freeze_vision = student.config.freeze_vision
    policy.eval()


def _features(student: Student, frames: NDArray[np.uint8]) -> Tensor:
    """All frames' features (N, V, D), in half precision, on the host."""
    parts = [student.image_features(frames[i : i + 256]).half().cpu() for i in range(0, len(frames), 256)]
    return torch.cat(parts) if parts else torch.zeros(0)
