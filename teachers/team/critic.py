"""The critic: before a plan is carried out it is tried on a copy of the world, and after a failure it is
explained.

Invariant: a function of the situation and the plan; a complaint is a sentence for the role that has to mend
its plan, and "" means that nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from teachers.planners.recipes import PICKAXES, can_mine, lacking_for
from teachers.roles import Phase
from teachers.team.orders import WORK
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.data import BLOCK, TIER_NEEDED
from worlds.voxel.moves import IN_PLACE, STUCK, TURNS, WALKS
from worlds.voxel.rehearsal import FINE, PLAN_STEPS, rehearse, rehearse_plan

REPAIRS = 4
"""With so many failures in a row at one spot the roles above the actor are asked to repair too (as many tries
as a task has in STEVE-2's lineage: Voyager, arXiv 2305.16291)."""
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
    """Whether it just failed from this very spot; else try the action on a copy of the world."""
    failed = dict(failures([(turn.action, turn.outcome) for turn in situation.turns]))
    if action in failed:
        return f"from this very spot {action} has just {explained(failed[action])}"
    if action in TURNS:
        return ""
    if action in WALKS:
        outcome = STUCK if situation.pose[2] in situation.tried else FINE[0]
    else:
        outcome = rehearse(situation.facts, action).outcome
    if outcome in FINE:
        return ""
    return f"on a copy of the world {action} {explained(outcome)}"


def before_plan(situation: VoxelSituation, plan: Sequence[str]) -> str:
    """Try skills one after another on one copy of the world: the first that fails is named, with what it
    lacks where no step before it gave that."""
    if not plan:
        return ""
    failed = dict(failures([(turn.action, turn.outcome) for turn in situation.turns]))
    if plan[0] in failed:
        return f"step 1 of the plan, {plan[0]}, has just {explained(failed[plan[0]])} from this very spot"
    tried = rehearse_plan(situation.facts, plan[:PLAN_STEPS])
    if tried[-1].outcome in FINE:
        return ""
    place, skill, before = len(tried), plan[len(tried) - 1], ", ".join(plan[: len(tried) - 1])
    after_ = f", after {before}" if before else ""
    return f"step {place} of the plan, {skill}, {explained(tried[-1].outcome)} on a copy of the world{after_}"


def before_phase(situation: VoxelSituation, phase: Phase) -> str:
    """Whether the phase can be begun now: is the thing in the frame, or known of, are the materials there?"""
    facts = situation.facts
    match phase.name:
        case "mine":
            if not any(thing["name"] == phase.what for thing in facts["visible"]):
                return f"no {phase.what} is in the frame now"
            if not can_mine(phase.what, facts["inventory"]):
                tool = PICKAXES[int(TIER_NEEDED[BLOCK[phase.what]]) - 1]
                return f"to mine {phase.what} takes a {tool}, and none is carried"
        case "approach":
            known = phase.what == facts["target"] and len(situation.targets) > 0
            if not known and not any(thing["name"] == phase.what for thing in facts["visible"]):
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
    """What became of the last action, where it failed, and of those before it that failed at this spot."""
    if not situation.turns or situation.turns[-1].outcome == "ok":
        return ""
    last = situation.turns[-1]
    before = dict(failures([(turn.action, turn.outcome) for turn in situation.turns])[:-1])
    before.pop(last.action, None)
    too = f"; so had {' and '.join(before)} at this spot" if before else ""
    return f"the last action, {last.action}, {explained(last.outcome)}{too}"


def after_phase(situation: VoxelSituation) -> str:
    """The same for the conductor: where its phase's own work failed, or `REPAIRS` skills at one spot."""
    critique = after(situation)
    if critique and situation.turns[-1].action.split(" ")[0] in WORK:
        return critique
    failed = failures_here([(turn.action, turn.outcome) for turn in situation.turns])
    return nowhere(failed) if len(failed) >= REPAIRS else ""


def nowhere(failed: Sequence[tuple[str, str]]) -> str:
    """Of skills that failed at one spot, in a row."""
    action, outcome = failed[-1]
    return f"the last {len(failed)} skills at this spot failed, {action} {explained(outcome)}"


def knows_more(situation: VoxelSituation) -> bool:
    """Whether the copy of the world shows more ways shut from here than the last turns tell."""
    return not situation.shut >= set(situation.tried)


def failures(turns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last (action, outcome) in a row that got nowhere, oldest first: all of them from one view."""
    failed = list(takewhile(lambda turn: turn[1] not in FINE, reversed(turns)))
    return failed[::-1]


def failures_here(turns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those from one spot: to turn, to look or to speak gets a body nowhere either."""
    return failures([turn for turn in turns if turn[0] not in TURNS and not turn[0].startswith(IN_PLACE)])


def explained(outcome: str) -> str:
    """E.g. "ended 'stuck' (the way in that heading is shut at this spot)"."""
    why = EXPLAINED.get(outcome, "")
    return f"ended {outcome!r}{f' ({why})' if why else ''}"
