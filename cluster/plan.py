"""The plan of a run: which episodes are played, by whom, labelled by whom, in which order they train.

A run is a sequence of chunks; training chunk c turns version c of the student into version c + 1. Chunk 0
holds the rule-based expert's demonstrations (they make the reference policy), chunk 1 the same states
relabelled by the teacher, chunks 2.. the states that the student reached.

Invariants: the plan is a function of the config (an adaptive chunk's episodes, of how those went that any
producer within the staleness bound knows of); no training episode is in two chunks, but for the
demonstrations and their relabelling; a chunk that the student reaches is produced by weights at most
`staleness` versions older than the version it trains (`may_produce`), so measured staleness cannot
exceed the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cluster.config import RunConfig
from teachers.curriculum import Kind, Tally, draw
from worlds.types import EpisodeSpec

Phase = Literal["reference", "distil"]


@dataclass(frozen=True)
class Chunk:
    """Episodes that train one version. `epochs` 0 means the learner's own number of steps. Those of an
    `adaptive` chunk are drawn when it is produced (`drawn`): until then `specs` tells only how many."""

    index: int
    phase: Phase
    specs: tuple[EpisodeSpec, ...]
    reached_by: str
    labelled_by: str
    mix: float
    temperature: float
    epochs: float
    adaptive: bool = False

    @property
    def name(self) -> str:
        """For logs: "2 (distil, student)"."""
        return f"{self.index} ({self.phase}, {self.reached_by})"


def make_plan(config: RunConfig) -> tuple[Chunk, ...]:
    """All chunks of a run, in training order."""
    distil = config.distil
    demonstrations = _specs(config, 0, config.reference.episodes, distil.difficulty(0))
    chunks = [
        Chunk(0, "reference", demonstrations, "expert", "expert", 0.0, 0.0, config.reference.epochs),
        Chunk(1, "distil", demonstrations, "expert", "teacher", 0.0, 0.0, distil.relabel_epochs),
    ]
    first = config.reference.episodes
    for round_index in range(distil.rounds):
        specs = _specs(config, first, distil.episodes_per_round, distil.difficulty(round_index))
        first += distil.episodes_per_round
        chunks.append(
            Chunk(
                index=len(chunks),
                phase="distil",
                specs=specs,
                reached_by=distil.reached_by,
                labelled_by="teacher",
                mix=distil.mix(round_index),
                temperature=distil.temperature,
                epochs=0.0,
                adaptive=distil.adaptive,
            )
        )
    return tuple(chunks)


def may_produce(chunk: Chunk, version: int, staleness: int) -> bool:
    """Whether `chunk` may be produced now that the learner is at `version`.

    What the expert or the teacher reaches does not depend on the student: it may run ahead as well, but by
    one chunk at most, so that what is in flight stays bounded.
    """
    slack = staleness if chunk.reached_by == "student" else max(1, staleness)
    return version >= chunk.index - slack


def drawn(config: RunConfig, chunk: Chunk, tallies: Mapping[Kind, Tally]) -> Chunk:
    """An adaptive chunk with its episodes, in the proportions that earlier ones of each kind ask for. Their
    indices are running numbers of the whole run, which no other chunk uses."""
    kinds = [Kind(suite, level) for suite in config.suites for level in sorted(set(config.distil.curriculum))]
    count = len(chunk.specs)
    first = config.reference.episodes + (chunk.index - 2) * count
    chosen = draw(kinds, tallies, count)
    specs = (EpisodeSpec(kind.suite, "train", first + i, kind.difficulty) for i, kind in enumerate(chosen))
    return replace(chunk, specs=tuple(specs))


def _specs(config: RunConfig, first: int, count: int, difficulty: int) -> tuple[EpisodeSpec, ...]:
    """`count` train episodes from running number `first` on, taking the suites in turn."""
    suites = config.suites
    return tuple(
        EpisodeSpec(suites[number % len(suites)], "train", number // len(suites), difficulty)
        for number in range(first, first + count)
    )
