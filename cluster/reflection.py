"""What a run learns from its failures: after each round the critic looks back, and later rounds are told.

Invariant: the memories told to a chunk are those of the chunks that had been trained on at the latest when it
could first be produced, and they are kept in the ledger: a resumed run tells the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cluster.tally import won
from ledger import Ledger
from student.types import Sample
from teachers.team.frames import packed
from teachers.team.memory import Memory, remember
from teachers.team.reflect import Attempt, Disagreement, Reflector
from worlds.base import split_reply
from worlds.types import EpisodeSpec

REMEMBERED_DECISIONS = 8
"""Of the way from where an attempt first went astray."""


class Reflection:
    """The memory of one run. `reflector` None: nothing new enters it."""

    def __init__(self, ledger: Ledger, reflector: Reflector | None, attempts: int) -> None:
        self._ledger = ledger
        self._reflector = reflector
        self._attempts = attempts

    def owes(self, chunk: int) -> bool:
        """Whether a chunk was not looked back at yet."""
        return self._reflector is not None and self._ledger.metadata(f"lessons/{chunk}") is None

    def look_back(self, chunk: int, specs: Sequence[EpisodeSpec], samples: Sequence[Sample]) -> int:
        """Ask about the first failed episodes of a chunk; returns how many lessons came of it. `samples` are
        the chunk's, in order. A chunk that was looked back at is not looked at again; one about which the
        critic could not be asked is, which raises Halted or Unanswered."""
        if self._reflector is None or not self.owes(chunk):
            return 0
        failed = [
            (spec.suite, spec.index, spec.difficulty)
            for position, spec in enumerate(specs)
            if (entry := self._ledger.metadata(f"outcome/{chunk}/{position}")) and not won(entry)
        ]
        steps: dict[tuple[str, int, int], list[Sample]] = defaultdict(list)
        for sample in samples:
            steps[sample.suite, sample.index, _level(sample.episode)].append(sample)
        attempts = [_attempt(steps[key]) for key in failed[: self._attempts] if steps[key]]
        lessons = self._reflector.lessons(attempts)
        self._ledger.put_metadata({f"lessons/{chunk}": [list(lesson) for lesson in lessons]})
        return len(lessons)

    def known(self, before: int) -> tuple[Memory, ...]:
        """What is remembered of the chunks below `before`."""
        known: tuple[Memory, ...] = ()
        for chunk in range(before):
            made = self._ledger.metadata(f"lessons/{chunk}") or []
            known = remember(known, [Memory(*entry) for entry in made])
        return known


def _attempt(samples: Sequence[Sample]) -> Attempt:
    """The actor's decisions of one episode."""
    acted = sorted((s for s in samples if s.role == "actor"), key=lambda sample: sample.step)
    astray = [sample for sample in acted if sample.valid and sample.rejected]
    apart = (Disagreement(s.step, split_reply(s.rejected)[1], split_reply(s.chosen)[1]) for s in astray)
    state = split_reply(astray[0].chosen)[0] if astray else ""
    frame = packed(astray[0].prompt.images[0]) if astray else ""
    way = [sample for sample in acted if astray and sample.step >= astray[0].step]
    path = ", ".join(_corrected(sample) for sample in way[:REMEMBERED_DECISIONS])
    task = acted[-1].prompt.text.rpartition("goal ")[2].replace("<image>", "").strip(" :")
    return Attempt(acted[0].suite, task, acted[-1].step + 1, tuple(apart), state, frame, path)


def _corrected(sample: Sample) -> str:
    """The decision that moved the world, and beside it what the other of team and student would have done."""
    said, own = split_reply(sample.chosen)[1], split_reply(sample.rejected)[1]
    if not sample.valid:
        return "(no advice)"
    if not own:
        return said
    return f"{own} (better {said})" if sample.executed == "student" else f"{said} (not {own})"


def _level(episode: str) -> int:
    """The difficulty in an episode's name."""
    return int(episode.partition(":d")[2].partition("@")[0])
