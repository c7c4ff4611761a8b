"""Block textures, drawn here in code: our own art, none of Mojang's.

Invariant: `TEXELS` is a function of the block names alone (every random draw is seeded by the name),
so frames are the same bytes in every process. `TEXELS` is uint32 (block, face, 341), texels packed as
red | green << 8 | blue << 16 | opacity << 24 and already shaded for the face. The 341 are the mip levels
16x16, 8x8, 4x4, 2x2 and 1x1 one after the other, rows top to bottom.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK_NAMES

Image = NDArray[np.float64]
"""(16, 16, 4) red, green, blue, opacity in 0..1."""

FACE_TOP, FACE_BOTTOM, FACE_X, FACE_Z = range(4)
FACE_LIGHT = (1.0, 0.5, 0.64, 0.82)
TEXELS_PER_FACE = 341
N = 16

_RGB = {
    "stone": 0x7F7F7F, "granite": 0x9A6A58, "diorite": 0xBFBFC0, "andesite": 0x868888, "dirt": 0x86603F,
    "coarse_dirt": 0x77553B, "podzol": 0x6A4A22, "cobblestone": 0x7A7A7A, "bedrock": 0x4A4A4A, "sand": 0xDBD09E,
    "red_sand": 0xBE6A28, "gravel": 0x857F7C, "sandstone": 0xD8CB94, "red_sandstone": 0xB8621E, "clay": 0xA0A6B2,
    "snow_block": 0xF2F8F8, "ice": 0x8FB4F0, "packed_ice": 0x84A8E6, "obsidian": 0x14101F, "water": 0x2F5FD0,
    "lava": 0xE2610F, "grass_block": 0x6FA845, "cactus": 0x3F7F2B, "glass": 0xD8F0F4, "pumpkin": 0xE07C12,
    "melon": 0x6FA01C, "hay_block": 0xC9A40F, "tnt": 0xDB3A22, "jack_o_lantern": 0xDB7A10, "sponge": 0xCBC64A,
    "bricks": 0x9A5645, "stone_bricks": 0x7C7B7C, "mossy_cobblestone": 0x6C7F5C, "chiseled_sandstone": 0xDCCF9A,
    "terracotta": 0x985E43, "glowstone": 0xD8A857, "sea_lantern": 0xC6E2DC, "magma_block": 0x8E3A12,
    "slime_block": 0x6FD060, "quartz_block": 0xEDE7E0, "honeycomb_block": 0xF0960E, "purpur_block": 0xAA7BAA,
    "prismarine": 0x56A99A, "target": 0xE6D6CC, "note_block": 0x6A3F2A, "enchanting_table": 0x2A2236,
    "furnace": 0x6E6E6E, "chest": 0xA8731F, "crafting_table": 0xB0763C, "bookshelf": 0xA5834C,
    "coal_block": 0x151515, "iron_block": 0xE0E0E0, "gold_block": 0xFADA2E, "redstone_block": 0xC01404,
    "lapis_block": 0x1D47B0, "diamond_block": 0x5FEFE2, "emerald_block": 0x1FCB4E,
    "coal": 0x1A1A1A, "iron": 0xE0B79A, "gold": 0xFCEB4A, "redstone": 0xF00A0A, "lapis": 0x1742C8,
    "diamond": 0x50F5EC, "emerald": 0x12DC55,
    "oak": 0xB08C54, "spruce": 0x7B5A34, "birch": 0xD0BE84, "jungle": 0xAE7B56, "acacia": 0xB45F34,
    "dark_oak": 0x46301A, "oak_bark": 0x6B5233, "spruce_bark": 0x3B2613, "birch_bark": 0xE0E0DA,
    "jungle_bark": 0x57461C, "acacia_bark": 0x6A645C, "dark_oak_bark": 0x3A2B16, "oak_leaf": 0x3F8022,
    "spruce_leaf": 0x33593A, "birch_leaf": 0x6A9A3C, "jungle_leaf": 0x2F8F16, "acacia_leaf": 0x7F9426,
    "dark_oak_leaf": 0x2F601A,
    "white": 0xECEFEF, "orange": 0xF07A18, "magenta": 0xC045B8, "light_blue": 0x3FB2DC, "yellow": 0xF9C82A,
    "lime": 0x74BE1A, "pink": 0xF090B0, "gray": 0x42484C, "light_gray": 0x92928A, "cyan": 0x158C94,
    "purple": 0x7C2CAE, "blue": 0x363CA0, "brown": 0x754A2A, "green": 0x566F1E, "red": 0xA4282A, "black": 0x18181C,
    "grass": 0x6FA845, "fern": 0x5F8F3F, "dead_bush": 0x8A6428, "dandelion": 0xFFE020, "poppy": 0xE02818,
    "blue_orchid": 0x2CB0F0, "allium": 0xB878E0, "cornflower": 0x4A70E8, "red_tulip": 0xE04A30,
    "brown_mushroom": 0x9A7450, "red_mushroom": 0xD02020, "oak_sapling": 0x3F8022, "wheat": 0xCDB04A,
    "sugar_cane": 0x90C860, "torch": 0xFFD050,
}  # fmt: skip


def _rgb(name: str) -> NDArray[np.float64]:
    code = _RGB[name]
    return np.array([code >> 16, code >> 8 & 255, code & 255]) / 255.0


def _random(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def _grain(name: str, colour: str, amount: float) -> Image:
    """A colour with fine and coarse grain."""
    random = _random(name)
    fine = random.uniform(-1, 1, (N, N))
    coarse = np.kron(random.uniform(-1, 1, (N // 2, N // 2)), np.ones((2, 2)))
    image = np.ones((N, N, 4))
    image[..., :3] = np.clip(_rgb(colour) * (1 + amount * (0.6 * fine + 0.4 * coarse))[..., None], 0, 1)
    return image


def _spots(image: Image, name: str, colour: str, count: int, size: int) -> Image:
    """Blots of another colour."""
    random = _random(name + "spots")
    for _ in range(count):
        x, y = random.integers(0, N - size, 2)
        image[y : y + size, x : x + size, :3] = _rgb(colour) * random.uniform(0.8, 1.1)
    return np.clip(image, 0, 1)


def _lines(image: Image, rows: slice, columns: slice, factor: float) -> Image:
    """Darken or lighten some rows and columns."""
    image[rows, :, :3] *= factor
    image[:, columns, :3] *= factor
    return np.clip(image, 0, 1)


def _bricks(image: Image, factor: float = 0.65) -> Image:
    """Courses of bricks."""
    image[3::4, :, :3] *= factor
    for row in range(4):
        image[row * 4 : row * 4 + 3, (row % 2) * 4 + 3 :: 8, :3] *= factor
    return np.clip(image, 0, 1)


def _bevel(image: Image) -> Image:
    """A polished metal or gem block: bright rim above and left, dark below and right, a glint."""
    image[:1, :, :3] = image[:1, :, :3] * 0.5 + 0.5
    image[:, :1, :3] = image[:, :1, :3] * 0.5 + 0.5
    image[-1:, :, :3] *= 0.62
    image[:, -1:, :3] *= 0.62
    for i in range(3, 8):
        image[i, 10 - i, :3] = image[i, 10 - i, :3] * 0.4 + 0.6
    return np.clip(image, 0, 1)


def _rings(image: Image, other: str, width: int = 2) -> Image:
    """Square rings, as on the end of a log."""
    y, x = np.mgrid[:N, :N]
    ring = (np.maximum(abs(x - 7.5), abs(y - 7.5)) // width).astype(int) % 2 == 0
    image[ring, :3] = _rgb(other)
    return image


def _plant(name: str) -> Image:
    """A see-through sprite: stems, and a head of the plant's colour for flowers."""
    image, random, colour = np.zeros((N, N, 4)), _random(name), _rgb(name)
    stem = _rgb("oak_leaf")
    if name in ("grass", "fern", "dead_bush", "wheat", "sugar_cane", "oak_sapling"):
        for x in range(1, N - 1, 1 if name == "wheat" else 2):
            height = N if name == "sugar_cane" else int(random.integers(6, 14))
            lean = 0 if name in ("sugar_cane", "wheat") else int(random.integers(-2, 3))
            for y in range(height):
                column = int(np.clip(x + lean * y // N, 0, N - 1))
                image[N - 1 - y, column] = [*(colour * random.uniform(0.75, 1.1)), 1]
    elif name == "torch":
        image[6:, 7:9] = [*_rgb("oak_bark"), 1]
        image[4:7, 6:10] = [*colour, 1]
    else:
        image[8:, 7:9] = [*stem, 1]
        image[11, 5:11] = [*stem, 1]
        head = slice(3, 8) if "mushroom" not in name else slice(8, 12)
        image[head, 4:12] = [*colour, 1]
        image[head.start + 2, 7:9, :3] = colour * 0.5 + 0.3
    return np.clip(image, 0, 1)


def _pumpkin(name: str) -> Image:
    image = _grain(name, name, 0.08)
    image[:, 3::4, :3] *= 0.72
    image[:2, :, :3] *= 0.85
    return image


def _face(image: Image) -> Image:
    for rows, columns in (
        (slice(5, 8), slice(3, 6)),
        (slice(5, 8), slice(10, 13)),
        (slice(10, 13), slice(3, 13)),
    ):
        image[rows, columns, :3] = (1.0, 0.95, 0.35)
    return image


def _books(name: str) -> Image:
    image, random = _grain(name, "bookshelf", 0.08), _random(name + "books")
    for shelf in (1, 9):
        for x in range(1, 15, 2):
            colour = ("red", "blue", "green", "brown", "purple", "yellow")[random.integers(6)]
            image[shelf + int(random.integers(0, 2)) : shelf + 6, x : x + 2, :3] = _rgb(colour) * (
                0.8 + 0.2 * (x % 4 == 1)
            )
        image[shelf + 6, :, :3] *= 0.6
    return image


def _cubes(name: str) -> tuple[Image, Image, Image]:
    """(top, bottom, side) of a cube that needs more than one pattern."""
    if name == "grass_block":
        side = _grain("dirt", "dirt", 0.2)
        side[:3] = _grain(name, name, 0.15)[:3]
        side[3, ::2] = side[2, ::2]
        return _grain(name, name, 0.15), _grain("dirt", "dirt", 0.2), side
    if name == "podzol":
        side = _grain("dirt", "dirt", 0.2)
        side[:3] = _grain(name, name, 0.2)[:3]
        return _grain(name, name, 0.2), _grain("dirt", "dirt", 0.2), side
    if name.endswith("_log"):
        wood = name.removesuffix("_log")
        side = _grain(name, f"{wood}_bark", 0.12)
        side[:, ::3, :3] *= 0.75
        if wood == "birch":
            side = _spots(_grain(name, "birch_bark", 0.06), name, "gray", 9, 2)
        end = _rings(_grain(name, f"{wood}_bark", 0.1), wood)
        return end, end, side
    if name == "hay_block":
        side = _grain(name, name, 0.25)
        side[:, ::3, :3] *= 0.85
        side[3:5, :, :3] = side[11:13, :, :3] = _rgb("red")
        end = _rings(_grain(name, name, 0.2), "sponge", 3)
        return end, end, side
    if name in ("pumpkin", "jack_o_lantern"):
        top = _spots(_pumpkin(name), name, "green", 1, 3)
        return top, top, _face(_pumpkin(name)) if name != "pumpkin" else _pumpkin(name)
    if name == "melon":
        side = _grain(name, name, 0.1)
        side[:, 1::4, :3] *= 0.55
        side[:, 2::4, :3] *= 0.75
        top = _spots(_grain(name, name, 0.1), name, "yellow", 4, 2)
        return top, top, side
    if name == "tnt":
        side = _grain(name, name, 0.05)
        side[5:11, :, :3] = 0.95
        side[6:10, 2:14:2, :3] = 0.1
        end = _rings(_grain(name, name, 0.05), "light_gray", 2)
        return end, end, side
    if name == "bookshelf":
        plain = _lines(_grain("oak_planks", "oak", 0.08), slice(3, None, 4), slice(0, 0), 0.7)
        return plain, plain, _books(name)
    if name == "crafting_table":
        side = _lines(_grain(name, "oak", 0.08), slice(3, None, 4), slice(0, 0), 0.7)
        side[:3, :, :3] = _rgb("oak_bark")
        side[5:13, 3:6, :3] = side[5:9, 8:14, :3] = _rgb("gray")
        top = _lines(_grain(name, name, 0.08), slice(0, None, 5), slice(0, None, 5), 0.55)
        return top, _grain("oak_planks", "oak", 0.08), side
    if name == "furnace":
        side = _bricks(_grain(name, name, 0.08), 0.8)
        side[8:14, 4:12, :3] = 0.06
        side[12:14, 5:11, :3] = (0.9, 0.4, 0.05)
        side[3:5, 4:12, :3] = 0.15
        return _grain(name, name, 0.1), _grain(name, name, 0.1), side
    if name == "chest":
        side = _lines(_grain(name, name, 0.08), slice(0, None, 15), slice(0, None, 15), 0.4)
        side[5, :, :3] *= 0.4
        side[4:8, 7:9, :3] = (0.85, 0.85, 0.85)
        top = _lines(_grain(name, name, 0.08), slice(0, None, 15), slice(0, None, 15), 0.4)
        return top, top, side
    if name == "enchanting_table":
        side = _grain(name, name, 0.15)
        side[:4, :, :3] = _rgb("red_mushroom")
        side[:2, ::4, :3] = _rgb("diamond")
        return _rings(_grain(name, "red_mushroom", 0.1), "diamond", 3), _grain(name, "obsidian", 0.2), side
    if name == "cactus":
        side = _grain(name, name, 0.12)
        side[:, ::4, :3] *= 0.6
        side[::4, 2::4, :3] = 0.9
        top = _rings(_grain(name, name, 0.1), "oak_leaf", 4)
        return top, top, side
    image = _plain(name)
    return image, image, image


def _plain(name: str) -> Image:
    """A cube that looks the same from all sides."""
    if name.endswith("_ore"):
        return _spots(_grain("stone", "stone", 0.12), name, name.removesuffix("_ore"), 7, 3)
    if name.endswith("_planks"):
        return _lines(_grain(name, name.removesuffix("_planks"), 0.08), slice(3, None, 4), slice(0, 0), 0.7)
    if name.endswith("_leaves"):
        return _spots(_grain(name, name.removesuffix("leaves") + "leaf", 0.35), name, "dark_oak_leaf", 14, 1)
    if name.endswith("_wool"):
        return _lines(
            _grain(name, name.removesuffix("_wool"), 0.1), slice(0, None, 4), slice(2, None, 4), 0.9
        )
    if name.endswith("_concrete"):
        return _grain(name, name.removesuffix("_concrete"), 0.02)
    if name in _POLISHED:
        return _bevel(_grain(name, name, 0.05))
    if name in ("bricks", "stone_bricks", "purpur_block"):
        return _bricks(_grain(name, name, 0.08), 0.7 if name != "purpur_block" else 0.85)
    if name in ("sandstone", "red_sandstone", "chiseled_sandstone", "quartz_block"):
        return _lines(_grain(name, name, 0.06), slice(0, None, 7), slice(0, 0), 0.85)
    if name == "target":
        return _rings(_grain(name, name, 0.04), "red", 2)
    if name == "glass":
        image = np.zeros((N, N, 4))
        image[[0, -1]] = image[:, [0, -1]] = [*_rgb(name), 1]
        for i in range(4, 7):
            image[i, 10 - i] = 1
        return image
    spots: dict[str, tuple[str, int, int]] = {
        "cobblestone": ("andesite", 10, 3), "mossy_cobblestone": ("oak_leaf", 12, 2), "bedrock": ("coal", 12, 2),
        "gravel": ("light_gray", 14, 2), "sponge": ("podzol", 12, 2), "glowstone": ("yellow", 9, 3),
        "sea_lantern": ("white", 8, 3), "magma_block": ("torch", 9, 2), "obsidian": ("purple", 5, 1),
        "prismarine": ("cyan", 9, 3), "honeycomb_block": ("yellow", 9, 3), "lava": ("torch", 8, 3),
        "note_block": ("black", 4, 3), "granite": ("diorite", 6, 1), "diorite": ("andesite", 8, 2),
        "andesite": ("light_gray", 8, 2), "slime_block": ("lime", 5, 4), "terracotta": ("terracotta", 3, 4),
        "water": ("lapis", 6, 3),
    }  # fmt: skip
    image = _grain(name, name, 0.04 if name in ("snow_block", "water", "ice", "packed_ice") else 0.12)
    return _spots(image, name, *spots[name]) if name in spots else image


_POLISHED = tuple(
    f"{metal}_block" for metal in ("coal", "iron", "gold", "redstone", "lapis", "diamond", "emerald")
)
_CROSSES = (
    "grass", "fern", "dead_bush", "dandelion", "poppy", "blue_orchid", "allium", "cornflower", "red_tulip",
    "brown_mushroom", "red_mushroom", "oak_sapling", "wheat", "sugar_cane", "torch",
)  # fmt: skip


def _pack(image: Image, light: float) -> NDArray[np.uint32]:
    """The mip chain of one face, uint32 (341,)."""
    levels, colour, opacity = [], image[..., :3] * image[..., 3:], image[..., 3]
    while True:
        mean = colour / np.maximum(opacity, 1e-6)[..., None]
        bytes_ = np.clip(np.round(mean * light * 255), 0, 255).astype(np.uint32)
        alpha = np.where(opacity > 0.3, np.uint32(255), np.uint32(0)).astype(np.uint32)
        packed = bytes_[..., 0] | bytes_[..., 1] << np.uint32(8) | bytes_[..., 2] << np.uint32(16)
        levels.append((packed | alpha << np.uint32(24)).ravel())
        if len(opacity) == 1:
            return np.concatenate(levels)
        half = len(opacity) // 2
        colour = colour.reshape(half, 2, half, 2, 3).mean((1, 3))
        opacity = opacity.reshape(half, 2, half, 2).mean((1, 3))


def _all_texels() -> NDArray[np.uint32]:
    texels = np.zeros((len(BLOCK_NAMES), 4, TEXELS_PER_FACE), np.uint32)
    for block, name in enumerate(BLOCK_NAMES):
        if name == "air":
            continue
        if name in _CROSSES:
            texels[block, :] = _pack(_plant(name), 1.0)
            continue
        glows = name in ("lava", "glowstone", "sea_lantern", "jack_o_lantern", "magma_block")
        top, bottom, side = _cubes(name)
        for face, image in enumerate((top, bottom, side, side)):
            texels[block, face] = _pack(image, 1.0 if glows else FACE_LIGHT[face])
    texels.setflags(write=False)
    return texels


TEXELS = _all_texels()
