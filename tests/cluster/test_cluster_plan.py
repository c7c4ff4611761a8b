"""The plan and its pacing law: what is promised about staleness, order and held-out worlds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config import DistilConfig, ReferenceConfig, RunConfig
from cluster.plan import drawn, make_plan, may_produce
from teachers.curriculum import Kind, Tally


def config(episodes: int, rounds: int, per_round: int, reached_by: str = "student") -> RunConfig:
    return RunConfig(
        suites=("voxel/goal_name", "voxel/goal_sound"),
        reference=ReferenceConfig(episodes=episodes),
        distil=DistilConfig(rounds=rounds, episodes_per_round=per_round, reached_by=reached_by),
    )


@given(st.integers(1, 30), st.integers(0, 5), st.integers(1, 20))
def test_no_training_episode_is_in_two_chunks_but_the_relabelled_ones(
    episodes: int, rounds: int, per_round: int
) -> None:
    chunks = make_plan(config(episodes, rounds, per_round))
    assert chunks[0].specs == chunks[1].specs
    later = [spec for chunk in chunks[1:] for spec in chunk.specs]
    assert len(later) == len(set(later)) == episodes + rounds * per_round
    assert {spec.split for spec in later} == {"train"}
    assert [chunk.index for chunk in chunks] == list(range(rounds + 2))


def test_suites_take_turns_and_the_curriculum_sets_the_difficulty() -> None:
    plan_config = config(4, 2, 2)
    plan_config.distil.curriculum = (1, 3)
    chunks = make_plan(plan_config)
    assert [spec.suite for spec in chunks[0].specs] == ["voxel/goal_name", "voxel/goal_sound"] * 2
    assert [chunk.specs[0].difficulty for chunk in chunks] == [1, 1, 1, 3]


def test_mixing_decays_by_round() -> None:
    plan_config = config(2, 3, 2)
    plan_config.distil.mix_start = 0.8
    assert [chunk.mix for chunk in make_plan(plan_config)[2:]] == [0.8, 0.4, 0.2]


@settings(max_examples=60)
@given(st.integers(0, 4), st.integers(1, 6), st.lists(st.booleans(), min_size=1, max_size=200))
def test_pacing_bounds_staleness_whatever_the_timing(staleness: int, rounds: int, coin: list[bool]) -> None:
    """Producers run ahead whenever they may, the learner trains whenever the coin says; the version that
    acted is never more than S behind the version that trains."""
    chunks = make_plan(config(2, rounds, 2))
    version, produced, acted = 0, 0, {}
    turns = iter(coin + [True] * (2 * len(chunks)))
    while version < len(chunks):
        while produced < len(chunks) and may_produce(chunks[produced], version, staleness):
            acted[produced] = version
            produced += 1
        if next(turns, True) and version in acted:
            version += 1
    for chunk in chunks:
        if chunk.reached_by == "student":
            assert 0 <= chunk.index - acted[chunk.index] <= staleness


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 20))
def test_adaptive_chunks_share_no_episode_with_others(episodes: int, rounds: int, per_round: int) -> None:
    plan_config = config(episodes, rounds, per_round)
    plan_config.distil.adaptive, plan_config.distil.curriculum = True, (2, 1)
    chunks = make_plan(plan_config)
    tallies = {Kind("voxel/goal_name", 1): Tally(9, 10)}
    filled = [drawn(plan_config, chunk, tallies) if chunk.adaptive else chunk for chunk in chunks]
    assert [len(chunk.specs) for chunk in filled] == [len(chunk.specs) for chunk in chunks]
    later = [spec for chunk in filled[1:] for spec in chunk.specs]
    assert len(later) == len(set(later)) == episodes + rounds * per_round
    assert all(chunk.adaptive == (chunk.index >= 2) for chunk in chunks)
