"""The critic: before a plan is carried out it is tried on a copy of the world, and after a failure it is
explained.

Invariant: a function of the situation and the plan; a complaint is a sentence for the role that has to mend
its plan, and "" means that nothing speaks against it.
"""

from __future__ import annotations

from teachers.planners.recipes import lacking_for
from teachers.roles import Phase
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.rehearsal import rehearse

FINE = ("ok", "part")
"""Outcomes of a skill that got somewhere."""
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
    why = EXPLAINED.get(outcome, "")
    return f"on a copy of the world {action} ended {outcome!r}{f' ({why})' if why else ''}"


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
