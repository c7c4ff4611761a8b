"""What the tests of a real Ray Serve share: the command in a process of its own, and looking at it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from serve.ports import free_port


@contextmanager
def served(folder: Path, log: Path, *overrides: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command in a process of its own, writing to `log`, every replica ready to answer, and its URL."""
    port = free_port()
    command = [sys.executable, "retort.py", "serve", str(folder), f"port={port}", "cpus=0.5", *overrides]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 240
        while "Ctrl-C ends it" not in log.read_text():  # said once all replicas are up
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"nothing answers: {log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield process, url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def children(process: subprocess.Popen[bytes], called: str) -> list[psutil.Process]:
    """The processes below `process` that have `called` in their names or command lines."""
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):  # one that has just ended is called nothing
            if called in one.name() + "".join(one.cmdline()):
                found.append(one)
    return found


def fronts(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Those of HAProxy."""
    return [one for one in children(process, "haproxy") if one.name() == "haproxy"]


def replicas(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Those of the student."""
    return children(process, "ServeReplica:retort:student")


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def until(answers: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while True:
        with suppress(httpx2.HTTPError):
            if answers():
                return
        assert time.monotonic() < end
        time.sleep(0.5)
