"""What came of a chunk's episodes is told whole: refused labels with their reasons, and after a kill too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distilling import ROUNDS, Players, Run, Stop

from actors.types import EpisodeResult
from cluster.metrics import read_metrics
from cluster.ports import Job
from cluster.run import RunFailed
from cluster.tally import ChunkTally


class Spoiled(Players):
    """Every `share`th label of theirs is none that can be trained on."""

    def __init__(self, share: int) -> None:
        super().__init__()
        self.share = share

    def submit(self, job: Job) -> None:
        super().submit(job)
        for place, (chunk, outcome) in enumerate(self._done):
            assert isinstance(outcome, EpisodeResult)
            samples = tuple(
                sample
                if i % self.share
                else replace(sample, valid=False, reason="it answered 'sideways'", chosen="")
                for i, sample in enumerate(outcome.samples)
            )
            self._done[place] = (chunk, replace(outcome, samples=samples))


def rollouts_of(folder: Path) -> list[dict[str, Any]]:
    """The "rollout" records, without the times."""
    records = (r for r in read_metrics(folder / "metrics.jsonl") if r["kind"] == "rollout")
    return [{key: value for key, value in r.items() if key != "time"} for r in records]


def test_labels_that_cannot_be_trained_on_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path)
    run.go("distil", [], Spoiled(2))
    counts = run.counts()
    told = [line for line in capsys.readouterr().out.splitlines() if "are not trained on" in line]
    assert len(told) == ROUNDS + 1
    assert "times: it answered 'sideways'" in told[0]
    shares = [record["refused_labels"] for record in rollouts_of(tmp_path)]
    assert all(0.4 < share < 0.8 for share in shares)
    assert sum(int(line.split(" of ")[0].split()[-1]) for line in told) == counts["filtered"]


def test_a_run_without_one_label_ends_and_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(RunFailed, match=r"times: it answered 'sideways'\)\. Mend .* start a new run"):
        run.go("distil", [], Spoiled(1))
    assert "filtered" not in run.counts()


@pytest.mark.parametrize("version", range(ROUNDS + 1))
def test_a_run_that_was_killed_tells_the_same_figures(tmp_path: Path, version: int) -> None:
    (tmp_path / "whole").mkdir()
    Run(tmp_path / "whole").go("distil", [], Players())
    killed, saved = Run(tmp_path), list[int]()
    with pytest.raises(Stop):
        killed.go("distil", saved, Players(), (version, "before"))
    killed.go("distil", saved, Players())
    assert rollouts_of(tmp_path) == rollouts_of(tmp_path / "whole")


def test_entries_of_an_older_ledger_are_passed_over() -> None:
    tally = ChunkTally()
    tally.add(["toy/corridor", 2, True])
    assert tally.episodes == 0
