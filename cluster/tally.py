"""What came of a chunk's episodes: counted as they end, and again from the ledger after a resume.

Invariant: an episode's entry in the ledger is all that the count needs of it, so a run that was stopped tells
the same figures of a chunk as one that was not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.types import EpisodeResult
from cluster.plan import Chunk
from student.types import Sample

_KIND = 3
"""Of an entry's values the first: suite, difficulty, success. What a curriculum draws from; entries of older
ledgers have no others."""


def entry_of(outcome: EpisodeResult) -> list[Any]:
    """The entry of an episode, for the ledger's metadata (JSON)."""
    samples = outcome.samples
    return [
        outcome.spec.suite,
        outcome.spec.difficulty,
        outcome.success,
        outcome.metric,
        outcome.decisions,
        outcome.model_calls,
        outcome.legal_mass,
        len(samples),
        sum(bool(sample.rejected) for sample in samples),
        sum(not sample.valid for sample in samples),
    ]


def won(entry: Sequence[Any]) -> bool:
    """Whether the episode of an entry was a success."""
    return bool(entry[2])


@dataclass
class ChunkTally:
    """What is known of a chunk's episodes so far. `ended` has their positions; `refused` of its `labelled`
    samples have a label that cannot be trained on."""

    ended: set[int] = field(default_factory=set)
    failed: int = 0
    successes: int = 0
    episodes: int = 0
    decisions: int = 0
    metric: float = 0.0
    labelled: int = 0
    disagreed: int = 0
    refused: int = 0
    legal_mass: float = 0.0
    model_calls: int = 0

    def add(self, entry: Sequence[Any]) -> None:
        """Count an episode by its entry (see `entry_of`)."""
        if len(entry) <= _KIND:
            return
        success, metric, decisions, model_calls, legal_mass, labelled, disagreed, refused = entry[2:]
        self.episodes += 1
        self.successes += bool(success)
        self.metric += metric
        self.decisions += decisions
        self.model_calls += model_calls
        self.legal_mass += legal_mass * model_calls
        self.labelled += labelled
        self.disagreed += disagreed
        self.refused += refused

    def figures(self, chunk: Chunk) -> dict[str, Any]:
        """The chunk's "rollout" record; there is at least one episode."""
        figures: dict[str, Any] = {
            "phase": chunk.phase,
            "reached_by": chunk.reached_by,
            "episodes": self.episodes,
            "successes": self.successes,
            "success": self.successes / self.episodes,
            "metric": self.metric / self.episodes,
            "decisions": self.decisions / self.episodes,
            "failed_episodes": self.failed,
            "mix": chunk.mix,
        }
        if self.labelled:
            figures["refused_labels"] = self.refused / self.labelled
        if chunk.reached_by == "student" and self.labelled and self.model_calls:
            figures["agreement"] = 1 - self.disagreed / self.labelled
            figures["legal_mass"] = self.legal_mass / self.model_calls
        return figures


def refusals(samples: Iterable[Sample]) -> str:
    """A sentence about the labels that cannot be trained on, the commonest reasons first ("": there are
    none)."""
    found = list(samples)
    reasons = Counter(sample.reason or "no valid label" for sample in found if not sample.valid)
    if not reasons:
        return ""
    told = "; ".join(f"{count} times: {reason}" for reason, count in reasons.most_common(2))
    more = f"; and {len(reasons) - 2} more reasons" if len(reasons) > 2 else ""
    return f"{reasons.total()} of {len(found)} labels are not trained on ({told}{more})"
