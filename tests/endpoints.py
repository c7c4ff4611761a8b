"""What the tests of the teacher's endpoint share: a real server on a free port, and states to ask about."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.config import TeacherConfig
from teachers.endpoint.faults import FaultConfig
from teachers.endpoint.server import make_app
from teachers.make import TeacherMaker, key_of, make_teacher, open_desk, recording_of
from teachers.types import Label
from worlds.base import join_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec, Mirror, Observation


@dataclass
class Endpoint:
    """A server that runs; `app.state.asked` counts its completions."""

    url: str
    app: Any
    server: uvicorn.Server
    thread: threading.Thread

    @property
    def asked(self) -> int:
        return int(self.app.state.asked)

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(faults: FaultConfig | None = None, port: int = 0) -> Endpoint:
    app, port = make_app(faults or FaultConfig()), port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < ends, "the endpoint did not start"
        time.sleep(0.01)
    return Endpoint(f"http://127.0.0.1:{port}/v1", app, server, thread)


@contextlib.contextmanager
def serving(faults: FaultConfig | None = None) -> Iterator[Endpoint]:
    endpoint = start(faults)
    try:
        yield endpoint
    finally:
        endpoint.stop()


def teacher_config(url: str, backend: str = "openai", **settings: Any) -> TeacherConfig:
    return TeacherConfig(backend=backend, endpoint=EndpointConfig(url=url, **settings))  # type: ignore[arg-type]


def team(config: TeacherConfig, folder: Path, suite: str = "voxel/goal_name") -> tuple[Any, CallDesk]:
    desk = open_desk(config, recording_of(config, folder))
    return TeacherMaker(config, desk, key_of(config))(suite), desk


State = tuple[Observation, Mirror, Label]


def states(suite: str, episodes: int = 1, most: int = 40, difficulty: int = 1) -> list[State]:
    """States that the scripted team reaches, with its labels."""
    teacher, world, found = make_teacher(suite), make_world(suite), list[State]()
    for index in range(episodes):
        world.reset(options={"episode": EpisodeSpec(suite, "train", index, difficulty)})
        over = False
        while not over and len(found) < most:
            observation, mirror = world.observe(), world.mirror()
            label = teacher.label(observation, mirror)
            found.append((observation, mirror, label))
            _, _, won, out, _ = world.step(join_reply(label.note, label.action))
            over = won or out
    return found
