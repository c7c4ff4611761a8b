"""What the hands do: mine, craft, smelt, place, fill, equip, and the use of chests.

Invariant: nothing here reads a cell that is not in the frame, within reach of the hand, or in the body's
map; `mine` works on a block in sight and on nothing else. What lies in a furnace within reach is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.containers import BURN, FUEL, INPUT, OUTPUT, STRIDE_TICKS, container_at
from worlds.voxel.crafting import near_furnace
from worlds.voxel.data import (
    BLOCK,
    DROP_ITEM,
    DURABILITY,
    HARDNESS,
    ITEM,
    ITEM_NAMES,
    ITEM_SPEED,
    ITEM_TIER,
    ITEM_TOOL_CLASS,
    PLACES_BLOCK,
    RECIPES,
    SMELT_TICKS,
    SMELTING,
    STACK,
    TIER_NEEDED,
    TOOL_CLASS,
)
from worlds.voxel.data import FUEL as FUEL_TICKS
from worlds.voxel.interact import REACH, can_harvest, target_block
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.skills_body import ATTACK, CRAFT, EQUIP, PLACE, STEP_DEG, USE, Body
from worlds.voxel.tables import CRAFT_NAMES, TABLES, arrays_of

DIG_TICKS = 400
_OBSTACLES = 4
_HAND = REACH - 0.3


def held(body: Body, name: str) -> int:
    """How many of item `name` the body carries."""
    mine = body.state.item[body.b, body.a] == ITEM[name]
    return int(body.state.count[body.b, body.a][mine].sum())


def slot_of(body: Body, item: int) -> int:
    """The first slot with `item`, or -1."""
    found = np.flatnonzero((body.state.item[body.b, body.a] == item) & (body.state.count[body.b, body.a] > 0))
    return int(found[0]) if len(found) else -1


def equip(body: Body, name: str) -> str:
    """Take an item into the hand."""
    slot = slot_of(body, ITEM[name]) if name in ITEM else -1
    if slot < 0:
        return f"missing {name}"
    body.act(function=EQUIP, slot=slot)
    return "ok"


def _equip_best(body: Body, block: int) -> bool:
    """Take the best tool carried for `block` into the hand; whether the block then drops anything."""
    carried = [int(i) for i in np.unique(body.state.item[body.b, body.a]) if i and ITEM_TOOL_CLASS[i]]
    fitting = [i for i in carried if ITEM_TOOL_CLASS[i] == TOOL_CLASS[block]]
    if TIER_NEEDED[block] > 0:
        fitting = [i for i in fitting if can_harvest(TABLES, block, i)]
        if not fitting:
            return False
    if fitting:
        best = max(fitting, key=lambda i: (float(ITEM_SPEED[i]), int(ITEM_TIER[i])))
        if body.state.item[body.b, body.a, body.state.selected[body.b, body.a]] != best:
            body.act(function=EQUIP, slot=slot_of(body, best))
    return True


def _point_at(body: Body, cell: tuple[int, int, int], through: bool = False) -> bool:
    """Turn the crosshair on a cell (x, z, y), or, if `through`, on what hides it. Whether it is on it."""
    state, b, a = body.state, body.b, body.a
    x, z, y = cell
    yaw, pitch = body.yaw_deg, body.pitch_deg
    right, down = body.aim(x + 0.5, y + 0.5, z + 0.5)
    turns = sorted(
        ((r, d) for r in (-2, -1, 0, 1, 2) for d in (-2, -1, 0, 1, 2)), key=lambda t: abs(t[0]) + abs(t[1])
    )
    chosen: tuple[float, float] | None = None
    for r, d in turns:
        state.yaw_deg[b, a] = yaw + right + r * STEP_DEG
        state.pitch_deg[b, a] = min(90.0, max(-90.0, pitch + down + d * STEP_DEG))
        if target_block(arrays_of(state), TABLES, b, a, False)[1:4] == cell:
            chosen = (right + r * STEP_DEG, float(state.pitch_deg[b, a]) - pitch)
            break
    state.yaw_deg[b, a], state.pitch_deg[b, a] = yaw, pitch
    if chosen is None and not through:
        return False
    right, down = chosen or (right, down)
    body.act(right_deg=(right + 180.0) % 360.0 - 180.0, down_deg=down)
    return chosen is not None


def _eye_distance(body: Body, cell: tuple[int, int, int]) -> float:
    x, y, z = body.position
    return float(np.hypot(np.hypot(cell[0] + 0.5 - x, cell[1] + 0.5 - z), cell[2] + 0.5 - y - EYE_HEIGHT))


def approach(body: Body, cell: tuple[int, int, int], near: float) -> str:
    """Walk over known columns until a cell's middle is within `near` blocks horizontally."""
    x, _, z = body.position
    if np.hypot(cell[0] + 0.5 - x, cell[1] + 0.5 - z) <= near:
        return "ok"
    columns_x, columns_z = np.ogrid[: body.blocks.shape[0], : body.blocks.shape[1]]
    return body.travel(np.hypot(columns_x - cell[0], columns_z - cell[1]) <= near - 0.3)


def mine(body: Body, name: str) -> str:
    """Walk to the nearest `name` in sight and dig one block of it."""
    block = BLOCK.get(name, 0)
    if block == 0:
        return f"no such block {name}"
    if HARDNESS[block] < 0:
        return f"cannot mine {name}"
    seen = body.in_sight(name)
    if not seen:
        return "not in sight"
    cell, drop = seen[0].cell, int(DROP_ITEM[block])
    if not _equip_best(body, block):
        return "no tool"
    if drop and not _has_room(body, drop):
        return "inventory full"
    for near in (3.2, 1.8):
        if _eye_distance(body, cell) > _HAND or near < 2:
            walked = approach(body, cell, near)
            if walked != "ok":
                break
        if _eye_distance(body, cell) <= REACH and _dig(body, cell):
            body.square_up()
            return "ok"
    body.square_up()
    return walked if _eye_distance(body, cell) > _HAND and walked != "ok" else "out of reach"


def _has_room(body: Body, item: int) -> bool:
    items, counts = body.state.item[body.b, body.a], body.state.count[body.b, body.a]
    return bool((items == 0).any() or ((items == item) & (counts < STACK[item])).any())


def _dig(body: Body, cell: tuple[int, int, int]) -> bool:
    """Dig a cell within reach, and what soft things hide it. Whether it is gone."""
    block = body.blocks[cell]
    for _ in range(_OBSTACLES):
        on_it = _point_at(body, cell, through=True)
        distance, *hit = target_block(arrays_of(body.state), TABLES, body.b, body.a, False)[:4]
        if distance < 0:
            return False
        in_way = (int(hit[0]), int(hit[1]), int(hit[2]))
        before = body.blocks[in_way]
        if not on_it and (TIER_NEEDED[before] > 0 or HARDNESS[before] < 0):
            return False
        for _ in range(DIG_TICKS):
            if body.blocks[in_way] != before:
                break
            body.act(function=ATTACK)
        if body.blocks[cell] != block:
            return True
    return False


def craft(body: Body, name: str) -> str:
    """Craft one recipe of `name` by hand or, when needed, at a crafting table within reach."""
    recipes = [recipe for recipe in RECIPES if ITEM_NAMES[recipe.result] == name]
    if not recipes:
        return "no such recipe"
    before = held(body, name)
    for needs in (0, 1):
        if (name, needs) in CRAFT_NAMES:
            body.act(function=CRAFT, craft=CRAFT_NAMES.index((name, needs)))
    if held(body, name) > before:
        return "ok"
    lacking = min(
        (_lacking(body, recipe.ingredients) for recipe in recipes), key=lambda lack: sum(lack.values())
    )
    if lacking:
        return "missing " + " ".join(f"{count} {item}" for item, count in lacking.items())
    return "missing crafting_table" if all(recipe.needs_table for recipe in recipes) else "inventory full"


def _lacking(body: Body, ingredients: dict[int, int]) -> dict[str, int]:
    have = {ITEM_NAMES[item]: held(body, ITEM_NAMES[item]) for item in ingredients}
    return {
        ITEM_NAMES[item]: count - have[ITEM_NAMES[item]]
        for item, count in ingredients.items()
        if have[ITEM_NAMES[item]] < count
    }


def smelt(body: Body, name: str) -> str:
    """Smelt one `name` in the nearest furnace within reach and take it out: one raw item goes in, and one
    fuel where neither fuel nor fire lasts for it. Where some lies ready, it is taken and nothing goes in."""
    if (name, 2) not in CRAFT_NAMES:
        return "no such recipe"
    made = ITEM[name]
    raws = [item for item, result in SMELTING.items() if result == made]
    raw = next((item for item in raws if slot_of(body, item) >= 0), 0)
    furnace = near_furnace(body.sim.arrays, TABLES, body.b, body.a)
    if furnace < 0:
        return "missing furnace" if raw else f"missing {ITEM_NAMES[raws[0]]}"
    items = body.state.container_item[body.b, furnace]
    counts = body.state.container_count[body.b, furnace]
    if items[OUTPUT] != made:
        if not raw:
            return f"missing {ITEM_NAMES[raws[0]]}"
        if hindrance := _smelting_hindered(body, items, counts, raw):
            return hindrance
        # Fuel goes in only where no fire burns, and one that dies on the way loses what it has smelted.
        while items[FUEL] == 0 and 0 < counts[BURN] < SMELT_TICKS:
            body.act()
        body.act(function=CRAFT, craft=CRAFT_NAMES.index((name, 2)))
        for _ in range(SMELT_TICKS + STRIDE_TICKS):
            if items[OUTPUT] == made:
                break
            body.act()
    before = held(body, name)
    body.act(function=CRAFT, craft=_fetching(body, name))
    return "ok" if held(body, name) > before else "inventory full"


def _smelting_hindered(body: Body, items: NDArray[np.int16], counts: NDArray[np.int16], raw: int) -> str:
    """What keeps a furnace with these slots from smelting one more `raw` ("": nothing)."""
    lies = int(items[FUEL])
    lasts_ticks = int(counts[BURN]) + FUEL_TICKS.get(lies, 0) * int(counts[FUEL])
    # What lies at the fuel's place and burns too short, or not at all, keeps other fuel out.
    if items[INPUT] not in (0, raw) or (lies and lasts_ticks < SMELT_TICKS):
        return "furnace busy"
    if lasts_ticks < SMELT_TICKS and not _has_fuel(body, raw):
        return "missing fuel"
    last = body.state.count[body.b, body.a, slot_of(body, raw)] == 1
    if items[OUTPUT] and not _has_room(body, int(items[OUTPUT])):
        return "inventory full"
    return "" if last or _has_room(body, SMELTING[raw]) else "inventory full"


def _has_fuel(body: Body, raw: int) -> bool:
    """Whether the furnace would find fuel among what is carried (`containers.smelt_into`) when one `raw`,
    which may burn as well, has gone in."""
    fuels = [item for item, ticks in FUEL_TICKS.items() if ticks >= SMELT_TICKS and DURABILITY[item] == 0]
    return sum(held(body, ITEM_NAMES[item]) for item in fuels) > int(raw in fuels)


def _fetching(body: Body, name: str) -> int:
    """The craft argument that takes out what is ready and puts nothing in: one of whose raw items none is
    carried (`containers.smelt_into`)."""
    feasible = {SMELTING[item] for item in SMELTING if slot_of(body, item) >= 0}
    others = (k for k, (made, needs) in enumerate(CRAFT_NAMES) if needs == 2 and ITEM[made] not in feasible)
    return next(others, CRAFT_NAMES.index((name, 2)))


def place(body: Body, name: str) -> str:
    """Put a carried block on the ground ahead."""
    if name in ITEM and not PLACES_BLOCK[ITEM[name]]:
        return f"cannot place {name}"
    slot = slot_of(body, ITEM[name]) if name in ITEM else -1
    if slot < 0:
        return f"missing {name}"
    before = held(body, name)
    for down in (45.0, 60.0, 30.0):
        for right in (0.0, 90.0, -90.0, 180.0):
            body.act(right_deg=right, down_deg=down - body.pitch_deg)
            body.act(function=PLACE, slot=slot, jump=2)
            if held(body, name) < before:
                body.square_up()
                return "ok"
    body.square_up()
    return "no room"


def fill(body: Body, name: str) -> str:
    """Fill a bucket with the nearest liquid in sight ("bucket" and "water": water; or "lava")."""
    liquid = "water" if name in ("bucket", "water") else name
    if liquid not in ("water", "lava"):
        return f"cannot fill {name}"
    seen = body.in_sight(liquid)
    if not seen:
        return "not in sight"
    equipped = equip(body, "bucket")
    if equipped != "ok":
        return equipped
    walked = approach(body, seen[0].cell, 3.0)
    before = held(body, f"{liquid}_bucket")
    x, z, y = seen[0].cell
    right, down = body.aim(x + 0.5, y + 0.8, z + 0.5)
    body.act(right_deg=right, down_deg=down)
    for extra in (0.0, 15.0, -30.0):
        body.act(down_deg=extra)
        body.act(function=USE)
        if held(body, f"{liquid}_bucket") > before:
            body.square_up()
            return "ok"
    body.square_up()
    return walked if walked != "ok" else "out of reach"


def open_chest(body: Body) -> str:
    """Walk to the nearest chest in sight and take everything that fits."""
    reached, chest = _reach_chest(body)
    if reached == "ok":
        items, counts = body.state.container_item[body.b, chest], body.state.container_count[body.b, chest]
        before = counts.copy()
        body.act(function=USE)
        if items.any() and np.array_equal(counts, before):
            reached = "inventory full"
    body.square_up()
    return reached


def take_from_chest(body: Body, name: str) -> str:
    """Take every `name` that fits out of the nearest chest in sight, and nothing else."""
    if name not in ITEM:
        return f"no such item {name}"
    before = held(body, name)
    reached, chest = _reach_chest(body)
    if reached == "ok":
        lies = bool((body.state.container_item[body.b, chest] == ITEM[name]).any())
        body.take_out(chest, ITEM[name])
        if held(body, name) == before:
            reached = "inventory full" if lies else f"missing {name}"
    body.square_up()
    return reached


def put_in_chest(body: Body, name: str) -> str:
    """Put a stack of `name` into the nearest chest in sight."""
    slot = slot_of(body, ITEM[name]) if name in ITEM else -1
    if slot < 0:
        return f"missing {name}"
    before = held(body, name)
    reached, _ = _reach_chest(body)
    if reached == "ok":
        body.act(function=PLACE, slot=slot)
        reached = "ok" if held(body, name) < before else "chest full"
    body.square_up()
    return reached


def _reach_chest(body: Body) -> tuple[str, int]:
    """Walk to the nearest chest in sight and look at it; and which container it is."""
    seen = body.in_sight("chest")
    if not seen:
        return "not in sight", -1
    cell = seen[0].cell
    walked = approach(body, cell, 2.5)
    if walked == "ok" and _eye_distance(body, cell) <= REACH and _point_at(body, cell):
        return "ok", container_at(body.sim.arrays, body.b, *cell)
    return (walked if walked != "ok" else "out of reach"), -1
