"""Chats without a model behind them, and teachers over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call
from teachers.config import MapSetting, TeacherConfig
from teachers.endpoint.answers import answer
from teachers.team.team import PlainEndpointTeacher, VoxelEndpointTeam


class Scripted:
    """A `Chat` that says what it is told to."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[Ask] = []

    def ask(self, ask: Ask) -> Call:
        self.asked.append(ask)
        return Call(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0], "m", 1, 1, 0.0)


def plain(tmp_path: Path, chat: Scripted, repairs: int = 4) -> PlainEndpointTeacher:
    """The teacher of a world without roles over `chat`."""
    endpoint = EndpointConfig(repairs=repairs)
    caller = Caller(endpoint, CallDesk(endpoint, Recording(tmp_path / "calls.sqlite")), chat)
    return PlainEndpointTeacher(TeacherConfig(backend="openai", endpoint=endpoint), caller)


def over(
    chat: Scripted, folder: Path, repairs: int = 4, known: MapSetting = "accumulated", **settings: Any
) -> VoxelEndpointTeam:
    """The team over `chat`."""
    endpoint = EndpointConfig(repairs=repairs, **settings)
    caller = Caller(endpoint, CallDesk(endpoint, Recording(folder / "calls.sqlite")), chat)
    return VoxelEndpointTeam(TeacherConfig(backend="openai", map=known, endpoint=endpoint), caller)


def ordering(*subtasks: str) -> str:
    """A manager's answer."""
    return json.dumps({"thought": "one of us", "subtasks": subtasks})


class Planning(Scripted):
    """Answers as the local endpoint does, without the network."""

    def __init__(self) -> None:
        super().__init__()

    def ask(self, ask: Ask) -> Call:
        self.asked.append(ask)
        return Call(answer([m.text for m in ask.messages if m.role == "user"]), "m", 1, 1, 0.0)
