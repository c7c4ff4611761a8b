"""What both stages step with: shuffled batches, the optimiser and its schedule, mixed precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from learner.precision import mixed_precision
from learner.pretraining.config import PretrainConfig
from student.student import Student

Report = Callable[[Mapping[str, Any]], None]
"""Told how far a stage is (`stage`, `done` from 0 to 1) and its losses."""


def autocast(student: Student, config: PretrainConfig) -> torch.autocast:
    """Products in bfloat16, where that is asked for and at home on the student's device."""
    mixed = mixed_precision(config.bf16, student.device)
    return torch.autocast(student.device.type, torch.bfloat16, enabled=mixed)


def batches(count: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """`steps` batches of row indices, each epoch a new shuffle."""
    order = rng.permutation(count)
    at = 0
    for _ in range(steps):
        if at + batch > count:
            order, at = rng.permutation(count), 0
        yield order[at : at + batch]
        at += batch


def make_optimiser(groups: list[tuple[list[nn.Parameter], float]], steps: int) -> tuple[Any, Any]:
    """AdamW over groups of (parameters, learning rate), and its schedule: a thirtieth of `steps` to warm up,
    then a half cosine to 0."""
    optimiser = torch.optim.AdamW(
        [{"params": params, "lr": lr} for params, lr in groups], weight_decay=1e-4, fused=True
    )
    warmup = max(1, steps // 30)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))),
    )
    return optimiser, schedule


def descend(loss: Tensor, optimiser: Any, schedule: Any) -> None:
    """One clipped step down `loss`."""
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
    schedule.step()
