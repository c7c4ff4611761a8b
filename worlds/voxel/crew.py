"""Several bodies in one world: each sees, acts and is told apart, one task is theirs in common.

Invariant: every member is a `World` like that of a single body (its own frame, map, history and mirror); what
one does, all find done; and a crew of one plays exactly as the single world does.

Members that may talk have the skill "message N TEXT" for each other body N (the first is 1) and each place
where their frame shows what the task is about: "diamond_ore at X Z". It takes the decision, reaches that one
body at any distance, and is in its mirror from its next state on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from worlds.base import HISTORY_TURNS, Score, View
from worlds.types import EpisodeSpec, Goal, Mirror, Observation, Outcome
from worlds.voxel.skills_body import Body
from worlds.voxel.tasks import block_search, map_exploration
from worlds.voxel.tasks.common import Task
from worlds.voxel.world import VoxelWorld

SUITES = ("voxel/block_search", "voxel/map_exploration")
"""The tasks that several bodies may share."""


@dataclass(frozen=True)
class Message:
    """What body `sender` told body `receiver` (the first is 1) in its decision `round`, from 1."""

    round: int
    sender: int
    receiver: int
    text: str


class Member(VoxelWorld):
    """One body's world; `Crew` makes it. `sent` is the crew's record, `others` are the bodies (from 1) that
    it may tell something; `crew` are all members, this one among them."""

    def __init__(
        self,
        suite: str,
        task: Task,
        frame_size: int,
        sent: list[Message],
        others: tuple[int, ...],
        crew: Sequence[Member],
    ) -> None:
        self._given = task
        self._sent = sent
        self._others = others
        self._crew = crew
        self._deciding = self._overtaken = False
        super().__init__(suite, frame_size)

    def observe(self) -> Observation:
        """As a single body's; what others did since it last looked has moved on the world, and may have moved
        this body (a slide, a current): it looks anew, but for its decision, which was about what it saw."""
        if self._overtaken and not self._deciding and self._view is not None:
            self._view = None
            self.task.body.forget_frame()
            self._sightings.pop()  # one a decision
            self._standpoints.pop()
        if self._view is None:
            self._overtaken = False
        return super().observe()

    def step(self, action: str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """See `World.step`."""
        self._deciding = True
        try:
            return super().step(action)
        finally:
            self._deciding = False
            for other in self._crew:
                other._overtaken |= other is not self

    def mirror(self) -> Mirror:
        """As a single body's, with what it sent and heard, and what came of everybody's decisions."""
        mirror, own = super().mirror(), self.task.body.a + 1
        known = [asdict(message) for message in self._sent if own in (message.sender, message.receiver)]
        turns = [
            [(turn.action, turn.outcome) for turn in member._history[-HISTORY_TURNS:]]
            for member in self._crew
        ]
        return replace(mirror, facts={**mirror.facts, "messages": known, "turns": turns})

    def _apply(self, action: str) -> Outcome:
        outcome = super()._apply(action)
        own = self.task.body.a + 1
        self._sent += [Message(self.iteration + 1, own, n, text) for n, text in self.skills.outbox]
        self.skills.outbox.clear()
        return outcome

    def _observe_now(self) -> View:
        view = super()._observe_now()
        columns = np.unique(np.floor(self._sightings[-1][:, ::2]).astype(np.int64), axis=0).tolist()
        places = [f"{self.task.about()} at {x} {z}" for x, z in columns]
        told = (f"message {n} {place}" for n in self._others for place in places)
        return replace(view, actions=(*view.actions, *told))

    def _task(self, episode: EpisodeSpec) -> Task:
        return self._given


class Crew:
    """`bodies` members in the world of an episode, which `talk` or do not. A round is one decision of each;
    `sent` is all that was said. Raises ValueError for a suite that cannot be shared."""

    def __init__(self, episode: EpisodeSpec, bodies: int, frame_size: int = 64, talk: bool = False) -> None:
        begin: Callable[[EpisodeSpec, int, int], Any] | None = {
            "voxel/block_search": block_search.begin,
            "voxel/map_exploration": map_exploration.begin,
        }.get(episode.suite)
        if begin is None or bodies < 1:
            raise ValueError(
                f"bodies cannot share {episode.suite} (asked for: {bodies}): take one or more, and one of "
                f"{', '.join(SUITES)}"
            )
        first = begin(episode, frame_size, bodies)
        self.members: list[Member] = []
        self.sent: list[Message] = []
        for a in range(bodies):
            body = Body(first.body.sim, 0, a, frame_size)
            others = tuple(n for n in range(1, bodies + 1) if talk and n != a + 1)
            member = Member(
                episode.suite, replace(first, body=body), frame_size, self.sent, others, self.members
            )
            member.reset(options={"episode": episode})
            self.members.append(member)

    @property
    def goal(self) -> Goal:
        """What all are to do."""
        return self.members[0].task.goal

    @property
    def max_rounds(self) -> int:
        """As many as a single body has decisions."""
        return self.members[0].max_iterations

    def score(self) -> Score:
        """How the task stands."""
        return self.members[0].task.score()
