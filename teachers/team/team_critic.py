"""The critic of the manager: before, its plan is carried through on the snapshot; after, a body that gets
nowhere is named.

Invariant: a function of the situation and the plan. What is objected to can be mended: there is another plan
that the objection does not meet.

The snapshot is the known land under the team's map setting: what a body would need to get into its region is
what the exact planner counts there, in decisions.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from teachers.planners.pose_grid import CostToGo
from teachers.planners.sharing import share_out
from teachers.roles import Plan
from teachers.team.critic import REPAIRS, explained, failures
from teachers.voxel_explore import REGIONS, bounds, middle
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.edges import squared

SAVED = 6.0
"""Decisions of the whole team that another sharing must save: the manager is told places to eight blocks."""
REGION_REACH = 4.0
"""Blocks from its middle at which a body is in a region for good."""


def before_team(situation: VoxelSituation, plan: Plan) -> str:
    """Carry the plan through on the snapshot: what would be left undone, where would nobody be, who would
    walk too far?"""
    return _undone(situation, plan) or _deserted(plan) or _walks(situation, plan)


def after_team(situation: VoxelSituation) -> str:
    """Which bodies of several got nowhere with as many decisions as they may try to repair alone."""
    told = []
    for number, turns in enumerate(situation.facts.get("turns", ()), start=1):
        failed = failures(turns)
        if len(failed) >= REPAIRS:
            action, outcome = failed[-1]
            tries = f"its last {len(failed)} skills failed"
            told.append(f"body {number} gets nowhere: {tries}, {action} {explained(outcome)}")
    return "; ".join(told)


def _undone(situation: VoxelSituation, plan: Plan) -> str:
    """What of the task is not done when every subtask is: what a list lacks, or the task itself."""
    facts = situation.facts
    if not facts["wanted"]:
        needed = {"map_exploration": "explore land", "block_search": f"mine {facts['target']}"}
        order = needed.get(situation.family, f"find {facts['target']}")
        if any(f"{subtask.verb} {subtask.what}" == order for subtask in plan.subtasks):
            return ""
        return f"carried through, this plan leaves the task undone: nobody is to {order}"
    had = Counter(facts["inventory"])
    for subtask in plan.subtasks:
        if subtask.verb == "collect":
            shares = (share.split(" ") for share in subtask.what.split(" and "))
            had.update({item: int(count) for count, item in shares})
    left = [f"{count - had[item]} {item}" for item, count in facts["wanted"].items() if had[item] < count]
    return f"carried through, this plan leaves {' and '.join(left)} of the list undone" if left else ""


def _deserted(plan: Plan) -> str:
    """A quarter where nobody is to work while two share another."""
    given = Counter(subtask.region for subtask in plan.subtasks)
    shared = [region for region, bodies in given.items() if region and bodies > 1]
    empty = [
        q
        for q in REGIONS
        if not any(set(region.split("-")) <= set(q.split("-")) for region in given if region)
    ]
    if "" in given or not shared or not empty:
        return ""
    return f"{given[shared[0]]} bodies are to work in the {shared[0]}, and nobody in the {empty[0]}"


def _walks(situation: VoxelSituation, plan: Plan) -> str:
    """A sharing of the same regions with which the bodies are there sooner, where it is sooner by much."""
    regions = [subtask.region for subtask in plan.subtasks]
    if len(set(regions)) < 2 or not all(regions):
        return ""
    size_x, size_z, _ = situation.facts["size"]
    columns = {
        region: _decisions(situation, middle(*bounds(size_x, size_z, region))) for region in set(regions)
    }
    costs_BB = np.array([columns[region] for region in regions]).T
    better = share_out(costs_BB)
    own = np.arange(len(regions))
    saved = float((costs_BB[own, own] - costs_BB[own, list(better)]).sum())
    if saved < SAVED:
        return ""
    told = ", ".join(f"body {n} in the {regions[place]}" for n, place in enumerate(better, start=1))
    sooner = f"{saved:.0f} decisions sooner"
    return f"walked through on the known land, the team is in its regions {sooner} with {told}"


def _decisions(situation: VoxelSituation, spot: tuple[float, float]) -> list[float]:
    """Of every body, to get there over the known land (what is unknown is taken as open)."""
    plan = CostToGo(situation.ground, np.array([spot]), REGION_REACH)
    found = []
    for x, y, z, yaw, _ in situation.facts["bodies"]:
        there = math.dist((x, z), spot) <= REGION_REACH
        feet = math.floor(y + 0.3)
        found.append(0.0 if there else -max(plan.values(x, z, feet, squared(yaw)).values()))
    return found
