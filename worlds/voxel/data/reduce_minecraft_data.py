"""Reduce the `minecraft_data` package (MIT licence, PrismarineJS) to the small table that the world uses.

    pip install minecraft_data==3.20.0        # in a throw-away environment: 103 MB
    python worlds/voxel/data/reduce_minecraft_data.py > worlds/voxel/data/minecraft.json

Names, hardness, tools, stacks, food and recipes are those of Minecraft 1.16.5. Not in that package,
and written down here instead: smelting, fuel, armour, attack damage and what chance drops come to.

Invariant: drops are deterministic. A drop of several is its usual number (redstone 4, lapis 6), and
a chance drop is certain where nothing else in this world yields the item (gravel gives flint, grass
gives seeds) and else absent (leaves give nothing).
"""

# ruff: noqa: SIM905, E501  (word lists read better split from a sentence, table rows better on one line)
from __future__ import annotations

import json
from typing import Any

import minecraft_data  # type: ignore[import-not-found]

COLOURS = (
    "white orange magenta light_blue yellow lime pink gray light_gray cyan purple blue brown green red black"
).split()
WOODS = "oak spruce birch jungle acacia dark_oak".split()
ORES = "coal iron gold redstone lapis diamond emerald".split()
FLOWERS = "dandelion poppy blue_orchid allium cornflower red_tulip".split()
PLANTS = [*"grass fern dead_bush".split(), *FLOWERS, "brown_mushroom", "red_mushroom", "oak_sapling", "wheat"]
BLOCKS = [
    "air",
    *"stone granite diorite andesite grass_block dirt coarse_dirt podzol cobblestone bedrock sand red_sand".split(),
    *"gravel sandstone red_sandstone clay snow_block ice packed_ice obsidian water lava".split(),
    *(f"{ore}_ore" for ore in ORES),
    *(f"{wood}_{part}" for part in ("log", "leaves", "planks") for wood in WOODS),
    *PLANTS,
    *"sugar_cane torch cactus glass crafting_table furnace chest".split(),
    *"pumpkin melon hay_block bookshelf tnt jack_o_lantern sponge bricks stone_bricks".split(),
    *"mossy_cobblestone chiseled_sandstone terracotta glowstone sea_lantern magma_block slime_block".split(),
    *"quartz_block honeycomb_block purpur_block prismarine enchanting_table target note_block".split(),
    *(f"{metal}_block" for metal in "coal iron gold redstone lapis diamond emerald".split()),
    *(f"{colour}_wool" for colour in COLOURS),
    *(f"{colour}_concrete" for colour in "red orange yellow lime light_blue purple".split()),
]
GEAR = "wooden stone iron golden diamond".split()
KINDS = "pickaxe axe shovel sword hoe".split()
ARMOR = {"boots": (1, 1, 2, 3), "leggings": (2, 3, 5, 6), "chestplate": (3, 5, 6, 8), "helmet": (2, 2, 2, 3)}
ARMOR_METALS = "leather golden iron diamond".split()
OTHER_ITEMS = (
    "stick coal charcoal iron_ingot gold_ingot gold_nugget iron_nugget diamond emerald redstone lapis_lazuli "
    "quartz brick clay_ball flint string feather leather paper book wheat wheat_seeds bread apple golden_apple "
    "sugar cookie beef cooked_beef porkchop cooked_porkchop chicken cooked_chicken mutton cooked_mutton egg "
    "bucket water_bucket lava_bucket milk_bucket bone bone_meal shears flint_and_steel bow arrow bowl mushroom_stew "
    "melon_slice pumpkin_seeds pumpkin_pie snowball glowstone_dust prismarine_shard prismarine_crystals "
    "honeycomb slime_ball magma_cream gunpowder compass clock painting item_frame ladder oak_fence oak_door "
    "oak_boat white_bed cake fishing_rod shield sandstone_slab"
).split() + [
    f"{colour}_dye" for colour in "white orange yellow red light_blue blue green lime pink gray black".split()
]
NO_ITEM = {"air", "water", "lava", "wheat"}  # `wheat` the crop and `wheat` the item share a name

DROPS: dict[str, tuple[str, int]] = {
    "stone": ("cobblestone", 1), "grass_block": ("dirt", 1), "podzol": ("dirt", 1), "gravel": ("flint", 1),
    "clay": ("clay_ball", 4), "snow_block": ("snowball", 4), "coal_ore": ("coal", 1), "diamond_ore": ("diamond", 1),
    "emerald_ore": ("emerald", 1), "redstone_ore": ("redstone", 4), "lapis_ore": ("lapis_lazuli", 6),
    "melon": ("melon_slice", 5), "glowstone": ("glowstone_dust", 3), "sea_lantern": ("prismarine_crystals", 2),
    "bookshelf": ("book", 3), "grass": ("wheat_seeds", 1), "fern": ("wheat_seeds", 1), "dead_bush": ("stick", 2),
    "wheat": ("wheat", 1),
}  # fmt: skip
NO_DROP = {
    "air",
    "water",
    "lava",
    "bedrock",
    "ice",
    "packed_ice",
    "glass",
    *(f"{wood}_leaves" for wood in WOODS),
}
TOOL_OF_MATERIAL = {"rock": "pickaxe", "wood": "axe", "plant": "axe", "dirt": "shovel", "wool": "shears"}
TOOL_OVERRIDES = {
    "coarse_dirt": "shovel",
    "podzol": "shovel",
    "magma_block": "pickaxe",
    "purpur_block": "pickaxe",
}
UNDIGGABLE = {"air", "water", "lava", "bedrock"}
TIER = {"wooden": 1, "golden": 1, "stone": 2, "iron": 3, "diamond": 4, "netherite": 5}
SPEED = {"wooden": 2, "stone": 4, "iron": 6, "diamond": 8, "golden": 12}
DAMAGE = {
    "sword": (4, 5, 6, 4, 7),
    "axe": (7, 9, 9, 7, 9),
    "pickaxe": (2, 3, 4, 2, 5),
    "shovel": (2.5, 3.5, 4.5, 2.5, 5.5),
}
SMELTING = {
    "iron_ore": "iron_ingot", "gold_ore": "gold_ingot", "sand": "glass", "red_sand": "glass", "cobblestone": "stone",
    "clay_ball": "brick", "clay": "terracotta", "coal_ore": "coal", "diamond_ore": "diamond", "emerald_ore": "emerald",
    "redstone_ore": "redstone", "lapis_ore": "lapis_lazuli", "beef": "cooked_beef", "porkchop": "cooked_porkchop",
    "chicken": "cooked_chicken", "mutton": "cooked_mutton", "cactus": "green_dye",
    **{f"{wood}_log": "charcoal" for wood in WOODS},
}  # fmt: skip
FUEL_TICKS = {
    "lava_bucket": 20000, "coal_block": 16000, "coal": 1600, "charcoal": 1600, "stick": 100, "oak_sapling": 100,
    "bookshelf": 300, "crafting_table": 300, "chest": 300, "note_block": 300, "ladder": 300, "oak_fence": 300,
    **{f"{wood}_{part}": 300 for wood in WOODS for part in ("log", "planks")},
    **{f"{colour}_wool": 100 for colour in COLOURS},
    **{f"wooden_{kind}": 200 for kind in KINDS},
}  # fmt: skip
ANIMALS: list[dict[str, Any]] = [
    {"name": "cow", "health": 10, "speed": 0.05, "drops": [["beef", 2], ["leather", 1]], "sound": "moo"},
    {
        "name": "sheep",
        "health": 8,
        "speed": 0.05,
        "drops": [["white_wool", 1], ["mutton", 1]],
        "sound": "baa",
    },
    {"name": "pig", "health": 10, "speed": 0.06, "drops": [["porkchop", 2]], "sound": "oink"},
    {
        "name": "chicken",
        "health": 4,
        "speed": 0.06,
        "drops": [["chicken", 1], ["feather", 1]],
        "sound": "cluck",
    },
]


def reduce_block(name: str, source: Any) -> dict[str, Any]:
    """One row of the block table."""
    block = source.blocks_name[name]
    tools = {source.items[int(i)]["name"] for i in block.get("harvestTools", {})}
    tiers = [TIER[tool.split("_")[0]] for tool in tools if tool.split("_")[0] in TIER]
    tool_class = TOOL_OF_MATERIAL.get(block.get("material", ""), "")
    tool_class = TOOL_OVERRIDES.get(name, "shears" if name.endswith("_leaves") else tool_class)
    drop = None if name in NO_DROP else DROPS.get(name, (name, 1))
    shape = "cube"
    if name == "air":
        shape = "air"
    elif name in ("water", "lava"):
        shape = "liquid"
    elif name in PLANTS or name in ("sugar_cane", "torch"):
        shape = "cross"
    row = {
        "name": name,
        "shape": shape,
        "hardness": -1 if name in UNDIGGABLE else block["hardness"],
        "tool": tool_class,
    }
    row |= {"tier": min(tiers, default=0), "light": block["emitLight"], "drop": drop}
    if name in ("furnace", "note_block") or name.endswith("_ore"):
        row["light"] = 0  # lit only while working
    return row


def reduce_item(name: str, source: Any) -> dict[str, Any]:
    """One row of the item table; fields that are zero are left out."""
    item = source.items_name[name]
    row: dict[str, Any] = {"name": name, "stack": item["stackSize"]}
    if "maxDurability" in item:
        row["durability"] = item["maxDurability"]
    if name in source.foods_name:
        row["food"] = source.foods_name[name]["foodPoints"]
    head, _, kind = name.rpartition("_")
    if head in GEAR and kind in KINDS:
        row |= {"tool": kind, "tier": TIER[head], "speed": SPEED[head]}
        row["damage"] = DAMAGE[kind][GEAR.index(head)] if kind in DAMAGE else 1
    elif name == "shears":
        row |= {"tool": "shears", "tier": 1, "speed": 5}
    elif kind in ARMOR and head in ARMOR_METALS:
        row |= {"armor": ARMOR[kind][ARMOR_METALS.index(head)], "wear": kind}
    if name in BLOCKS and name not in NO_ITEM:
        row["places"] = name
    elif name == "wheat_seeds":
        row["places"] = "wheat"
    return row


def reduce_recipes(items: list[str], source: Any) -> list[dict[str, Any]]:
    """All recipes whose result and ingredients are all kept."""
    names = {item["id"]: item["name"] for item in source.items_name.values()}
    kept, rows = set(items), []
    for recipes in source.recipes.values():
        for recipe in recipes:
            shape = recipe.get("inShape") or [recipe["ingredients"]]
            cells = [[names[cell] if cell else "" for cell in line] for line in shape]
            result = names[recipe["result"]["id"]]
            if {result, *(cell for line in cells for cell in line)} <= kept | {""}:
                row = {"result": result, "count": recipe["result"]["count"]}
                row["shape" if "inShape" in recipe else "any"] = cells if "inShape" in recipe else cells[0]
                rows.append(row)
    return rows


def main() -> None:
    source = minecraft_data("1.16.5")
    gear = [f"{metal}_{kind}" for metal in GEAR for kind in KINDS]
    armor = [f"{metal}_{part}" for metal in ARMOR_METALS for part in ARMOR]
    items = [name for name in BLOCKS if name not in NO_ITEM] + OTHER_ITEMS + gear + armor
    items = list(dict.fromkeys(items))
    animals = [
        row
        | {
            "width": source.entities_name[row["name"]]["width"],
            "height": source.entities_name[row["name"]]["height"],
        }
        for row in ANIMALS
    ]
    tables: dict[str, list[Any]] = {
        "blocks": [reduce_block(name, source) for name in BLOCKS],
        "items": [reduce_item(name, source) for name in items],
        "recipes": reduce_recipes(items, source),
        "smelting": [list(pair) for pair in SMELTING.items()],
        "fuel": [list(pair) for pair in FUEL_TICKS.items()],
        "animals": animals,
    }
    licence = "minecraft_data 3.20.0 (MIT, PrismarineJS and SpockBotMC), Minecraft 1.16.5; see reduce_minecraft_data.py"
    print(f'{{"source": {json.dumps(licence)}', end="")
    for key, rows in tables.items():
        print(
            f',\n"{key}": [\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]",
            end="",
        )
    print("}")


if __name__ == "__main__":
    main()
