"""The weaker rule-based expert: explore until the target is seen or heard, then go for it (EMMA's source of
data for the reference policy).

Invariant: it reads the frame's facts of this very moment and the last turns, never a map, so it forgets a
target that leaves the frame, and it plans round nothing: a walk that got stuck is answered by a turn.
"""

from __future__ import annotations

from teachers.config import TeacherConfig
from teachers.roles import Choice, Phase
from teachers.voxel_situation import VoxelSituation
from teachers.voxel_team import VoxelTeacher
from worlds.types import Turn
from worlds.voxel.moves import STUCK, WALKS

RULE_DECISIONS = 10.0
"""Decisions left that its values claim; it has no plan to count them on."""
WORK = ("mine", "craft", "smelt", "place")


class RuleActor:
    """Turn until the target is ahead, then walk by its distance."""

    def act(self, situation: VoxelSituation, phase: Phase) -> Choice:
        """The next skill by rule."""
        history = situation.observation.history
        if history and history[-1].action in WALKS and history[-1].outcome == STUCK:
            return situation.prefer("turn right 45", -RULE_DECISIONS)
        if phase.name in WORK and not (
            history and history[-1].outcome != "ok" and history[-1].action == phase.text
        ):
            return situation.prefer(phase.text, -RULE_DECISIONS)
        if phase.name == "explore":
            return situation.prefer(self._map(history), -RULE_DECISIONS)
        if phase.name in ("approach", "mine") and len(situation.targets):
            return situation.prefer(self._approach(situation), -RULE_DECISIONS)
        return situation.prefer(self._explore(history), -RULE_DECISIONS)

    def _approach(self, situation: VoxelSituation) -> str:
        x, z = situation.nearest_target
        off = situation.bearing_to(x, z)
        if abs(off) > 150:
            return "turn around"
        if abs(off) > 67.5:
            return "turn right 90" if off > 0 else "turn left 90"
        if abs(off) > 27.0:
            return "turn right 45" if off > 0 else "turn left 45"
        away = situation.distance_to(x, z)
        return "forward 8" if away > 11 else "forward 4" if away > 6 else "forward 2"

    def _map(self, history: tuple[Turn, ...]) -> str:
        """A scan after every second long walk, then a turn to the right."""
        last = [turn.action for turn in history[-3:]]
        if not last or last[-2:] == ["forward 8"] * 2:
            return "scan"
        return "turn right 90" if last[-1] == "scan" and len(last) > 1 else "forward 8"

    def _explore(self, history: tuple[Turn, ...]) -> str:
        """Three looks to the right, then two long walks."""
        last = [turn.action for turn in history[-3:]]
        if last == ["turn right 90"] * 3 or (last and last[-1] in WALKS and last[-2:] != ["forward 8"] * 2):
            return "forward 8"
        return "turn right 90"


class RuleExpert(VoxelTeacher):
    """The expert as a `Teacher`; manager and conductor are the team's, over what is in the frame now."""

    def __init__(self) -> None:
        super().__init__(TeacherConfig(map="none"), RuleActor())
        self.version = "voxel-rule-1"
