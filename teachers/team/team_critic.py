"""The critic of the manager: before, its plan is walked through on the known land; after, a body that gets
nowhere is named.

Invariant: a function of what all bodies know and of the plan, so it says the same whoever's label is made;
what is objected to can be mended: there is another plan that the objection does not meet.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from teachers.planners.pose_grid import CostToGo
from teachers.planners.regions import QUARTERS, bounds, middle, within
from teachers.planners.sharing import share_out
from teachers.planners.surface import surface
from teachers.roles import Plan
from teachers.team.critic import REPAIRS, failures_here, nowhere
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.edges import squared

SAVED = 6.0
"""Decisions of the whole team that another sharing must save: the manager is told places to eight blocks."""
REGION_REACH = 4.0
"""Blocks from its middle at which a body is in a region for good."""
SEEN = 0.95
"""Share of a quarter's columns from which on nobody need be sent there."""


def before_team(situation: VoxelSituation, plan: Plan) -> str:
    """Walk the plan through: would nobody be in a part that is still to be seen, who would walk too far?
    (Where a body gets nowhere, how far it is tells nothing.)"""
    if len(plan.subtasks) == 1:
        return ""
    stuck = bool(after_team(situation))
    return _deserted(situation, plan) or ("" if stuck else _walks(situation, plan))


def after_team(situation: VoxelSituation) -> str:
    """Which bodies of several got nowhere with as many skills in a row as they may try alone."""
    told = []
    for number, turns in enumerate(situation.facts.get("turns", ()), start=1):
        failed = failures_here(turns)
        if len(failed) >= REPAIRS:
            told.append(f"body {number} gets nowhere: {nowhere(failed)}")
    return "; ".join(told)


def _deserted(situation: VoxelSituation, plan: Plan) -> str:
    """A quarter, not yet seen, where nobody is to work while two share another."""
    regions = [subtask.region for subtask in plan.subtasks]
    bodies = {quarter: sum(within(quarter, region) for region in regions) for quarter in QUARTERS}
    shared = [quarter for quarter in QUARTERS if bodies[quarter] > 1]
    empty = [quarter for quarter in QUARTERS if not bodies[quarter] and not _seen(situation, quarter)]
    if not all(regions) or not shared or not empty:
        return ""
    return f"{bodies[shared[0]]} bodies are to work in the {shared[0]}, and nobody in the {empty[0]}"


def _seen(situation: VoxelSituation, quarter: str) -> bool:
    """Whether the team has had nearly all of it in view."""
    known = _known(situation)
    (low_x, low_z), (high_x, high_z) = bounds(known.shape[0], known.shape[1], quarter)
    return float(known[int(low_x) : int(high_x), int(low_z) : int(high_z)].mean()) >= SEEN


def _known(situation: VoxelSituation) -> NDArray[np.bool_]:
    """(X, Z) columns that the team as a whole may plan over; where each body has a map of its own, none."""
    known = np.asarray(situation.facts["known"], np.bool_)
    return known & (situation.config.map in ("accumulated", "mirror"))


def _walks(situation: VoxelSituation, plan: Plan) -> str:
    """A sharing of the same regions with which the bodies are there sooner, where it is sooner by much."""
    regions = [subtask.region for subtask in plan.subtasks]
    if len(set(regions)) < 2 or not all(regions):
        return ""
    decisions = {region: _decisions(situation, region) for region in set(regions)}
    costs_BB = np.array([decisions[region] for region in regions]).T
    better = share_out(costs_BB)
    own = np.arange(len(regions))
    saved = float((costs_BB[own, own] - costs_BB[own, list(better)]).sum())
    if saved < SAVED:
        return ""
    told = ", ".join(f"body {n} in the {regions[place]}" for n, place in enumerate(better, start=1))
    sooner = f"{saved:.0f} decisions sooner"
    return f"walked through on the known land, the team is in its regions {sooner} with {told}"


def _decisions(situation: VoxelSituation, region: str) -> list[float]:
    """Of every body, to the middle of the region over the known land (what is unknown is taken as open)."""
    known = _known(situation)
    spot = middle(*bounds(known.shape[0], known.shape[1], region))
    ground = surface(situation.facts["blocks"], known)
    plan = CostToGo(ground, np.array([spot]), REGION_REACH)
    found = []
    for x, y, z, yaw, _ in situation.facts["bodies"]:
        there = math.dist((x, z), spot) <= REGION_REACH
        feet = math.floor(y + 0.3)
        found.append(0.0 if there else -max(plan.values(x, z, feet, squared(yaw)).values()))
    return found
