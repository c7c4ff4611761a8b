"""What goes wrong with an endpoint, by seed: everything that real ones were seen to do.

Invariant: the fault of a request depends on the seed, on the request's content and on how often that content
was asked for, so a run of tests meets the same faults in whatever order its questions come.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal[
    "busy", "error", "silence", "drop", "half a body", "no JSON", "wrong schema", "no choice", "refusal",
    "off the grammar", "cut off",
]  # fmt: skip
"""429 with Retry-After; 500; no answer; a connection dropped within the answer; a body that ends too early;
an answer that is no JSON, or JSON of another shape; none; a refusal; a skill that does not exist; an answer
cut at the token limit."""
FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True)
class FaultConfig:
    """A share `share` of the requests fails, with one of `kinds` each. An answer takes `latency_s`, by chance
    up to `jitter` times more or less; silence lasts `silence_s`."""

    seed: int = 0
    share: float = 0.0
    kinds: tuple[Fault, ...] = FAULTS
    latency_s: float = 0.0
    jitter: float = 0.0
    silence_s: float = 600.0
    retry_after_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 <= self.jitter <= 1:
            raise ValueError("the share of faults and the jitter are between 0 and 1")
        if self.latency_s < 0 or self.silence_s < 0 or self.retry_after_s < 0:
            raise ValueError("times are 0 or more")
        unknown = [kind for kind in self.kinds if kind not in FAULTS]
        if unknown or not self.kinds:
            raise ValueError(f"there is no fault {unknown}: choose of {', '.join(FAULTS)}")


class Fate:
    """What becomes of each request."""

    def __init__(self, config: FaultConfig) -> None:
        self.config = config
        self._asked: Counter[str] = Counter()

    def of(self, content: bytes) -> tuple[Fault | None, float]:
        """The fault (None: all goes well) and the seconds that this request takes."""
        address = hashlib.sha256(content).hexdigest()
        self._asked[address] += 1
        drawn = hashlib.sha256(f"{self.config.seed}|{address}|{self._asked[address]}".encode()).digest()
        toss, kind, late = (int.from_bytes(drawn[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
        seconds = self.config.latency_s * (1 + self.config.jitter * (2 * late - 1))
        if toss >= self.config.share:
            return None, seconds
        return self.config.kinds[int(kind * len(self.config.kinds))], seconds
