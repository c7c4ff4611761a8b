"""What the tests of the teacher's endpoint share: a real server on a free port, and states to ask about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listening import listen

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
    """An endpoint that listens; `app.state.asked` counts its completions."""

    url: str
    app: Any
    stop: Callable[[], None]

    @property
    def asked(self) -> int:
        return int(self.app.state.asked)


def start(faults: FaultConfig | None = None, port: int = 0) -> Endpoint:
    app = make_app(faults or FaultConfig())
    listener = listen(app, port)
    return Endpoint(f"{listener.url}/v1", app, listener.stop)


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


def agreement(labels: list[Label], reached: list[State]) -> float:
    """Share of states where the label is one of the scripted team's equally good actions."""
    same = [
        label.action in scripted.equally_good for label, (_, _, scripted) in zip(labels, reached, strict=True)
    ]
    return sum(same) / len(same)
