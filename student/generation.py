"""Free generation, the alternative to scoring: the model writes, the nearest legal action is retrieved.

Invariant: at most `max_reply_tokens` model calls per decision, whatever the model writes; nothing it writes
is executed, only matched against the legal actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from student.scoring import PrefixState
from student.types import Decision, Prompt
from worlds.base import retrieve, split_reply

if TYPE_CHECKING:
    from student.student import Student


def generate(
    student: Student,
    state: PrefixState,
    prompts: Sequence[Prompt],
    temperature: float,
    draws: Sequence[np.random.Generator],
    version: int,
) -> list[Decision]:
    """Write a reply for each prompt of `state`. `Decision.logprob` is that of the text written;
    `alternatives` holds the action only; `legal_mass` is 1 where the text was legal as written, else 0. A
    prompt without actions gets the text as it was written."""
    from student.student import draw

    end = student.tokenizer.eos_token_id
    texts: list[list[int]] = [[] for _ in prompts]
    totals = np.zeros(len(prompts))
    open_rows = np.ones(len(prompts), bool)
    hidden, visible, used = state.hidden, state.visible, state.used.clone()
    most = student.config.max_reply_tokens
    for length in range(1, most + 1):
        logprobs = torch.log_softmax(student.policy.logits(hidden), -1).double().cpu().numpy()
        tokens = [draw(row, temperature, generator) for row, generator in zip(logprobs, draws, strict=True)]
        for row in np.flatnonzero(open_rows):
            totals[row] += logprobs[row, tokens[row]]
            open_rows[row] = tokens[row] != end
            texts[row] += [tokens[row]] if open_rows[row] else []
        if length == most or not open_rows.any():
            break
        ids = torch.tensor(tokens, device=visible.device).unsqueeze(1)
        visible = torch.cat([visible, torch.ones_like(visible[:, :1])], dim=1)
        embeds = student.policy.model.get_input_embeddings()(ids)
        hidden = student.policy.hidden(embeds, visible.long(), used.unsqueeze(1), state.cache)[:, -1]
        used += 1
    decisions = []
    for prompt, text, total in zip(prompts, texts, totals, strict=True):
        note, written = split_reply(student.tokenizer.decode(text, skip_special_tokens=True))
        action, kept = written, note
        if prompt.actions:
            action = written if written in prompt.actions else retrieve(written, prompt.actions)
            known = note in prompt.notes or not (note and prompt.notes)
            kept = (note if prompt.notes else "") if known else retrieve(note, prompt.notes)
        legal = float(action == written)
        decisions.append(Decision(kept, action, float(total), ((action, float(total)),), legal, version))
    return decisions
