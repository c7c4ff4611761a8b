"""The next-observation head: what the agent will see after its reply, told from the reply's last hidden
state.

Invariant: the head is trained and stored with the learner, and never reaches an actor: acting does not need
it. JAT (arXiv 2402.09844) predicts the next observation from the action's position; here the target is the
mean of the next frame's vision features, normalised to zero mean and unit variance, so that the term's size
does not depend on the encoder. Shapes: B samples, D width of the language model, F width of the vision
features, V visual tokens.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ObservationHead(nn.Module):
    """Hidden states (B, D) to predicted targets (B, F)."""

    def __init__(self, hidden_width: int, feature_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(hidden_width, feature_width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, D) to (B, F)."""
        return self.out(hidden)


def observation_target(features: Tensor) -> Tensor:
    """The target of each frame from its vision features, (B, V, F) to (B, F), detached."""
    mean = features.detach().float().mean(dim=1)
    return functional.layer_norm(mean, mean.shape[-1:])
