"""The skill libraries of manager and conductor: the subtasks and phases that a task gives a meaning to.

Invariant: what is in them names the task's own thing or list, a block or an item that the task's own skills
are about, the land, or a part of the world; no other words and no other numbers can be handed down.
"""

from __future__ import annotations

from teachers.planners.regions import HALVES, QUARTERS
from teachers.roles import Subtask
from teachers.voxel_situation import VoxelSituation

WORK = ("mine", "craft", "smelt", "place")
"""Verbs of the skills by which a phase does its own work."""


def subtasks(situation: VoxelSituation) -> tuple[str, ...]:
    """What one body can be told to do: the task, with several bodies in a part of the world, e.g.
    ("mine diamond_ore west", "mine diamond_ore east")."""
    facts = situation.facts
    if facts["wanted"]:
        order = "collect " + " and ".join(f"{count} {item}" for item, count in facts["wanted"].items())
    else:
        verbs = {"map_exploration": "explore land", "block_search": f"mine {facts['target']}"}
        order = verbs.get(situation.family, f"find {facts['target']}")
    return tuple(f"{order} {region}".strip() for region in regions_of(len(facts["bodies"])))


def subtask_of(text: str) -> Subtask:
    """That of a text such as "mine diamond_ore west"."""
    region = next((region for region in (*QUARTERS, *HALVES) if text.endswith(f" {region}")), "")
    verb, _, what = text.removesuffix(f" {region}").partition(" ")
    return Subtask(verb, what, region)


def regions_of(bodies: int) -> tuple[str, ...]:
    """The parts of the world that so many bodies are sent to."""
    if bodies == 1:
        return ("",)
    return HALVES if bodies == 2 else (*QUARTERS, *HALVES)


def phases(situation: VoxelSituation, region: str = "") -> tuple[str, ...]:
    """What a body can be about: its task's work, and to search and approach what that is about, e.g.
    ("search oak_log", "approach oak_log", "mine oak_log", "craft stick", "done"). With the subtask's `region`
    it may be said again where to search."""
    if situation.family == "map_exploration":
        return tuple(f"explore land {there}".strip() for there in dict.fromkeys(("", region)))
    work = [action for action in situation.observation.actions if action.split(" ")[0] in WORK]
    mined = [action.removeprefix("mine ") for action in work if action.startswith("mine ")]
    names = [name for name in dict.fromkeys((situation.facts["target"], *mined)) if name]
    ways = [f"{verb} {name}" for name in names for verb in ("search", "approach")]
    ways += [f"search {name} {region}" for name in names if region]
    return (*ways, *work, *(("done",) if situation.facts["wanted"] else ()))
