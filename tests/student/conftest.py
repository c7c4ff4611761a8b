"""Small students and prompts that several files of this folder test with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from small import ACTIONS, NOTES, SIZES

from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from student.types import Prompt
from worlds.types import Goal, Observation, Sound, Status, Turn

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def student() -> Student:
    """Random weights; some notes and actions are single tokens, some are several."""
    return Student.fresh(StudentConfig(), seed=3, phrases=[*NOTES[:2], *ACTIONS[:2]], **SIZES)


@pytest.fixture(scope="session")
def make_prompt() -> Callable[..., Prompt]:
    """A prompt of a seed; its length varies with the seed, and so does whether the goal is pictured."""

    def make(seed: int, notes: tuple[str, ...] = NOTES, actions: tuple[str, ...] = ACTIONS) -> Prompt:
        rng = np.random.default_rng(seed)
        frames = rng.integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
        history = tuple(Turn(NOTES[i % 4], ACTIONS[i % 3], ("ok", "stuck")[i % 2]) for i in range(seed % 10))
        observation = Observation(
            frame=frames[0],
            goal=Goal("find pumpkin", frames[1] if seed % 3 == 1 else None),
            status=Status(heading_deg=40.0 * seed, position=(9.0, 4.0, -5.0), inventory={"oak_log": seed}),
            sounds=(Sound("cow", 50.0, 0.3),) * (seed % 2),
            history=history,
            actions=actions,
            notes=notes,
        )
        return build_prompt(observation)

    return make
