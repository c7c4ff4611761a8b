"""The scripted team of the voxel world: manager, conductor and actor over exact planners.

Invariant: labels are functions of (observation, mirror); the only memory is a cache of plans by content.
"""

from __future__ import annotations

from teachers.config import TeacherConfig
from teachers.roles import Actor, Choice, Phase, Plan, Subtask, team_label
from teachers.types import Label, Role
from teachers.voxel_explore import explore
from teachers.voxel_situation import VoxelSituation
from worlds.types import Mirror, Observation


class VoxelManager:
    """Central planning: what every body is to do."""

    def plan(self, situation: VoxelSituation) -> Plan:
        """One subtask per body."""
        bodies = len(situation.facts["bodies"])
        return Plan((Subtask("find", situation.facts["target"]),) * bodies)


class VoxelConductor:
    """Decentralised execution: the phase of one body's subtask."""

    def phase(self, situation: VoxelSituation, subtask: Subtask) -> Phase:
        """Search until the team may act on a position, then approach."""
        return Phase("approach" if len(situation.targets) else "search", subtask.what)


class VoxelActor:
    """The next skill of one body."""

    def act(self, situation: VoxelSituation, phase: Phase) -> Choice:
        """Plan to the nearest target by decisions left, or explore."""
        if phase.name == "search":
            return explore(situation)
        cost = situation.cost_to(situation.targets, situation.facts["reach"])
        return situation.choose(cost.values(*situation.pose), situation.nearest_target)


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
