"""The next step of a collection: which recipe, workplace or resource comes next.

Invariant: a step that is returned as a craft, smelt or place can be carried out with what is carried and
what stands near; when nothing can, the step is to mine the first resource that the plan lacks. The recipe
graph itself is the world's (`plan_for`), so the teacher plans with the recipes the world offers.
"""

from __future__ import annotations

from collections.abc import Mapping

from worlds.voxel.data import BLOCK, ITEM, ITEM_NAMES, TIER_NEEDED
from worlds.voxel.tasks.material_collection import plan_for, raw_of, recipe_of

PICKAXES = ("wooden_pickaxe", "stone_pickaxe", "iron_pickaxe", "diamond_pickaxe")


def can_mine(block: str, have: Mapping[str, int]) -> bool:
    """Whether a pickaxe that makes `block` drop is carried, or none is needed."""
    tier = int(TIER_NEEDED[BLOCK[block]])
    return tier == 0 or any(have.get(tool, 0) for tool in PICKAXES[tier - 1 :])


def next_step(wanted: Mapping[str, int], have: Mapping[str, int], near: frozenset[str]) -> str:
    """A skill such as "craft stick" or "mine oak_log"; "" when all is had. `near` are the workplaces within
    reach. Resources come first while they can be dug, so that a workplace is put where it is used."""
    plan = plan_for(wanted, have, near)
    lacking = next(iter(plan.raw), "")
    if lacking and can_mine(lacking, have):
        return f"mine {lacking}"
    for action in plan.actions:
        verb, _, item = action.partition(" ")
        if verb != "mine" and not lacking_for(verb, item, have, near):
            return action
    return f"mine {lacking}" if lacking else ""


def steps_ahead(
    wanted: Mapping[str, int], have: Mapping[str, int], near: frozenset[str], most: int
) -> list[str]:
    """The next steps that need no digging, at most so many, each as `next_step` has it once those before it
    are done."""
    steps, stock = list[str](), dict(have)
    while len(steps) < most:
        step = next_step(wanted, stock, near)
        verb, _, item = step.partition(" ")
        if verb in ("", "mine"):
            break
        steps.append(step)
        used, made = _exchanged(verb, item)
        for name, count in used.items():
            stock[name] = stock.get(name, 0) - count
        if made:
            stock[item] = stock.get(item, 0) + made
        else:
            near |= {item}
    return steps


def _exchanged(verb: str, item: str) -> tuple[dict[str, int], int]:
    """What a step that can be carried out uses up, and how many of `item` it gives."""
    recipe = recipe_of(item)
    if verb == "craft" and recipe is not None:
        return {ITEM_NAMES[part]: count for part, count in recipe.ingredients.items()}, recipe.count
    return ({raw_of(item): 1, "coal": 1}, 1) if verb == "smelt" else ({item: 1}, 0)


def lacking_for(verb: str, item: str, have: Mapping[str, int], near: frozenset[str]) -> str:
    """What stands against "craft", "smelt" or "place" of an item now, such as "3 oak_planks and a
    crafting_table within reach" ("": nothing)."""
    if item not in ITEM:
        return f"an item that exists ({item} does not)"
    if verb == "place":
        return "" if have.get(item, 0) else f"1 {item}"
    if verb == "smelt":
        raw = raw_of(item)
        needed, place = ({raw: 1, "coal": 1}, "furnace") if raw else ({"something that smelts to it": 1}, "")
    else:
        recipe = recipe_of(item)
        if recipe is None:
            return "a recipe (there is none)"
        needed = {ITEM_NAMES[part]: count for part, count in recipe.ingredients.items()}
        place = "crafting_table" if recipe.needs_table else ""
    missing = [f"{count} {name}" for name, count in needed.items() if have.get(name, 0) < count]
    missing += [f"a {place} within reach"] if place and place not in near else []
    return " and ".join(missing)
