"""Log-probabilities of the reference policy pi_ref, computed once per sample.

Invariant: a sample's two values are computed the first time that it is met and never again, not even after a
resume (they travel in the checkpoint), so a resumed run sees the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from learner.batching import Batcher
from learner.packing import score
from student.student import Student
from student.types import Sample


class Reference:
    """The frozen reference and what it said. Values are sums over tokens, natural logarithm."""

    def __init__(self, student: Student, mixed: bool = False) -> None:
        self.student = student
        self.mixed = mixed
        self.student.policy.requires_grad_(False)
        self.values: dict[str, tuple[float, float]] = {}

    def logprobs(self, samples: Sequence[Sample], batcher: Batcher) -> tuple[Tensor, Tensor]:
        """(chosen, rejected), (P,) each on the CPU, of P samples that have a rejected reply."""
        new = list({s.sample_id: s for s in samples if s.sample_id not in self.values}.values())
        if new:
            packed = batcher.packed(new, prefers=True)
            kind = packed["input_ids"].device.type
            with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=self.mixed):
                scores = score(self.student.policy, packed)[0].cpu()
            for sample, chosen, rejected in zip(new, scores, scores[len(new) :], strict=False):
                self.values[sample.sample_id] = (float(chosen), float(rejected))
        both = torch.tensor([self.values[sample.sample_id] for sample in samples]).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def restore(self, values: Mapping[str, Sequence[float]]) -> None:
        """Take over the values of a checkpoint."""
        self.values = {key: (float(chosen), float(rejected)) for key, (chosen, rejected) in values.items()}
