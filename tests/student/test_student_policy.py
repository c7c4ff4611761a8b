"""The policy module: reply scores, cached features, what is frozen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small import SIZES

from student.config import StudentConfig
from student.policy import positions
from student.student import Student
from student.types import Prompt

MakePrompt = Callable[..., Prompt]
REPLIES = ["see left near | forward 2", "see none | turn left 45", "goto pumpkin"]


def test_reply_scores_equal_the_models_own_logits(student: Student, make_prompt: MakePrompt) -> None:
    batch = student.reply_batch([make_prompt(seed) for seed in range(3)], REPLIES)
    with torch.no_grad():
        scores = student.policy(**batch)
        outputs = student.policy.model(
            input_ids=batch["input_ids"],
            pixel_values=batch["pixel_values"],
            attention_mask=batch["attention_mask"],
            position_ids=positions(batch["attention_mask"]),
            output_hidden_states=True,
        )
    logprobs = torch.log_softmax(outputs.logits[:, :-1].float(), -1)
    picked = logprobs.gather(-1, batch["input_ids"][:, 1:, None])[..., 0] * batch["reply_mask"][:, 1:]
    assert torch.allclose(scores.token_logprobs[:, 1:], picked, atol=1e-4)
    assert torch.allclose(scores.logprob, picked.sum(1), atol=1e-4)
    assert scores.tokens.tolist() == [len(student.encode_reply(reply)) for reply in REPLIES]
    assert torch.allclose(scores.last_hidden, outputs.hidden_states[-1][:, -1], atol=1e-4)


def test_cached_features_stand_for_pixels(student: Student, make_prompt: MakePrompt) -> None:
    prompts = [make_prompt(seed) for seed in range(3)]
    features = student.image_features([image for prompt in prompts for image in prompt.images])
    with torch.no_grad():
        cached = student.policy(**student.reply_batch(prompts, REPLIES, features))
        direct = student.policy(**student.reply_batch(prompts, REPLIES))
    assert torch.allclose(cached.logprob, direct.logprob, atol=1e-5)


def test_either_pixels_or_features(student: Student, make_prompt: MakePrompt) -> None:
    batch = student.reply_batch([make_prompt(0)], REPLIES[:1])
    with pytest.raises(ValueError, match="either pixel_values or features"):
        student.policy(**{name: batch[name] for name in ("input_ids", "attention_mask", "reply_mask")})


@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_reach_the_encoder_only_when_it_is_not_frozen(
    frozen: bool, make_prompt: MakePrompt
) -> None:
    student = Student.fresh(StudentConfig(freeze_vision=frozen), **SIZES)
    student.policy.train()
    before = {name: value.clone() for name, value in student.policy.named_buffers()}
    student.policy(**student.reply_batch([make_prompt(0)], REPLIES[:1])).logprob.sum().backward()
    grads = {name: p.grad is not None for name, p in student.policy.named_parameters()}
    assert all(has != frozen for name, has in grads.items() if "vision_tower" in name)
    assert all(has for name, has in grads.items() if "vision_tower" not in name)
    assert (set(student.weights()) == set(grads)) != frozen
    assert all(torch.equal(value, before[name]) for name, value in student.policy.named_buffers())


def test_a_policys_row_ignores_its_neighbours(student: Student, make_prompt: MakePrompt) -> None:
    prompts = [make_prompt(seed) for seed in (0, 7, 4)]
    with torch.no_grad():
        together = student.policy(**student.reply_batch(prompts, REPLIES)).logprob
        alone = [
            student.policy(**student.reply_batch([p], [r])).logprob
            for p, r in zip(prompts, REPLIES, strict=True)
        ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


def test_adapters_alone_learn(make_prompt: MakePrompt) -> None:
    student = Student.fresh(StudentConfig(lora=2), **SIZES)
    names = [name for name in student.weights() if "language_model" in name]
    assert names
    assert all("lora_" in name for name in names)
    student.policy(**student.reply_batch([make_prompt(0)], REPLIES[:1])).logprob.sum().backward()
    grads = [p.grad for name, p in student.policy.named_parameters() if "lora_B" in name]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)
