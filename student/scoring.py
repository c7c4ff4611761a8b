"""Exact log-probabilities of all candidate texts in one forward pass over their common trie.

Invariant: the score of a candidate equals that of re-encoding prompt and candidate whole (to rounding):
nodes of the trie see the prompt and their own ancestors, never each other.

Shapes: B rows, P cached prompt positions, N trie nodes, K candidates, L tokens of the longest candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from student.policy import PolicyModule


@dataclass(frozen=True, eq=False)
class TokenTrie:
    """The candidates' proper prefixes as nodes. `lead` tokens come first and are not scored. `readers` (K,
    L) says at which state token `targets` (K, L) is predicted: 0 is the state before the trie, i + 1 is
    node i; `weights` (K, L) is 0 in the padding. `ancestors` (N, N) includes the node itself; `ends` (K,)
    is each candidate's last node."""

    tokens: NDArray[np.int64]
    depths: NDArray[np.int64]
    ancestors: NDArray[np.bool_]
    readers: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    ends: NDArray[np.int64]

    @cached_property
    def size(self) -> int:
        """N."""
        return len(self.tokens)


def build_trie(candidates: Sequence[Sequence[int]], lead: Sequence[int] = ()) -> TokenTrie:
    """The trie of token sequences (each ends with its terminal token, which is predicted but not a node)."""
    nodes: dict[tuple[int, ...], int] = {}
    for candidate in candidates:
        full = (*lead, *candidate)
        for length in range(1, len(full)):
            nodes.setdefault(full[:length], len(nodes))
    ancestors = np.zeros((len(nodes), len(nodes)), bool)
    for prefix, index in nodes.items():
        for length in range(1, len(prefix) + 1):
            ancestors[index, nodes[prefix[:length]]] = True
    longest = max(len(candidate) for candidate in candidates)
    readers, targets = np.zeros((2, len(candidates), longest), np.int64)
    weights = np.zeros((len(candidates), longest), np.float32)
    ends = np.full(len(candidates), -1, np.int64)
    for row, candidate in enumerate(candidates):
        full = (*lead, *candidate)
        for place, token in enumerate(candidate):
            prefix = full[: len(lead) + place]
            readers[row, place] = nodes[prefix] + 1 if prefix else 0
            targets[row, place], weights[row, place] = token, 1.0
        ends[row] = nodes.get(full[:-1], -1)
    return TokenTrie(
        tokens=np.array([prefix[-1] for prefix in nodes], np.int64),
        depths=np.array([len(prefix) - 1 for prefix in nodes], np.int64),
        ancestors=ancestors,
        readers=readers,
        targets=targets,
        weights=weights,
        ends=ends,
    )


@dataclass
class PrefixState:
    """A batch of encoded prompts: the cache, which of its positions each row sees (B, P), how many
    positions each row has used (B,), and the hidden state (B, D) that predicts the next token."""

    cache: Any
    visible: Tensor
    used: Tensor
    hidden: Tensor


def score_tries(policy: PolicyModule, state: PrefixState, tries: Sequence[TokenTrie]) -> Tensor:
    """Log-probabilities (B, K) of every row's candidates, -inf in the padding. The cache grows by the
    nodes, which no later position sees until `follow` admits some of them."""
    device = state.hidden.device
    size = max(trie.size for trie in tries)
    hidden = state.hidden.unsqueeze(1)
    if size:
        tokens, depths = (_stack([getattr(t, name) for t in tries], (size,)) for name in ("tokens", "depths"))
        ancestors = _stack([trie.ancestors for trie in tries], (size, size))
        ancestors |= np.eye(size, dtype=bool)
        inner = torch.from_numpy(ancestors).to(device)
        seen = torch.cat([state.visible.unsqueeze(1).expand(-1, size, -1), inner], dim=-1)
        place = state.used.unsqueeze(1) + torch.from_numpy(depths).to(device)
        embeds = policy.model.get_input_embeddings()(torch.from_numpy(tokens).to(device))
        nodes = policy.hidden(embeds, additive(seen, embeds.dtype), place, state.cache)
        hidden = torch.cat([hidden, nodes], dim=1)
        hide = torch.zeros(len(tries), size, dtype=torch.bool, device=device)
        state.visible = torch.cat([state.visible, hide], dim=1)
    shape = (max(len(t.readers) for t in tries), max(t.readers.shape[1] for t in tries))
    readers, targets, weights = (
        torch.from_numpy(_stack([getattr(trie, name) for trie in tries], shape)).to(device)
        for name in ("readers", "targets", "weights")
    )
    logits = policy.logits(hidden)
    rows = torch.arange(len(tries), device=device).view(-1, 1, 1)
    token_logprobs = logits[rows, readers, targets] - logits.logsumexp(-1)[rows, readers]
    scores = (token_logprobs * weights).sum(-1)
    return scores.masked_fill(weights.sum(-1) == 0, -torch.inf)


def follow(state: PrefixState, tries: Sequence[TokenTrie], chosen: Sequence[int]) -> None:
    """Let later positions see the nodes of each row's chosen candidate. Its terminal token is not cached
    yet: it must lead the next trie."""
    size = max(trie.size for trie in tries)
    for row, (trie, choice) in enumerate(zip(tries, chosen, strict=True)):
        end = int(trie.ends[choice])
        if end >= 0:
            path = torch.from_numpy(np.flatnonzero(trie.ancestors[end])).to(state.visible.device)
            state.visible[row, state.visible.shape[1] - size + path] = True
            state.used[row] += int(trie.depths[end]) + 1


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask (B, Q, S) as the additive (B, 1, Q, S) that decoder layers take."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill(~seen, torch.finfo(dtype).min).unsqueeze(1)


def _stack(arrays: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    first = arrays[0]
    if all(array is first for array in arrays) and first.shape == shape:
        return np.repeat(first[None], len(arrays), axis=0)
    stacked = np.zeros((len(arrays), *shape), first.dtype)
    for row, array in enumerate(arrays):
        places: tuple[int | slice, ...] = (row, *map(slice, array.shape))
        stacked[places] = array
    return stacked
