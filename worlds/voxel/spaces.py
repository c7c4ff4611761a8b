"""MineDojo's observation and action spaces (MineDojo 0.1), for the voxel world's primitive level.

Invariant: keys, shapes and meanings are MineDojo's; the departures are these. Names (of items, blocks)
are ids of `data.ITEM_NAMES` and `data.BLOCK_NAMES`, because Gymnasium cannot batch arrays of text.
Flags are `MultiBinary` (arrays) or `Discrete(2)` (single). The craft argument counts our own recipes
(`tables.CRAFT_NAMES`); arguments beyond them are masked. Block and item variants are always 0: since
Minecraft 1.13 every variant has its own name. There is no off hand, rain, experience or sleep.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from worlds.voxel import data
from worlds.voxel.data import BLOCK_NAMES, ITEM_NAMES
from worlds.voxel.interact import REACH
from worlds.voxel.sim import ACTION_SIZES, CRAFT, DESTROY, EQUIP, PLACE
from worlds.voxel.state import SLOTS

EQUIPMENT = ("mainhand", "feet", "legs", "chest", "head", "offhand")
FUNCTIONAL = ("no_op", "use", "drop", "attack", "craft", "equip", "place", "destroy")
"""The names of the values of action component 5."""
WITH_ARGUMENT = (CRAFT, EQUIP, PLACE, DESTROY)
GAINED, LOST = 1, 4
"""Entries of `delta_inv`."""
BIOME_CLIMATE: dict[str, tuple[int, float, float]] = {
    "plains": (1, 0.8, 0.4),
    "desert": (2, 2.0, 0.0),
    "forest": (4, 0.7, 0.8),
    "birch_forest": (27, 0.6, 0.6),
    "snowy_taiga": (30, -0.5, 0.4),
    "savanna": (35, 1.2, 0.0),
    "jungle": (21, 0.95, 0.9),
}
"""Biome -> Minecraft's id, temperature and rainfall (minecraft.wiki: Biome)."""


def action_space() -> spaces.MultiDiscrete:
    """MineDojo's action vector; `sim.py` says what each component means."""
    return spaces.MultiDiscrete(np.array(ACTION_SIZES))


def _number(low: float, high: float, *shape: int) -> spaces.Box:
    return spaces.Box(low, high, shape or (1,), np.float32)


def _items(slots: int) -> spaces.Dict:
    return spaces.Dict(
        {
            "name": spaces.Box(0, len(ITEM_NAMES) - 1, (slots,), np.int16),
            "variant": spaces.Box(0, 120, (slots,), np.int16),
            "quantity": _number(0, 64, slots),
            "max_durability": _number(-1, data.DURABILITY.max(), slots),
            "cur_durability": _number(-1, data.DURABILITY.max(), slots),
        }
    )


def _delta(kind: str, entries: int) -> dict[str, spaces.Space[Any]]:
    return {
        f"{kind}_{field}_by_{cause}": space
        for cause in ("craft", "other")
        for field, space in (
            ("name", spaces.Box(0, len(ITEM_NAMES) - 1, (entries,), np.int16)),
            ("quantity", _number(0, 64 * SLOTS, entries)),
        )
    }


VOXEL_FLAGS = (
    "is_collidable",
    "is_tool_not_required",
    "blocks_movement",
    "is_liquid",
    "is_solid",
    "can_burn",
    "blocks_light",
)
DAMAGE_FLAGS = ("is_explosion", "is_fire_damage", "is_magic_damage", "is_projectile", "is_unblockable")


def observation_space(image_size: int) -> spaces.Dict:
    """MineDojo's observation dict with frames of `image_size` x `image_size`."""
    cube = (3, 3, 3)
    flag: spaces.Space[Any] = spaces.Discrete(2)
    return spaces.Dict(
        {
            "rgb": spaces.Box(0, 255, (3, image_size, image_size), np.uint8),
            "inventory": _items(SLOTS),
            "equipment": _items(len(EQUIPMENT)),
            "life_stats": spaces.Dict(
                {
                    "life": _number(0, 20),
                    "armor": _number(0, 20),
                    "food": _number(0, 20),
                    "saturation": _number(0, 20),
                    "xp": _number(0, 1395),
                    "oxygen": _number(0, 300),
                    "is_sleeping": flag,
                }
            ),
            "location_stats": spaces.Dict(
                {
                    "pos": _number(-640000, 640000, 3),
                    "yaw": _number(-180, 180),
                    "pitch": _number(-180, 180),
                    "biome_id": spaces.Discrete(168),
                    "rainfall": _number(0, 1),
                    "temperature": _number(-1, 2),
                    "can_see_sky": flag,
                    "is_raining": flag,
                    "light_level": _number(0, 15),
                    "sky_light_level": _number(0, 1),
                    "sun_brightness": _number(0, 1),
                    "sea_level": _number(0, 255),
                }
            ),
            "voxels": spaces.Dict(
                {
                    "block_name": spaces.Box(0, len(BLOCK_NAMES) - 1, cube, np.int16),
                    "block_meta": spaces.Box(0, 120, cube, np.int16),
                    **{name: spaces.MultiBinary(cube) for name in VOXEL_FLAGS},
                    "cos_look_vec_angle": _number(-1, 1, *cube),
                }
            ),
            "damage_source": spaces.Dict(
                {
                    "damage_amount": _number(0, 40),
                    "damage_distance": _number(0, REACH),
                    "damage_pitch": _number(-90, 90),
                    "damage_yaw": _number(-180, 180),
                    "hunger_damage": _number(0, 20),
                    **dict.fromkeys(DAMAGE_FLAGS, flag),
                }
            ),
            "nearby_tools": spaces.Dict({"table": flag, "furnace": flag}),
            "masks": spaces.Dict(
                {
                    "action_type": spaces.MultiBinary(len(FUNCTIONAL)),
                    "action_arg": spaces.MultiBinary((len(FUNCTIONAL), 1)),
                    "craft_smelt": spaces.MultiBinary(ACTION_SIZES[6]),
                    **{name: spaces.MultiBinary(SLOTS) for name in ("equip", "place", "destroy")},
                }
            ),
            "delta_inv": spaces.Dict({**_delta("inc", GAINED), **_delta("dec", LOST)}),
        }
    )
