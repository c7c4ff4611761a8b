"""One row per sample: the prompt once, then the chosen reply, then the rejected one, which do not see each
other.

Invariant: a reply's log-probability is the one that it has alone after its prompt. The rejected reply
continues the positions of the prompt and its attention leaves the chosen reply out, so a preference pair
costs one pass over the prompt, and one over its images, instead of two. Shapes: B samples, P of them with a
rejected reply, N = B + P replies (the B chosen ones first), T tokens, K reply tokens in all, D width of the
language model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from student.policy import PolicyModule

PROMPT, CHOSEN, REJECTED = 1, 2, 3


def pack(
    prompts: Sequence[Sequence[int]], chosen: Sequence[Sequence[int]], rejected: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    """Token ids of B prompts, chosen and rejected replies (empty: none) as the tensors that `score` takes.

    `input_ids`, `segments` (0 padding, then PROMPT, CHOSEN, REJECTED) and `position_ids` are (B, T); for
    each reply token, `sources` (K,) is the flat place of the token before it, `targets` (K,) its id,
    `owners` (K,) its reply in 0..N-1; `lasts` (B,) is the flat place of the last token of the chosen reply,
    `lengths` (N,) the token counts.
    """
    rows, longest = len(prompts), max(map(_total, zip(prompts, chosen, rejected, strict=True)))
    ids, segments, positions = (np.zeros((rows, longest), np.int64) for _ in range(3))
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    lasts = []
    pair_lengths: list[int] = []
    for row, (prompt, good, bad) in enumerate(zip(prompts, chosen, rejected, strict=True)):
        start = len(prompt)
        ids[row, : start + len(good) + len(bad)] = [*prompt, *good, *bad]
        segments[row, :start] = PROMPT
        positions[row, :start] = np.arange(start)
        begin = start
        for segment, reply in ((CHOSEN, good), (REJECTED, bad)):
            segments[row, begin : begin + len(reply)] = segment
            positions[row, begin : begin + len(reply)] = np.arange(start, start + len(reply))
            before = [start - 1, *range(begin, begin + len(reply) - 1)][: len(reply)]
            sources += [row * longest + place for place in before]
            targets += reply
            owners += [row if segment == CHOSEN else rows + len(pair_lengths)] * len(reply)
            begin += len(reply)
        pair_lengths += [len(bad)] if bad else []
        lasts.append(row * longest + start + len(good) - 1)
    lengths = [len(reply) for reply in chosen] + pair_lengths
    return {
        "input_ids": torch.from_numpy(ids),
        "segments": torch.from_numpy(segments),
        "position_ids": torch.from_numpy(positions),
        "sources": torch.tensor(sources),
        "targets": torch.tensor(targets),
        "owners": torch.tensor(owners),
        "lasts": torch.tensor(lasts),
        "lengths": torch.tensor(lengths),
    }


def attention(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """The additive mask (B, 1, T, T): a token sees what stands before it in the prompt and in its own
    reply."""
    places = torch.arange(segments.shape[1], device=segments.device)
    query, key = segments.unsqueeze(2), segments.unsqueeze(1)
    seen = ((key == PROMPT) | (key == query)) & (key > 0) & (places.unsqueeze(1) >= places)
    seen = seen | torch.eye(segments.shape[1], dtype=torch.bool, device=segments.device)
    zero = torch.zeros((), dtype=dtype, device=segments.device)
    return torch.where(seen, zero, torch.finfo(dtype).min).unsqueeze(1)


def score(policy: PolicyModule, packed: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(log-probability of each reply, summed over its tokens (N,) in fp32; hidden state at the last token of
    each chosen reply (B, D)). `packed` is what `pack` gave, with `features` (one image after the other) or
    `pixel_values`."""
    features = packed["features"] if "features" in packed else policy.vision(packed["pixel_values"])
    embeds = policy.embed(packed["input_ids"], features)
    hidden = policy.hidden(
        embeds, attention(packed["segments"], embeds.dtype), packed["position_ids"]
    ).flatten(0, 1)
    logprobs = torch.log_softmax(policy.logits(hidden[packed["sources"]]), dim=-1)
    tokens = logprobs.gather(-1, packed["targets"].unsqueeze(-1)).squeeze(-1)
    sums = torch.zeros(len(packed["lengths"]), dtype=tokens.dtype, device=tokens.device)
    return sums.index_add(0, packed["owners"], tokens), hidden[packed["lasts"]]


def _total(parts: tuple[Sequence[int], ...]) -> int:
    return sum(map(len, parts))
