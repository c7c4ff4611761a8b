"""Whole small runs: serial and Ray agree, a killed run goes on bit for bit, errors are sentences."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small import save_knowing

import cluster.evaluate
from actors.codec import decode
from cluster.config import RunConfig, load_config
from cluster.metrics import read_metrics
from cluster.train import run_training
from ledger import Ledger

SUITE = "babyai/GoToObj"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random student that knows the suite's phrases."""
    return save_knowing(SUITE, tmp_path_factory.mktemp("base") / "student")


def overrides(base: Path, runs: Path, **more: Any) -> list[str]:
    values = {
        "name": "tiny",
        "suites": f"[{SUITE}]",
        "runs_dir": runs,
        "student.path": base,
        "student.device": "cpu",
        "reference.episodes": 6,
        "reference.epochs": 1,
        "distil.rounds": 2,
        "distil.episodes_per_round": 4,
        "distil.mix_start": 0.5,
        "learner.steps_per_version": 3,
        "learner.batch": 8,
        "cluster.mode": "serial",
        "evaluation.policies": "[]",
        **more,
    }
    return [f"{key}={value}" for key, value in values.items()]


def config_of(base: Path, runs: Path, **more: Any) -> RunConfig:
    return load_config(None, overrides(base, runs, **more))


def samples_of(run: Path) -> dict[str, tuple[str, str, str, int]]:
    with Ledger.open(run / "ledger", writable=False) as ledger:
        decoded = [decode(record) for batch in ledger.scan() for record in batch]
    return {s.sample_id: (s.prompt.text, s.chosen, s.rejected, s.policy_version) for s in decoded}


def losses_of(run: Path) -> list[float]:
    return [record["loss"] for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "learn"]


def weights_of(run: Path) -> bytes:
    return (run / "export" / "student" / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_bit_for_bit(base: Path, tmp_path: Path) -> None:
    whole = run_training(config_of(base, tmp_path / "whole")).path
    counts = _counts(whole)
    assert counts["trained"] == sum(counts.values()) > 0

    command = [sys.executable, "retort.py", "train", *overrides(base, tmp_path / "killed")]
    preset = tmp_path / "empty.yaml"
    preset.write_text("seed: 0\n")
    command.insert(3, str(preset))
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        killed = _wait_for_chunk(tmp_path / "killed", process, 1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    assert not (killed / "export" / "student").exists()

    run_training(load_config(killed / "config.yaml"), resume=killed)
    assert samples_of(killed) == samples_of(whole)
    assert weights_of(killed) == weights_of(whole)
    counts = _counts(killed)
    assert counts["trained"] == sum(counts.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_is_evaluated_and_its_losses_are_compared(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_training(config_of(base, tmp_path / "runs")).path

    rows = _json_of("eval", str(run), "evaluation.policies=[teacher,student,random]",
                    "evaluation.episodes=4", "evaluation.traced=1", "--json")  # fmt: skip
    assert [row["policy"] for row in rows] == ["teacher", "student", "random"]
    assert {row["n"] for row in rows} == {4}
    assert rows[0]["successes"] == 4
    assert "of its teacher" in (run / "report.html").read_text("utf-8")

    with monkeypatch.context() as patch:  # an evaluation that was stopped after the student goes on
        patch.setattr(cluster.evaluate, "_score", lambda job: pytest.fail(f"played again: {job[2:]}"))
        again = ["evaluation.policies=[random,student]", "evaluation.episodes=4", "evaluation.traced=0"]
        cluster.evaluate.evaluate_run(run, again, False, keep=True)
        with pytest.raises(pytest.fail.Exception, match="played again"):
            cluster.evaluate.evaluate_run(run, [*again, "evaluation.workers=1"], False)

    compare = ("ablate", os.path.relpath(run), "--losses", "ce,pure dpo", "--seeds", "1", "--steps", "2",
               "--episodes", "3", "--json")  # fmt: skip
    first = _json_of(*compare)
    assert [row["loss"] for row in first] == ["ce", "pure dpo"]
    assert {row["episodes"] for row in first} == {3}
    began = time.monotonic()
    assert _json_of(*compare) == first
    assert time.monotonic() - began < 15, "finished trials are not run again: no cluster is started"


def _json_of(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "retort.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_at_no_staleness_gives_the_samples_and_losses_of_serial_mode(base: Path, tmp_path: Path) -> None:
    serial = run_training(config_of(base, tmp_path / "serial")).path
    more = {"cluster.mode": "ray", "cluster.hosts": 2, "cluster.worlds_per_host": 2}
    rayed = run_training(config_of(base, tmp_path / "ray", **more)).path
    assert samples_of(rayed) == samples_of(serial)
    assert losses_of(rayed) == pytest.approx(losses_of(serial), abs=1e-5)
    assert _counts(rayed) == _counts(serial)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_measured_staleness_never_exceeds_the_bound(base: Path, tmp_path: Path) -> None:
    more = {"cluster.mode": "ray", "distil.staleness": 2, "distil.rounds": 4}
    run = run_training(config_of(base, tmp_path, **more)).path
    lags = [record["lag_max"] for record in read_metrics(run / "metrics.jsonl") if "lag_max" in record]
    assert lags
    assert max(lags) <= 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "configs/none.yaml"], "there is no config file"),
        (["train", "configs/demo.yaml", "learner.beta=-1"], "learner.beta"),
        (["train", "configs/demo.yaml", "student.path=nowhere"], "student.path"),
        (["train", "--resume", "nowhere"], "no run folder"),
        (["train"], "one preset"),
        (["train", "configs/demo.yaml", "suites=[voxel/levitation]"], "voxel/levitation"),
        (["eval", "nowhere"], "no run folder"),
        (["bench", "nothing"], "no benchmark"),
        (["play", "moon/base"], "moon"),
        (["pretrain", "moon"], "moon"),
        (["pretrain", "voxel", "frames=0"], "frames=0"),
        (["pretrain", "voxel", "--out", "docs"], "no model folder"),
        (["play", "own"], "names no module"),
        (["train", "configs/demo.yaml", "--dry-run", "suites=[voxel/levitation]"], "voxel/levitation"),
        (["train", "configs/demo.yaml", "--dry-run", "student.path=/nope"], "student.path"),
    ],
)
def test_bad_input_ends_in_a_sentence_and_status_2(arguments: list[str], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "retort.py", *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_help_answers_without_the_heavy_packages() -> None:
    began = time.process_time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "retort.py", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert time.process_time() - began < 5
    assert done.returncode == 0
    loaded = {
        line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }
    assert not loaded & {"torch", "ray", "transformers", "deepspeed", "numba"}


def test_dry_run_prints_the_resolved_config_and_makes_nothing(tmp_path: Path) -> None:
    command = ["train", "configs/demo.yaml", f"runs_dir={tmp_path}", "seed=3", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "retort.py", *command], capture_output=True, text=True, timeout=60, check=True
    )
    written = tmp_path / "dry.yaml"
    written.write_text(done.stdout)
    assert load_config(written).seed == 3
    assert list(tmp_path.iterdir()) == [written]


def _counts(run: Path) -> dict[str, int]:
    with Ledger.open(run / "ledger", writable=False) as ledger:
        return dict(ledger.counts())


def _wait_for_chunk(runs: Path, process: subprocess.Popen[bytes], chunk: int) -> Path:
    """The run folder, once its metrics tell that `chunk` was trained on."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        assert process.poll() is None, "the run ended before it could be killed"
        for file in runs.glob("*/metrics.jsonl"):
            lines = file.read_text().splitlines()
            if any(
                '"learn"' in line and json.loads(line)["step"] >= chunk
                for line in lines
                if line.endswith("}")
            ):
                return file.parent
        time.sleep(0.05)
    raise AssertionError("the run did not get that far in time")
