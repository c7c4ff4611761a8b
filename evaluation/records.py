"""What an evaluation leaves behind: scores and traces, as JSON that a report or another program reads.

These models cross a process border (files), so they are pydantic and say what they hold.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image
from pydantic import BaseModel

from evaluation.statistics import bootstrap_mean, disjoint, wilson
from worlds.types import Frame


class Score(BaseModel):
    """One policy on one suite. Rates and the family's metric are in 0..1 with 95 % intervals; an episode that
    broke its world counts as a failure in them, and `broken` says which and why. `iterations` and
    `model_calls_per_episode` are means over the others. Of a teacher `refused` counts the decisions in which
    it had no valid label, so that chance acted, by the labels' reasons."""

    suite: str
    policy: str
    episodes: int
    successes: int
    success: float
    success_low: float
    success_high: float
    metric: float
    metric_low: float
    metric_high: float
    iterations: float
    seconds_per_decision: float
    model_calls_per_episode: float
    broken: list[str] = []
    refused: dict[str, int] = {}

    @property
    def remarks(self) -> list[str]:
        """What the figures do not say: each episode that broke its world, and how often chance acted."""
        told = [f"broken: {reason}" for reason in self.broken]
        if self.refused:
            reason, count = max(self.refused.items(), key=lambda entry: entry[1])
            total = sum(self.refused.values())
            of = f"in {total} decisions" if count == total else f"in {total} decisions, {count} of them as"
            told.append(f"chance acted in its place {of}: {reason}")
        return told

    @property
    def interval(self) -> tuple[float, float]:
        """The success's."""
        return self.success_low, self.success_high

    @classmethod
    def of(
        cls,
        suite: str,
        policy: str,
        successes: Sequence[bool],
        metrics: Sequence[float],
        iterations: Sequence[int],
        seconds: float,
        model_calls: int,
        broken: Sequence[str] = (),
        refused: Mapping[str, int] | None = None,
    ) -> Score:
        """Sum episodes up; `seconds` is the wall time that the policy itself took over all of them."""
        count = len(successes)
        low, high = wilson(sum(successes), count)
        metric_low, metric_high = bootstrap_mean(metrics)
        played = max(1, len(iterations))
        return cls(
            suite=suite,
            policy=policy,
            episodes=count,
            successes=sum(successes),
            success=sum(successes) / max(1, count),
            success_low=low,
            success_high=high,
            metric=sum(metrics) / max(1, count),
            metric_low=metric_low,
            metric_high=metric_high,
            iterations=sum(iterations) / played,
            seconds_per_decision=seconds / max(1, sum(iterations)),
            model_calls_per_episode=model_calls / played,
            broken=list(broken),
            refused=dict(refused or {}),
        )


class Said(BaseModel):
    """A message in the episode `index`: body `sender` told body `receiver` (the first is 1) `text` as its
    decision of `round`, from 1."""

    index: int
    round: int
    sender: int
    receiver: int
    text: str

    @property
    def line(self) -> str:
        """Who, when, to whom, what."""
        when = f"episode {self.index}, round {self.round}"
        return f"{when}: body {self.sender} to body {self.receiver}: {self.text}"


class CrewTime(NamedTuple):
    """What an episode of several bodies took: rounds, and wall seconds of the team's decisions and of the
    world between them (`evaluation.crews` says what is in them)."""

    rounds: int
    team_s: float
    world_s: float


class TraceStep(BaseModel):
    """One decision: what was seen, done and advised. `alternatives` are (action, probability); `status` is
    the status line as the student was told it; `said` is what the teacher's roles and critics said on the way
    to their advice, a line each, and what bodies told one another."""

    frame: str
    note: str
    action: str
    outcome: str
    alternatives: list[tuple[str, float]]
    teacher_note: str
    teacher_action: str
    teacher_equal: list[str]
    sounds: list[str]
    heading_deg: float
    map_xy: tuple[float, float]
    status: str = ""
    said: list[str] = []


class Trace(BaseModel):
    """One recorded episode, or one body's part of it: `body` (from 1) of `bodies`. Images are PNG data URIs;
    `map_xy` (before each decision) and `end_xy` (after the last one) are pixels of `top_down`. `later`
    decisions came after `steps` and are not kept; `success` and `metric` are the whole episode's."""

    suite: str
    policy: str
    index: int
    goal: str
    goal_image: str
    success: bool
    metric: float
    top_down: str
    end_xy: tuple[float, float]
    steps: list[TraceStep]
    body: int = 1
    bodies: int = 1
    later: int = 0


class CrewScore(BaseModel):
    """So many bodies of the teacher's in one world: success and metric as in `Score`; `rounds` (one decision
    of each body) and wall `seconds` per episode with 95 % intervals over the episodes, and the two parts of
    the seconds (see `CrewTime`); `said` is every message; `traces` is how the first episode began, body by
    body."""

    suite: str
    bodies: int
    episodes: int
    success: float
    success_low: float
    success_high: float
    metric: float
    rounds: float
    rounds_low: float
    rounds_high: float
    seconds: float
    seconds_low: float
    seconds_high: float
    team_seconds: float
    world_seconds: float
    said: list[Said] = []
    traces: list[Trace] = []

    @property
    def named(self) -> str:
        """Such as "1 body" and "2 bodies"."""
        return "1 body" if self.bodies == 1 else f"{self.bodies} bodies"

    @classmethod
    def of_episodes(
        cls,
        suite: str,
        bodies: int,
        won: Sequence[bool],
        metrics: Sequence[float],
        played: Sequence[CrewTime],
        said: Sequence[Said] = (),
        traces: Sequence[Trace] = (),
    ) -> CrewScore:
        """Sum episodes up."""
        low, high = wilson(sum(won), len(won))
        rounds_low, rounds_high = bootstrap_mean([float(one.rounds) for one in played])
        seconds_low, seconds_high = bootstrap_mean([one.team_s + one.world_s for one in played])
        count = max(1, len(won))
        team_seconds = sum(one.team_s for one in played) / count
        world_seconds = sum(one.world_s for one in played) / count
        return cls(
            suite=suite,
            bodies=bodies,
            episodes=len(won),
            success=sum(won) / count,
            success_low=low,
            success_high=high,
            metric=sum(metrics) / count,
            rounds=sum(one.rounds for one in played) / count,
            rounds_low=rounds_low,
            rounds_high=rounds_high,
            seconds=team_seconds + world_seconds,
            seconds_low=seconds_low,
            seconds_high=seconds_high,
            team_seconds=team_seconds,
            world_seconds=world_seconds,
            said=list(said),
            traces=list(traces),
        )


def verdicts(scores: Sequence[Score]) -> list[str]:
    """What the scores say of each suite's student, in a sentence: beside its teacher and its reference."""
    sentences = []
    for suite in dict.fromkeys(score.suite for score in scores):
        named = {score.policy: score for score in scores if score.suite == suite}
        student, teacher, reference = (named.get(name) for name in ("student", "teacher", "reference"))
        parts = []
        if student and teacher and teacher.success:
            share = f"has {100 * student.success / teacher.success:.0f} % of its teacher's success"
            if teacher.metric and (teacher.metric, student.metric) != (teacher.success, student.success):
                share += f" and {100 * student.metric / teacher.metric:.0f} % of its metric"
            parts.append(share)
        if student and reference:
            if disjoint(student.interval, reference.interval):
                way = "above" if student.success > reference.success else "below"
                parts.append(f"is {way} its reference (disjoint 95 % intervals)")
            else:
                parts.append("is not told apart from its reference (overlapping 95 % intervals)")
        if parts:
            sentences.append(f"{suite}: the student {' and '.join(parts)}")
    return sentences


class Evaluation(BaseModel):
    """All scores and traces of one evaluation, and what it was run on."""

    run: str
    date: str
    machine: str
    split: str
    version: int
    scores: list[Score]
    crews: list[CrewScore] = []
    traces: list[Trace]


def data_uri(frame: Frame) -> str:
    """The frame (H, W, 3) as a PNG data URI, so that a page needs no file beside it."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
