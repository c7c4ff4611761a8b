"""How much faster several bodies are than one: the teacher's team in one world, on held-out episodes.

Invariant: in a round all bodies decide on the same state, each from its own view, and then act in turn; all
numbers of bodies play the same worlds; what bodies tell one another (`evaluation.talk`) passes through the
world's message skill, and every word of it is in the scores.

An episode's wall time is what it takes from its first state to its end, in two parts: the team's decisions
(from the question for a round to its last label) and the world (frames, mirrors, ticks of the skills).
Making the world is in neither: it is the same for any number of bodies. (Answers of an endpoint that were
recorded before, as those to the teacher's own score, take the time that they took then: `Caller`, `paced`.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from actors.types import Labeler, State
from evaluation.config import EvaluationConfig
from evaluation.evaluate import episodes
from evaluation.records import CrewScore, CrewTime, Said
from student.prompts import build_prompt
from worlds.base import join_reply
from worlds.voxel.crew import SUITES, Crew


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
    won, metrics, played, said = [], [], [], list[Said]()
    for spec in episodes(config, suite):
        crew = Crew(spec, bodies, frame_size, config.talk)
        played.append(play(crew, suite, labeler))
        won.append(crew.score().success)
        metrics.append(crew.score().metric)
        said += [Said(index=spec.index, **asdict(message)) for message in crew.sent]
    return CrewScore.of_episodes(suite, bodies, won, metrics, played, said)


def play(crew: Crew, suite: str, labeler: Labeler) -> CrewTime:
    """Play to the end; returns what it took."""
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
        for member, label in zip(crew.members, labels, strict=True):
            if label.valid and not crew.score().finished:
                member.step(join_reply(label.note, label.action))
    return CrewTime(rounds, team_s, time.monotonic() - began - team_s)
