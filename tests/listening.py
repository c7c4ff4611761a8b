"""What tests of HTTP share: an application that really listens, in a thread of this process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from serve.ports import free_port


@dataclass
class Listener:
    """A server that runs."""

    url: str
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=10)


def listen(app: Any, port: int = 0, **settings: Any) -> Listener:
    """Start `app` (port 0: a free one) with uvicorn's `settings`; it answers when this returns."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", **settings))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < ends, "the server did not start"
        time.sleep(0.01)
    scheme = "https" if "ssl_certfile" in settings else "http"
    return Listener(f"{scheme}://127.0.0.1:{port}", server, thread)


@contextlib.contextmanager
def running(app: Any, port: int = 0, **settings: Any) -> Iterator[str]:
    """The URL of an application while it listens."""
    listener = listen(app, port, **settings)
    try:
        yield listener.url
    finally:
        listener.stop()
