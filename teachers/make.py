"""The teacher and the weaker expert of every suite, and the team over an endpoint in place of the teacher.

Invariant: whatever the backend, `label` gives the one `Label` type, and `version` tells the backends apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from teachers.babyai import BabyAIRuleExpert, BabyAITeacher
from teachers.backends.caller import Caller, Chat
from teachers.backends.desk import CallDesk, Desk
from teachers.backends.flights import Flights
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call
from teachers.config import TeacherConfig
from teachers.rule_expert import RuleExpert
from teachers.team.reflect import Reflector
from teachers.team.team import PlainEndpointTeacher, VoxelEndpointTeam
from teachers.types import Teacher
from teachers.voxel_team import VoxelTeacher
from worlds.adapters.own import from_own_module


def make_teacher(suite: str, config: TeacherConfig | None = None) -> Teacher:
    """The scripted team for a suite such as "voxel/goal_name". Raises ValueError for a world without one."""
    match suite.partition("/")[0]:
        case "voxel":
            return VoxelTeacher(config)
        case "babyai":
            return BabyAITeacher()
        case "own":
            teacher: Teacher = from_own_module(suite, "make_teacher")(suite)
            return teacher
        case other:
            raise ValueError(
                f"no teacher for world {other!r} of suite {suite!r}; add a case to teachers/make.py"
            )


def make_expert(suite: str) -> Teacher:
    """The rule-based expert whose demonstrations make the reference policy. Raises ValueError as above."""
    match suite.partition("/")[0]:
        case "voxel":
            return RuleExpert()
        case "babyai":
            return BabyAIRuleExpert()
        case "own":
            expert: Teacher = from_own_module(suite, "make_expert")(suite)
            return expert
        case other:
            raise ValueError(
                f"no expert for world {other!r} of suite {suite!r}; add a case to teachers/make.py"
            )


class NoChat:
    """A replay's: the desk answers or halts, so nothing is ever asked."""

    def ask(self, ask: Ask) -> Call:
        """Never reached."""
        raise AssertionError(f"a replay was about to ask the {ask.purpose}'s question {ask.key}")


def recording_of(config: TeacherConfig, folder: Path) -> Path:
    """The file of calls: the one that the config names, else the one in a run's `folder`."""
    return Path(config.endpoint.recording or folder / "calls.sqlite").resolve()


def open_desk(
    config: TeacherConfig, path: Path, run: str = "", journal: Path | None = None, again: bool = False
) -> CallDesk:
    """The desk over the recording at `path`; what it asks is charged to `run` (its folder's name). Where it
    may die before its callers it keeps a `journal` of the calls under way, and one that is started `again`
    goes on from it. Raises ValueError for a file that is no recording, or a replay without one."""
    replay = config.backend == "recorded"
    if replay and not path.is_file():
        raise ValueError(f"there is no recording {path} to replay; name one in teacher.endpoint.recording")
    flights = Flights(journal, again)
    return CallDesk(config.endpoint, Recording(path, run), replay, flights=flights, again=again)


def key_of(config: TeacherConfig) -> str:
    """The endpoint's API key, read where the run is started ("": none is needed). Raises ValueError for a key
    file that is missing or holds none."""
    if config.backend != "openai":
        return ""
    from teachers.backends.openai_chat import read_key

    return read_key(config.endpoint)


@dataclass
class TeacherMaker:
    """Makes the teachers of one process: suite -> teacher. Picklable; `desk` (None for the scripted
    backend) may be one in another process, `key` is the endpoint's (see `key_of`). All teachers of a process
    share its connections and its limits. `paced`: see `Caller`."""

    config: TeacherConfig
    desk: Desk | None = None
    key: str = field(default="", repr=False)
    paced: bool = False
    _caller: Caller | None = field(default=None, init=False, repr=False)

    def __call__(self, suite: str) -> Teacher:
        """The teacher of a suite."""
        if self.config.backend == "scripted":
            return make_teacher(suite, self.config)
        if suite.startswith("voxel/"):
            return VoxelEndpointTeam(self.config, self.caller)
        return PlainEndpointTeacher(self.config, self.caller)

    def reflector(self) -> Reflector | None:
        """The critic of failed attempts, where the config asks for one."""
        endpoint = self.config.endpoint
        if self.config.backend == "scripted" or not endpoint.reflections:
            return None
        return Reflector(endpoint, self.caller)

    @property
    def caller(self) -> Caller:
        """The process's own, made when first asked for."""
        if self._caller is None:
            assert self.desk is not None
            self._caller = Caller(self.config.endpoint, self.desk, self._chat(), paced=self.paced)
        return self._caller

    def _chat(self) -> Chat:
        if self.config.backend == "recorded":
            return NoChat()
        from teachers.backends.openai_chat import OpenAIChat

        return OpenAIChat(self.config.endpoint, self.key)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_caller": None}
