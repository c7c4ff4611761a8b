"""The endpoint's own embeddings for the skill module.

Invariant: one question a text, which holds the text and the skills that fit it and nothing else, so it is a
function of what was written and of the legal skills: asked once, recorded, replayed, paid for.
"""

from __future__ import annotations

import json

import numpy as np

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.types import embedding_ask
from teachers.team.wording import Library


class EndpointEmbedder:
    """Asks `config.embeddings` at the endpoint that the roles ask."""

    def __init__(self, caller: Caller, config: EndpointConfig) -> None:
        self._caller = caller
        self._model = config.embeddings
        self.floor = config.embeddings_floor

    def nearness(
        self, text: str, candidates: tuple[str, ...], library: Library, ends_s: float
    ) -> list[float]:
        """See `embedding.Embedder`. Raises NoAnswer, Unanswered or Halted as `Caller.ask` does."""
        skills = (skill.replace("_", " ") for skill in candidates)
        call = self._caller.ask(embedding_ask(self._model, (text, *skills)), ends_s)
        vectors_ND = np.array(json.loads(call.text), np.float64)
        lengths_N = np.linalg.norm(vectors_ND, axis=1)
        unit_ND = vectors_ND / np.where(lengths_N > 0, lengths_N, 1.0)[:, None]
        return [float(cosine) for cosine in unit_ND[1:] @ unit_ND[0]]
