"""`retort watch`: the playground, alone or as a process beside `retort serve`.

Invariant: a playground that was started here has ended when its block is left, whatever ended the block, and
soon after this process where that was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.overrides import compose
from evaluation.watch.config import WatchConfig
from evaluation.watch.listener import listen

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "watch."
END_S = 10.0


def run_watch(overrides: Sequence[str], beside: bool = False) -> None:
    """Host the playground until SIGINT or SIGTERM; with `beside`, until standard input ends too: whoever
    started it holds the other end. Raises ValueError for an unknown key or a port in use."""
    # Worlds and teachers come with it: the process of `retort serve` must not import them.
    from evaluation.watch.process import run_playground

    config = compose(WatchConfig, [], overrides)
    if beside:
        threading.Thread(target=_end_with_input, daemon=True).start()
    run_playground(config)


def _end_with_input() -> None:
    # Not sys.stdin: a thread that waits in its buffer makes the interpreter abort on its way out.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


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
def playground(url: str, certificate: str, overrides: Sequence[str]) -> Iterator[None]:
    """A playground of the student at `url`, in a process of its own, which trusts `certificate` ("": the
    system's alone). Its output is this process's."""
    command = [sys.executable, str(ROOT / "retort.py"), "watch", "--beside", f"student={url}", *overrides]
    trusted = {"SSL_CERT_FILE": os.path.abspath(certificate)} if certificate else {}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | trusted)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
