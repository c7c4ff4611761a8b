"""`retort watch`: the playground, alone or as a process beside `retort serve`.

Invariant: a playground that was started here has ended when its block is left, whatever ended the block.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster.overrides import compose
from cluster.ray_start import ROOT
from evaluation.watch.config import WatchConfig
from evaluation.watch.process import listen, run_playground

PREFIX = "watch."
END_S = 10.0


def run_watch(overrides: Sequence[str]) -> None:
    """Host the playground until SIGINT or SIGTERM. Raises ValueError for an unknown key or a port in use."""
    run_playground(compose(WatchConfig, [], overrides))


def split_overrides(overrides: Sequence[str], watch: bool) -> tuple[list[str], list[str]]:
    """(the server's, the playground's without their prefix). Raises ValueError for the latter without one."""
    theirs = [override.removeprefix(PREFIX) for override in overrides if override.startswith(PREFIX)]
    if theirs and not watch:
        raise ValueError(f"{PREFIX}{theirs[0]} is a key of the playground: add --watch, or leave it out")
    return [override for override in overrides if not override.startswith(PREFIX)], theirs


def check_playground(overrides: Sequence[str]) -> None:
    """Raise ValueError, before anything is started, where the playground could not be."""
    listen(compose(WatchConfig, [], overrides)).close()


@contextmanager
def playground(url: str, overrides: Sequence[str]) -> Iterator[None]:
    """A playground of the student at `url`, in a process of its own. Its output is this process's."""
    command = [sys.executable, str(ROOT / "retort.py"), "watch", f"student={url}", *overrides]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
