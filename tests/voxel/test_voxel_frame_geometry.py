"""Frames against one another: field of view and size only choose the rays, and drawing changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from test_voxel_render import flat_world, rays, worlds

from worlds.voxel.data import BLOCK
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.raycast import WIDEST
from worlds.voxel.render import Rendered, mark_seen, render, render_batch
from worlds.voxel.state import VoxelState


def views(seed: int, count: int) -> VoxelState:
    """As many worlds, with the eye somewhere above ground, looking anywhere but straight up."""
    random = np.random.default_rng(seed)
    state = worlds(count)
    state.position[:, 0, 1] += random.uniform(0, 4, count)
    state.yaw_deg[:, 0], state.pitch_deg[:, 0] = random.uniform(0, 360, count), random.uniform(-30, 60, count)
    return state


def share_alike(frame: Rendered, block_id: np.ndarray, cell: np.ndarray, depth: np.ndarray) -> float:
    """The share of the pixels of `frame` that show what the given buffers show."""
    near = np.isclose(frame.depth, depth, rtol=1e-3) | (np.isinf(frame.depth) & np.isinf(depth))
    return float(((frame.block_id == block_id) & (frame.cell == cell).all(axis=-1) & near).mean())


def test_a_narrower_field_of_view_is_the_middle_of_a_wider_frame() -> None:
    """Half the tangent and half the pixels: the very same rays, so the same bytes but for rounding."""
    state = views(1, 4)
    for b in range(4):
        wide, inner = render(state, b, 0, 64), slice(16, 48)
        narrow = render(state, b, 0, 32, fov_deg=2 * np.rad2deg(np.arctan(0.5)))
        middle = [buffer[inner, inner] for buffer in (wide.block_id, wide.cell, wide.depth)]
        assert share_alike(narrow, *middle) > 0.99
        assert (narrow.rgb == wide.rgb[inner, inner]).all(axis=-1).mean() > 0.99
        assert (narrow.animal == wide.animal[inner, inner]).mean() > 0.99
        assert not np.array_equal(narrow.rgb, render(state, b, 0, 32).rgb)


@pytest.mark.parametrize("small", [1, 5, 85, 86, WIDEST // 3])
def test_every_third_ray_of_a_frame_is_one_of_a_frame_a_third_as_wide(small: int) -> None:
    """Sizes below, at and above the number of rays that go abreast (256), and about the widest of all."""
    state = views(2, 1)
    frame, wide = render(state, 0, 0, small), render(state, 0, 0, 3 * small)
    every = slice(1, None, 3)
    assert (
        share_alike(frame, wide.block_id[every, every], wide.cell[every, every], wide.depth[every, every])
        > 0.98
    )
    assert frame.rgb.shape == (small, small, 3)


def test_an_eye_outside_the_world_sees_from_the_nearest_point_inside() -> None:
    state = flat_world()
    state.blocks[0, 10:20, 10:20, 8:12] = BLOCK["gold_block"]
    random = np.random.default_rng(3)
    size = np.array((32.0, 24.0, 32.0))
    for _ in range(20):
        outside = random.uniform(-6, size + 6)
        inside = np.clip(outside, 0.0, size - 1e-3)
        state.yaw_deg[0, 0], state.pitch_deg[0, 0] = random.uniform(0, 360), random.uniform(-60, 60)
        frames = []
        for eye in (outside, inside):
            state.position[0, 0] = eye - (0, EYE_HEIGHT, 0)
            frames.append(render(state, 0, 0, 20))
        assert (frames[0].rgb == frames[1].rgb).mean() > 0.99
        eye, directions = rays(state, 0, 20)
        hit = frames[0].block_id > 0
        t = frames[0].depth[hit] / np.linalg.norm(directions[hit], axis=-1)
        local = eye + directions[hit] * t[:, None] - frames[0].cell[hit][:, [0, 2, 1]]
        assert ((local > -0.02) & (local < 1.02)).all()  # each ray from there ends on its block


def test_drawing_leaves_the_state_alone_and_looking_only_adds_to_what_was_seen() -> None:
    state = views(4, 2)
    before = {name: array.tobytes() for name, array in vars(state).items()}
    render(state, 1, 0, 32)
    render_batch(state, 16)
    assert {name: array.tobytes() for name, array in vars(state).items()} == before
    seen = state.seen.copy()
    for turn in range(4):
        state.yaw_deg[1, 0] = 90.0 * turn
        mark_seen(state, 1, 0, render(state, 1, 0, 32))
        assert (state.seen >= seen).all()
        assert state.seen[1, 0].sum() > seen[1, 0].sum()
        seen = state.seen.copy()
    assert not state.seen[0].any()
