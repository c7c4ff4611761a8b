"""Crafting is what a plain reading of the data file says: the same choice of recipe, the same slots, the same
mask, for any pockets. The model below knows the JSON rows and lists of [name, count], and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flat_world import FLOOR, flat_sim

import worlds.voxel.data as voxel_data
from worlds.voxel.crafting import craft, craft_mask
from worlds.voxel.data import BLOCK, DURABILITY, ITEM, ITEM_NAMES
from worlds.voxel.sim import VoxelSim
from worlds.voxel.tables import CRAFT_ARGS, CRAFT_NAMES, TABLES

FILE: dict[str, Any] = json.loads((Path(voxel_data.__file__).parent / "data" / "minecraft.json").read_text())
STACK = {row["name"]: row["stack"] for row in FILE["items"]}
Pockets = list[list[Any]]
"""36 of [name, count]; ["", 0] is an empty one."""


def ingredients(row: dict[str, Any]) -> Counter[str]:
    cells = row["any"] if "any" in row else [cell for line in row["shape"] for cell in line]
    return Counter(cell for cell in cells if cell)


def by_hand(row: dict[str, Any]) -> bool:
    """Whether it fits the 2x2 grid that everybody carries."""
    if "any" in row:
        return len(row["any"]) <= 4
    return len(row["shape"]) <= 2 and max(map(len, row["shape"])) <= 2


def recipes_of(name: str) -> list[dict[str, Any]]:
    """In the order in which they are tried: those for the hand first."""
    rows = [row for row in FILE["recipes"] if row["result"] == name]
    return sorted(rows, key=lambda row: not by_hand(row))


def total(pockets: Pockets) -> Counter[str]:
    held: Counter[str] = Counter()
    for name, count in pockets:
        held[name] += count
    return held


def add(pockets: Pockets, name: str, number: int) -> int:
    """To stacks first, then to empty pockets; how many found no room."""
    for wanted in (name, ""):
        for pocket in pockets:
            if pocket[0] == wanted and number:
                moved = min(number, STACK[name] - pocket[1])
                if moved:
                    pocket[0], pocket[1], number = name, pocket[1] + moved, number - moved
    return number


def remove(pockets: Pockets, name: str, number: int) -> None:
    for pocket in pockets:
        if pocket[0] == name and number:
            moved = min(number, pocket[1])
            pocket[1], number = pocket[1] - moved, number - moved
            if not pocket[1]:
                pocket[0] = ""
    assert not number


def crafted(pockets: Pockets, name: str, table: bool) -> Pockets:
    """The pockets after one craft of `name`, or as they were."""
    for row in recipes_of(name):
        if not (table or by_hand(row)) or not ingredients(row) <= total(pockets):
            continue
        after = [list(pocket) for pocket in pockets]
        for item, number in ingredients(row).items():
            remove(after, item, number)
        lost = add(after, name, row["count"])
        if buckets := ingredients(row)["milk_bucket"]:
            lost += add(after, "bucket", buckets)
        if not lost:
            return after
    return pockets


def random_pockets(rng: np.random.Generator, names: list[str], fill: float) -> Pockets:
    pockets: Pockets = []
    for _ in range(36):
        name = str(rng.choice(names)) if rng.random() < fill else ""
        pockets.append([name, int(rng.integers(1, STACK[name] + 1)) if name else 0])
    return pockets


def put_on(sim: VoxelSim, pockets: Pockets) -> None:
    sim.state.item[0, 0] = [ITEM[name] if name else 0 for name, _ in pockets]
    sim.state.count[0, 0] = [count for _, count in pockets]
    sim.state.durability[0, 0] = DURABILITY[sim.state.item[0, 0]]


def read(sim: VoxelSim) -> Pockets:
    return [
        [ITEM_NAMES[item], int(count)]
        for item, count in zip(sim.state.item[0, 0], sim.state.count[0, 0], strict=True)
    ]


@pytest.mark.parametrize("table", [True, False])
def test_a_craft_leaves_the_slots_that_the_plain_model_leaves(table: bool) -> None:
    rng = np.random.default_rng(int(table))
    sim = flat_sim()
    if table:
        sim.state.blocks[0, 10, 10, FLOOR] = BLOCK["crafting_table"]
    made, refused_for_room = 0, 0
    for _ in range(500):
        argument = int(rng.integers(len(CRAFT_NAMES)))
        name, needs = CRAFT_NAMES[argument]
        if needs == 2:
            continue
        rows = recipes_of(name)
        useful = sorted(set(ingredients(rows[rng.integers(len(rows))])) | {name, "dirt"})
        pockets = random_pockets(rng, useful, float(rng.choice([0.2, 0.6, 1.0])))
        put_on(sim, pockets)
        done = craft(sim.arrays, TABLES, 0, 0, argument)
        expected = crafted(pockets, name, table)
        assert read(sim) == expected, name
        assert done == (expected != pockets)
        assert np.array_equal(sim.state.durability[0, 0], DURABILITY[sim.state.item[0, 0]])
        made += done
        payable = any((table or by_hand(row)) and ingredients(row) <= total(pockets) for row in rows)
        refused_for_room += payable and not done
    assert made > 60
    assert refused_for_room > 3


@pytest.mark.parametrize("seed", range(2))
def test_the_mask_is_exactly_what_can_be_paid_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sim = flat_sim()
    smelting = FILE["smelting"]
    raws = [raw for raw, _ in smelting]
    needed = sorted({item for row in FILE["recipes"] for item in ingredients(row)} | set(raws))
    for _ in range(40):
        some = [str(name) for name in rng.choice(needed, 6, replace=False)]
        pockets = random_pockets(rng, some, 0.5)
        put_on(sim, pockets)
        table, near = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        ready = str(rng.choice([made for _, made in smelting])) if rng.random() < 0.5 else ""
        sim.state.container_item[0, 3, 2] = ITEM[ready] if ready else 0
        told = craft_mask(sim.arrays, TABLES, 0, 0, table, 3 if near else -1)
        held = total(pockets)
        expected = np.zeros(CRAFT_ARGS, np.int8)
        for argument, (name, needs) in enumerate(CRAFT_NAMES):
            if needs == 2:
                raw = any(held[raw] for raw, made in smelting if made == name)
                expected[argument] = near and (raw or ready == name)
            else:
                fits = [row for row in recipes_of(name) if table or by_hand(row)]
                expected[argument] = any(ingredients(row) <= held for row in fits)
        assert np.array_equal(told, expected)
