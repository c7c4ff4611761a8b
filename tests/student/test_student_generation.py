"""Free generation: bounded, retrieved, and right after the model has learnt its reply by heart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from small import SIZES

from student.config import StudentConfig
from student.student import Student
from student.types import Prompt

MakePrompt = Callable[..., Prompt]


def test_what_a_random_model_writes_is_retrieved(make_prompt: MakePrompt) -> None:
    student = Student.fresh(StudentConfig(decode="generate", max_reply_tokens=5), seed=1, **SIZES)
    prompts = [make_prompt(seed) for seed in range(4)]
    decisions = student.decide(prompts, 1.0, range(4), version=2)
    for seed, (prompt, decision) in enumerate(zip(prompts, decisions, strict=True)):
        assert decision.action in prompt.actions
        assert decision.note in ("", *prompt.notes)
        assert decision.logprob < 0
        alone = student.decide([prompt], 1.0, [seed])[0]
        assert alone.action == decision.action
        assert alone.logprob == pytest.approx(decision.logprob, abs=1e-3)


def test_a_learnt_reply_is_written_and_scored_alike(make_prompt: MakePrompt) -> None:
    student = Student.fresh(StudentConfig(decode="generate"), seed=1, **SIZES)
    prompts, replies = (
        [make_prompt(0), make_prompt(1)],
        ["see left near | forward 2", "see none | goto pumpkin"],
    )
    optimiser = torch.optim.AdamW([p for p in student.policy.parameters() if p.requires_grad], 1e-2)
    batch = student.reply_batch(prompts, replies)
    for _ in range(25):
        optimiser.zero_grad()
        (-student.policy(**batch).logprob.mean()).backward()
        optimiser.step()
    written = student.decide(prompts, 0.0, [0, 0])
    assert [(d.note, d.action) for d in written] == [
        ("see left near", "forward 2"),
        ("see none", "goto pumpkin"),
    ]
    assert [d.legal_mass for d in written] == [1.0, 1.0]
    student.config = replace(student.config, decode="score")
    scored = student.decide(prompts, 0.0, [0, 0])
    assert [d.action for d in scored] == [d.action for d in written]
    assert [d.logprob for d in scored] == pytest.approx([d.logprob for d in written], abs=1e-3)
