"""How much faster several bodies are than one: the teacher's team in one world, on held-out episodes.

Invariant: in a round all bodies decide on the same state, each from its own view, and then act in turn; all
numbers of bodies play the same worlds; what bodies tell one another (`evaluation.talk`) passes through the
world's message skill, and every word of it is in the scores.

An episode's wall time is what it takes from its first state to its end, in two parts: the team's decisions
(from the question for a round to its last label) and the world (frames, mirrors, ticks of the skills).
Making the world is in neither: it is the same for any number of bodies. Nor is the trace: it replays the
labels in a fresh crew, which gives the same states. (Answers of an endpoint that were
recorded before, as those to the teacher's own score, take the time that they took then: `Caller`, `paced`.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from actors.types import Labeler, State
from actors.types import TraceStep as Step
from evaluation.config import EvaluationConfig
from evaluation.evaluate import episodes, shown, trace_of
from evaluation.records import CrewScore, CrewTime, Said, Trace, TraceStep
from student.prompts import build_prompt
from teachers.types import Label
from worlds.base import join_reply
from worlds.types import Outcome
from worlds.voxel.crew import SUITES, Crew, Member

TRACED_ROUNDS = 12
"""So many rounds of a traced episode are kept: a frame of each body in each of them, 3 to 7 KiB."""


def play_crews(
    config: EvaluationConfig, suites: Sequence[str], labeler: Labeler, frame_size: int
) -> list[CrewScore]:
    """The scores of every number of bodies on the suites that bodies can share."""
    return [
        _score(config, suite, bodies, labeler, frame_size)
        for suite in suites
        if suite in SUITES
        for bodies in config.bodies
    ]


def _score(config: EvaluationConfig, suite: str, bodies: int, labeler: Labeler, frame_size: int) -> CrewScore:
    won, metrics, played, said, traces = [], [], [], list[Said](), list[Trace]()
    for spec in episodes(config, suite):
        crew = Crew(spec, bodies, frame_size, config.talk)
        labels: list[list[Label]] = []
        played.append(play(crew, suite, labeler, labels))
        won.append(crew.score().success)
        metrics.append(crew.score().metric)
        said += [Said(index=spec.index, **asdict(message)) for message in crew.sent]
        # A single body has rollouts of its own.
        if config.traced and bodies > 1 and not traces:
            fresh = Crew(spec, bodies, frame_size, config.talk)
            traces = _traces(fresh, labels, crew.score().success, crew.score().metric)
    return CrewScore.of_episodes(suite, bodies, won, metrics, played, said, traces)


def play(crew: Crew, suite: str, labeler: Labeler, told: list[list[Label]] | None = None) -> CrewTime:
    """Play to the end; returns what it took. The labels of each round go into `told`."""
    rounds, team_s, began = 0, 0.0, time.monotonic()
    while not crew.score().finished and rounds < crew.max_rounds:
        rounds += 1
        states = [
            State(suite, "actor", seen := member.observe(), member.mirror(), build_prompt(seen))
            for member in crew.members
        ]
        asked = time.monotonic()
        labels = labeler.ask(states)()
        team_s += time.monotonic() - asked
        if told is not None:
            told.append(labels)
        for member, label in zip(crew.members, labels, strict=True):
            _act(crew, member, label)
    return CrewTime(rounds, team_s, time.monotonic() - began - team_s)


def _act(crew: Crew, member: Member, label: Label) -> str:
    """Do what the label says, where it says something and there is something left to do; how that went."""
    if crew.score().finished:
        return "not done, the task was over"
    if not label.valid:
        return f"no decision: {label.reason}"
    outcome: str = member.step(join_reply(label.note, label.action))[-1]["outcome"]
    return outcome


def _traces(crew: Crew, told: Sequence[Sequence[Label]], success: bool, metric: float) -> list[Trace]:
    """How an episode of that end began, a trace of each body: the labels `told`, replayed in a new crew."""
    kept, earlier = told[:TRACED_ROUNDS], 0
    steps: list[list[TraceStep]] = [[] for _ in crew.members]
    for labels in kept:
        # Seen before any acts, as when they decided.
        seen = [(member.observe(), member.overview()[1]) for member in crew.members]
        heard, earlier = crew.sent[earlier:], len(crew.sent)
        for n, (member, label) in enumerate(zip(crew.members, labels, strict=True)):
            observation, place = seen[n]
            sent, outcome = len(crew.sent), Outcome(_act(crew, member, label))
            reply = join_reply(label.note, label.action)
            step = shown(Step(observation, reply, None, label, outcome), place)
            step.said += [f"message from body {m.sender}: {m.text}" for m in heard if m.receiver == n + 1]
            step.said += [f"message to body {m.receiver}: {m.text}" for m in crew.sent[sent:]]
            steps[n].append(step)
    return [
        trace_of(member, "teacher", success, metric, own).model_copy(
            update={"body": n, "bodies": len(crew.members), "later": len(told) - len(kept)}
        )
        for n, (member, own) in enumerate(zip(crew.members, steps, strict=True), start=1)
    ]
