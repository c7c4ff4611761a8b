"""What the ledger keeps of an episode is enough: a chunk's figures, and whom the critic looks back at, come
out of it whatever the order and however often a run was stopped."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_samples

from actors.types import EpisodeResult
from cluster.config import load_config
from cluster.evaluate import team_lessons
from cluster.plan import Chunk
from cluster.reflection import Reflection
from cluster.run import RunFolder
from cluster.tally import ChunkTally, entry_of, refusals
from ledger import Ledger
from student.types import Sample
from teachers.team.memory import Memory
from teachers.team.reflect import Attempt, Reflector
from worlds.types import EpisodeSpec

CHUNK = Chunk(3, "distil", (), "student", "teacher", 0.25, 0.7, 0.0)
SUITE = "voxel/goal_name"


def played(rng: np.random.Generator, index: int) -> EpisodeResult:
    samples = tuple(
        replace(sample, valid=bool(rng.random() < 0.8), reason="no answer")
        for sample in tiny_samples(int(rng.integers(0, 6)), seed=index)
    )
    calls = int(rng.integers(0, 9))
    return EpisodeResult(
        EpisodeSpec(SUITE, "train", index), bool(rng.integers(2)), float(rng.random()),
        int(rng.integers(1, 40)), calls, 99, float(rng.random()), samples,
    )  # fmt: skip


def test_a_chunks_figures_are_the_means_of_its_episodes_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        outcomes = [played(rng, index) for index in range(int(rng.integers(1, 9)))]
        samples = [sample for outcome in outcomes for sample in outcome.samples]
        asked = [outcome.legal_mass for outcome in outcomes for _ in range(outcome.model_calls)]
        expected: dict[str, Any] = {
            "episodes": len(outcomes),
            "successes": sum(outcome.success for outcome in outcomes),
            "success": np.mean([outcome.success for outcome in outcomes]),
            "metric": np.mean([outcome.metric for outcome in outcomes]),
            "decisions": np.mean([outcome.decisions for outcome in outcomes]),
            "mix": 0.25,
        }
        if samples:
            expected["refused_labels"] = np.mean([not sample.valid for sample in samples])
        if samples and asked:  # each question counts as much as any other
            expected["agreement"] = np.mean([not sample.rejected for sample in samples])
            expected["legal_mass"] = np.mean(asked)
        for order in (range(len(outcomes)), rng.permutation(len(outcomes))):
            tally = ChunkTally()
            for place in order:
                tally.add(json.loads(json.dumps(entry_of(outcomes[place]))))  # as the ledger keeps it
            figures = tally.figures(CHUNK)
            assert {name: figures.get(name) for name in expected} == pytest.approx(expected)
            assert ("agreement" in figures) == ("agreement" in expected)
            assert "agreement" not in tally.figures(replace(CHUNK, reached_by="teacher"))


def test_refused_labels_are_told_by_their_commonest_reasons() -> None:
    (sample,) = tiny_samples(1)
    reasons = ["late"] * 5 + ["sideways"] * 3 + ["", "mute"]
    refused = [replace(sample, valid=False, reason=reason) for reason in reasons]
    assert refusals([*refused, *[sample] * 10]) == (
        "10 of 20 labels are not trained on (5 times: late; 3 times: sideways; and 2 more reasons)"
    )
    assert refusals(refused[-2:-1]) == "1 of 1 labels are not trained on (1 times: no valid label)"
    assert refusals([sample] * 3) == refusals([]) == ""


class Critic(Reflector):
    """Has a lesson of every second attempt; notes whom it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def lessons(self, attempts: Sequence[Attempt]) -> list[Memory]:
        self.asked += [attempt.path for attempt in attempts]
        return [Memory(SUITE, "it", "", "", one.path, "failed", f"mind {one.path}") for one in attempts[::2]]


def steps_of(spec: EpisodeSpec) -> list[Sample]:
    """Two decisions; the second says which episode it is."""
    episode = f"{SUITE}:train:{spec.index}:d{spec.difficulty}@0"
    name = f"{spec.index}d{spec.difficulty}"
    return [
        replace(
            sample, suite=SUITE, index=spec.index, episode=episode, step=step, executed="teacher",
            chosen=f"see none | {name}", rejected="see none | wait",
        )
        for step, sample in enumerate(tiny_samples(2))
    ]  # fmt: skip


def test_the_critic_looks_back_once_at_the_first_failures_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """An adaptive chunk may have one index at two difficulties; an episode that broke has no entry."""
    specs = [EpisodeSpec(SUITE, "train", i // 2, 1 + i % 2) for i in range(10)]
    won, broken = {1, 4}, {0, 5}
    samples = [one for i in reversed(range(10)) if i not in broken for one in steps_of(specs[i])]
    expected = [f"{specs[i].index}d{specs[i].difficulty}" for i in range(10) if i not in won | broken][:4]
    critic = Critic()
    with Ledger.open(tmp_path / "ledger") as ledger:
        entries = {
            f"outcome/2/{i}": [SUITE, specs[i].difficulty, i in won] for i in range(10) if i not in broken
        }
        ledger.put_metadata(entries)
        reflection = Reflection(ledger, critic, 4)
        assert reflection.look_back(2, specs, samples) == 2
        assert [path.split(" ")[0] for path in critic.asked] == expected
        assert not reflection.owes(2)
        assert Reflection(ledger, critic, 4).look_back(2, specs, samples) == 0  # nor after a resume
        assert len(critic.asked) == 4


def test_what_a_chunk_is_told_is_of_the_chunks_before_it_however_late_others_were_looked_at(
    tmp_path: Path,
) -> None:
    specs = [EpisodeSpec(SUITE, "train", i) for i in range(3)]
    samples = [one for spec in specs for one in steps_of(spec)]
    told: list[tuple[Memory, ...]] = []
    for turn, order in enumerate(((0, 1, 2, 3), (3, 1, 0, 2))):
        with Ledger.open(tmp_path / f"{turn}") as ledger:
            for chunk in order:
                ledger.put_metadata({f"outcome/{chunk}/{i}": [SUITE, 2, i == chunk] for i in range(3)})
                Reflection(ledger, Critic(), 1).look_back(chunk, specs, samples)
            told += [Reflection(ledger, None, 1).known(before) for before in range(5)]
    assert told[:5] == told[5:]
    for fewer, more in itertools.pairwise(told[:5]):
        assert set(fewer) <= set(more)
    assert told[0] == ()
    assert len(told[4]) == 2  # a memory that came again is one


def test_lessons_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    config = load_config(None, ["teacher.endpoint.reflections=2"])
    folder.ledger.mkdir(exist_ok=True)
    (folder.ledger / "index.sqlite").write_text("no database, to be sure of it\n" * 100)
    with pytest.raises(ValueError, match=r"the team's lessons are not to be had: .*ledger"):
        team_lessons(config, folder)
