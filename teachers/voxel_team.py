"""The scripted team of the voxel world: manager, conductor and actor over exact planners.

Invariant: labels are functions of (observation, mirror); the only memory is a cache of plans by content.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from teachers.config import TeacherConfig
from teachers.planners.recipes import next_step
from teachers.planners.regions import HALVES, QUARTERS, bounds, middle
from teachers.planners.sharing import share_out
from teachers.roles import Actor, Choice, Phase, Plan, Subtask, team_label
from teachers.types import Label, Role
from teachers.voxel_explore import explore, explore_map
from teachers.voxel_gather import GATHER_DECISIONS, gather
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_talk import message_due
from worlds.types import Mirror, Observation


class VoxelManager:
    """Central planning: what every body is to do."""

    def plan(self, situation: VoxelSituation) -> Plan:
        """One subtask per body."""
        bodies = len(situation.facts["bodies"])
        match situation.family:
            case "map_exploration":
                subtask = Subtask("explore", "land")
            case "block_search":
                subtask = Subtask("mine", situation.facts["target"])
            case "material_collection":
                wanted = situation.facts["wanted"]
                subtask = Subtask(
                    "collect", " and ".join(f"{count} {item}" for item, count in wanted.items())
                )
            case _:
                subtask = Subtask("find", situation.facts["target"])
        if bodies == 1:
            return Plan((subtask,))
        return Plan(tuple(replace(subtask, region=region) for region in self._regions(situation)))

    def _regions(self, situation: VoxelSituation) -> tuple[str, ...]:
        """A half or a quarter of the world for every body, as evenly as can be, with the least walking."""
        size_x, _, size_z = (situation.facts["size"][i] for i in (0, 2, 1))
        poses = [(pose[0], pose[2]) for pose in situation.facts["bodies"]]
        regions = HALVES if len(poses) == 2 else QUARTERS
        middles = [middle(*bounds(size_x, size_z, region)) for region in regions]
        blocks_BR = np.array([[math.dist(pose, centre) for centre in middles] for pose in poses])
        return tuple(regions[place] for place in share_out(blocks_BR))


class VoxelConductor:
    """Decentralised execution: the phase of one body's subtask."""

    def phase(self, situation: VoxelSituation, subtask: Subtask) -> Phase:
        """Search until the team may act on a position, then approach; collections go step by step."""
        name = situation.facts["target"]
        match subtask.verb:
            case "explore":
                return Phase("explore", subtask.what, subtask.region)
            case "collect":
                facts = situation.facts
                step = next_step(facts["wanted"], facts["inventory"], situation.workplaces)
                if not step.startswith("mine "):
                    verb, _, item = (step or "done").partition(" ")
                    return Phase(verb, item)
                name = step.removeprefix("mine ")
        if any(thing["name"] == name for thing in situation.facts["visible"]) and subtask.verb != "find":
            return Phase("mine", name)
        if len(situation.targets):
            return Phase("approach", name)
        return Phase("search", name, subtask.region)


class VoxelActor:
    """The next skill of one body."""

    def act(self, situation: VoxelSituation, phase: Phase) -> Choice:
        """Tell another body what it is nearer to; else plan to the nearest target by decisions left, or
        explore."""
        if message := message_due(situation):
            return situation.prefer(message, -GATHER_DECISIONS)
        if situation.family == "map_exploration":
            return explore_map(situation, phase.region)
        if phase.name in ("craft", "smelt", "place"):
            return situation.prefer(phase.text, -GATHER_DECISIONS)
        if situation.family in ("block_search", "material_collection"):
            return gather(situation, phase)
        if phase.name == "search":
            return explore(situation, phase.region)
        values = situation.values_to(situation.targets, situation.facts["reach"])
        return situation.choose(values, situation.nearest_target)


class VoxelTeacher:
    """The team as one `Teacher`."""

    def __init__(
        self, config: TeacherConfig | None = None, actor: Actor[VoxelSituation] | None = None
    ) -> None:
        self.config = config or TeacherConfig()
        self.version = self.config.version
        self._manager, self._conductor, self._actor = VoxelManager(), VoxelConductor(), actor or VoxelActor()

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The label of `role`. Raises ValueError for another world's mirror."""
        situation = VoxelSituation.read(observation, mirror, self.config)
        return team_label(situation, self._manager, self._conductor, self._actor, role)
