"""The privilege firewall: what is planted in mirrors and expert outputs never reaches the student's side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ToyStudent, ToyTeacher, ToyWorld, specs

from actors.codec import encode, order_of
from actors.policies import StudentPolicy
from actors.rollout import Rollout
from actors.teacher import TeacherReplica
from actors.types import EpisodeResult, PlaySettings, State
from ledger import Ledger
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
from worlds.base import World
from worlds.make import make_world
from worlds.types import Mirror, Observation

CANARY = "canaryfinch"
NUMBER = 918273.645


def planted(mirror: Mirror) -> Mirror:
    """The mirror with the canary in every field: beside each fact, in each text, in new keys."""
    facts: dict[str, Any] = dict(mirror.facts)
    for key, value in mirror.facts.items():
        facts[f"{CANARY}_{key}"] = NUMBER
        if isinstance(value, str):
            facts[key] = f"{value} {CANARY}"
    return replace(mirror, facts=facts, text=f"{mirror.text} {CANARY} {NUMBER}")


class PlantedWorld(ToyWorld):
    def mirror(self) -> Mirror:
        return planted(super().mirror())


class PlantedTeacher(ToyTeacher):
    """Its expert outputs carry the canary too; its note, action and ties are what it may say."""

    def label(self, observation: Observation, mirror: Mirror, role: str = "actor") -> Label:
        label = super().label(observation, mirror, role)
        return replace(label, values={CANARY: NUMBER}, reason=CANARY)


class Recorder(ToyStudent):
    """Remembers every prompt that it was given."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.seen: list[str] = []

    def decide(self, prompts: Any, temperature: float, seeds: Any, version: int = 0) -> list[Decision]:
        self.seen += [repr((prompt.text, prompt.notes, prompt.actions)) for prompt in prompts]
        return super().decide(prompts, temperature, seeds, version)


@pytest.mark.parametrize("roles", [("actor",), ("manager", "conductor", "actor")])
def test_planted_facts_reach_no_prompt_and_no_student_column(roles: Any, tmp_path: Path) -> None:
    student = Recorder()
    rollout = Rollout(lambda _: PlantedWorld(), 3, run_seed=1)
    labeler = TeacherReplica("teacher", lambda _: PlantedTeacher())
    settings = PlaySettings(mix=0.4, temperature=1.0, roles=roles, trace=True)
    outcomes = rollout.collect(specs(8), StudentPolicy(student), labeler, settings)
    results = [outcome for outcome in outcomes if isinstance(outcome, EpisodeResult)]
    assert len(results) == 8
    assert student.seen
    assert not [text for text in student.seen if CANARY in text or str(NUMBER) in text]

    with Ledger.open(tmp_path) as ledger:
        for place, result in enumerate(results):
            ledger.append([encode(s, order_of(0, place, step)) for step, s in enumerate(result.samples)])
        records = [record for batch in ledger.scan() for record in batch]
    assert records
    for record in records:
        # `reason` is the teacher's remark on an invalid label: provenance, no student column.
        columns = {name: value for name, value in record.columns.items() if name != "reason"}
        assert CANARY not in repr(columns)
        assert str(NUMBER) not in repr(columns)


@pytest.mark.parametrize("suite", ["voxel/goal_name", "babyai/GoToRedBall"])
def test_a_real_worlds_prompts_do_not_change_when_its_mirror_is_planted(suite: str) -> None:
    """The state that a policy is given has the same prompt, whatever the mirror says."""

    class Watcher:
        name, learns, privileged = "student", True, False

        def __init__(self) -> None:
            self.prompts: list[tuple[str, bytes]] = []

        def act(self, states: list[State], temperature: float, seeds: list[int]) -> list[Decision]:
            self.prompts += [(s.prompt.text, s.prompt.images[0].tobytes()) for s in states]
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
            return lambda: [Label("actor", state.observation.actions[0]) for state in states]

        def version(self, suite: str) -> str:
            return "quiet"

    def prompts(plant: bool) -> list[tuple[str, bytes]]:
        def make(name: str) -> World:
            world = make_world(name)
            if plant:
                honest = world.mirror
                world.mirror = lambda: planted(honest())  # type: ignore[method-assign]
            return world

        watcher = Watcher()
        episodes = [replace(spec, suite=suite) for spec in specs(2)]
        Rollout(make, 2, run_seed=1).collect(episodes, watcher, Quiet(), PlaySettings())  # type: ignore[arg-type]
        return watcher.prompts

    plain = prompts(plant=False)
    assert plain == prompts(plant=True)
    assert not [text for text, _ in plain if CANARY in text]


class Talkative:
    """A chat whose model repeats privileged facts in every field that is free to it."""

    def ask(self, ask: Ask) -> Call:
        match ask.purpose:
            case "manager":
                subtask = {"verb": "find", "what": "pumpkin", "region": "anywhere"}
                reply: dict[str, Any] = {"subtasks": [subtask]}
            case "conductor":
                steps = [f"goto {CANARY}", str(NUMBER)]
                reply = {"phase": "search", "what": "pumpkin", "region": "anywhere", "steps": steps}
            case _:
                reply = {"action": "turn right 90", "also_good": [CANARY, f"goto {NUMBER} {NUMBER}"]}
        return Call(json.dumps({"thought": f"{CANARY} at {NUMBER}", **reply}), CANARY, 1, 1, 0.0)


class Chooser(Recorder):
    """Decides in any world: the first legal action."""

    def decide(self, prompts: Any, temperature: float, seeds: Any, version: int = 0) -> list[Decision]:
        self.seen += [repr((prompt.text, prompt.notes, prompt.actions)) for prompt in prompts]
        first = [prompt.actions[0] for prompt in prompts]
        return [Decision("", action, 0.0, ((action, 0.0),), 1.0, version) for action in first]


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_what_a_talkative_model_repeats_reaches_no_student(mix: float, tmp_path: Path) -> None:
    """The team over an endpoint in all three roles: its thoughts and its memory are for the rollout page
    alone, and orders that stand in the student's prompts name what the task names."""
    endpoint = EndpointConfig(repairs=0)
    desk = CallDesk(endpoint, Recording(tmp_path / "calls.sqlite"))
    team = VoxelEndpointTeam(
        TeacherConfig(backend="openai", endpoint=endpoint), Caller(endpoint, desk, Talkative())
    )
    student = Chooser()
    rollout = Rollout(make_world, 2, run_seed=1)
    remembered = Memory("voxel/goal_name", *(f"{CANARY} {name} {NUMBER}" for name in Memory._fields[1:]))
    settings = PlaySettings(
        mix=mix,
        temperature=1.0,
        roles=("manager", "conductor", "actor"),
        trace=True,
        lessons=(remembered._replace(frame=""),),
    )
    episodes = [replace(spec, suite="voxel/goal_name") for spec in specs(2)]
    labeler = TeacherReplica("teacher", lambda _: team)
    outcomes = rollout.collect(episodes, StudentPolicy(student), labeler, settings)
    results = [outcome for outcome in outcomes if isinstance(outcome, EpisodeResult)]
    assert len(results) == 2
    said = [line for result in results for step in result.trace if step.label for line in step.label.said]
    assert any(CANARY in line for line in said)
    assert any(line.startswith(f"memory: {CANARY} text") for line in said)
    assert not [text for text in student.seen if CANARY in text or str(NUMBER) in text]
    with Ledger.open(tmp_path / "ledger") as ledger:
        for place, result in enumerate(results):
            ledger.append([encode(s, order_of(0, place, step)) for step, s in enumerate(result.samples)])
        records = [record for batch in ledger.scan() for record in batch]
    columns = [{k: v for k, v in r.columns.items() if k != "reason"} for r in records]
    assert columns
    assert not [c for c in columns if CANARY in repr(c) or str(NUMBER) in repr(c)]
