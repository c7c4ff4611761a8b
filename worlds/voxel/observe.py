"""MineDojo's observation of a batch of worlds, as a dict of arrays with the worlds first.

Invariant: an observation is a function of the state before and after the last tick and of its action;
it lies in `spaces.observation_space` batched. Only the first body of each world is observed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel import data
from worlds.voxel.crafting import NEAR, craft_mask, near_furnace, near_table
from worlds.voxel.interact import look_vector
from worlds.voxel.landscape import BIOMES
from worlds.voxel.physics import EYE_HEIGHT, block_at
from worlds.voxel.render import render_batch
from worlds.voxel.sim import ATTACK, CRAFT, DESTROY, DROP, EQUIP, NOOP, PLACE, USE, VoxelSim
from worlds.voxel.spaces import BIOME_CLIMATE, DAMAGE_FLAGS, EQUIPMENT, GAINED, LOST, WITH_ARGUMENT
from worlds.voxel.tables import TABLES, Arrays, Tables
from worlds.voxel.terrain import sea_level

Nested = dict[str, Any]

_WOODEN = ("_log", "_planks", "_leaves", "_wool", "_sapling")
_BURNING = {"bookshelf", "tnt", "hay_block", "coal_block", "grass", "fern", "dead_bush"}
CAN_BURN = np.array([name.endswith(_WOODEN) or name in _BURNING for name in data.BLOCK_NAMES], np.int8)
_CLIMATE = np.array([BIOME_CLIMATE[name] for name in BIOMES])
_FLAGS = {
    "is_collidable": data.SOLID.astype(np.int8),
    "is_tool_not_required": (data.TIER_NEEDED == 0).astype(np.int8),
    "blocks_movement": data.SOLID.astype(np.int8),
    "is_liquid": data.LIQUID.astype(np.int8),
    "is_solid": data.SOLID.astype(np.int8),
    "can_burn": CAN_BURN,
    "blocks_light": data.OPAQUE.astype(np.int8),
}


@njit(cache=True, nogil=True)
def surroundings(
    s: Arrays, t: Tables, opaque: NDArray[np.bool_], light: NDArray[np.uint8], beyond: int
) -> tuple[
    NDArray[np.int16],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.int8],
    NDArray[np.int64],
]:
    """For the first body of every world: block ids (B, 3, 3, 3) in x, y, z order around the feet
    (`beyond` outside the grid), the cosine between the look and each of them (B, 3, 3, 3), the light
    level (B,), whether the sky is open (B,), the craft mask (B, 244) and, per world, whether a table
    and a furnace are near (B, 2). Lamps within `NEAR` blocks shine, whatever stands between."""
    worlds = s.blocks.shape[0]
    names = np.zeros((worlds, 3, 3, 3), np.int16)
    cosines = np.zeros((worlds, 3, 3, 3), np.float32)
    levels = np.zeros(worlds, np.float32)
    sky = np.ones(worlds, np.int64)
    crafts = np.zeros((worlds, t.craft_count.shape[0]), np.int8)
    near = np.zeros((worlds, 2), np.int64)
    for b in range(worlds):
        px, py, pz = s.position[b, 0, 0], s.position[b, 0, 1], s.position[b, 0, 2]
        x, y, z = math.floor(px), math.floor(py + 1e-6), math.floor(pz)
        look = look_vector(s, b, 0)
        for i in range(3):
            for j in range(3):
                for k in range(3):
                    cell = block_at(s.blocks, b, x + i - 1, z + k - 1, y + j - 1)
                    names[b, i, j, k] = cell if cell >= 0 else beyond
                    dx, dz = x + i - 0.5 - px, z + k - 0.5 - pz
                    dy = y + j - 0.5 - (py + EYE_HEIGHT)
                    length = max(1e-9, math.sqrt(dx * dx + dy * dy + dz * dz))
                    cosine = (dx * look[0] + dy * look[1] + dz * look[2]) / length
                    cosines[b, i, j, k] = min(1.0, max(-1.0, cosine))
        for above in range(y + 2, s.blocks.shape[3]):
            if opaque[s.blocks[b, x, z, above]]:
                sky[b] = 0
        levels[b] = 15.0 if sky[b] else _lamp_light(s, b, x, z, y + 1, light)
        table, furnace = near_table(s, t, b, 0), near_furnace(s, t, b, 0)
        near[b, 0], near[b, 1] = table, furnace >= 0
        crafts[b] = craft_mask(s, t, b, 0, table, furnace)
    return names, cosines, levels, sky, crafts, near


@njit(cache=True, nogil=True)
def _lamp_light(s: Arrays, b: int, x: int, z: int, y: int, light: NDArray[np.uint8]) -> float:
    best = 0
    for i in range(x - NEAR, x + NEAR + 1):
        for k in range(z - NEAR, z + NEAR + 1):
            for j in range(y - NEAR, y + NEAR + 1):
                cell = block_at(s.blocks, b, i, k, j)
                if cell > 0:
                    best = max(best, int(light[cell]) - abs(i - x) - abs(k - z) - abs(j - y))
    return float(best)


def item_totals(sim: VoxelSim) -> NDArray[np.int64]:
    """How many of each item the first bodies carry, (B, items)."""
    totals = np.zeros((sim.config.worlds, len(data.ITEM_NAMES)), np.int64)
    rows = np.arange(sim.config.worlds)[:, None]
    np.add.at(totals, (rows, sim.state.item[:, 0]), sim.state.count[:, 0])
    totals[:, 0] = 0
    return totals


class Observer:
    """Builds observations of `sim`; it remembers health and items since the last one, so that
    damage and `delta_inv` can be told. `begin(b)` forgets them for a world that begins anew."""

    def __init__(self, sim: VoxelSim, image_size: int) -> None:
        self.sim, self.image_size = sim, image_size
        self._health = sim.state.health[:, 0].copy()
        self._items = item_totals(sim)

    def begin(self, b: int) -> None:
        """World `b` has just been reset."""
        self._health[b] = self.sim.state.health[b, 0]
        self._items[b] = item_totals(self.sim)[b]

    def observe(self, actions: NDArray[np.int64] | None) -> Nested:
        """The observation after `actions` (B, 1, 8), or of fresh worlds (None)."""
        state, worlds = self.sim.state, self.sim.config.worlds
        names, cosines, light, sky, crafts, near = surroundings(
            self.sim.arrays, TABLES, data.OPAQUE, data.LIGHT, data.BLOCK["bedrock"]
        )
        inventory = _describe(state.item[:, 0], state.count[:, 0], state.durability[:, 0])
        hand = state.selected[:, 0, None].astype(np.int64)
        worn = np.concatenate(
            [
                np.take_along_axis(state.item[:, 0], hand, 1),
                state.armor[:, 0],
                np.zeros((worlds, 1), np.int16),
            ],
            1,
        )
        worn_count = (worn > 0).astype(np.int16)
        worn_count[:, :1] = np.take_along_axis(state.count[:, 0], hand, 1)
        worn_uses = data.DURABILITY[worn]
        worn_uses[:, :1] = np.take_along_axis(state.durability[:, 0], hand, 1)
        assert worn.shape[1] == len(EQUIPMENT)
        frames = render_batch(state, self.image_size)[:, 0]
        observation: Nested = {
            "rgb": np.ascontiguousarray(np.moveaxis(frames, -1, 1)),
            "inventory": inventory,
            "equipment": _describe(worn, worn_count, worn_uses),
            "life_stats": self._life(),
            "location_stats": self._location(light, sky),
            "voxels": {
                "block_name": names,
                "block_meta": np.zeros_like(names),
                **{name: table[names] for name, table in _FLAGS.items()},
                "cos_look_vec_angle": cosines,
            },
            "damage_source": self._damage(),
            "nearby_tools": {"table": near[:, 0], "furnace": near[:, 1]},
            "masks": _masks(inventory, crafts, worn[:, 0]),
            "delta_inv": self._gains(actions),
        }
        self._health = state.health[:, 0].copy()
        self._items = item_totals(self.sim)
        return observation

    def _life(self) -> Nested:
        state = self.sim.state
        zero = np.zeros(self.sim.config.worlds)
        armor = data.ARMOR_POINTS[state.armor[:, 0]].sum(1)
        return {
            "life": _column(state.health[:, 0]),
            "armor": _column(armor),
            "food": _column(state.food[:, 0]),
            "saturation": _column(zero),
            "xp": _column(zero),
            "oxygen": _column(state.air[:, 0]),
            "is_sleeping": zero.astype(np.int64),
        }

    def _location(self, light: NDArray[np.float32], sky: NDArray[np.int64]) -> Nested:
        state, facts = self.sim.state, self.sim.facts
        position = state.position[:, 0]
        cells = np.floor(position).astype(np.int64)
        biomes = [0 if f is None else f.biomes_XZ[cells[b, 0], cells[b, 2]] for b, f in enumerate(facts)]
        climate = _CLIMATE[biomes]
        yaw = (state.yaw_deg[:, 0] + 180.0) % 360.0 - 180.0
        return {
            "pos": position.astype(np.float32),
            "yaw": _column(yaw),
            "pitch": _column(state.pitch_deg[:, 0]),
            "biome_id": climate[:, 0].astype(np.int64),
            "rainfall": _column(climate[:, 2]),
            "temperature": _column(climate[:, 1]),
            "can_see_sky": sky,
            "is_raining": np.zeros_like(sky),
            "light_level": light[:, None],
            "sky_light_level": _column(sky),
            "sun_brightness": _column(np.ones(len(sky))),
            "sea_level": _column(np.full(len(sky), sea_level(self.sim.config.terrain))),
        }

    def _damage(self) -> Nested:
        state = self.sim.state
        lost = np.maximum(0.0, self._health - state.health[:, 0])
        zero = np.zeros(len(lost), np.int64)
        cells = np.floor(state.position[:, 0] + (0.0, 0.4, 0.0)).astype(np.int64)
        height = np.clip(cells[:, 1], 0, state.blocks.shape[3] - 1)
        burning = state.blocks[np.arange(len(lost)), cells[:, 0], cells[:, 2], height] == data.LAVA
        return {
            "damage_amount": _column(lost),
            **{name: _column(zero) for name in ("damage_distance", "damage_pitch", "damage_yaw")},
            "hunger_damage": _column(np.where(state.food[:, 0] <= 0.0, lost, 0.0)),
            **dict.fromkeys(DAMAGE_FLAGS, zero),
            "is_fire_damage": (burning & (lost > 0)).astype(np.int64),
        }

    def _gains(self, actions: NDArray[np.int64] | None) -> Nested:
        change = item_totals(self.sim) - self._items
        crafted = np.zeros(len(change), np.bool_) if actions is None else actions[:, 0, 5] == CRAFT
        result: Nested = {}
        for kind, entries, amount in (("inc", GAINED, change), ("dec", LOST, -change)):
            # The first changed items by id, as MineDojo reports them.
            order = np.argsort(amount <= 0, axis=1, kind="stable")[:, :entries]
            quantity = np.maximum(0, np.take_along_axis(amount, order, 1))
            name = np.where(quantity > 0, order, 0)
            for cause, mine in (("craft", crafted), ("other", ~crafted)):
                result[f"{kind}_name_by_{cause}"] = (name * mine[:, None]).astype(np.int16)
                result[f"{kind}_quantity_by_{cause}"] = (quantity * mine[:, None]).astype(np.float32)
        return result


def _column(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, None]


def _describe(items: NDArray[np.int16], counts: NDArray[np.int16], uses: NDArray[np.int16]) -> Nested:
    most = data.DURABILITY[items]
    return {
        "name": items.copy(),
        "variant": np.zeros_like(items),
        "quantity": counts.astype(np.float32),
        "max_durability": np.where(most > 0, most, -1).astype(np.float32),
        "cur_durability": np.where(most > 0, uses, -1).astype(np.float32),
    }


def _masks(inventory: Nested, crafts: NDArray[np.int8], held: NDArray[np.int16]) -> Nested:
    names = inventory["name"]
    full = (names > 0).astype(np.int8)
    placeable = (data.PLACES_BLOCK[names] > 0).astype(np.int8)
    kinds = np.zeros((len(names), 8), np.int8)
    kinds[:, [NOOP, USE, ATTACK]] = 1
    kinds[:, DROP] = held > 0
    kinds[:, CRAFT] = crafts.any(1)
    kinds[:, EQUIP] = kinds[:, DESTROY] = full.any(1)
    kinds[:, PLACE] = placeable.any(1)
    arguments = np.zeros((len(names), 8, 1), np.int8)
    arguments[:, WITH_ARGUMENT] = 1
    return {
        "action_type": kinds,
        "action_arg": arguments,
        "craft_smelt": crafts,
        "equip": full,
        "place": placeable,
        "destroy": full.copy(),
    }
