"""The distiller over a world, a teacher and a learner small enough to reason about: no sample is lost, none
is trained on twice, and nothing is settled before its checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from distilling import EPISODES, ROUNDS, Learner, Players, Run, Stop, ids

from actors.types import EpisodeResult
from cluster import distill
from cluster.checks import check_resumed
from cluster.config import load_config
from cluster.metrics import read_metrics
from cluster.ports import Job
from cluster.run import RunFailed, RunPaused
from ledger import Ledger
from teachers.backends.types import Verdict
from teachers.types import UNANSWERED


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_every_sample_is_trained_on_once_in_plan_order_whoever_was_faster(
    tmp_path: Path, staleness: int
) -> None:
    run = Run(tmp_path, staleness)
    first = run.go("reference", [], Players())
    then = run.go("distil", [], Players())
    seen = ids(first.fresh + then.fresh)
    assert len(seen) == len(set(seen)) > 0
    assert run.counts() == {"trained": len(seen)}
    for samples in then.fresh:
        assert [s.index for s in samples] == sorted(s.index for s in samples)
        assert all([s.step for s in samples if s.index == i] for i in {s.index for s in samples})
    sizes = [len(samples) for samples in then.fresh]
    assert then.replayable == [sum(sizes[:i]) for i in range(len(sizes))]
    lags = [version - s.policy_version for version, fresh in enumerate(then.fresh) for s in fresh]
    assert 0 <= min(lags) <= max(lags) <= staleness


def test_a_pause_waits_for_what_is_in_flight_and_keeps_what_comes_of_it(tmp_path: Path) -> None:
    """The budget is spent while the first episode is being recorded; two questions are still under way."""
    run, asked = Run(tmp_path), list[int]()

    def verdict() -> Verdict | None:
        asked.append(1)
        left = 4 - len(asked)
        return None if left > 2 else Verdict("spent", "the budget is spent", max(0, left))

    with pytest.raises(RunPaused, match="the budget is spent"):
        run.go("reference", [], Players(), verdict=verdict)
    assert len(asked) == 4
    with Ledger.open(tmp_path / "ledger", writable=False) as ledger:
        indices = {record.columns["index"] for batch in ledger.scan(["index"]) for record in batch}
    assert len(indices) == 3  # one before the verdict, two while it was waited


def test_one_teacher_may_demonstrate_and_relabel(tmp_path: Path) -> None:
    """`make_expert = make_teacher`, as in the docs: the relabelled samples are samples of their own."""
    run = Run(tmp_path)
    demonstrated = run.go("reference", [], Players()).fresh[0]
    relabelled = run.go("distil", [], Players()).fresh[0]
    assert [s.prompt.text for s in demonstrated] == [s.prompt.text for s in relabelled]
    assert not set(ids([demonstrated])) & set(ids([relabelled]))


def test_few_epochs_of_a_small_chunk_are_one_step_and_rounds_take_the_learners_own_number(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    assert run.go("reference", [], Players()).steps == [1]
    assert run.go("distil", [], Players()).steps[1:] == [0] * ROUNDS


@pytest.mark.parametrize("version", range(ROUNDS + 1))
def test_an_adaptive_run_draws_the_same_episodes_after_a_kill(tmp_path: Path, version: int) -> None:
    (tmp_path / "whole").mkdir()
    whole = Run(tmp_path / "whole", adaptive=True).go("distil", [], Players())
    levels = {spec.difficulty for chunk in Run(tmp_path).plan for spec in chunk.specs}
    assert levels == {2}  # nothing is drawn yet
    killed, saved = Run(tmp_path, adaptive=True), list[int]()
    with pytest.raises(Stop):
        killed.go("distil", saved, Players(), (version, "before"))
    resumed = killed.go("distil", saved, Players())
    assert ids(resumed.fresh) == ids(whole.fresh)[sum(saved[:version]) :]
    assert {sample.episode.split(":d")[1][0] for sample in whole.fresh[-1]} == {"1", "2"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("version", range(ROUNDS + 1))
def test_a_kill_beside_a_checkpoint_loses_no_sample_and_repeats_none(
    tmp_path: Path, version: int, when: str
) -> None:
    whole = Run(tmp_path / "whole")
    (tmp_path / "whole").mkdir()
    expected = ids(whole.go("distil", [], Players()).fresh)

    killed, saved = Run(tmp_path), list[int]()
    with pytest.raises(Stop):
        killed.go("distil", saved, Players(), (version, when))
    covered = version + (when == "after")
    assert len(saved) == covered
    again = Players()
    resumed = killed.go("distil", saved, again)
    assert ids(resumed.fresh) == expected[sum(saved[:covered]) :]
    assert killed.counts() == {"trained": len(expected)}
    assert {chunk for chunk, _ in again.played}.isdisjoint(range(1, version + 2))
    assert resumed.replayable == [sum(saved[:i]) for i in range(covered, len(saved))]


@pytest.mark.parametrize("lost", [1, 2])
def test_what_a_lost_checkpoint_had_learnt_is_trained_on_again(tmp_path: Path, lost: int) -> None:
    run, saved = Run(tmp_path), list[int]()
    with pytest.raises(Stop):
        run.go("distil", saved, Players(), (2, "before"))
    assert len(saved) == 2
    before = run.counts()
    del saved[-lost:]
    again = Players()
    resumed = run.go("distil", saved, again)
    assert not again.played
    assert run.counts() == {"trained": sum(before.values())}
    assert len(ids(resumed.fresh)) == sum(before.values()) - sum(saved[: 2 - lost])
    assert len(set(ids(resumed.fresh))) == len(ids(resumed.fresh))


class Cut(Players):
    """The teacher of every episode is out when it is played for the first time."""

    def submit(self, job: Job) -> None:
        again = {index for chunk, index in self.played if chunk == job.chunk}
        super().submit(job)
        for place, (chunk, outcome) in enumerate(self._done):
            if chunk == job.chunk and outcome.spec.index not in again:
                assert isinstance(outcome, EpisodeResult)
                lost = [
                    replace(s, valid=False, reason=f"{UNANSWERED}out", chosen="") for s in outcome.samples
                ]
                self._done[place] = (chunk, replace(outcome, samples=tuple(lost)))


def test_an_outage_of_the_teacher_loses_no_episode(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    expected = ids(Run(tmp_path / "whole").go("distil", [], Players()).fresh)
    run, players = Run(tmp_path), Cut()
    assert ids(run.go("distil", [], players).fresh) == expected
    assert run.counts() == {"trained": len(expected)}
    assert len(players.played) == 2 * EPISODES * (ROUNDS + 1)


def test_a_broken_episode_is_named_and_not_played_again(tmp_path: Path) -> None:
    run, saved = Run(tmp_path), list[int]()
    broken = run.plan[2].specs[1]
    players = Players(broken=[broken.index])
    with pytest.raises(Stop):
        run.go("distil", saved, players, (2, "before"))
    with Ledger.open(tmp_path / "ledger", writable=False) as ledger:
        named = ledger.metadata("quarantine/2/1")
    assert (named["episode"], named["reason"]) == (str(broken), "the corridor collapsed")
    again = Players()
    run.go("distil", saved, again)
    assert not again.played
    records = [r for r in read_metrics(tmp_path / "metrics.jsonl") if r["kind"] == "rollout"]
    assert [r["failed_episodes"] for r in records if r["step"] == 2] == [1]


def test_a_world_that_keeps_breaking_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="the corridor collapsed"):
        Run(tmp_path).go("distil", [], Players(broken=range(1000)))


def test_a_learner_that_hangs_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distill, "TRAIN_S", 0.0)
    monkeypatch.setattr(Learner, "poll", lambda self, wait_s=0.0: None)
    with pytest.raises(RunFailed, match="did not train"):
        Run(tmp_path).go("distil", [], Players())


def test_a_resumed_run_keeps_its_plan_and_may_grow() -> None:
    before = Run(Path()).config
    grown = Run(Path(), staleness=2).config
    grown.distil.rounds += 3
    check_resumed(before, grown)
    for change in ("seed", "frame_size"):
        other = Run(Path()).config
        setattr(other, change, 99)
        with pytest.raises(ValueError, match=change):
            check_resumed(before, other)
    other = Run(Path()).config
    other.distil.episodes_per_round += 1
    with pytest.raises(ValueError, match=r"distil\.episodes_per_round"):
        check_resumed(before, other)
    for override in ("student.lora=4", "learner.algorithm=bc", "teacher.map=none", "name=other"):
        with pytest.raises(ValueError, match=override.partition("=")[0]) as refused:
            check_resumed(load_config(None), load_config(None, [override]))
        assert len(str(refused.value)) < 240
    check_resumed(load_config(None), load_config(None, ["cluster.hosts=7", "learner.zero_stage=2"]))
