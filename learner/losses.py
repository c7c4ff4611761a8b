"""The losses, as functions of tensors alone.

Invariant: every function returns one value per sample and looks at that sample only, so a batch's
loss does not depend on how the batch was cut among ranks and micro-batches.
Shapes: B samples, P pairs (samples with a rejected reply), D feature width. Log-probabilities are
natural, of whole replies.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def reply_logprob(logprob: Tensor, tokens: Tensor, length_average: bool) -> Tensor:
    """Log-probability of each reply (N,) from its sum over tokens (N,) and token count (N,).

    The mean over tokens if `length_average` (EMMA's code), else the sum (EMMA's equation 2)."""
    return logprob / tokens.clamp(min=1) if length_average else logprob


def dpo_loss(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    """-log sigma(beta * [log pi/pi_ref(chosen) - log pi/pi_ref(rejected)]) for each pair, (P,) from four
    (P,).

    DPO, arXiv 2305.18290, equation 7; EMMA, arXiv 2311.16714, equation 2."""
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -functional.logsigmoid(beta * margin)


def nll_loss(chosen: Tensor) -> Tensor:
    """-log pi(chosen) for each sample, (B,) from (B,)."""
    return -chosen


def observation_loss(predicted: Tensor, target: Tensor, present: Tensor) -> Tensor:
    """Mean squared error to the next frame's features, (B,) from (B, D), (B, D) and (B,) bool.

    0 where no next frame is `present`. JAT, arXiv 2402.09844, section 3 (its L_obs for images)."""
    error = (predicted.float() - target.float()).square().mean(dim=-1)
    return torch.where(present, error, torch.zeros_like(error))
