"""Material collection (STEVE-2): a full list of items with counts is given; collect them.

Invariant: the metric is the mean over the list of min(1, carried / wanted), and the episode is won when it is
1. The legal actions are the moves and the skills that some way to make the list needs: the closure of the
list over recipes, smelting, tools and the workplaces, so no skill outside of it can help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from worlds.base import Score
from worlds.types import EpisodeSpec, Goal
from worlds.voxel.crafting import near_furnace, near_table
from worlds.voxel.data import BLOCK, DROP_ITEM, ITEM, ITEM_NAMES, RECIPES, SMELTING, TIER_NEEDED, Recipe
from worlds.voxel.edges import edge_words
from worlds.voxel.moves import MOVES
from worlds.voxel.skills_body import Body
from worlds.voxel.skills_work import held
from worlds.voxel.tables import TABLES
from worlds.voxel.tasks.common import RESOURCES, open_world, put_body, scatter, world_config

LISTS: Mapping[int, tuple[Mapping[str, int], ...]] = {
    1: ({"oak_log": 2}, {"oak_planks": 4}, {"stick": 4}, {"crafting_table": 1}),
    2: (
        {"wooden_pickaxe": 1},
        {"oak_planks": 6, "stick": 4},
        {"cobblestone": 2},
        {"oak_log": 2, "wooden_axe": 1},
        {"coal": 1, "stick": 2},
    ),
    3: ({"stone_pickaxe": 1}, {"torch": 4}, {"furnace": 1}, {"iron_ingot": 1}, {"stone_axe": 1, "coal": 2}),
}
MAX_ITERATIONS = {1: 30, 2: 60, 3: 100}
PILES = (("stone", "stone", "coal_ore"), ("stone", "coal_ore"), ("stone", "stone"), ("iron_ore", "stone"))
_PICKAXES = {1: "wooden_pickaxe", 2: "stone_pickaxe", 3: "iron_pickaxe"}


@cache
def source_block(item: str) -> str:
    """The block among `RESOURCES` that drops `item` ("": none does)."""
    return next((name for name in RESOURCES if DROP_ITEM[BLOCK[name]] == ITEM[item]), "")


@cache
def recipe_of(item: str) -> Recipe | None:
    """The recipe that collecting plans with: the first whose ingredients are of oak and stone."""
    return next(
        (
            recipe
            for recipe in RECIPES
            if recipe.result == ITEM[item]
            and all(_within_reach(ITEM_NAMES[ingredient]) for ingredient in recipe.ingredients)
        ),
        None,
    )


def _within_reach(item: str) -> bool:
    return bool(source_block(item)) or item in ("oak_planks", "stick", "iron_ingot")


def raw_of(item: str) -> str:
    """What is smelted to `item` ("": nothing that the world's resources give)."""
    made = (ITEM_NAMES[raw] for raw, result in SMELTING.items() if result == ITEM[item])
    return next((raw for raw in made if source_block(raw) and source_block(item) != raw), "")


@dataclass(frozen=True)
class Plan:
    """What is still to be had to own some items: `raw` blocks to dig (name -> count, in the order in
    which tools allow it) and `actions`, every skill that the way may need."""

    raw: dict[str, int]
    actions: tuple[str, ...]


def plan_for(wanted: Mapping[str, int], have: Mapping[str, int], workplaces: frozenset[str]) -> Plan:
    """Expand `wanted` over recipes, given what is carried and which workplaces stand near."""
    stock = dict(have)
    raw: dict[str, int] = {}
    actions: dict[str, None] = {}

    def need(item: str, count: int) -> None:
        used = min(count, stock.get(item, 0))
        stock[item] = stock.get(item, 0) - used
        count -= used
        if count == 0:
            return
        block, recipe = source_block(item), recipe_of(item)
        if block:
            if TIER_NEEDED[BLOCK[block]] > 0:
                own(_PICKAXES[int(TIER_NEEDED[BLOCK[block]])])
            actions[f"mine {block}"] = None
            raw[block] = raw.get(block, 0) + count
        elif recipe:
            if recipe.needs_table:
                stand_by("crafting_table")
            batches = -(-count // recipe.count)
            for ingredient, number in recipe.ingredients.items():
                need(ITEM_NAMES[ingredient], number * batches)
            stock[item] = stock.get(item, 0) + batches * recipe.count - count
            actions[f"craft {item}"] = None
        elif raw_of(item):
            stand_by("furnace")
            need(raw_of(item), count)
            need("coal", 1)
            actions[f"smelt {item}"] = None
        else:
            raise ValueError(f"no way to make {item} from {', '.join(RESOURCES)}")

    def own(tool: str) -> None:
        """Have one, without using it up; a better one serves as well."""
        better = list(_PICKAXES.values())[list(_PICKAXES.values()).index(tool) :]
        if not any(stock.get(other, 0) for other in better):
            need(tool, 1)
            stock[tool] = 1

    def stand_by(workplace: str) -> None:
        if workplace in workplaces or f"place {workplace}" in actions:
            return
        need(workplace, 1)
        actions[f"place {workplace}"] = None

    for item, count in wanted.items():
        need(item, count)
    return Plan(raw, tuple(actions))


@dataclass
class MaterialCollection:
    """One episode; see the module docstring."""

    body: Body
    goal: Goal
    wanted: Mapping[str, int]
    max_iterations: int
    skills: tuple[str, ...]
    reach: float = 4.0
    target: str = field(default="", init=False)

    def actions(self) -> tuple[str, ...]:
        return (*MOVES, *self.skills)

    def words(self) -> str:
        near = " and ".join(sorted(self._workplaces()))
        remarks = (f"near {near}" if near else "", edge_words(self.body.state, self.body.a))
        return ", ".join(remark for remark in remarks if remark)

    def about(self) -> str:
        have = {item: held(self.body, item) for item in self._items()}
        self.target = next(iter(plan_for(self.wanted, have, self._workplaces()).raw), "")
        return self.target

    def targets(self) -> NDArray[np.float64]:
        if not self.about():
            return np.zeros((0, 3))
        return np.argwhere(self.body.blocks == BLOCK[self.target])[:, [0, 2, 1]] + np.array([0.5, 0.0, 0.5])

    def score(self) -> Score:
        shares = [min(1.0, held(self.body, item) / count) for item, count in self.wanted.items()]
        metric = sum(shares) / len(shares)
        return Score(success=metric == 1.0, metric=metric, finished=metric == 1.0)

    def _items(self) -> list[str]:
        return [ITEM_NAMES[item] for item in np.unique(self.body.state.item[0, 0]) if item]

    def _workplaces(self) -> frozenset[str]:
        """Workplaces that serve where the body stands."""
        arrays, b, a = self.body.sim.arrays, self.body.b, self.body.a
        table = near_table(arrays, TABLES, b, a)
        furnace = near_furnace(arrays, TABLES, b, a) >= 0
        return frozenset(name for name, near in (("crafting_table", table), ("furnace", furnace)) if near)


def begin(episode: EpisodeSpec, frame_size: int) -> MaterialCollection:
    """The episode of a spec."""
    rng = np.random.default_rng([episode.seed, 12, episode.difficulty])
    config = replace(world_config(rng, episode.difficulty), style="forest", structures=(), trees=0.7)
    lists = LISTS[episode.difficulty]
    ground, body = open_world(episode.seed, config, frame_size)
    ground = scatter(ground, rng, PILES * episode.difficulty)
    put_body(ground.state, ground.stands[rng.integers(len(ground.stands))], 45.0 * rng.integers(8))
    wanted = lists[int(rng.integers(len(lists)))]
    told = " and ".join(f"{count} {item}" for item, count in wanted.items())
    skills = plan_for(wanted, {}, frozenset()).actions
    return MaterialCollection(
        body, Goal(f"collect {told}"), wanted, MAX_ITERATIONS[episode.difficulty], skills
    )
