"""Whether products in bf16 pay off on this machine, and what stays in float32 beside them.

Invariant: what is asked for is used where the processor has instructions for it, and nowhere else: without
them torch emulates bf16, and a training step takes 9 times as long as in fp32 (measured on an AVX2 CPU).
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from learner.config import LearnerConfig

LOG = logging.getLogger(__name__)


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bf16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def bf16_weights(config: LearnerConfig, device: torch.device) -> bool:
    """Whether the trained copy of the weights is bf16, beside fp32 masters of the optimiser's."""
    return config.bf16 == "on" or (config.bf16 == "auto" and device.type == "cuda" and config.zero_stage > 0)


@cache
def mixed_precision(asked: bool, device: torch.device) -> bool:
    """Whether to multiply in bf16: asked for and at home here. Says once in the log where it is asked
    for in vain."""
    if asked and not has_bf16(device):
        LOG.info("this processor has no bf16 instructions: training in fp32 instead of mixed precision")
        return False
    return asked


def _float32_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention in float32 inside of bfloat16 training: on a CPU its bfloat16 backward pass is 6 times
    slower."""
    with torch.autocast(query.device.type, enabled=False):
        attended = nn.functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attention_mask, scale=scaling
        )
    return attended.transpose(1, 2).to(query.dtype), None


FLOAT32_ATTENTION = "retort_float32"
AttentionInterface.register(FLOAT32_ATTENTION, _float32_attention)
