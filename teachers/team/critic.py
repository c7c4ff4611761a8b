"""The critic: before a plan is carried out it is tried on a copy of the world, and after a failure it is
explained.

Invariant: a function of the situation and the plan; a complaint is a sentence for the role that has to mend
its plan, and "" means that nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from teachers.planners.recipes import lacking_for
from teachers.roles import Phase
from teachers.team.skills import SkillModule
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.rehearsal import FINE, PLAN_STEPS, rehearse, rehearse_plan

EXPLAINED = {
    "stuck": "the way in that heading is shut at this spot",
    "part": "something ended the walk early",
    "not in sight": "it is not in the frame",
    "out of reach": "it is too far away or behind something",
    "no tool": "it takes a better tool than is carried",
    "no path": "there is no known way there",
    "inventory full": "nothing more can be carried",
}


def before_action(situation: VoxelSituation, action: str) -> str:
    """Try the action on a copy of the world."""
    outcome = rehearse(situation.facts, action).outcome
    if outcome in FINE:
        return ""
    return f"on a copy of the world {action} {_ended(outcome)}"


def before_plan(
    situation: VoxelSituation,
    steps: Sequence[str],
    skills: SkillModule = SkillModule(),  # noqa: B008  (it keeps nothing)
    ends_s: float = float("inf"),
) -> str:
    """Try the steps one after another on one copy of the world, up to the first that is no skill (a model may
    foresee in words of its own): the first that fails is named, with what it lacks where no step before it
    gave that."""
    legal = situation.observation.actions
    found = (skills.find(step, legal, ends_s) for step in steps[:PLAN_STEPS])
    plan = [skill for skill in takewhile(bool, found) if skill]
    if not plan:
        return ""
    tried = rehearse_plan(situation.facts, plan)
    if tried[-1].outcome in FINE:
        return ""
    place, skill, before = len(tried), plan[len(tried) - 1], ", ".join(plan[: len(tried) - 1])
    after_ = f", after {before}" if before else ""
    return f"step {place} of the plan, {skill}, {_ended(tried[-1].outcome)} on a copy of the world{after_}"


def before_phase(situation: VoxelSituation, phase: Phase) -> str:
    """Whether the phase can be begun now: is the thing in the frame, or known of, are the materials there?"""
    facts = situation.facts
    match phase.name:
        case "mine":
            if not any(thing["name"] == phase.what for thing in facts["visible"]):
                return f"no {phase.what} is in the frame now"
        case "approach":
            if phase.what != facts["target"] or not len(situation.targets):
                return f"nothing is known of where {phase.what} is: search it"
        case "craft" | "smelt" | "place":
            lacking = lacking_for(phase.name, phase.what, facts["inventory"], situation.workplaces)
            if lacking:
                return f"to {phase.text} takes {lacking}"
        case "done":
            carried = facts["inventory"]
            if not facts["wanted"]:
                return "only a list that is complete is done"
            if any(carried.get(item, 0) < count for item, count in facts["wanted"].items()):
                return "the list is not complete"
    return ""


def after(situation: VoxelSituation) -> str:
    """What became of the last action, where it failed."""
    history = situation.turns
    if not history or history[-1].outcome == "ok":
        return ""
    last = history[-1]
    why = EXPLAINED.get(last.outcome, "")
    return f"the last action, {last.action}, ended {last.outcome!r}{f': {why}' if why else ''}"


def _ended(outcome: str) -> str:
    why = EXPLAINED.get(outcome, "")
    return f"ended {outcome!r}{f' ({why})' if why else ''}"
