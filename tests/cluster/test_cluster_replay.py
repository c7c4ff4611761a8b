"""Replay from the ledger gives what a pool in memory gives, and holds no more than it may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import tiny_config, tiny_samples

from actors.codec import encode
from cluster.replay import LedgerPool
from learner.replay import ReplayPool, schedule
from ledger import Ledger

WEIGHTS = {"toy/rare": 3.0}
OLD = [
    replace(sample, suite="toy/rare" if index % 5 == 0 else sample.suite)
    for index, sample in enumerate(tiny_samples(60, seed=1))
]


@pytest.mark.parametrize("cache_mib", [0, 64])
@pytest.mark.parametrize("resumed", [False, True])
def test_the_ledger_replays_what_memory_would(tmp_path: Path, cache_mib: int, resumed: bool) -> None:
    config = tiny_config(batch=8, micro_batch=0, replay_fraction=0.5)
    fresh = tiny_samples(20, seed=2)
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.append([encode(sample, place) for place, sample in enumerate(OLD)])
        pool = LedgerPool(ledger, WEIGHTS, cache_mib)
        if resumed:
            for sample in OLD:
                pool.add_record(sample.sample_id, sample.suite)
        else:
            pool.extend(OLD)
        for first in (0, 7):
            ours = schedule(fresh, pool, first, config, steps=6)
            theirs = schedule(fresh, ReplayPool(WEIGHTS, OLD), first, config, steps=6)
            assert [[encode(s) for s in batch] for batch in ours] == [
                [encode(s) for s in batch] for batch in theirs
            ]
        assert len(pool) == len(OLD)


def test_what_is_kept_decoded_is_bounded(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.append([encode(sample, place) for place, sample in enumerate(OLD)])
        pool = LedgerPool(ledger, {}, cache_mib=0)
        pool.extend(OLD)
        pool.fetch(range(len(OLD)))
        assert not pool._kept
        roomy = LedgerPool(ledger, {}, cache_mib=64)
        roomy.extend(OLD)
        assert [sample.sample_id for sample in roomy._kept.values()] == [s.sample_id for s in OLD]
