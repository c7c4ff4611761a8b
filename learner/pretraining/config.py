"""What a base model is pretrained with. Invariant: what cannot be trained with is refused, by its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Keep = Literal["all", "encoder", "language"]


@dataclass
class PretrainConfig:
    """`world` is "voxel" or "babyai"; `out` the folder of the base model; `init` a base model to go on from
    ("": none), and `keep` what of it: all, its encoder, or its language model (with its words), the rest
    being new. `width` is that of a new encoder, a multiple of 4. `frames` views are collected by `workers`
    processes. Steps of 0 leave a stage out. In a share `captions` of the question stage's frames one question
    asks for all that is in sight. `vision_lr` > 0 lets the encoder learn in that stage too. `bf16` multiplies
    in bfloat16 (weights, attention and losses stay in float32) where the processor has it: half the time."""

    world: str = "voxel"
    out: str = "runs/base"
    init: str = ""
    keep: Keep = "all"
    seed: int = 0
    width: int = 96
    frames: int = 200_000
    frame_size: int = 64
    workers: int = 2
    threads: int = 2
    dense_steps: int = 10_000
    dense_batch: int = 128
    dense_lr: float = 1e-2
    question_steps: int = 4000
    question_batch: int = 64
    questions: int = 8
    captions: float = 0.25
    question_lr: float = 2e-3
    vision_lr: float = 5e-4
    bf16: bool = True
    eval_frames: int = 2000

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for what cannot be trained with."""
        counts = ("width", "frames", "threads", "dense_batch", "question_batch", "questions", "eval_frames")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("seed", "workers", "dense_steps", "question_steps", "vision_lr"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more")
        if self.width % 4:
            raise ValueError(f"width={self.width} must be a multiple of 4")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep={self.keep!r} is one of {', '.join(get_args(Keep))}")
        if self.keep != "all" and not self.init:
            raise ValueError(f"keep={self.keep} keeps that of a base model: say which with init=")
        if not (0 < self.dense_lr < 1 and 0 < self.question_lr < 1 and self.vision_lr < 1):
            raise ValueError("dense_lr, question_lr and vision_lr are learning rates: between 0 and 1")
        if not 0 <= self.captions <= 1:
            raise ValueError(f"captions={self.captions} is a share: between 0 and 1")
