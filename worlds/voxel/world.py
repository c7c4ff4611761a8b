"""`VoxelWorld`: the task families on the voxel simulator, at the skill level.

Invariant: the same `EpisodeSpec` and the same replies give the same observations, byte for byte, in every
process; what an observation tells is in the frame, in the sounds, in the inventory, in the body's own map and
place, or follows from its own last notes and outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.base import HISTORY_TURNS, Score, View, World
from worlds.types import EpisodeSpec, Frame, Goal, Mirror, Outcome, Status
from worlds.voxel.data import ANIMAL_KIND, BLOCK_NAMES
from worlds.voxel.edges import squared
from worlds.voxel.mirror import NOTES, build_mirror
from worlds.voxel.moves import shut_headings
from worlds.voxel.perception import Thing, block_mask, things_in_sight
from worlds.voxel.recall import Standpoint, recalled
from worlds.voxel.skills import Skills
from worlds.voxel.tasks import block_search, goal_search, map_exploration, material_collection
from worlds.voxel.tasks.common import LANDMARKS, RESOURCES, Task, heard_now, status_of
from worlds.voxel.topdown import top_down

SUITES = (
    "voxel/goal_name",
    "voxel/goal_image",
    "voxel/goal_sound",
    "voxel/block_search",
    "voxel/map_exploration",
    "voxel/material_collection",
)
NAMED_BLOCKS = block_mask(
    (
        *LANDMARKS,
        *RESOURCES,
        "chest",
        "crafting_table",
        "furnace",
        *(n for n in BLOCK_NAMES if n.endswith("_log")),
    )
)
"""Bool by block id: the blocks that the mirror's `visible` lists (beside the animals)."""
SAME_INSTANCE = 3.0
"""Blocks: what is seen within this distance of a true instance of the target is that instance."""


class VoxelWorld(World):
    """All suites of `SUITES`; `reset` chooses the suite by its `EpisodeSpec`, or `suite` for a bare seed."""

    name = "voxel"
    task: Task

    def __init__(self, suite: str = SUITES[0], frame_size: int = 64) -> None:
        if suite not in SUITES:
            raise ValueError(f"unknown suite {suite!r}: the voxel world has {', '.join(SUITES)}")
        super().__init__(frame_size)
        self.suite = suite

    # -- hooks of World -------------------------------------------------------------------------

    def _default_episode(self, seed: int) -> EpisodeSpec:
        return EpisodeSpec(self.suite, "train", seed)

    def _begin(self, episode: EpisodeSpec) -> Goal:
        self.task = self._task(episode)
        self.max_iterations = self.task.max_iterations
        self.skills = Skills(self.task.body)
        self._things: list[Thing] = []
        self._sightings: list[NDArray[np.float64]] = []
        self._standpoints: list[Standpoint] = []
        return self.task.goal

    def _task(self, episode: EpisodeSpec) -> Task:
        return begin_task(episode, self.frame_size)

    def _apply(self, action: str) -> Outcome:
        return self.skills.run(action)

    def _score(self) -> Score:
        return self.task.score()

    def _observe_now(self) -> View:
        body = self.task.body
        rendered = body.look()
        self._things = things_in_sight(rendered, body.state, body.b, body.a, NAMED_BLOCKS)
        # One entry per decision: `World` observes every state once.
        self._sightings.append(self._targets_in_sight())
        x, _, z = body.position
        self._standpoints.append(Standpoint(x, z, body.yaw_deg, self.task.about()))
        return View(
            frame=rendered.rgb,
            status=self._status(),
            sounds=heard_now(body.state, body.a),
            actions=self.task.actions(),
            notes=NOTES if self.task.about() else (),
        )

    def mirror(self) -> Mirror:
        """The privileged view, with the keys that `worlds.voxel.mirror` documents."""
        observation = self.observe()
        return build_mirror(
            self.episode.suite,
            self.task,
            observation,
            self._things,
            seen_targets=_distinct(self._sightings),
            recent_targets=_distinct(self._sightings[-HISTORY_TURNS - 1 :]),
            iteration=self.iteration,
        )

    def overview(self) -> tuple[Frame, tuple[float, float]]:
        """See `World.overview`: north is up, one pixel a block."""
        body = self.task.body
        x, _, z = body.state.position[body.b, body.a]
        return top_down(body.state.blocks[body.b]), (float(x), float(z))

    # -- own ------------------------------------------------------------------------------------

    def _status(self) -> Status:
        """What the screen shows, with what the body's last turns tell of its target and of the way ahead."""
        turns, now = self._history[-HISTORY_TURNS:], self._standpoints[-1]
        stood = self._standpoints[-1 - len(turns) : -1]
        heading_deg = squared(now.heading_deg)
        remarks = ["blocked ahead"] if heading_deg in shut_headings(turns, heading_deg) else []
        if told := self.task.words():
            remarks.append(told)
        body, recall = self.task.body, recalled(zip(stood, turns, strict=True), now)
        return status_of(body.state, ", ".join(remarks), body.a, recall)

    def _targets_in_sight(self) -> NDArray[np.float64]:
        """(n, 3): the true instances of the target that the frame shows."""
        name, targets = self.task.about(), self.task.targets()
        shown = [thing for thing in self._things if thing.name == name]
        if not shown or not len(targets):
            return np.zeros((0, 3))
        if name in ANIMAL_KIND:
            return np.array([thing.position for thing in shown])
        cells = np.array([(thing.cell[0] + 0.5, thing.cell[1] + 0.5) for thing in shown])
        away = np.hypot(targets[:, :1] - cells[:, 0], targets[:, 2:] - cells[:, 1])
        near = np.unique(away.argmin(axis=0)[away.min(axis=0) <= SAME_INSTANCE])
        return targets[near]


def begin_task(episode: EpisodeSpec, frame_size: int) -> Task:
    """The task of a spec. Raises ValueError for a suite or a difficulty that does not exist."""
    family = episode.suite.removeprefix("voxel/")
    if episode.suite not in SUITES:
        raise ValueError(f"unknown suite {episode.suite!r}: the voxel world has {', '.join(SUITES)}")
    others: dict[str, Callable[[EpisodeSpec, int], Task]] = {
        "block_search": block_search.begin,
        "map_exploration": map_exploration.begin,
        "material_collection": material_collection.begin,
    }
    if family in others:
        return others[family](episode, frame_size)
    return goal_search.begin(episode, family, frame_size)


def _distinct(sightings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The union of sightings, (n, 3), latest first (an animal is listed once per place it was seen at)."""
    rows: dict[Any, None] = {}
    for sighting in reversed(sightings):
        rows.update(dict.fromkeys(map(tuple, sighting.tolist())))
    return np.array(list(rows), np.float64).reshape(-1, 3)
