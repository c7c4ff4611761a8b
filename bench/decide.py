"""Deciding: scoring the legal replies through the prefix cache, beside free generation by the same student.

The peer is Transformers' own `generate` over the same prompts, the alternative decoder of the same model.
Both run alternately on one thread in this process; the better of the rounds counts for each.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch

from bench.rows import row
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from student.types import Prompt
from worlds.make import make_world

SUITE = "voxel/goal_name"
ROUNDS = 3
DECISIONS = 64
"""Per round and batch size."""


def run() -> list[dict[str, Any]]:
    """Rows `score_vs_generate_b1` and `score_vs_generate_b32`: decisions per second by scoring; the ratio is
    to generation."""
    torch.set_num_threads(1)
    config = StudentConfig(path="voxel")
    scoring, generating = Student.load(config), Student.load(replace(config, decode="generate"))
    prompts = _prompts(32)
    rows = []
    for batch in (1, 32):
        pairs = [(_rate(scoring, prompts, batch), _rate(generating, prompts, batch)) for _ in range(ROUNDS)]
        ours, theirs = zip(*pairs, strict=True)
        name = f"score_vs_generate_b{batch}"
        rows.append(row(name, max(ours), "decisions/s", "generate", max(theirs), 1))
    return rows


def _rate(student: Student, prompts: list[Prompt], batch: int) -> float:
    """Decisions per second at one batch size."""
    count = max(1, DECISIONS // batch)
    student.decide(prompts[:batch], 0.0, [0] * batch)
    began = time.perf_counter()
    for index in range(count):
        first = index * batch % len(prompts)
        student.decide(prompts[first : first + batch], 0.0, [0] * batch)
    return count * batch / (time.perf_counter() - began)


def _prompts(count: int) -> list[Prompt]:
    """Prompts along one episode of turning and walking, so that histories have all lengths."""
    world = make_world(SUITE)
    world.reset(seed=0)
    prompts = []
    for index in range(count):
        seen = world.observe()
        prompts.append(build_prompt(seen))
        _, _, over, truncated, _ = world.step(f"{seen.notes[0]} | {seen.actions[index % len(seen.actions)]}")
        if over or truncated:
            world.reset(seed=index + 1)
    world.close()
    return prompts
