"""Behaviour cloning: the negative log-likelihood of the chosen replies, and nothing else."""

from __future__ import annotations

from torch import Tensor

from learner.algorithms import Scored
from learner.config import LearnerConfig
from learner.losses import nll_loss


class BehaviourCloning:
    """L = NLL(chosen)."""

    prefers = False
    predicts = False

    def terms(self, scored: Scored, config: LearnerConfig) -> dict[str, Tensor]:
        """The one term, (B,)."""
        return {"nll": nll_loss(scored.chosen)}
