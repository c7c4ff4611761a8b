"""`retort ablate`: the trials of a comparison side by side under Ray Tune, and the table they end in.

Invariant: a finished trial is never run again: its result is in the run folder's `ablation/`, and a second
call goes on where the first was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.config import load_config
from cluster.ray_start import start_ray
from cluster.run import RunFolder
from evaluation.files import write_whole
from evaluation.statistics import wilson
from tune.losses import Trial, TrialResult, run_trial, trials


def run_ablation(
    run: Path, losses: Sequence[str], seeds: int, steps: int, episodes: int, as_json: bool
) -> None:
    """Compare losses on the ledger of the run at `run`; print the table and write `ablation/losses.json`.

    Raises ValueError for an unknown loss or a run that has not got far enough.
    """
    folder = RunFolder.open(run)
    if min(seeds, steps, episodes) < 1:
        raise ValueError("--seeds, --steps and --episodes are at least 1")
    losses = list(dict.fromkeys(loss.strip() for loss in losses))
    asked = trials(losses, seeds)
    results = folder.path.resolve() / "ablation"  # trials have working directories of their own
    results.mkdir(exist_ok=True)
    missing = [trial for trial in asked if not _file(results, trial, steps, episodes).is_file()]
    if missing:
        _run(folder, missing, steps, episodes, results)
    done = [TrialResult(**json.loads(_file(results, trial, steps, episodes).read_text())) for trial in asked]
    rows = [_row(loss, [result for result in done if result.loss == loss]) for loss in losses]
    write_whole(results / "losses.json", json.dumps(rows, indent=1))
    table = Table(
        "loss", "success by seed", "success of all", "95 % interval", "log-prob. chosen", "pair accuracy"
    )
    for row in rows:
        table.add_row(
            row["loss"],
            "  ".join(f"{100 * rate:.1f}" for rate in row["by_seed"]),
            f"{100 * row['success']:.1f} %",
            f"{100 * row['interval'][0]:.1f} to {100 * row['interval'][1]:.1f}",
            f"{row['chosen_logprob']:.2f}",
            f"{row['pair_accuracy']:.2f}",
        )
    Console(stderr=as_json).print(table)
    if as_json:
        print(json.dumps(rows))


def _run(folder: RunFolder, missing: Sequence[Trial], steps: int, episodes: int, results: Path) -> None:
    """Run trials under Ray Tune, each on one core; every result is written as it comes."""
    import ray
    from ray import tune

    start_ray(load_config(folder.config_file).cluster.object_store_mb)
    run = folder.path.resolve()

    def trainable(settings: dict[str, Any]) -> None:
        trial = Trial(settings["loss"], settings["seed"])
        result = run_trial(run, trial, steps, episodes)
        write_whole(_file(results, trial, steps, episodes), json.dumps(asdict(result)))
        tune.report({"success": result.successes / result.episodes, "seconds": result.seconds})

    space = tune.grid_search([asdict(trial) for trial in missing])
    tuner = tune.Tuner(
        tune.with_resources(partial(_unpack, trainable), {"cpu": 1}),
        param_space={"trial": space},
        run_config=tune.RunConfig(name="tune", storage_path=str(results), verbose=0),
    )
    try:
        failed = [outcome.error for outcome in tuner.fit() if outcome.error is not None]
    finally:
        ray.shutdown()
    if failed:
        raise ValueError(f"{len(failed)} of {len(missing)} trials failed, the first with: {failed[0]}")


def _unpack(trainable: Any, space: dict[str, Any]) -> None:
    trainable(space["trial"])


def _file(results: Path, trial: Trial, steps: int, episodes: int) -> Path:
    return results / f"{trial.loss.replace(' ', '-')}-seed{trial.seed}-steps{steps}-n{episodes}.json"


def _row(loss: str, results: Sequence[TrialResult]) -> dict[str, Any]:
    successes, episodes = sum(r.successes for r in results), sum(r.episodes for r in results)
    return {
        "loss": loss,
        "by_seed": [result.successes / result.episodes for result in results],
        "success": successes / episodes,
        "interval": list(wilson(successes, episodes)),
        "episodes": episodes,
        "chosen_logprob": sum(result.chosen_logprob for result in results) / len(results),
        "pair_accuracy": sum(result.pair_accuracy for result in results) / len(results),
    }
