"""The playground as a process.

Invariant: a port in use or a damaged file is said before anything is served; it ends on SIGINT or SIGTERM.
"""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn

from evaluation.watch.app import make_app
from evaluation.watch.config import WatchConfig
from evaluation.watch.listener import listen
from evaluation.watch.playground import Playground
from evaluation.watch.student import RemoteStudent
from serve.keys import KeyRing, read_keys


def run_playground(config: WatchConfig) -> None:
    """Serve the page until interrupted. Raises ValueError for a port in use or a damaged file."""
    keys = KeyRing(read_keys(Path(config.keys)) if config.keys else None)
    with listen(config) as listener:
        student = RemoteStudent(
            config.student, os.environ.get(config.key_env, ""), config.key_env, config.timeout_s, config.ca
        )
        app = make_app(Playground(config, student), keys)
        scheme = "https" if config.tls_cert else "http"
        print(
            f"watching {config.student} at {scheme}://{config.host}:{config.port}/; Ctrl-C ends it",
            flush=True,
        )
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(settings).run(sockets=[listener])
