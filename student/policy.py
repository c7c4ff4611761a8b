"""The trainable policy: a LLaVA-layout model that gives the log-probabilities of replies.

Invariant: `forward` takes and returns tensors only (DeepSpeed and Ray carry it), and row i of its result
depends on row i of its input alone. Features of a frozen vision tower stand for pixels exactly.

Shapes: B rows, T tokens, N images in the order of their `<image>` runs over the batch, V visual tokens of an
image, D width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class ReplyScores(NamedTuple):
    """`logprob` (B,): sum over the reply's tokens; `tokens` (B,): their number; `last_hidden` (B, D): the
    hidden state at the last reply token; `token_logprobs` (B, T): 0 outside of the reply."""

    logprob: Tensor
    tokens: Tensor
    last_hidden: Tensor
    token_logprobs: Tensor


class PolicyModule(nn.Module):
    """Wraps a `LlavaForConditionalGeneration`. With `freeze_vision` its vision tower gets no gradient."""

    def __init__(self, model: Any, freeze_vision: bool = True) -> None:
        super().__init__()
        self.model = model
        self.freeze_vision = freeze_vision
        self.model.model.vision_tower.requires_grad_(not freeze_vision)

    @property
    def width(self) -> int:
        """D of the language model."""
        return int(self.model.config.text_config.hidden_size)

    def vision(self, pixel_values: Tensor) -> Tensor:
        """Pixels (N, 3, S, S) to vision features (N, V, D_vision), before the projector."""
        config = self.model.config
        layers = config.vision_feature_layer
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_vision):
            hidden = self.model.model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
            chosen = [hidden[layer] for layer in ([layers] if isinstance(layers, int) else layers)]
            if config.vision_feature_select_strategy == "default":
                chosen = [features[:, 1:] for features in chosen]
            return torch.cat(chosen, dim=-1)

    def embed(self, input_ids: Tensor, features: Tensor) -> Tensor:
        """Token embeddings (B, T, D), the image tokens replaced by the projected features (N, V,
        D_vision)."""
        embeds = self.model.get_input_embeddings()(input_ids)
        projected = self.model.model.multi_modal_projector(features.to(embeds.dtype))
        places = (input_ids == self.model.config.image_token_id).unsqueeze(-1)
        return embeds.masked_scatter(places, projected.to(embeds.dtype))

    def hidden(
        self,
        embeds: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Last hidden states (B, T, D). `attention_mask` is (B, T), or additive (B, 1, T, S) for a tree; a
        `cache` is read and extended."""
        if position_ids is None:
            position_ids = positions(attention_mask)
        return self.model.model.language_model(
            inputs_embeds=embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Float logits over the vocabulary."""
        return self.model.lm_head(hidden).float()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        reply_mask: Tensor,
        pixel_values: Tensor | None = None,
        features: Tensor | None = None,
    ) -> ReplyScores:
        """Score the replies marked by `reply_mask` (B, T), given what stands before them. Exactly one of
        `pixel_values` (N, 3, S, S) and `features` (N, V, D_vision) must be given."""
        if (pixel_values is None) == (features is None):
            raise ValueError("Give the policy either pixel_values or features, not both and not neither.")
        if pixel_values is not None:
            features = self.vision(pixel_values)
        assert features is not None
        hidden = self.hidden(self.embed(input_ids, features), attention_mask)
        reply = reply_mask[:, 1:].bool()
        logprobs = torch.log_softmax(self.logits(hidden[:, :-1][reply]), dim=-1)
        chosen = logprobs.gather(-1, input_ids[:, 1:][reply].unsqueeze(-1)).squeeze(-1)
        per_token = torch.zeros(input_ids.shape, dtype=chosen.dtype, device=chosen.device)
        per_token[:, 1:] = per_token[:, 1:].masked_scatter(reply, chosen)
        last = (reply_mask.long() * torch.arange(reply_mask.shape[1], device=reply_mask.device)).argmax(dim=1)
        rows = torch.arange(len(last), device=last.device)
        return ReplyScores(per_token.sum(1), reply_mask.sum(1), hidden[rows, last], per_token)


def positions(attention_mask: Tensor) -> Tensor:
    """Position ids (B, T) that skip left padding."""
    return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
