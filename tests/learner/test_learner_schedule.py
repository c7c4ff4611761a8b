"""Which sample is trained on at which step, by which rank, after which crash: all of it said in advance."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_samples

from learner import checkpoint
from learner.checkpoint import LearnerState
from learner.config import LearnerConfig
from learner.mailbox import Command, Mailbox, Result
from learner.replay import Draws, ReplayPool, rank_share, schedule
from student.types import Sample

POOL = tiny_samples(30, seed=1)
FRESH = tiny_samples(60, seed=2)


def ids(batches: list[list[Sample]]) -> list[list[str]]:
    return [[sample.sample_id for sample in batch] for batch in batches]


def by_hand(
    fresh: list[Sample], weights: list[float], first: int, config: LearnerConfig, steps: int
) -> list[list[str]]:
    """The schedule over `POOL`, word by word: fresh samples in order, as evenly as can be, then the draws."""
    room = max(1, config.batch - round(config.batch * config.replay_fraction))
    while steps * room < len(fresh):
        steps += 1
    batches = []
    for index in range(steps):
        batch = [s.sample_id for s in fresh[len(fresh) * index // steps : len(fresh) * (index + 1) // steps]]
        rng = np.random.default_rng([config.seed, first + index])
        while len(batch) < config.batch:
            point, mass = rng.random() * sum(weights), 0.0
            for sample, weight in zip(POOL, weights, strict=True):
                mass += weight
                if point < mass:
                    batch.append(sample.sample_id)
                    break
        batches.append(batch)
    return batches


@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_is_the_one_made_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    suites = {"toy/one": 1.0, "toy/rare": 0.25, "toy/never": 0.0}
    of = [str(rng.choice(list(suites))) for _ in POOL[1:]] + ["toy/one"]
    pool = ReplayPool(suites, [replace(s, suite=suite) for s, suite in zip(POOL, of, strict=True)])
    config = tiny_config(
        batch=int(rng.integers(1, 11)), micro_batch=0, replay_fraction=float(rng.random() * 0.9), seed=seed
    )
    fresh, first, steps = FRESH[: rng.integers(60)], int(rng.integers(1000)), int(rng.integers(1, 9))
    found = ids(schedule(fresh, pool, first, config, steps))
    assert found == by_hand(fresh, [suites[suite] for suite in of], first, config, steps)


def test_a_schedule_can_be_taken_up_at_any_step() -> None:
    """What is replayed at a step is the same whether the steps before are made with it or not."""
    pool, config = ReplayPool(samples=POOL), tiny_config(batch=5, micro_batch=0, seed=3)
    whole = ids(schedule([], pool, 40, config, steps=12))
    for at in (1, 5, 11):
        assert ids(schedule([], pool, 40 + at, config, steps=12 - at)) == whole[at:]
    for count in range(6):  # and a smaller share of older samples is the beginning of the larger one
        assert [POOL[place].sample_id for place in pool.places(3, 47, count)] == whole[7][:count]


def test_ranks_share_fresh_and_older_samples_evenly() -> None:
    config = tiny_config(batch=12, micro_batch=0, replay_fraction=0.3)
    batches = schedule(FRESH, ReplayPool(samples=POOL), 0, config, steps=9)
    new = {sample.sample_id for sample in FRESH}
    for ranks in (1, 2, 3, 4, 6):
        shares = [ids(rank_share(batches, rank, ranks)) for rank in range(ranks)]
        for index, batch in enumerate(ids(batches)):
            parts = [share[index] for share in shares]
            assert Counter(n for part in parts for n in part) == Counter(batch)
            counts = [sum(name in new for name in part) for part in parts]
            assert max(counts) - min(counts) <= 1
            assert {len(part) for part in parts} == {12 // ranks}


def test_a_place_without_weight_is_never_drawn() -> None:
    draws = Draws({"no": 0.0, "yes": 2.0})
    for suite in ("no", "yes", "no", "no", "yes", "no"):
        draws.add(suite)
    assert set(draws.places(0, 0, 2000)) == {1, 4}
    with pytest.raises(ValueError, match=r"learner\.replay_weights is 0 for all"):
        Draws().places(0, 0, 1)
    assert Draws().places(0, 0, 0) == []


@pytest.mark.parametrize("seed", range(6))
def test_ranks_that_fall_back_to_their_checkpoint_find_every_command_again(seed: int) -> None:
    """The driver hears of each version once, in order, however often the ranks die between the saves."""
    rng = np.random.default_rng(seed)

    async def scene() -> None:
        mailbox, saved, at, heard, sent = Mailbox(), 0, 0, list[int](), 0
        while len(heard) < 12:
            while sent < len(heard) + 2:  # the driver is one command ahead of the ranks
                await mailbox.send(Command(sent, (f"share {sent}",), save=bool(rng.random() < 0.4)))
                sent += 1
            if rng.random() < 0.3:
                at = saved  # all ranks died; new ones restored what was saved
            command = await mailbox.receive(at, 0.0)
            assert isinstance(command, Command), f"version {at} cannot be trained again"
            assert (command.version, command.shares) == (at, (f"share {at}",))
            at += 1
            await mailbox.post(Result(at, 10 * at, {}, (), (f"weights {at}",)), saved=command.save)
            saved = at if command.save else saved
            result, failure = await mailbox.result(len(heard) + 1, 0.0)
            assert not failure
            if result is not None:
                assert (result.version, result.step) == (len(heard) + 1, 10 * (len(heard) + 1))
                heard.append(result.version)
        for done in range(saved):
            assert await mailbox.receive(done, 0.0) == "wait", "what a checkpoint covers is let go"

    asyncio.run(scene())


def test_a_bit_that_fell_over_anywhere_in_the_data_is_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {"a": torch.arange(12.0).reshape(3, 4), "b.c": torch.tensor([1.0, -0.0, float("inf")])}
    moments = {
        f"{key}.{name}": value * 2 for key in ("exp_avg", "exp_avg_sq") for name, value in weights.items()
    }
    state = LearnerState(7, 2, 7.0, weights, moments, {"s": (-0.1, -1e-30)}, {"ranks": 2})
    folder = checkpoint.save(tmp_path / "whole", state)
    again = checkpoint.load(folder)
    for name, value in weights.items():
        assert again.weights[name].numpy().tobytes() == value.numpy().tobytes()
    assert again.reference == state.reference
    for file in ("weights.safetensors", "moments.safetensors", "reference.json"):
        content = (folder / file).read_bytes()
        for place in rng.integers(0, len(content), 12).tolist():
            shutil.rmtree(tmp_path / "hit", ignore_errors=True)
            hit = tmp_path / "hit" / shutil.copytree(folder, tmp_path / "hit" / folder.name).name
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            (hit / file).write_bytes(damaged)
            assert checkpoint.latest(tmp_path / "hit") is None, (file, place)
