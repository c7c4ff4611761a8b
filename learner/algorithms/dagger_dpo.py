"""DAgger-DPO (EMMA, arXiv 2311.16714, algorithm 1 and equation 2): prefer the teacher's reply to the
student's own.

A sample without a rejected reply (the student agreed, or a tie) adds its NLL and observation terms only.
Without the NLL term both log-probabilities fall together and the policy collapses while the pair accuracy
looks well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from learner.algorithms import Scored
from learner.config import LearnerConfig
from learner.losses import dpo_loss, nll_loss


class DaggerDPO:
    """L = DPO(chosen, rejected) + nll_weight * NLL(chosen) + k * L_obs."""

    prefers = True
    predicts = True

    def terms(self, scored: Scored, config: LearnerConfig) -> dict[str, Tensor]:
        """The three terms, (B,) each."""
        pair_loss = dpo_loss(
            scored.chosen[scored.pairs],
            scored.rejected,
            scored.reference_chosen,
            scored.reference_rejected,
            config.beta,
        )
        return {
            "dpo": torch.zeros_like(scored.chosen).index_add(0, scored.pairs, pair_loss),
            "nll": config.nll_weight * nll_loss(scored.chosen),
            "obs": config.obs_weight * scored.observation,
        }
