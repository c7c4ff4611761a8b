"""A furnace keeps its books: what a body and a furnace hold is only ever turned by fire, one raw item into
one product for 200 ticks of it, and a plain furnace that counts single ticks agrees with the strides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flat_world import FLOOR, act, carried, flat_sim, give

from worlds.voxel.containers import BURN, FUEL, INPUT, OUTPUT, STRIDE_TICKS, tick_furnaces
from worlds.voxel.data import BLOCK, ITEM, ITEM_NAMES, SMELT_TICKS, STACK
from worlds.voxel.data import FUEL as FUEL_TICKS
from worlds.voxel.sim import ATTACK, CRAFT, PLACE, USE, VoxelSim
from worlds.voxel.tables import CRAFT_NAMES, TABLES

PAIRS = {"iron_ore": "iron_ingot", "sand": "glass", "beef": "cooked_beef"}
FUELS = ("coal", "oak_planks", "stick", "lava_bucket", "wooden_pickaxe")


def at_furnace() -> VoxelSim:
    sim = flat_sim()
    give(sim, 0, "furnace")
    sim.look(0, 0, 0, 50)
    act(sim, hand=PLACE)
    assert sim.state.blocks[0, 8, 7, FLOOR] == BLOCK["furnace"]
    return sim


def everywhere(sim: VoxelSim, name: str) -> int:
    """In the pockets and in the furnace; a tool there is one, whatever its count says of its wear."""
    lies = sim.state.container_item[0, 0, : OUTPUT + 1] == ITEM[name]
    counts = sim.state.container_count[0, 0, : OUTPUT + 1]
    return carried(sim, name) + int(lies.sum() if STACK[ITEM[name]] == 1 else counts[lies].sum())


def fire_left_ticks(sim: VoxelSim) -> int:
    """What burns now and what could."""
    burning = int(sim.state.container_count[0, 0, BURN])
    return burning + sum(everywhere(sim, name) * FUEL_TICKS[ITEM[name]] for name in FUELS)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_body_does_at_a_furnace_fire_alone_changes_what_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sim = at_furnace()
    for slot, name in enumerate((*PAIRS, *FUELS), start=1):
        give(sim, slot, name, int(min(6, STACK[ITEM[name]])))
    sim.state.durability[0, 0, 8] = 40  # a worn pickaxe
    owned = {raw: everywhere(sim, raw) for raw in PAIRS}
    fire, smelts = fire_left_ticks(sim), [CRAFT_NAMES.index((made, 2)) for made in PAIRS.values()]
    spent = 0
    for _ in range(260):
        hand = int(rng.choice([PLACE, USE, CRAFT, 0], p=(0.2, 0.1, 0.2, 0.5)))
        act(sim, hand=hand, slot=int(rng.integers(1, 9)), argument=int(rng.choice(smelts)))
        act(sim, int(rng.integers(1, 60)))
        made = {raw: everywhere(sim, product) for raw, product in PAIRS.items()}
        assert all(everywhere(sim, raw) + made[raw] == owned[raw] for raw in PAIRS)
        assert everywhere(sim, "lava_bucket") + everywhere(sim, "bucket") == 1
        assert spent <= fire - fire_left_ticks(sim)  # what is burnt is burnt
        spent = fire - fire_left_ticks(sim)
        assert SMELT_TICKS * sum(made.values()) <= spent
    assert sum(made.values()) > 4
    act(sim, 400, hand=ATTACK)
    assert sim.state.blocks[0, 8, 7, FLOOR] == 0
    assert all(carried(sim, raw) + carried(sim, made) == owned[raw] for raw, made in PAIRS.items())


class Plain:
    """One furnace, one tick at a time: (name, count) of three slots, the fire and the progress in ticks."""

    def __init__(self, slots: list[list[Any]]) -> None:
        self.slots, self.fire, self.done = slots, 0, 0

    def tick(self) -> None:
        (raw, raws), (fuel, fuels), (out, outs) = self.slots
        made = PAIRS.get(raw, "") if raws else ""
        if not made or (outs and out != made) or outs >= STACK[ITEM[made]]:
            self.done = 0
        else:
            if not self.fire and fuels and fuel in FUELS:
                self.fire = FUEL_TICKS[ITEM[fuel]]
                rest = fuels - 1
                self.slots[1] = ["bucket", 1] if fuel == "lava_bucket" else [fuel if rest else "", rest]
            self.done = self.done + 1 if self.fire else 0
            if self.done == SMELT_TICKS:
                self.done = 0
                rest = raws - 1
                self.slots[0] = [raw if rest else "", rest]
                self.slots[2] = [made, outs + 1]
        self.fire -= self.fire > 0


@pytest.mark.parametrize("seed", range(6))
def test_strides_of_four_ticks_are_single_ticks_four_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sim = at_furnace()
    item, count = sim.state.container_item[0, 0], sim.state.container_count[0, 0]
    plain = Plain([["", 0], ["", 0], ["", 0]])
    turned = 0
    for stride in range(4000):
        if stride % 130 == 0:  # somebody changes what lies in one slot
            slot = int(rng.integers(3))
            names = ([*PAIRS, ""], [*FUELS[:4], "dirt", ""], [*PAIRS.values(), ""])[slot]
            name = str(rng.choice(names))
            most = min(4, int(STACK[ITEM[name]])) if slot < OUTPUT and name else 64
            number = int(rng.integers(1, most + 1)) if name else 0
            plain.slots[slot] = [name, number]
            item[slot], count[slot] = ITEM[name] if name else 0, number
        before = int(count[OUTPUT])
        sim.state.tick[0] = STRIDE_TICKS * stride
        tick_furnaces(sim.arrays, TABLES, 0)
        for _ in range(STRIDE_TICKS):
            plain.tick()
        held = [[ITEM_NAMES[item[k]], int(count[k])] for k in (INPUT, FUEL, OUTPUT)]
        assert held == plain.slots
        assert count[BURN] == plain.fire
        turned += int(count[OUTPUT]) > before
    assert turned > 3


def test_between_strides_a_furnace_rests() -> None:
    sim = at_furnace()
    sim.state.container_item[0, 0, :2] = ITEM["sand"], ITEM["coal"]
    sim.state.container_count[0, 0, :2] = 5, 1
    before = sim.snapshot()
    for tick in (1, 2, 3, 401):
        sim.state.tick[0] = tick
        tick_furnaces(sim.arrays, TABLES, 0)
    assert np.array_equal(before.container_count, sim.state.container_count)
    assert np.array_equal(before.smelt_ticks, sim.state.smelt_ticks)
