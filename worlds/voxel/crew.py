"""Several bodies in one world: each sees, acts and is told apart, one task is theirs in common.

Invariant: every member is a `World` like that of a single body (its own frame, map, history and mirror); what
one does, all find done; and a crew of one plays exactly as the single world does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from worlds.base import Score
from worlds.types import EpisodeSpec, Goal
from worlds.voxel.skills_body import Body
from worlds.voxel.tasks import block_search, map_exploration
from worlds.voxel.tasks.common import Task
from worlds.voxel.world import VoxelWorld

SUITES = ("voxel/block_search", "voxel/map_exploration")
"""The tasks that several bodies may share."""


class Member(VoxelWorld):
    """One body's world; `Crew` makes it."""

    def __init__(self, suite: str, task: Task, frame_size: int) -> None:
        self._given = task
        super().__init__(suite, frame_size)

    def _task(self, episode: EpisodeSpec) -> Task:
        return self._given


class Crew:
    """`bodies` members in the world of an episode. A round is one decision of each; raises ValueError for a
    suite that cannot be shared."""

    def __init__(self, episode: EpisodeSpec, bodies: int, frame_size: int = 64) -> None:
        begin: Callable[[EpisodeSpec, int, int], Any] | None = {
            "voxel/block_search": block_search.begin,
            "voxel/map_exploration": map_exploration.begin,
        }.get(episode.suite)
        if begin is None or bodies < 1:
            raise ValueError(
                f"{bodies} bodies cannot share {episode.suite}: take one or more, and one of "
                f"{', '.join(SUITES)}"
            )
        first = begin(episode, frame_size, bodies)
        self.members: list[Member] = []
        for a in range(bodies):
            body = Body(first.body.sim, 0, a, frame_size)
            member = Member(episode.suite, replace(first, body=body), frame_size)
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
