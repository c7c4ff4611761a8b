"""The teacher and the weaker expert of every suite."""

from __future__ import annotations

from teachers.babyai import BabyAIRuleExpert, BabyAITeacher
from teachers.config import TeacherConfig
from teachers.rule_expert import RuleExpert
from teachers.types import Teacher
from teachers.voxel_team import VoxelTeacher
from worlds.adapters.own import from_own_module


def make_teacher(suite: str, config: TeacherConfig | None = None) -> Teacher:
    """The scripted team for a suite such as "voxel/goal_name". Raises ValueError for a world without one."""
    match suite.partition("/")[0]:
        case "voxel":
            return VoxelTeacher(config)
        case "babyai":
            return BabyAITeacher()
        case "own":
            teacher: Teacher = from_own_module(suite, "make_teacher")(suite)
            return teacher
        case other:
            raise ValueError(
                f"no teacher for world {other!r} of suite {suite!r}; add a case to teachers/make.py"
            )


def make_expert(suite: str) -> Teacher:
    """The rule-based expert whose demonstrations make the reference policy. Raises ValueError as above."""
    match suite.partition("/")[0]:
        case "voxel":
            return RuleExpert()
        case "babyai":
            return BabyAIRuleExpert()
        case "own":
            expert: Teacher = from_own_module(suite, "make_expert")(suite)
            return expert
        case other:
            raise ValueError(
                f"no expert for world {other!r} of suite {suite!r}; add a case to teachers/make.py"
            )
