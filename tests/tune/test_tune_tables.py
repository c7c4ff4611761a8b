"""The comparison of losses: its table against results written by hand, no finished trial run again, and the
samples that all trials see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_samples

from actors.codec import encode, order_of
from cluster.run import RunFolder
from learner.config import LearnerConfig
from ledger import Ledger
from tune import ablate
from tune.ablate import run_ablation
from tune.losses import LOSSES, Trial, TrialResult, distil_samples, trials

STEPS, EPISODES = 7, 20


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("name: tiny\n")
    return tmp_path


@pytest.fixture(autouse=True)
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """The trials that would have been started on Ray; each leaves its result."""
    asked: list[Trial] = []

    def write(folder: RunFolder, missing: Sequence[Trial], steps: int, episodes: int, results: Path) -> None:
        asked.extend(missing)
        for trial in missing:
            ablate._file(results, trial, steps, episodes).write_text(
                json.dumps(asdict(result(trial, episodes)))
            )

    monkeypatch.setattr(ablate, "_run", write)
    return asked


def result(trial: Trial, episodes: int = EPISODES) -> TrialResult:
    """Made up, but the same for the same trial."""
    rng = np.random.default_rng([list(LOSSES).index(trial.loss), trial.seed])
    won = int(rng.integers(0, episodes + 1))
    return TrialResult(trial.loss, trial.seed, won, episodes, -float(rng.random()), float(rng.random()), 1.5)


def rows_of(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / "ablation" / "losses.json").read_text())
    return rows


def test_the_rows_are_what_the_trials_gave(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_ablation(run, ["dpo+nll", "ce"], 3, STEPS, EPISODES, True)
    rows = rows_of(run)
    assert json.loads(capsys.readouterr().out) == rows  # the one line on stdout: the table is on stderr
    assert [row["loss"] for row in rows] == ["dpo+nll", "ce"]
    for row in rows:
        made = [result(Trial(row["loss"], seed)) for seed in range(3)]
        won, played = sum(one.successes for one in made), 3 * EPISODES
        assert row["by_seed"] == [one.successes / EPISODES for one in made]
        assert (row["success"], row["episodes"]) == (won / played, played)
        # Wilson's bounds are the rates p at which |won/n - p| is just z standard errors of p itself.
        for bound in row["interval"]:
            error = sqrt(bound * (1 - bound) / played)
            assert abs(won / played - bound) == pytest.approx(1.959964 * error, rel=1e-5)
        assert row["chosen_logprob"] == pytest.approx(np.mean([one.chosen_logprob for one in made]))
        assert row["pair_accuracy"] == pytest.approx(np.mean([one.pair_accuracy for one in made]))


def test_the_table_shows_every_row_in_percent(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    run_ablation(run, list(LOSSES), 2, STEPS, EPISODES, False)
    printed = [line for line in capsys.readouterr().out.splitlines() if "%" in line][-len(LOSSES) :]
    for row, line in zip(rows_of(run), printed, strict=True):
        assert line.split("│")[1].strip() == row["loss"]
        assert "  ".join(f"{100 * rate:.1f}" for rate in row["by_seed"]) in line
        assert f"{100 * row['success']:.1f} %" in line
        assert f"{100 * row['interval'][0]:.1f} to {100 * row['interval'][1]:.1f}" in line


def test_no_finished_trial_is_run_again_and_none_passes_for_one_of_other_length(
    run: Path, ran: list[Trial]
) -> None:
    run_ablation(run, ["ce", " pure dpo", "ce "], 2, STEPS, EPISODES, False)
    assert ran == trials(["ce", "pure dpo"], 2)  # each loss once, however it is written
    first = rows_of(run)
    run_ablation(run, ["pure dpo", "ce"], 2, STEPS, EPISODES, False)
    assert len(ran) == 4
    assert rows_of(run) == first[::-1]
    run_ablation(run, ["ce"], 3, STEPS, EPISODES, False)
    assert ran[4:] == [Trial("ce", 2)]
    run_ablation(run, ["ce"], 1, STEPS + 1, EPISODES, False)
    run_ablation(run, ["ce"], 1, STEPS, EPISODES + 1, False)
    assert ran[5:] == [Trial("ce", 0)] * 2


@pytest.mark.parametrize(
    ("losses", "seeds", "steps", "episodes", "told"),
    [
        (["ce", "hinge"], 1, 1, 1, "no loss 'hinge' to compare; choose among ce, dpo"),
        ([""], 1, 1, 1, "no loss ''"),
        (["ce"], 0, 1, 1, "--seeds, --steps and --episodes are at least 1"),
        (["ce"], 1, 1, 0, "--seeds, --steps and --episodes are at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_trial(
    losses: list[str], seeds: int, steps: int, episodes: int, told: str, run: Path, ran: list[Trial]
) -> None:
    with pytest.raises(ValueError, match=told):
        run_ablation(run, losses, seeds, steps, episodes, False)
    assert not ran
    assert not (run / "ablation").exists()


def test_the_losses_differ_in_the_loss_alone() -> None:
    base = asdict(LearnerConfig(lr=1e-3, batch=16, beta=0.2))
    for changes in LOSSES.values():
        changed = asdict(replace(LearnerConfig(lr=1e-3, batch=16, beta=0.2), **changes))
        assert {k for k in base if base[k] != changed[k]} <= {"algorithm", "nll_weight", "obs_weight"}
    assert len({json.dumps(changes, sort_keys=True) for changes in LOSSES.values()}) == len(LOSSES)


def test_all_trials_see_the_teachers_valid_labels_in_training_order(run: Path) -> None:
    """Not the expert's of chunk 0, whichever producer was faster."""
    made = tiny_samples(24, pairs=1.0)
    chunk = [0, 1, 2, 1, 0, 3] * 4
    given = [
        (order_of(where, number), replace(one, valid=number % 7 != 0))
        for number, (one, where) in enumerate(zip(made, chunk, strict=True))
    ]
    with Ledger.open(run / "ledger") as ledger:
        for places in np.array_split(np.random.default_rng(0).permutation(len(given)), 5):
            ledger.append([encode(given[place][1], given[place][0]) for place in places])
    expected = [
        one.sample_id
        for order, one in sorted(given, key=lambda pair: pair[0])
        if order >= order_of(1) and one.valid
    ]
    assert [one.sample_id for one in distil_samples(RunFolder.open(run))] == expected


def test_a_run_without_one_pair_is_told_to_go_on(run: Path) -> None:
    with Ledger.open(run / "ledger") as ledger:
        ledger.append([encode(one, order_of(1, n)) for n, one in enumerate(tiny_samples(5, pairs=0.0))])
        ledger.append([encode(one, order_of(0, n)) for n, one in enumerate(tiny_samples(5, 1, pairs=1.0))])
    with pytest.raises(ValueError, match="no preference pair yet: finish its distillation rounds"):
        distil_samples(RunFolder.open(run))
