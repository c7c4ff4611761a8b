"""How much faster several bodies are than one: the teacher's team in one world, on held-out episodes.

Invariant: in a round all bodies decide on the same state, each from its own view, and then act in turn; all
numbers of bodies play the same worlds; what bodies tell one another (`evaluation.talk`) passes through the
world's message skill, and every word of it is in the scores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from actors.types import Labeler, State
from evaluation.config import EvaluationConfig
from evaluation.evaluate import episodes
from evaluation.records import CrewScore, Said
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
    won, metrics, rounds, said, began = [], [], [], list[Said](), time.monotonic()
    for spec in episodes(config, suite):
        crew = Crew(spec, bodies, frame_size, config.talk)
        rounds.append(play(crew, suite, labeler))
        won.append(crew.score().success)
        metrics.append(crew.score().metric)
        said += [Said(index=spec.index, **asdict(message)) for message in crew.sent]
    return CrewScore.of_episodes(suite, bodies, won, metrics, rounds, time.monotonic() - began, said)


def play(crew: Crew, suite: str, labeler: Labeler) -> int:
    """Play to the end; returns the rounds that it took."""
    rounds = 0
    while not crew.score().finished and rounds < crew.max_rounds:
        rounds += 1
        states = [
            State(suite, "actor", seen := member.observe(), member.mirror(), build_prompt(seen))
            for member in crew.members
        ]
        for member, label in zip(crew.members, labeler.ask(states)(), strict=True):
            if label.valid and not crew.score().finished:
                member.step(join_reply(label.note, label.action))
    return rounds
