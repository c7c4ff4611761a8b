"""What a run leaves on the disk is whole or absent, and what is read of a machine comes with advice."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cluster import doctor, train
from cluster.checks import check_start
from cluster.config import RunConfig, load_config
from cluster.metrics import MetricsLog, read_metrics
from cluster.run import RunFailed, RunFolder
from evaluation.files import write_whole


def test_a_torn_last_line_is_skipped_and_a_resumed_run_writes_no_line_into_it(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"kind": "learn", "step": 0}\n{"kind": "learn", "st')
    assert [record["step"] for record in read_metrics(file)] == [0]
    log = MetricsLog(file, tmp_path / "tensorboard")
    log.write("learn", 1, {"loss": 0.5, "phase": "distil"})
    log.close()
    assert [record["step"] for record in read_metrics(file)] == [0, 1]
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    write_whole(file, "seed: 1\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "half of this \ud800 cannot be written")
    assert file.read_text() == "seed: 1\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_told_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(config: RunConfig, folder: Path) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    monkeypatch.setattr(train, "check_start", lambda config: None)
    with pytest.raises(RunFailed, match=r"No space left .*: free some space; then go on with `python retort"):
        train.train_phases(load_config(None, [f"runs_dir={tmp_path}"]), None, full)


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = {RunFolder.create(tmp_path, "run").path for _ in range(3)}
    assert len(folders) == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="runs_dir"):
        RunFolder.create(tmp_path / "file", "run")


def test_the_doctor_has_advice_for_all_that_is_not_ok(tmp_path: Path) -> None:
    findings = doctor.examine(tmp_path / "not" / "there" / "yet")
    assert {finding.verdict for finding in findings} <= {"ok", "warn", "fail"}
    assert all(finding.advice for finding in findings if finding.verdict != "ok")
    assert {"cores", "/dev/shm", "disk free", "GPU", "RAY_AUTH_MODE"} <= {f.what for f in findings}


def test_the_doctor_survives_what_it_finds_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more)
    )
    assert doctor._gpu().verdict == "warn"
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no_such_package_here"))
    assert [finding.verdict for finding in doctor._packages()] == ["ok", "fail"]


@pytest.mark.parametrize(
    ("environment", "verdict"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "warn"),
        ({"RAY_AUTH_MODE": "token"}, "fail"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "secret"}, "ok"),
        ({"RAY_AUTH_TOKEN_PATH": "no-token"}, "fail"),
        ({"RAY_AUTH_TOKEN_PATH": "no-token", "RAY_AUTH_MODE": "disabled"}, "warn"),
        ({}, "ok"),
    ],
)
def test_the_doctor_looks_for_rays_token(
    environment: dict[str, str], verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    finding = doctor.ray_token()
    assert finding.verdict == verdict
    assert "secret" not in finding.value + finding.advice
    if verdict == "fail":
        with pytest.raises(ValueError, match=r"Ray cannot be started or joined: .*ray get-auth-token"):
            check_start(load_config(None, ["cluster.mode=ray"]))


def test_the_disk_is_that_of_the_runs_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> Any:
        asked.append(path)
        return type("Usage", (), {"free": 1 * doctor.GIB})

    monkeypatch.setattr(doctor.shutil, "disk_usage", usage)
    assert doctor._disk(tmp_path / "later" / "runs").verdict == "warn"
    assert asked == [tmp_path]
