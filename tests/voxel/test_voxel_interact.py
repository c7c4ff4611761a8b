"""Digging takes Minecraft's time, drops what it should, and neither makes nor loses blocks."""

from __future__ import annotations

import numpy as np
import pytest
from flat_world import FLOOR, act, carried, flat_sim, give, random_actions

from worlds.voxel.data import ANIMAL_KIND, ANIMALS, BLOCK, ITEM, PLACES_BLOCK
from worlds.voxel.physics import JUMPING, SNEAKING
from worlds.voxel.sim import ATTACK, CRAFT, DESTROY, DROP, EQUIP, PLACE, USE

AHEAD = (8, 7)
"""The column north of the body, whose block at eye height it looks at."""


def facing(block: str, tool: str = ""):
    sim = flat_sim()
    sim.state.blocks[0, *AHEAD, FLOOR + 1] = BLOCK[block]
    if tool:
        give(sim, 0, tool)
    return sim


# Seconds of minecraft.wiki: Breaking, "Blocks by hardness".
@pytest.mark.parametrize(
    ("block", "tool", "seconds"),
    [
        ("dirt", "", 0.75),
        ("dirt", "iron_shovel", 0.15),
        ("oak_log", "", 3.0),
        ("oak_log", "stone_axe", 0.75),
        ("stone", "", 7.5),
        ("stone", "wooden_pickaxe", 1.15),
        ("stone", "iron_pickaxe", 0.4),
        ("stone", "stone_axe", 7.5),
        ("iron_ore", "wooden_pickaxe", 7.5),
        ("iron_ore", "stone_pickaxe", 1.15),
        ("obsidian", "diamond_pickaxe", 9.4),
        ("chest", "", 3.75),
    ],
)
def test_digging_times(block, tool, seconds):
    sim = facing(block, tool)
    ticks = round(seconds * 20)
    act(sim, ticks - 1, hand=ATTACK)
    assert sim.state.blocks[0, *AHEAD, FLOOR + 1] == BLOCK[block]
    act(sim, 1, hand=ATTACK)
    assert sim.state.blocks[0, *AHEAD, FLOOR + 1] == 0


@pytest.mark.parametrize(
    ("block", "tool", "drop", "number"),
    [
        ("stone", "wooden_pickaxe", "cobblestone", 1),
        ("stone", "", "cobblestone", 0),
        ("iron_ore", "wooden_pickaxe", "iron_ore", 0),
        ("iron_ore", "stone_pickaxe", "iron_ore", 1),
        ("diamond_ore", "iron_pickaxe", "diamond", 1),
        ("grass_block", "", "dirt", 1),
        ("clay", "", "clay_ball", 4),
    ],
)
def test_drops_need_the_tool_tier(block, tool, drop, number):
    sim = facing(block, tool)
    act(sim, 320, hand=ATTACK)
    assert sim.state.blocks[0, *AHEAD, FLOOR + 1] == 0
    assert carried(sim, drop) == number


def test_bedrock_holds_and_air_in_front_is_no_target():
    sim = facing("bedrock", "diamond_pickaxe")
    act(sim, 400, hand=ATTACK)
    assert sim.state.blocks[0, *AHEAD, FLOOR + 1] == BLOCK["bedrock"]
    sim.look(0, 0, 180, 0)
    act(sim, hand=ATTACK)
    assert (sim.state.dig_cell[0, 0] == -1).all()


def test_a_tool_wears_and_breaks():
    sim = facing("dirt", "wooden_shovel")
    sim.state.durability[0, 0, 0] = 2
    for left in (1, 0):
        sim.state.blocks[0, *AHEAD, FLOOR + 1] = BLOCK["dirt"]
        act(sim, 20, hand=ATTACK)
        assert sim.state.durability[0, 0, 0] == left
    assert carried(sim, "wooden_shovel") == 0


def test_progress_is_lost_with_the_key_or_the_look():
    for interruption in ({}, {"yaw": 16}):
        sim = facing("dirt")
        act(sim, 14, hand=ATTACK)
        assert sim.state.dig_ticks[0, 0] > 0.9
        act(sim, 1, **interruption)
        assert sim.state.dig_ticks[0, 0] == 0
        sim.look(0, 0, 0, 0)
        act(sim, 14, hand=ATTACK)
        assert sim.state.blocks[0, *AHEAD, FLOOR + 1] == BLOCK["dirt"]


def test_digging_in_the_air_and_under_water_is_five_times_slower_each():
    sim = facing("dirt")
    sim.state.blocks[0, 8, 8, FLOOR : FLOOR + 2] = BLOCK["water"]
    act(sim, 1, hand=ATTACK)
    assert sim.state.dig_ticks[0, 0] == pytest.approx(1 / 0.5 / 30 / 5)
    act(sim, 2, mode=JUMPING, hand=ATTACK)
    before = sim.state.dig_ticks[0, 0]
    act(sim, 1, hand=ATTACK)
    assert sim.state.dig_ticks[0, 0] - before == pytest.approx(1 / 0.5 / 30 / 25)


@pytest.mark.parametrize(("gap", "reached"), [(4.4, True), (4.6, False)])
def test_reach_is_4_5_blocks(gap, reached):
    sim = flat_sim()
    sim.state.blocks[0, 8, 2, FLOOR + 1] = BLOCK["dirt"]
    sim.state.position[0, 0, 2] = 3 + gap
    act(sim, 20, hand=ATTACK)
    assert (sim.state.blocks[0, 8, 2, FLOOR + 1] == 0) == reached


def test_placing_uses_one_item_and_not_inside_a_body():
    sim = flat_sim()
    give(sim, 5, "dirt", 2)
    sim.look(0, 0, 0, 90)
    act(sim, hand=PLACE, slot=5)  # into the own feet
    assert carried(sim, "dirt") == 2
    sim.look(0, 0, 0, 45)
    act(sim, hand=PLACE, slot=5)
    assert carried(sim, "dirt") == 1
    assert (sim.state.blocks[0] == BLOCK["dirt"]).sum() == 1


def test_a_body_can_pillar_up():
    sim = flat_sim()
    give(sim, 0, "dirt", 8)
    sim.look(0, 0, 0, 90)
    for _ in range(4):
        act(sim, 6, mode=JUMPING)
        act(sim, hand=PLACE)
        act(sim, 12)
    assert sim.state.position[0, 0, 1] == FLOOR + 4
    assert (sim.state.blocks[0, 8, 8] == BLOCK["dirt"]).sum() == 4


def test_a_block_replaces_water_and_grass_but_nothing_goes_over_the_top():
    sim = flat_sim()
    give(sim, 0, "dirt", 3)
    sim.state.blocks[0, *AHEAD, FLOOR] = BLOCK["grass"]
    sim.look(0, 0, 0, 50)
    act(sim, hand=PLACE)
    assert sim.state.blocks[0, *AHEAD, FLOOR] == BLOCK["dirt"]
    sim.state.blocks[0, *AHEAD, 1:24] = BLOCK["stone"]
    sim.state.position[0, 0, 1:] = (24, AHEAD[1] + 0.5)
    sim.look(0, 0, 0, 90)
    act(sim, hand=PLACE)
    assert carried(sim, "dirt") == 2


def test_dirt_is_conserved_by_digging_and_placing():
    rng = np.random.default_rng(3)
    sim = flat_sim(worlds=16)
    sim.state.blocks[..., 1:FLOOR] = BLOCK["dirt"]
    sim.state.pitch_deg[:] = 45
    give(sim, 0, "iron_shovel")
    for slot in range(1, 36):
        give(sim, slot, "dirt", 8)
    total = 35 * 8 + (sim.state.blocks == BLOCK["dirt"]).sum(axis=(1, 2, 3))
    changes = 0
    for actions in random_actions(rng, 400, 16):
        actions[..., 5] = np.where(
            np.isin(actions[..., 5], (CRAFT, EQUIP)), ATTACK, actions[..., 5]
        )  # no crafting, and the shovel stays in hand
        before = sim.state.blocks.copy()
        sim.tick(actions)
        changes += int((before != sim.state.blocks).sum())
        held = (sim.state.count[:, 0] * (sim.state.item[:, 0] == ITEM["dirt"])).sum(axis=1)
        assert (total == held + (sim.state.blocks == BLOCK["dirt"]).sum(axis=(1, 2, 3))).all()
    assert changes > 100


@pytest.mark.parametrize(("weapon", "ticks"), [("", 91), ("iron_sword", 11), ("diamond_sword", 11)])
def test_a_cow_dies_of_its_hits_and_leaves_its_drops(weapon, ticks):
    sim = flat_sim()
    kind = ANIMAL_KIND["cow"]
    sim.state.animal_kind[0, 2] = kind
    sim.state.tick[:] = 144  # it has just stopped walking
    sim.state.animal_position[0, 2] = (8.5, FLOOR, 6.5)
    sim.state.animal_health[0, 2] = ANIMALS[kind].health
    if weapon:
        give(sim, 0, weapon)
    sim.look(0, 0, 0, 25)
    act(sim, ticks - 1, hand=ATTACK)
    assert sim.state.animal_kind[0, 2] == kind
    act(sim, 1, hand=ATTACK)
    assert sim.state.animal_kind[0, 2] == 0
    assert (carried(sim, "beef"), carried(sim, "leather")) == (2, 1)


def test_no_hit_through_a_wall_or_beyond_three_blocks():
    for z, wall in ((6.0, True), (4.0, False)):
        sim = flat_sim()
        sim.state.animal_kind[0, 0] = ANIMAL_KIND["cow"]
        sim.state.animal_health[0, 0] = 10
        sim.state.animal_position[0, 0] = (8.5, FLOOR, z)
        if wall:
            sim.state.blocks[0, 8, 7, FLOOR : FLOOR + 2] = BLOCK["bedrock"]
        sim.look(0, 0, 0, 10)
        act(sim, 20, hand=ATTACK)
        assert sim.state.animal_health[0, 0] == 10


def test_eating_buckets_dropping_and_destroying():
    sim = flat_sim()
    sim.state.food[:] = 10
    give(sim, 0, "bread", 2)
    act(sim, hand=USE)
    assert (carried(sim, "bread"), sim.state.food[0, 0]) == (1, 15)
    act(sim, hand=DROP)
    assert carried(sim, "bread") == 0
    give(sim, 7, "stick", 9)
    act(sim, hand=DESTROY, slot=7)
    assert carried(sim, "stick") == 0

    sim.state.blocks[0, *AHEAD, FLOOR] = BLOCK["water"]
    give(sim, 0, "bucket", 2)
    sim.look(0, 0, 0, 50)
    act(sim, hand=USE)
    assert sim.state.blocks[0, *AHEAD, FLOOR] == 0
    assert (carried(sim, "bucket"), carried(sim, "water_bucket")) == (1, 1)
    sim.state.selected[:] = 1
    act(sim, hand=USE)
    assert sim.state.blocks[0, *AHEAD, FLOOR] == BLOCK["water"]
    assert (carried(sim, "bucket"), carried(sim, "water_bucket")) == (2, 0)


def test_equipping_selects_swaps_and_wears():
    sim = flat_sim()
    give(sim, 0, "dirt", 3)
    give(sim, 20, "stone_axe")
    give(sim, 21, "iron_helmet")
    act(sim, hand=EQUIP, slot=20)
    assert sim.state.item[0, 0, [0, 20]].tolist() == [ITEM["stone_axe"], ITEM["dirt"]]
    act(sim, hand=EQUIP, slot=5)
    assert sim.state.selected[0, 0] == 0  # an empty slot
    act(sim, hand=EQUIP, slot=21)
    assert sim.state.armor[0, 0, 3] == ITEM["iron_helmet"]
    sim.state.blocks[..., FLOOR] = BLOCK["lava"]
    act(sim, 10)
    assert sim.state.health[0, 0] == pytest.approx(20 - 4 * (1 - 0.04 * 2))


def test_sneaking_places_against_a_chest_instead_of_filling_it():
    sim = flat_sim()
    give(sim, 0, "chest")
    give(sim, 1, "dirt", 5)
    sim.look(0, 0, 0, 50)
    act(sim, hand=PLACE, slot=0)
    assert (sim.state.container_cell[0, :, 0] >= 0).sum() == 1
    act(sim, hand=PLACE, slot=1, mode=SNEAKING)
    assert (carried(sim, "dirt"), (sim.state.blocks[0] == BLOCK["dirt"]).sum()) == (4, 1)
    assert sim.state.container_item[0].max() == 0
    assert PLACES_BLOCK[ITEM["chest"]] == BLOCK["chest"]
