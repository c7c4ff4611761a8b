"""The plan and its pacing over all that can happen: every order of producing and training is walked through,
and what the plan holds is a function of what it says."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cluster.config import ClusterConfig, DistilConfig, ReferenceConfig, RunConfig
from cluster.plan import Chunk, drawn, make_plan, may_produce
from evaluation.config import EvaluationConfig
from evaluation.evaluate import episodes
from learner.config import LearnerConfig
from teachers.curriculum import Kind, Tally
from worlds.types import SPLIT_CODES, EpisodeSpec

SUITES = ("voxel/goal_name", "voxel/goal_sound", "babyai/GoToObj")


def config(rounds: int, per_round: int = 2, adaptive: bool = False, first: int = 3) -> RunConfig:
    return RunConfig(
        suites=SUITES,
        reference=ReferenceConfig(episodes=first),
        distil=DistilConfig(
            rounds=rounds,
            episodes_per_round=per_round,
            adaptive=adaptive,
            curriculum=(1, 3, 2),
            mix_start=0.9,
        ),
    )


def chunks_of(reachers: Sequence[str]) -> list[Chunk]:
    return [
        Chunk(index, "distil", (), reached_by, "teacher", 0.0, 0.0, 0.0)
        for index, reached_by in enumerate(reachers)
    ]


@pytest.mark.parametrize("staleness", range(5))
def test_no_order_of_events_breaks_the_bound_or_ends_the_run_early(staleness: int) -> None:
    """Chunks are produced in turn, each with the newest weights, and trained in turn, in all interleavings
    and for all patterns of who reaches the states of five chunks."""
    for reachers in itertools.product(("student", "teacher"), repeat=5):
        chunks = chunks_of(reachers)
        waiting, seen, ahead = {(0, ())}, set[tuple[int, tuple[int, ...]]](), 0
        while waiting:
            version, acted = state = waiting.pop()
            seen.add(state)
            following = set()
            if len(acted) < len(chunks) and may_produce(chunks[len(acted)], version, staleness):
                following.add((version, (*acted, version)))
            if version < len(acted):
                following.add((version + 1, acted))
            assert following or version == len(chunks), f"{reachers}: stuck with {state}"
            ahead = max(ahead, len(acted) - version)
            waiting |= following - seen
        lags = {
            (chunks[index].reached_by, index - acting)
            for _, acted in seen
            for index, acting in enumerate(acted)
        }
        most = {who: max((lag for by, lag in lags if by == who), default=0) for who in ("student", "teacher")}
        assert most["student"] <= staleness
        assert most["teacher"] <= max(1, staleness)
        assert ahead <= 1 + max(1, staleness)  # what is in flight stays bounded
        if set(reachers) == {"student"}:
            assert (most["student"], ahead) == (min(staleness, 4), min(1 + staleness, 5))  # and it is used


def test_what_may_be_produced_stays_so_as_training_goes_on() -> None:
    """So a producer that was let go need not ask again, and more slack never forbids what less allows."""
    for reached_by in ("student", "teacher", "expert"):
        (*_, chunk) = chunks_of([reached_by] * 7)
        for staleness in range(6):
            may = [may_produce(chunk, version, staleness) for version in range(8)]
            assert may == sorted(may)
            assert may[6]
            assert sum(may) <= sum(may_produce(chunk, version, staleness + 1) for version in range(8))


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_shorter_plan_is_the_beginning_of_a_longer_one(adaptive: bool) -> None:
    plans = [make_plan(config(rounds, 5, adaptive)) for rounds in range(8)]
    tallies = {Kind(SUITES[0], 1): Tally(3, 9), Kind(SUITES[2], 3): Tally(0, 4)}
    for shorter, longer in itertools.pairwise(plans):
        assert longer[: len(shorter)] == shorter
        for few, many in zip(shorter[2:], longer[2:], strict=False):
            assert drawn(config(0, 5, adaptive), few, tallies) == drawn(config(7, 5, adaptive), many, tallies)


def test_where_and_how_fast_a_run_computes_changes_no_episode_of_it() -> None:
    planned = config(4, 6)
    other = replace(
        planned,
        cluster=ClusterConfig(hosts=7, learners=2),
        learner=LearnerConfig(batch=64, seed=9),
        evaluation=EvaluationConfig(episodes=3),
        seed=77,
        runs_dir="elsewhere",
        distil=replace(planned.distil, staleness=3),
    )
    assert make_plan(other) == make_plan(planned)


def test_suites_get_equal_shares_whatever_the_sizes_of_the_chunks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        first, per_round, rounds = (int(n) for n in rng.integers(1, 17, 3))
        plan = make_plan(config(rounds, per_round, first=first))
        specs = [spec for chunk in plan[1:] for spec in chunk.specs]
        counts = Counter(spec.suite for spec in specs)
        assert max(counts.values()) - min(counts[suite] for suite in SUITES) <= 1
        for suite in SUITES:  # and each suite's worlds are taken in turn, none left out
            assert [spec.index for spec in specs if spec.suite == suite] == list(range(counts[suite]))


def world_seed(spec: EpisodeSpec) -> int:
    """As worlds/types.py has it."""
    return 4 * spec.index + SPLIT_CODES[spec.split]


@pytest.mark.parametrize("adaptive", [False, True])
def test_no_world_that_is_trained_in_is_evaluated_in(adaptive: bool) -> None:
    planned = config(5, 40, adaptive)
    trained = [
        spec
        for chunk in make_plan(planned)
        for spec in (drawn(planned, chunk, {}) if chunk.adaptive else chunk).specs
    ]
    seeds = {split: set[tuple[str, int]]() for split in ("train", "validation", "test")}
    seeds["train"] = {(spec.suite, world_seed(spec)) for spec in trained}
    for split in ("validation", "test"):
        held_out = [
            spec for suite in SUITES for spec in episodes(EvaluationConfig(episodes=300, split=split), suite)
        ]
        assert len({world_seed(spec) for spec in held_out}) == 300
        seeds[split] = {(spec.suite, world_seed(spec)) for spec in held_out}
    for one, other in itertools.combinations(seeds.values(), 2):
        assert one
        assert not one & other
