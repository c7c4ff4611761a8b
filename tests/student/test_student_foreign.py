"""A checkpoint that is not ours (SigLIP vision tower, Llama, byte-pair tokenizer) works by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from student.config import StudentConfig
from student.student import Student
from student.types import Prompt
from worlds.base import join_reply


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign")
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<pad>", "<s>", "</s>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    core.train_from_iterator(["turn left 45 forward 2 see left near goal find pumpkin"] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        chat_template="USER: {{ messages[0]['content'] }} ASSISTANT:",
    )  # fmt: skip
    tokenizer.save_pretrained(path)
    SiglipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(path)
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            image_size=48, patch_size=16, vision_use_head=False,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, initializer_range=0.1,
        ),
        image_token_index=3, vision_feature_layer=-1, vision_feature_select_strategy="full",
    )  # fmt: skip
    LlavaForConditionalGeneration(config).save_pretrained(path)
    return path


def test_it_decides_exactly_and_in_batches(folder: Path, make_prompt: Callable[..., Prompt]) -> None:
    student = Student.load(StudentConfig(path=str(folder)))
    prompts = [make_prompt(seed) for seed in range(4)]
    assert student.visual_tokens([prompts[0].images[0]]) == 9
    decisions = student.decide(prompts, 0.0, [0] * 4)
    replies = [join_reply(decision.note, decision.action) for decision in decisions]
    with torch.no_grad():
        scores = student.policy(**student.reply_batch(prompts, replies)).logprob
    assert np.allclose(scores, [decision.logprob for decision in decisions], atol=1e-4)
    alone = [student.decide([prompt], 0.0, [0])[0].logprob for prompt in prompts]
    assert np.allclose(alone, [decision.logprob for decision in decisions], atol=1e-4)


def test_the_template_frames_the_prompt(folder: Path, make_prompt: Callable[..., Prompt]) -> None:
    student = Student.load(StudentConfig(path=str(folder)))
    ids = student.encode_prompts([make_prompt(1)], 9)[0]
    text = student.tokenizer.decode(ids)
    assert text.startswith("USER: <image>")
    assert text.endswith("ASSISTANT:")
    assert ids.count(3) == 18


def test_a_text_only_model_is_refused(folder: Path, tmp_path: Path) -> None:
    config = Qwen2Config(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a 'qwen2' model"):
        Student.load(StudentConfig(path=str(tmp_path)))
