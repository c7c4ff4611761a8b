"""The algorithms, one file each: which rows a sample needs scored, and the loss of their scores.

Invariant: an algorithm returns its loss as named terms of one value per sample; the engine adds the terms up
and takes the mean over the batch, and nothing else is descended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from learner.config import LearnerConfig


@dataclass(frozen=True)
class Scored:
    """What the model said about a micro-batch of B samples, P of which have a rejected reply.

    `chosen` (B,) and `rejected` (P,) are log-probabilities of replies (see `losses.reply_logprob`), the
    `reference_*` (P,) those of the reference policy, `pairs` (P,) the index of each pair's sample in 0..B-1.
    `observation` (B,) is the next-observation error, 0 where no next frame is known.
    """

    chosen: Tensor
    rejected: Tensor
    reference_chosen: Tensor
    reference_rejected: Tensor
    pairs: Tensor
    observation: Tensor


class Algorithm(Protocol):
    """`prefers`: rejected replies and a reference policy are needed; `predicts`: the next-observation head
    is."""

    prefers: bool
    predicts: bool

    def terms(self, scored: Scored, config: LearnerConfig) -> dict[str, Tensor]:
        """The weighted terms of the loss, each (B,); their sum is each sample's loss."""
        ...


def make_algorithm(config: LearnerConfig) -> Algorithm:
    """The algorithm that `config.algorithm` names."""
    from learner.algorithms.bc import BehaviourCloning
    from learner.algorithms.dagger_ce import DaggerCE
    from learner.algorithms.dagger_dpo import DaggerDPO

    match config.algorithm:
        case "bc":
            return BehaviourCloning()
        case "dagger_ce":
            return DaggerCE()
        case "dagger_dpo":
            return DaggerDPO()
