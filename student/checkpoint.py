"""Checkpoint folders and what goes into them: the default architecture, adapters, whole-or-nothing writing.

Invariant: a written folder loads through `AutoModelForImageTextToText.from_pretrained` without this
package's student classes (after `import student.encoder` for the default vision tower); weights are
safetensors alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import DynamicCache, LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

from student.encoder import RetortVisionConfig
from student.tokenizer import IMAGE, build_tokenizer

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
INIT_STD = 0.08
"""Far above the usual 0.02: at this width the small start kept the images unused."""


def fresh_model(
    seed: int,
    words: Sequence[str] = (),
    phrases: Sequence[str] = (),
    hidden: int = 128,
    layers: int = 3,
    heads: int = 4,
    intermediate: int = 384,
    vision: RetortVisionConfig | None = None,
) -> tuple[Any, Any]:
    """A randomly initialised (model, tokenizer) in the LLaVA layout whose tokenizer knows `words`
    and `phrases` as single tokens."""
    tokenizer = build_tokenizer(words, phrases)
    vision = vision or RetortVisionConfig()
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        initializer_range=INIT_STD,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=vision.tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlavaForConditionalGeneration(config), tokenizer


def with_encoder(model: Any, vision: RetortVisionConfig, seed: int) -> Any:
    """A copy of `model` whose encoder, of `vision`, and projector are randomly initialised."""
    config = LlavaConfig.from_dict(
        model.config.to_dict() | {"vision_config": vision, "image_seq_length": vision.tokens}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = LlavaForConditionalGeneration(config)
    fresh.model.language_model.load_state_dict(model.model.language_model.state_dict())
    fresh.lm_head.load_state_dict(model.lm_head.state_dict())
    return fresh


def new_cache(model: Any) -> Any:
    """An empty key-value cache for the model's language part."""
    return DynamicCache(config=model.config.text_config)


def add_adapters(model: Any, rank: int) -> None:
    """Put low-rank adapters of `rank` into the language model; its own weights are frozen."""
    from peft import LoraConfig, inject_adapter_in_model  # slow to import (it brings DeepSpeed along)

    adapters = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(ADAPTED))
    inject_adapter_in_model(adapters, model.model.language_model)


def write_model(model: Any, folder: Path) -> None:
    """Save configuration and weights; adapters are merged into the weights they adapt."""
    layers = [
        module
        for name, module in model.named_modules()
        if name.endswith(ADAPTED) and hasattr(module, "merge")
    ]
    for layer in layers:
        layer.merge()
    merged = {
        name.replace(".base_layer.", "."): value
        for name, value in model.state_dict().items()
        if ".lora_" not in name
    }
    # Saving imports DeepSpeed where it is installed, which warns where it has to guess the device.
    os.environ.setdefault("DS_ACCELERATOR", model.device.type)
    model.save_pretrained(folder, state_dict=merged)
    for weights in folder.glob("*.safetensors"):  # written for their owner's eyes alone, unlike the rest
        shutil.copymode(folder / "config.json", weights)
    for layer in layers:
        layer.unmerge()


def check_target(folder: Path) -> None:
    """Raises ValueError where a model must not take the folder's place: it holds something else."""
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").is_file()
    ):
        raise ValueError(
            f"{folder} is there already and is no model folder, and would be replaced: name a new one"
        )


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write in that takes the place of `target` when all has been written, and vanishes on an
    error."""
    check_target(target)
    part = target.with_name(f".{target.name}.part-{os.getpid()}")
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        yield part
        if target.exists():
            target.rename(old)
        part.rename(target)
    except SafetensorError as error:
        raise OSError(f"{target} could not be written: {error}") from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
