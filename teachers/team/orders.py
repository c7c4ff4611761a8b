"""The manager's skill library: every order that the task gives a meaning to.

Invariant: an order names the task's own thing, its list or a share of that, a block that the list is dug
from, or the land; no other words and no other numbers can be handed down.
"""

from __future__ import annotations

from teachers.roles import Subtask
from teachers.voxel_situation import VoxelSituation
from worlds.voxel.tasks.material_collection import plan_for

EXPLORE = "explore land"


def orders(situation: VoxelSituation) -> tuple[str, ...]:
    """E.g. ("find pumpkin", "mine pumpkin", "explore land")."""
    wanted = situation.facts["wanted"]
    if not wanted:
        target = situation.facts["target"]
        return (f"find {target}", f"mine {target}", EXPLORE) if target else (EXPLORE,)
    shares = [f"{count} {item}" for item, count in wanted.items()]
    blocks = plan_for(wanted, {}, frozenset()).raw
    listed = (" and ".join(shares), *shares)
    return tuple(
        dict.fromkeys(
            (*(f"collect {share}" for share in listed), *(f"mine {block}" for block in blocks), EXPLORE)
        )
    )


def ordered(order: str, region: str) -> Subtask:
    """The subtask of an order such as "find pumpkin"."""
    verb, _, what = order.partition(" ")
    return Subtask(verb, what, region)
