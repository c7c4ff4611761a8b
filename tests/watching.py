"""What the tests of the playground share: a student served in this process that remembers what it was asked,
and the playground before it."""

from __future__ import annotations

import json
from typing import Any

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
