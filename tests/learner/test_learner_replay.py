"""Fresh samples exactly once, replays as a function of (seed, step), batches always full."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_config, tiny_samples

from learner.replay import ReplayPool, rank_share, schedule
from student.types import Sample

OLD = tiny_samples(40, seed=1)
FRESH = tiny_samples(70, seed=2)


def draw(pool: ReplayPool, seed: int, step: int, count: int) -> list[Sample]:
    return pool.fetch(pool.places(seed, step, count))


def ids(batches: object) -> list[list[str]]:
    return [[sample.sample_id for sample in batch] for batch in batches]  # type: ignore[attr-defined]


@given(
    fresh=st.integers(0, 70),
    old=st.integers(0, 40),
    steps=st.integers(1, 9),
    batch=st.integers(1, 12),
    share=st.floats(0, 0.99),
    first=st.integers(0, 10_000),
)
def test_every_fresh_sample_stands_in_exactly_one_batch(
    fresh: int, old: int, steps: int, batch: int, share: float, first: int
) -> None:
    config = tiny_config(batch=batch, micro_batch=0, replay_fraction=share)
    if not fresh + old:
        with pytest.raises(ValueError, match="nothing to train on"):
            schedule([], ReplayPool(), first, config)
        return
    batches = schedule(FRESH[:fresh], ReplayPool(samples=OLD[:old]), first, config, steps)
    assert len(batches) >= steps
    assert {len(entries) for entries in batches} == {batch}
    if old:
        seen = Counter(sample.sample_id for entries in batches for sample in entries)
        assert all(seen[sample.sample_id] == 1 for sample in FRESH[:fresh])
        assert set(seen) <= {s.sample_id for s in (*FRESH[:fresh], *OLD[:old])}
    else:
        assert {s.sample_id for entries in batches for s in entries} == {s.sample_id for s in FRESH[:fresh]}


def test_a_batch_keeps_its_share_of_older_samples() -> None:
    config = tiny_config(batch=8, micro_batch=0, replay_fraction=0.25)
    batches = schedule(FRESH, ReplayPool(samples=OLD), 0, config, steps=1)
    assert len(batches) == 12  # 70 fresh samples, at most 6 a batch
    old = {sample.sample_id for sample in OLD}
    assert min(sum(name in old for name in batch) for batch in ids(batches)) >= 2


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 50))
def test_a_draw_is_a_function_of_seed_and_step(seed: int, step: int, count: int) -> None:
    drawn = draw(ReplayPool(samples=OLD), seed, step, count)
    grown = ReplayPool(samples=OLD[:10])
    grown.extend(OLD[10:])
    assert ids([drawn]) == ids([draw(grown, seed, step, count)])
    assert len(drawn) == count


def test_draws_differ_between_steps_and_seeds() -> None:
    pool = ReplayPool(samples=OLD)
    assert len({tuple(ids([draw(pool, seed, step, 8)])[0]) for seed in range(3) for step in range(3)}) == 9


def test_suites_are_drawn_by_weight() -> None:
    rare = [replace(sample, suite="toy/rare") for sample in OLD[:20]]
    pool = ReplayPool({"toy/rare": 3.0, "toy/one": 1.0}, rare + OLD[20:])
    drawn = Counter(sample.suite for sample in draw(pool, 0, 0, 4000))
    assert drawn["toy/rare"] / drawn["toy/one"] == pytest.approx(3.0, rel=0.15)
    assert {s.suite for s in draw(ReplayPool({"toy/rare": 0.0}, rare + OLD[20:]), 0, 0, 200)} == {"toy/one"}
    with pytest.raises(ValueError, match=r"learner\.replay_weights"):
        draw(ReplayPool({"toy/rare": 0.0}, rare), 0, 0, 1)


@given(st.integers(1, 4), st.integers(1, 5))
def test_ranks_share_a_batch_without_overlap(ranks: int, each: int) -> None:
    batches = [FRESH[: ranks * each], FRESH[ranks * each : 2 * ranks * each]]
    shares = [rank_share(batches, rank, ranks) for rank in range(ranks)]
    for index, batch in enumerate(batches):
        parts = [share[index] for share in shares]
        assert {len(part) for part in parts} == {each}
        assert sorted(n for p in ids(parts) for n in p) == sorted(ids([batch])[0])
