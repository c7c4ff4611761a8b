"""DAgger with cross-entropy (Ross et al., arXiv 1011.0686): the teacher's reply in the states the student
reached.

EMMA's ablation "CE instead of DPO", with the same next-observation term as `dagger_dpo`, so that the two
differ in the preference term alone.
"""

from __future__ import annotations

from torch import Tensor

from learner.algorithms import Scored
from learner.config import LearnerConfig
from learner.losses import nll_loss


class DaggerCE:
    """L = NLL(chosen) + k * L_obs."""

    prefers = False
    predicts = True

    def terms(self, scored: Scored, config: LearnerConfig) -> dict[str, Tensor]:
        """The two terms, (B,) each."""
        return {"nll": nll_loss(scored.chosen), "obs": config.obs_weight * scored.observation}
