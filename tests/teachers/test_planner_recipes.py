"""The next step of a collection, from any pocket: what is named can be carried out, what lacks is told, and
the steps lead to the list. The pocket is kept by a book-keeper of its own, which reads the recipes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from teachers.planners.recipes import can_mine, lacking_for, next_step, steps_ahead
from worlds.voxel.data import BLOCK, DROP_ITEM, ITEM, ITEM_NAMES, SMELTING, TIER_NEEDED
from worlds.voxel.tasks.common import RESOURCES
from worlds.voxel.tasks.material_collection import LISTS, plan_for, recipe_of

WANTED = [wanted for lists in LISTS.values() for wanted in lists]
POCKET = (
    "oak_log", "oak_planks", "stick", "cobblestone", "coal", "iron_ore", "iron_ingot", "crafting_table",
    "furnace", "wooden_pickaxe", "stone_pickaxe",
)  # fmt: skip
TIERS = ("wooden_pickaxe", "stone_pickaxe", "iron_pickaxe", "diamond_pickaxe")
PLACES = ("crafting_table", "furnace")


class Books:
    """What is carried and what stands near, changed step by step; a step that cannot be done is an error."""

    def __init__(self, have: dict[str, int], near: frozenset[str]) -> None:
        self.have, self.near = Counter(have), near

    def take(self, item: str, count: int) -> None:
        assert self.have[item] >= count, f"{count} {item} of {self.have}"
        self.have[item] -= count

    def do(self, step: str) -> None:
        verb, _, item = step.partition(" ")
        if verb == "craft":
            recipe = recipe_of(item)
            assert recipe is not None
            assert not recipe.needs_table or "crafting_table" in self.near
            for part, count in recipe.ingredients.items():
                self.take(ITEM_NAMES[part], count)
            self.have[item] += recipe.count
        elif verb == "smelt":
            assert "furnace" in self.near
            raw = next(
                raw for raw, result in SMELTING.items() if result == ITEM[item] and self.have[ITEM_NAMES[raw]]
            )
            self.take(ITEM_NAMES[raw], 1)
            self.take("coal", 1)
            self.have[item] += 1
        elif verb == "place":
            self.take(item, 1)
            self.near |= {item}
        else:
            assert verb == "mine"
            tier = int(TIER_NEEDED[BLOCK[item]])
            assert tier == 0 or any(self.have[tool] for tool in TIERS[tier - 1 :])
            self.have[ITEM_NAMES[DROP_ITEM[BLOCK[item]]]] += 1

    @property
    def carried(self) -> dict[str, int]:
        return {item: count for item, count in self.have.items() if count}


def pockets(seed: int, count: int) -> Iterator[tuple[dict[str, int], dict[str, int], frozenset[str]]]:
    """(wanted, have, near) at random."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chosen = rng.choice(len(POCKET), int(rng.integers(0, 6)), replace=False)
        have = {POCKET[i]: int(rng.integers(1, 5)) for i in chosen}
        near = frozenset(place for place in PLACES if rng.random() < 0.4)
        yield dict(WANTED[int(rng.integers(len(WANTED)))]), have, near


def test_the_next_step_can_be_done_and_ends_with_the_list() -> None:
    for wanted, have, near in pockets(0, 600):
        step = next_step(wanted, have, near)
        complete = all(have.get(item, 0) >= count for item, count in wanted.items())
        assert (step == "") == complete
        if not step:
            continue
        verb, _, item = step.partition(" ")
        if verb == "mine" and not can_mine(item, have):
            # Then nothing else of the plan could be done either.
            plan = plan_for(wanted, have, near)
            assert item == next(iter(plan.raw))
            for action in plan.actions:
                other, _, what = action.partition(" ")
                assert other == "mine" or lacking_for(other, what, have, near), action
            continue
        Books(have, near).do(step)


def test_from_any_pocket_the_steps_lead_to_the_list() -> None:
    for wanted, have, near in pockets(1, 120):
        books = Books(have, near)
        for _ in range(60):
            step = next_step(wanted, books.carried, books.near)
            if not step:
                break
            if step.startswith("mine"):
                books.near = frozenset()  # the walk to the block leaves the workplaces behind
                step = next_step(wanted, books.carried, books.near)
            books.do(step)
        assert all(books.have[item] >= count for item, count in wanted.items()), (wanted, have, books.have)


@pytest.mark.parametrize("most", [0, 1, 3, 8])
def test_steps_ahead_are_the_next_steps_one_after_another_without_digging(most: int) -> None:
    longest = 0
    for wanted, have, near in pockets(2, 150):
        steps = steps_ahead(wanted, have, near, most)
        books = Books(have, near)
        for step in steps:
            assert step == next_step(wanted, books.carried, books.near)
            books.do(step)
        after = next_step(wanted, books.carried, books.near)
        assert len(steps) == most or after == "" or after.startswith("mine")
        assert len(steps) <= most
        longest = max(longest, len(steps))
    assert longest >= min(most, 4)


def test_what_stands_against_a_step_is_told_exactly_where_something_does() -> None:
    items = [*POCKET, "torch", "stone_axe", "iron_pickaxe"]
    for _, have, near in pockets(3, 60):
        for verb in ("craft", "smelt", "place"):
            for item in items:
                lacking = lacking_for(verb, item, have, near)
                try:
                    Books(have, near).do(f"{verb} {item}")
                except (AssertionError, StopIteration):
                    assert lacking, (verb, item, have, near)
                    continue
                assert not lacking, (verb, item, have, near)


def test_it_is_told_in_words_that_name_count_and_place() -> None:
    assert lacking_for("craft", "wooden_pickaxe", {"stick": 1}, frozenset()) == (
        "3 oak_planks and 2 stick and a crafting_table within reach"
    )
    assert lacking_for("craft", "wooden_pickaxe", {"stick": 2, "oak_planks": 3}, frozenset()) == (
        "a crafting_table within reach"
    )
    assert lacking_for("smelt", "stick", {}, frozenset({"furnace"})) == "1 something that smelts to it"
    assert lacking_for("craft", "coal_ore", {}, frozenset()) == "a recipe (there is none)"
    assert lacking_for("place", "moon", {}, frozenset()) == "an item that exists (moon does not)"


def test_every_resource_takes_its_tool_or_a_better_one() -> None:
    for block in RESOURCES:
        tier = int(TIER_NEEDED[BLOCK[block]])
        assert can_mine(block, {}) == (tier == 0)
        for place, tool in enumerate(TIERS, start=1):
            assert can_mine(block, {tool: 1}) == (place >= tier)
            assert can_mine(block, {tool: 0}) == (tier == 0)  # a tool that is used up is none
