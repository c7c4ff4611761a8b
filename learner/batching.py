"""From samples to tensors: the replies to score, and the frozen encoder's features, computed once per frame.

Invariant: the features of a frame do not depend on the batch it came in: frames are encoded in blocks of
one fixed size, so a cold cache after a resume gives the same bits as a warm one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from learner.obs_head import observation_target
from learner.packing import pack
from student.student import Student
from student.types import Sample
from worlds.types import Frame

BLOCK = 8
"""Frames encoded together."""
REPLIES = 65_536
"""Replies whose token ids are kept; worlds have far fewer."""


class FeatureCache:
    """Vision features (V, F) of a frozen encoder by the frame's content; the least recently used go first."""

    def __init__(self, eyes: Student, limit_mib: int) -> None:
        self._eyes = eyes
        self._limit_bytes = limit_mib * 2**20
        self._bytes = 0
        self._kept: dict[bytes, Tensor] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def features(self, frames: Sequence[Frame]) -> Tensor:
        """(N, V, F) on the CPU, from N frames (H, W, 3) uint8."""
        keys = [
            blake2b(frame.tobytes(), digest_size=16, key=b"%d" % frame.shape[1]).digest() for frame in frames
        ]
        wanted = dict(zip(keys, frames, strict=True))
        found = {key: self._kept.pop(key) for key in wanted if key in self._kept}
        missing = [key for key in wanted if key not in found]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            padded = [wanted[key] for key in block] + [wanted[block[0]]] * (BLOCK - len(block))
            encoded = self._eyes.image_features(padded).cpu()
            for key, value in zip(block, encoded, strict=False):
                found[key] = value.clone()
                self._bytes += value.numel() * value.element_size()
        self._kept.update(found)
        batch = torch.stack([found[key] for key in keys])
        while self._bytes > self._limit_bytes and self._kept:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._bytes -= oldest.numel() * oldest.element_size()
        return batch


@dataclass(frozen=True)
class MicroBatch:
    """B samples as tensors. `packed` is the input of `packing.score`; `pairs` (P,) are the samples that the
    rejected replies belong to; `target` (B, F) and `present` (B,) the next observations, where known."""

    samples: tuple[Sample, ...]
    packed: dict[str, Tensor]
    pairs: Tensor
    target: Tensor | None
    present: Tensor


class Batcher:
    """Makes micro-batches for one student. With a frozen vision tower its features stand for the pixels."""

    def __init__(self, student: Student, eyes: Student, feature_cache_mib: int) -> None:
        self.student = student
        self.frozen = student.config.freeze_vision
        self.cache = FeatureCache(eyes, feature_cache_mib)
        self._eyes = eyes
        self._reply = lru_cache(maxsize=REPLIES)(student.encode_reply)
        blank = np.zeros((64, 64, 3), np.uint8)
        self.feature_width = int(eyes.image_features([blank]).shape[-1])
        # The student counts its visual tokens once, which it can only do before ZeRO-3 partitions it.
        student.visual_tokens([blank])

    def packed(self, samples: Sequence[Sample], prefers: bool) -> dict[str, Tensor]:
        """The chosen replies and, if `prefers`, the rejected ones, as `packing.score` takes them."""
        frames = [frame for sample in samples for frame in sample.prompt.images]
        prompts = self.student.encode_prompts([s.prompt for s in samples], self.student.visual_tokens(frames))
        rejected = [self._reply(s.rejected) if prefers and s.rejected else () for s in samples]
        tensors = pack(prompts, [self._reply(s.chosen) for s in samples], rejected)
        if self.frozen:
            tensors["features"] = self.cache.features(frames)
        else:
            tensors["pixel_values"] = self.student.pixels(frames)
        return {name: value.to(self.student.device) for name, value in tensors.items()}

    def micro_batch(self, samples: Sequence[Sample], prefers: bool, predicts: bool) -> MicroBatch:
        """One micro-batch; raises ValueError for a sample that must not be trained on."""
        for sample in samples:
            if not sample.valid:
                raise ValueError(
                    f"Sample {sample.sample_id} is marked invalid ({sample.reason or 'no reason given'}); "
                    "filter it in the ledger before it is handed to the learner."
                )
        pairs = [i for i, sample in enumerate(samples) if prefers and sample.rejected]
        packed = self.packed(samples, prefers)
        device = packed["input_ids"].device
        known = [i for i, sample in enumerate(samples) if predicts and sample.next_frame is not None]
        present = torch.zeros(len(samples), dtype=torch.bool)
        present[known] = True
        target = None
        if predicts:
            target = torch.zeros(len(samples), self.feature_width)
            if known:
                target[known] = observation_target(self._next_features(samples)).cpu()
            target = target.to(device)
        return MicroBatch(
            tuple(samples),
            packed,
            torch.tensor(pairs, dtype=torch.long, device=device),
            target,
            present.to(device),
        )

    def _next_features(self, samples: Sequence[Sample]) -> Tensor:
        frames = [sample.next_frame for sample in samples if sample.next_frame is not None]
        return self.cache.features(frames) if self.frozen else self._eyes.image_features(frames)
