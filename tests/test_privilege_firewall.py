"""The privilege firewall: what is planted in mirrors and expert outputs never reaches the student's side.

Every check here is made on a world, a teacher or a log that leaks, too: it must be caught.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planting import CANARY, FIRST, Plants, found
from small import save_knowing
from toy import ToyStudent, ToyTeacher, ToyWorld, specs

from actors.codec import encode, order_of
from actors.policies import StudentPolicy
from actors.rollout import Rollout
from actors.teacher import Given, TeacherReplica
from actors.types import EpisodeResult, PlaySettings, State
from cluster.config import load_config
from cluster.train import run_training
from ledger import Ledger
from ledger.records import Record
from serve.wire import ActRequest, from_observation
from student.types import Decision
from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call
from teachers.config import TeacherConfig
from teachers.team.memory import Memory
from teachers.team.team import VoxelEndpointTeam
from teachers.types import Label
from worlds.base import View, World
from worlds.make import make_world
from worlds.types import Mirror, Observation

PLANTS = Plants()
SUITE = "own/planted_world"


class PlantedWorld(ToyWorld):
    """`leak`: what a careless world would write into what the student sees."""

    def __init__(self, leak: str = "") -> None:
        super().__init__()
        self._leak = leak

    def mirror(self) -> Mirror:
        return PLANTS.mirror(super().mirror())

    def _observe_now(self) -> View:
        view, facts = super()._observe_now(), self.mirror().facts
        words = {"value": f"gap {facts['gap']}", "rounded": f"gap {facts['gap']:.3g}", "word": CANARY}
        return replace(view, status=replace(view.status, words=words.get(self._leak, "")))


class PlantedTeacher(ToyTeacher):
    """Its expert outputs carry canaries too. `leak`: in what a careless teacher would."""

    def __init__(self, leak: str = "") -> None:
        super().__init__()
        self._leak = leak

    def label(self, observation: Observation, mirror: Mirror, role: str = "actor") -> Label:
        label = PLANTS.label(super().label(observation, PLANTS.honest(mirror), role))
        if self._leak == "log":
            logging.getLogger("student.careless").info("gap %s", mirror.facts["gap"])
        if self._leak == "note" and role == "actor":
            return replace(label, note=f"see {mirror.facts['gap']}")
        if self._leak == "order" and role != "actor":
            return replace(label, action=f"walk {mirror.facts['gap']}")
        return label


class Recorder(ToyStudent):
    """Remembers every prompt that it was given."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.seen: list[str] = []

    def decide(self, prompts: Any, temperature: float, seeds: Any, version: int = 0) -> list[Decision]:
        self.seen += [repr((prompt.text, prompt.notes, prompt.actions)) for prompt in prompts]
        return super().decide(prompts, temperature, seeds, version)


def student_columns(record: Record) -> str:
    """All that is kept of a sample but the teacher's remark on an invalid label, which is provenance; of
    images, what could be read in their bytes."""
    columns = {name: value for name, value in record.columns.items() if name not in ("reason", "images")}
    return repr(columns) + "".join(image.decode("latin-1") for image in record.columns["images"])


def request_of(observation: Observation) -> str:
    """What a served student is asked about it."""
    return ActRequest(observation=from_observation(observation)).model_dump_json()


def student_side(
    rollout: Rollout,
    student: Recorder,
    labeler: TeacherReplica,
    settings: PlaySettings,
    suite: str,
    folder: Path,
) -> dict[str, str]:
    """Play some episodes; all that came to the student's side, by place."""
    episodes = [replace(spec, suite=suite) for spec in specs(8 if suite == specs(1)[0].suite else 2)]
    outcomes = rollout.collect(episodes, StudentPolicy(student), labeler, settings)
    results = [outcome for outcome in outcomes if isinstance(outcome, EpisodeResult)]
    assert len(results) == len(episodes)
    with Ledger.open(folder) as ledger:
        for place, result in enumerate(results):
            ledger.append([encode(s, order_of(0, place, step)) for step, s in enumerate(result.samples)])
        records = [record for batch in ledger.scan() for record in batch]
    steps = [step for result in results for step in result.trace]
    said = [line for step in steps if step.label for line in step.label.said]
    return {
        "prompts": "".join(student.seen),
        "columns": "".join(map(student_columns, records)),
        "requests": "".join(request_of(step.observation) for step in steps),
        "said": "".join(said),  # not the student's: it shows that canaries were there to be found
    }


def leaking(places: dict[str, str]) -> set[str]:
    assert all(places.values())
    return {place for place, text in places.items() if found(text)}


def played(world: str, teacher: str, roles: Any, folder: Path) -> dict[str, str]:
    rollout = Rollout(lambda _: PlantedWorld(world), 3, run_seed=1)
    labeler = TeacherReplica("teacher", lambda _: PlantedTeacher(teacher))
    settings = PlaySettings(mix=0.4, temperature=1.0, roles=roles, trace=True)
    return student_side(rollout, Recorder(), labeler, settings, specs(1)[0].suite, folder)


ALL_ROLES = ("manager", "conductor", "actor")


@pytest.mark.parametrize("roles", [("actor",), ALL_ROLES])
def test_planted_facts_reach_no_prompt_column_or_request(
    roles: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert leaking(played("", "", roles, tmp_path)) == {"said"}
    assert not found(caplog.text)


@pytest.mark.parametrize(
    ("world", "teacher", "where"),
    [
        ("value", "", {"prompts", "columns", "requests"}),
        ("rounded", "", {"prompts", "columns", "requests"}),
        ("word", "", {"prompts", "columns", "requests"}),
        ("", "note", {"columns"}),
        ("", "order", {"prompts", "columns"}),
        ("", "log", set()),
    ],
)
def test_a_leak_is_caught(
    world: str, teacher: str, where: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By a careless world or teacher, of one number or word."""
    with caplog.at_level(logging.DEBUG):
        assert leaking(played(world, teacher, ALL_ROLES, tmp_path)) >= where | {"said"}
    assert bool(found(caplog.text)) == (teacher == "log")


@pytest.mark.parametrize(
    "written", [FIRST + 7, f"{FIRST + 7:,}", f"{FIRST + 7:.2e}", FIRST + 7.5, CANARY.upper()]
)
def test_a_canary_is_found_however_it_is_written(written: object) -> None:
    assert found(f"x {written} z")
    assert found(repr({"gap": written}))
    assert not found("x 9.18 z 91827 0.918 e+11")


@pytest.mark.parametrize("suite", ["voxel/goal_name", "babyai/GoToRedBall"])
def test_a_real_worlds_prompts_do_not_change_when_its_mirror_is_planted(suite: str) -> None:
    """The state that a policy is given has the same prompt, and would be served the same, whatever the mirror
    says."""

    class Watcher:
        name, learns, privileged = "student", True, False

        def __init__(self) -> None:
            self.prompts: list[tuple[str, str, bytes]] = []

        def act(self, states: list[State], temperature: float, seeds: list[int]) -> list[Decision]:
            self.prompts += [
                (s.prompt.text, request_of(s.observation), s.prompt.images[0].tobytes()) for s in states
            ]
            rows = []
            for state, seed in zip(states, seeds, strict=True):
                actions = state.prompt.actions
                action = actions[int(np.random.default_rng(seed).integers(len(actions)))]
                rows.append(Decision("", action, 0.0, ((action, 0.0),), 1.0, 0))
            return rows

    class Quiet:
        """A labeler that only looks, so that mirrors are asked for."""

        name = "teacher"

        def ask(self, states: Any) -> Any:
            mirrors.extend(repr(state.mirror.facts) for state in states)
            return Given([Label("actor", state.observation.actions[0]) for state in states])

        def version(self, suite: str) -> str:
            return "quiet"

    def prompts(plant: bool) -> list[tuple[str, str, bytes]]:
        def make(name: str) -> World:
            world = make_world(name)
            if plant:
                honest = world.mirror
                world.mirror = lambda: PLANTS.mirror(honest())  # type: ignore[method-assign]
            return world

        watcher = Watcher()
        episodes = [replace(spec, suite=suite) for spec in specs(2)]
        Rollout(make, 2, run_seed=1).collect(episodes, watcher, Quiet(), PlaySettings())  # type: ignore[arg-type]
        return watcher.prompts

    mirrors: list[str] = []
    plain = prompts(plant=False)
    assert not found("".join(mirrors))
    assert plain == prompts(plant=True)
    assert found("".join(mirrors))
    assert not [text for text, request, _ in plain if found(text + request)]


class Talkative:
    """A chat whose model repeats what it was told of privileged facts in every field that is free to it."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def ask(self, ask: Ask) -> Call:
        told = " ".join(message.text for message in ask.messages)
        numbers = list(dict.fromkeys(re.findall(r"918273\d{6}", told)))[:3]
        self.told |= set(numbers)
        match ask.purpose:
            case "manager":
                reply: dict[str, Any] = {"subtasks": [told.partition("Subtasks: ")[2].splitlines()[0]]}
            case "conductor":
                steps = [f"goto {CANARY}", *numbers]
                phase = told.partition("Phases: ")[2].partition(" |")[0]
                reply = {"phase": phase, "steps": ["turn right 90", *steps]}
            case _:
                also = [CANARY, *(f"goto {number} {number}" for number in numbers)]
                reply = {"action": "turn right 90", "also_good": also}
        thought = f"{CANARY} at {' '.join(numbers) or FIRST}"
        return Call(json.dumps({"thought": thought, **reply}), f"{CANARY} {numbers}", 1, 1, 0.0)


class Chooser(Recorder):
    """Decides in any world: the first legal action."""

    def decide(self, prompts: Any, temperature: float, seeds: Any, version: int = 0) -> list[Decision]:
        self.seen += [repr((prompt.text, prompt.notes, prompt.actions)) for prompt in prompts]
        first = [prompt.actions[0] for prompt in prompts]
        return [Decision("", action, 0.0, ((action, 0.0),), 1.0, version) for action in first]


HELD = (
    "blocks",
    "known",
    "seen",
    "pose",
    "bodies",
    "size",
    "suite",
    "target",
    "wanted",
    "inventory",
    "visible",
)
"""What a team works on: it plans in the true land, from the true place."""


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_what_a_talkative_model_repeats_reaches_no_student(
    mix: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The team over an endpoint in all three roles: its thoughts and its memory are for the rollout page
    alone, and orders that stand in the student's prompts name what the task names."""

    def make(suite: str) -> World:
        world = make_world(suite)
        honest = world.mirror

        def mirror() -> Mirror:
            true = honest()
            places = np.array([[PLANTS.number() for _ in range(3)]], np.float64)
            facts = {**PLANTS.mirror(true, HELD).facts, "targets": places, "recent_targets": places}
            return replace(true, facts=facts)

        world.mirror = mirror  # type: ignore[method-assign]
        return world

    endpoint = EndpointConfig(repairs=0)
    desk, chat = CallDesk(endpoint, Recording(tmp_path / "calls.sqlite")), Talkative()
    team = VoxelEndpointTeam(TeacherConfig(backend="openai", endpoint=endpoint), Caller(endpoint, desk, chat))
    rollout = Rollout(make, 2, run_seed=1)
    entry = (f"{CANARY} {name} {PLANTS.number()}" for name in Memory._fields[1:])
    remembered = Memory("voxel/goal_name", *entry)
    settings = PlaySettings(
        mix=mix,
        temperature=1.0,
        roles=ALL_ROLES,  # type: ignore[arg-type]
        trace=True,
        lessons=(remembered._replace(frame=""),),
    )
    labeler = TeacherReplica("teacher", lambda _: team)
    with caplog.at_level(logging.DEBUG):
        places = student_side(rollout, Chooser(), labeler, settings, "voxel/goal_name", tmp_path / "ledger")
    assert len(chat.told) > 10
    assert any(number in places["said"] for number in chat.told)
    if mix == 1.0:  # the teacher moves alone: the student is asked nothing
        assert places.pop("prompts") == ""
    assert f"memory: {CANARY} text" in places["said"]
    assert leaking(places) == {"said"}
    assert not found(caplog.text)


@pytest.fixture
def planted_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A module of one's own world, teacher and expert, all planted."""
    lines = ["from test_privilege_firewall import PlantedTeacher, PlantedWorld", "LEAK = ['', '']"]
    for name, made in (
        ("make_world", "PlantedWorld(LEAK[0])"),
        ("make_teacher", "PlantedTeacher(LEAK[1])"),
        ("make_expert", "PlantedTeacher(LEAK[1])"),
    ):
        lines.append(f"def {name}(suite, frame_size=64): return {made}")
    (tmp_path / "planted_world.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield monkeypatch
    sys.modules.pop("planted_world", None)


@pytest.mark.parametrize(
    ("leak", "where"),
    [(("", ""), set()), (("word", ""), {"ledger"}), (("", "note"), {"ledger"}), (("", "log"), {"run.log"})],
)
def test_a_whole_run_leaves_nothing_privileged_on_the_students_side(
    leak: tuple[str, str],
    where: set[str],
    tmp_path: Path,
    planted_world: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In its ledger, its log, its metrics, the students that it exports, and on the terminal."""
    base = save_knowing(SUITE, tmp_path / "base")
    sys.modules["planted_world"].LEAK[:] = leak
    values = {
        "suites": f"[{SUITE}]",
        "runs_dir": tmp_path / "runs",
        "student.path": base,
        "student.device": "cpu",
        "reference.episodes": 4,
        "reference.epochs": 1,
        "distil.rounds": 1,
        "distil.episodes_per_round": 4,
        "distil.mix_start": 0.5,
        "learner.steps_per_version": 2,
        "learner.batch": 8,
        "cluster.mode": "serial",
        "evaluation.policies": "[]",
    }
    run = run_training(load_config(None, [f"{key}={value}" for key, value in values.items()])).path
    with Ledger.open(run / "ledger", writable=False) as ledger:
        places = {"ledger": "".join(student_columns(record) for batch in ledger.scan() for record in batch)}
    files = [run / "run.log", run / "metrics.jsonl", *(f for f in (run / "export").rglob("*") if f.is_file())]
    assert len(files) > 6
    places |= {str(file.relative_to(run)): file.read_bytes().decode("latin-1") for file in files}
    assert {place for place, text in places.items() if found(text)} == where
    assert not found(capsys.readouterr().out)
