"""One hosted episode: a world, a teacher where one was asked for, and what the student said.

Invariant: what the student is asked is `world.observe()` and nothing else; the teacher's opinion goes to the
page alone. One state has one decision and one opinion, however often they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from actors.types import derive_seed
from evaluation.records import data_uri
from evaluation.watch.student import RemoteStudent
from evaluation.watch.wire import Agreement, Heard, Opinion, PastTurn, Scene
from serve.problems import Problem
from serve.wire import ActResponse
from teachers.types import Teacher
from worlds.base import World, join_reply
from worlds.directions import BEARINGS, COMPASS, octant
from worlds.types import EpisodeSpec, Observation


def agreement(action: str, opinion: Opinion | None) -> Agreement | None:
    """How `action` stands to the teacher's (None: it has no advice)."""
    if opinion is None or not opinion.valid:
        return None
    if action == opinion.action:
        return "agrees"
    return "equally good" if action in opinion.equally_good else "differs"


@dataclass
class HostedEpisode:
    """`world` has begun the episode `spec`; `seed` and `temperature` decide the student's draws as in
    `actors.rollout`, so an evaluation with the same ones sees the same episode."""

    spec: EpisodeSpec
    world: World
    teacher: Teacher | None
    temperature: float
    seed: int
    success: bool = False
    metric: float = 0.0
    over: bool = False
    decision: ActResponse | None = None
    opinion: Opinion | None = None
    turns: list[PastTurn] = field(default_factory=list)
    path_xy: list[tuple[float, float]] = field(default_factory=list)
    model: str = ""
    """Who decided first: new weights on the server do not take an episode over."""

    def __post_init__(self) -> None:
        self._arrive()

    def ask(self, student: RemoteStudent) -> None:
        """Have the student decide in this state, if it has not yet. Raises `Problem`, see `RemoteStudent`."""
        if self.decision is None and not self.over:
            self.decision = self._consult(student, self.world.observe())

    def act(self, action: str | None) -> None:
        """Carry out the student's decision, or `action` by hand. Raises `Problem`: 409 where the episode is
        over, 422 for an action that is not legal."""
        if self.over:
            raise Problem(409, "this episode is over: begin another")
        seen, decided = self.world.observe(), self.decision
        by: Literal["student", "hand"] = "hand"
        if action is not None and action not in seen.actions:
            raise Problem(422, f"action: {action!r} is not legal here, only {', '.join(seen.actions)}")
        if action is None:
            assert decided is not None
            by, action = "student", decided.action
        # Whoever moves, the memo is the student's own: it is its memory, and no teacher's word may enter it.
        note = decided.note if decided else ""
        _, _, finished, truncated, info = self.world.step(join_reply(note, action))
        self.success, self.metric = bool(info["success"]), float(info["metric"])
        self.over = finished or truncated
        self.turns.append(
            PastTurn(
                by=by,
                note=note,
                action=action,
                outcome=str(info["outcome"]),
                teacher=self.opinion.action if self.opinion and self.opinion.valid else None,
                agreement=agreement(action, self.opinion),
            )
        )
        self._arrive()

    def scene(self, name: str) -> Scene:
        """The episode as the page shows it; `name` is its id."""
        seen = self.world.observe()
        above, _ = self.world.overview()
        status = seen.status
        return Scene(
            id=name,
            suite=self.spec.suite,
            split=self.spec.split,
            index=self.spec.index,
            difficulty=self.spec.difficulty,
            goal=seen.goal.text,
            goal_image=None if seen.goal.image is None else data_uri(seen.goal.image),
            goal_sound=seen.goal.sound,
            decisions=len(self.turns),
            max_decisions=self.world.max_iterations,
            over=self.over,
            success=self.success,
            metric=self.metric,
            frame=data_uri(seen.frame),
            heading_deg=status.heading_deg,
            heading=COMPASS[octant(status.heading_deg)],
            position=status.position,
            inventory=dict(status.inventory),
            words=status.remarks,
            sounds=[
                Heard(name=sound.name, where=BEARINGS[octant(sound.bearing_deg)], loudness=sound.loudness)
                for sound in seen.sounds
            ],
            actions=list(seen.actions),
            above=data_uri(above),
            path_xy=self.path_xy,
            turns=self.turns,
            decision=self.decision,
            opinion=self.opinion,
            agreement=agreement(self.decision.action, self.opinion) if self.decision else None,
        )

    def _consult(self, student: RemoteStudent, seen: Observation) -> ActResponse:
        seed = derive_seed(self.seed, self.spec, len(self.turns), "actor")
        decision = student.decide(seen, self.temperature, seed, self.model)
        self.model = f"{decision.model}@{decision.version}"
        return decision

    def _arrive(self) -> None:
        """A new state: nobody has said anything about it yet but the teacher."""
        self.decision = self.opinion = None
        _, place = self.world.overview()
        self.path_xy.append(place)
        if self.teacher is not None and not self.over:
            label = self.teacher.label(self.world.observe(), self.world.mirror())
            self.opinion = Opinion(
                action=label.action,
                note=label.note,
                equally_good=list(label.equally_good),
                said=list(label.said),
                valid=label.valid,
                reason=label.reason,
            )
