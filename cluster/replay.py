"""Replay from the ledger: what was trained on before stays on the disk, not in the driver's memory.

Invariant: the same samples at the same places as a `ReplayPool` that was given them in the same order; at
most `cache_mib` of decoded images are held.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from actors.codec import decode
from learner.replay import Draws
from ledger import Ledger
from student.types import Sample


class LedgerPool(Draws):
    """A replay source over records of a ledger; the samples used last are kept decoded."""

    def __init__(self, ledger: Ledger, weights: Mapping[str, float], cache_mib: int) -> None:
        super().__init__(weights)
        self._ledger = ledger
        self._room = cache_mib * 2**20
        self._ids: list[str] = []
        self._kept: OrderedDict[str, Sample] = OrderedDict()
        self._held = 0

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add samples that are in the ledger at the end."""
        for sample in samples:
            self.add_record(sample.sample_id, sample.suite)
            self._keep(sample)

    def add_record(self, name: str, suite: str) -> None:
        """Add the sample of record `name` at the end, unread."""
        self._ids.append(name)
        self.add(suite)

    def fetch(self, places: Sequence[int]) -> list[Sample]:
        """See `learner.replay.ReplaySource`. Raises LedgerError for a record that cannot be read."""
        wanted = [self._ids[place] for place in places]
        found = {name: self._kept[name] for name in wanted if name in self._kept}
        for name in found:
            self._kept.move_to_end(name)
        for record in self._ledger.read(sorted(set(wanted) - found.keys())):
            found[record.sample_id] = sample = decode(record)
            self._keep(sample)
        return [found[name] for name in wanted]

    def _keep(self, sample: Sample) -> None:
        self._kept[sample.sample_id] = sample
        self._held += _bytes(sample)
        while self._held > self._room:
            self._held -= _bytes(self._kept.popitem(last=False)[1])


def _bytes(sample: Sample) -> int:
    images = (*sample.prompt.images, *(() if sample.next_frame is None else (sample.next_frame,)))
    return sum(image.nbytes for image in images)
