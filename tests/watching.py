"""What the tests of the playground share: a student served in this process that remembers what it was asked,
and the playground before it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from endpoints import free_port
from serving import served_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evaluation.watch.app import make_app
from evaluation.watch.config import WatchConfig
from evaluation.watch.playground import Playground
from evaluation.watch.student import RemoteStudent
from serve.keys import KeyRing
from student.config import StudentConfig

STUDENT = StudentConfig(path="voxel", dtype="float32", device="cpu")


class Remembering:
    """ASGI middleware: the bodies that reached `/v1/act`, in order, and the headers of the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.bodies: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[bytes] = []

        async def heard() -> Message:
            message = await receive()
            parts.append(message.get("body", b""))
            if scope["path"] == "/v1/act" and not message.get("more_body"):
                self.bodies.append(b"".join(parts))
            return message

        if scope["type"] == "http":
            self.headers = dict(scope["headers"])
        await self._app(scope, heard if scope["type"] == "http" else receive, send)

    def asked(self) -> list[dict[str, Any]]:
        """The requests for decisions."""
        return [json.loads(body) for body in self.bodies if body]


@contextlib.contextmanager
def running(app: Any, port: int = 0) -> Iterator[str]:
    """The URL of an application in a thread of this process."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < ends, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)


def student_app() -> Remembering:
    """The shipped voxel model behind the real interface."""
    return Remembering(served_app(STUDENT, name="voxel"))


def playground_of(url: str, **settings: Any) -> Playground:
    """A playground of the student at `url`."""
    config = WatchConfig(student=url, **settings)
    return Playground(config, RemoteStudent(url, "", config.key_env, config.timeout_s))


def app_of(playground: Playground, keys: KeyRing | None = None) -> Any:
    """Its application, without keys where none are given."""
    return make_app(playground, keys or KeyRing(None))
