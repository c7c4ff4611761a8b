"""A tiny student and made-up samples: enough of a model for the learner's promises, in milliseconds."""

from __future__ import annotations

import numpy as np

from learner.config import LearnerConfig
from student.config import StudentConfig
from student.encoder import RetortVisionConfig
from student.student import Student
from student.types import Prompt, Sample

ACTIONS = ("turn left", "turn right", "go forward", "stop here now")
NOTES = ("see none", "see left near")


def tiny_student(seed: int = 0, freeze_vision: bool = True, device: str = "cpu") -> Student:
    vision = RetortVisionConfig(
        image_size=16, stem_channels=4, mid_channels=4, width=8, mid_blocks=0, top_blocks=0, merge_rows=2
    )
    words = sorted({word for text in (*ACTIONS, *NOTES, "goal red actor") for word in text.split()})
    return Student.fresh(
        StudentConfig(path="tiny", freeze_vision=freeze_vision, device=device, dtype="float32"),
        seed,
        words,
        hidden=16,
        layers=1,
        heads=2,
        intermediate=16,
        vision=vision,
    )


def tiny_samples(
    count: int, seed: int = 0, suite: str = "toy/one", pairs: float = 0.7, nexts: float = 0.5
) -> list[Sample]:
    """Random frames; a share of `pairs` has a rejected reply, a share of `nexts` a next frame."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        frames = rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
        chosen, rejected = rng.permutation(len(ACTIONS))[:2]
        note = NOTES[int(rng.integers(2))]
        pictured = rng.random() < 0.3
        text = "<image> actor ; goal <image> red :" if pictured else "<image> actor ; goal red :"
        samples.append(
            Sample(
                sample_id=f"{suite}-{seed}-{index}",
                suite=suite,
                split="train",
                index=index,
                episode=f"e{index}",
                step=0,
                role="actor",
                prompt=Prompt(text, tuple(frames[: 2 if pictured else 1]), NOTES, ACTIONS),
                chosen=f"{note} | {ACTIONS[chosen]}",
                rejected=f"{note} | {ACTIONS[rejected]}" if rng.random() < pairs else "",
                next_frame=frames[2] if rng.random() < nexts else None,
                executed="student",
                policy_version=0,
                teacher_version="t",
                beta=0.0,
            )
        )
    return samples


def tiny_config(**changes: object) -> LearnerConfig:
    return LearnerConfig(
        **{"batch": 8, "micro_batch": 2, "steps_per_version": 3, "lr": 1e-2, "warmup_steps": 2, **changes}
    )
