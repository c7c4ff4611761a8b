"""Versioned weights on their way from the learner to the actors.

Invariant: a snapshot is immutable and names what it holds: a version, and a checksum of all tensors in it,
so that two processes can tell that they act with the same policy. Only trained parameters travel: a frozen
vision tower and the learner's own observation head stay at home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor


@dataclass(frozen=True)
class WeightSnapshot:
    """`tensors` by their names in `Student.policy` (fp32 or bf16, on the CPU); `digests` one hash for
    each."""

    version: int
    tensors: Mapping[str, Tensor]
    digests: Mapping[str, str]
    checksum: str

    def changed_since(self, digests: Mapping[str, str]) -> dict[str, Tensor]:
        """The tensors that differ from those with the given digests (of the snapshot loaded before)."""
        return {
            name: value for name, value in self.tensors.items() if digests.get(name) != self.digests[name]
        }

    def verify(self) -> None:
        """Raise ValueError when the tensors are not those that were published."""
        if _digests(self.tensors) != dict(self.digests) or _total(self.digests) != self.checksum:
            raise ValueError(
                f"The weights of version {self.version} do not match their checksum {self.checksum}: they "
                "were damaged on the way. Fetch them again."
            )


def snapshot(
    version: int, weights: Mapping[str, Tensor], dtype: torch.dtype = torch.float32
) -> WeightSnapshot:
    """Freeze `weights` (copied) as `version`, in `dtype`."""
    tensors = {
        name: value.detach().to("cpu", dtype, copy=True).contiguous() for name, value in weights.items()
    }
    digests = _digests(tensors)
    return WeightSnapshot(version, tensors, digests, _total(digests))


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {
        name: blake2b(value.flatten().view(torch.uint8).numpy().tobytes(), digest_size=16).hexdigest()
        for name, value in tensors.items()
    }


def _total(digests: Mapping[str, str]) -> str:
    total = blake2b(digest_size=16)
    for name in sorted(digests):
        total.update(f"{name}={digests[name]}\n".encode())
    return total.hexdigest()
