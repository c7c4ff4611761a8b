"""Texels: each mip level is the mean of the one below, what hides has no holes, and faces are lit by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, BLOCK_NAMES, LIQUID, OPAQUE, SHAPE, SHAPE_CROSS
from worlds.voxel.textures import FACE_BOTTOM, FACE_TOP, FACE_X, FACE_Z, TEXELS

SIDES = (16, 8, 4, 2, 1)


def levels(block: int, face: int) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Per level, colours (side, side, 3) 0..255 and what is opaque (side, side)."""
    told, start = [], 0
    for side in SIDES:
        packed = TEXELS[block, face, start : start + side * side].reshape(side, side)
        colours = np.stack([packed >> shift & 255 for shift in (0, 8, 16)], axis=-1)
        told.append((colours.astype(np.float64), packed >> 24 == 255))
        assert np.isin(packed >> 24, (0, 255)).all()
        start += side * side
    assert start == TEXELS.shape[2]
    return told


def test_a_coarser_level_is_the_mean_of_the_opaque_texels_that_it_stands_for() -> None:
    for block in range(1, len(BLOCK_NAMES)):
        for face in (FACE_TOP, FACE_BOTTOM, FACE_X, FACE_Z):
            (finest, holes), *coarser = levels(block, face)
            for colours, opaque in coarser:
                side = len(opaque)
                each = 16 // side
                tiles = finest.reshape(side, each, side, each, 3).swapaxes(1, 2).reshape(side, side, -1, 3)
                there = holes.reshape(side, each, side, each).swapaxes(1, 2).reshape(side, side, -1)
                share = there.mean(axis=-1)
                assert (opaque == (share > 0.3)).all(), BLOCK_NAMES[block]
                mean = (tiles * there[..., None]).sum(axis=2) / np.maximum(there.sum(axis=-1), 1)[..., None]
                assert np.abs(mean - colours)[opaque].max(initial=0.0) <= 1.0, BLOCK_NAMES[block]


def test_blocks_that_hide_have_no_holes_and_plants_have_both() -> None:
    """The painter lets no ray through a block that is opaque or liquid, whatever its texels say."""
    for block, name in enumerate(BLOCK_NAMES):
        finest = np.stack([levels(block, face)[0][1] for face in range(4)])
        if (OPAQUE | LIQUID)[block]:
            assert finest.all(), name
            assert all(opaque.all() for face in range(4) for _, opaque in levels(block, face)), name
        elif SHAPE[block] == SHAPE_CROSS or name == "glass":
            assert 0.02 < finest.mean() < 0.9, name
        elif block == BLOCK["air"]:
            assert not TEXELS[block].any()


def test_the_top_is_lightest_then_the_sides_north_then_east_then_the_bottom() -> None:
    for name in ("stone", "sand", "oak_planks", "blue_wool", "gold_block"):
        light = [levels(BLOCK[name], face)[0][0].mean() for face in (FACE_TOP, FACE_Z, FACE_X, FACE_BOTTOM)]
        assert light == sorted(light, reverse=True)
        assert len(set(light)) == 4
    glow = levels(BLOCK["glowstone"], FACE_TOP)[0][0]
    for face in (FACE_BOTTOM, FACE_X, FACE_Z):
        assert np.array_equal(levels(BLOCK["glowstone"], face)[0][0], glow)
