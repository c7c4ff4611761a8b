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
from urllib.parse import urlsplit

from cluster.overrides import compose
from evaluation.watch.config import WatchConfig
from evaluation.watch.listener import listen
from evaluation.watch.trust import check_certificate
from serve.config import ServeConfig

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


def student_of(server: ServeConfig) -> list[str]:
    """The keys by which a playground beside `server` finds the student, before the person's own."""
    scheme = "https" if server.tls_cert else "http"
    own = [f"student={scheme}://{_reached(server.host)}:{server.port}"]
    return [*own, f"ca={os.path.abspath(server.tls_cert)}"] if server.tls_cert else own


def _reached(host: str) -> str:
    """An address of this machine at which what listens on `host` answers, as a URL has it."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{own}]" if ":" in own else own


def check_playground(server: ServeConfig, overrides: Sequence[str]) -> None:
    """Raise ValueError, before anything is started, where a playground beside `server` could not be, or could
    not verify it."""
    own = student_of(server)
    config = compose(WatchConfig, [], [*own, *overrides])
    listen(config).close()
    if server.tls_cert and f"student={config.student}" == own[0]:  # else something before it has another
        name = urlsplit(config.student).hostname or ""
        check_certificate(server.tls_cert, server.tls_key, name, config.ca)


@contextmanager
def playground(overrides: Sequence[str]) -> Iterator[None]:
    """A playground in a process of its own. Its output is this process's."""
    command = [sys.executable, str(ROOT / "retort.py"), "watch", "--beside", *overrides]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
