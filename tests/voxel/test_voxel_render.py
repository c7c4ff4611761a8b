"""Frames: parity with a plain cell-by-cell ray walk, the same bytes everywhere, and what is in them."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from worlds.voxel import sight
from worlds.voxel.data import (
    ANIMAL_KIND,
    BLOCK,
    BLOCK_NAMES,
    OPAQUE,
    SHAPE,
    SHAPE_CROSS,
    SHAPE_CUBE,
    WATER,
)
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.render import NOBODY, Rendered, mark_seen, render, render_batch
from worlds.voxel.sight import sight_of
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig, generate
from worlds.voxel.textures import FACE_TOP, FACE_Z, TEXELS

ROOT = Path(__file__).parents[2]
LANDMARKS = ("pumpkin", "melon", "gold_block", "tnt")
CONFIG = TerrainConfig(landmarks=LANDMARKS, animals=(("cow", 2), ("sheep", 2)))


def worlds(count: int, config: TerrainConfig = CONFIG, bodies: int = 1) -> VoxelState:
    state = VoxelState.empty(count, config.size, bodies)
    for b in range(count):
        generate(state, b, b, config)
    return state


def rays(state: VoxelState, b: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Eye (3,) and directions (H, W, 3) of body 0, by rotating the axes of an unturned camera."""
    yaw, pitch = np.deg2rad(state.yaw_deg[b, 0]), np.deg2rad(state.pitch_deg[b, 0])
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    right, up = np.meshgrid(axis, -axis)
    ahead = np.cos(pitch) + up * np.sin(pitch)
    dy = up * np.cos(pitch) - np.sin(pitch)
    dx = ahead * np.sin(yaw) + right * np.cos(yaw)
    dz = -ahead * np.cos(yaw) + right * np.sin(yaw)
    return state.position[b, 0] + (0, EYE_HEIGHT, 0), np.stack([dx, dy, dz], -1)


def opaque(block: int, face: int, u: float, v: float) -> bool:
    column, row = (min(15, max(0, int(part * 16))) for part in (u, v))
    return bool(TEXELS[block, face, row * 16 + column] >> 24)


def plain_walk(
    world: np.ndarray, eye: np.ndarray, ray: np.ndarray
) -> tuple[int, tuple[int, int, int], float]:
    """(block, cell x z y, t) that a ray meets, cell by cell: the algorithm of Amanatides and Woo."""
    size = np.array(world.shape)[[0, 2, 1]]
    cell = np.floor(eye).astype(int)
    first, t, axis = tuple(cell), 0.0, 0
    liquid = world[cell[0], cell[2], cell[1]] if world[cell[0], cell[2], cell[1]] == WATER else -1
    step = np.where(ray > 0, 1, -1)
    edges = (cell + (ray > 0) - eye) / ray
    while ((cell >= 0) & (cell < size)).all():
        block = int(world[cell[0], cell[2], cell[1]])
        if SHAPE[block] == SHAPE_CROSS:
            local, hits = eye - cell, []
            for offset, across in (
                (local[2] - local[0], ray[0] - ray[2]),
                (1 - local[0] - local[2], ray[0] + ray[2]),
            ):
                s = offset / across
                if max(t, 1e-9) <= s <= edges.min() and opaque(
                    block, FACE_TOP, *(((local + ray * s) * (1, -1, 1))[:2] + np.array((0, 1)))
                ):
                    hits.append(s)
            if hits:
                return block, (cell[0], cell[2], cell[1]), min(hits)
        elif block and tuple(cell) != first and block != liquid:
            point = eye + ray * t - cell
            uv = {0: (point[2], 1 - point[1]), 1: (point[0], point[2]), 2: (point[0], 1 - point[1])}[axis]
            if SHAPE[block] != SHAPE_CUBE or OPAQUE[block] or opaque(block, FACE_Z, *uv):
                return block, (cell[0], cell[2], cell[1]), t
        axis = int(np.argmin(edges))
        t = edges[axis]
        cell[axis] += step[axis]
        edges[axis] = (cell[axis] + (step[axis] > 0) - eye[axis]) / ray[axis]
    return 0, (-1, -1, -1), np.inf


def test_parity_with_a_plain_ray_walk() -> None:
    """Random places and views, above and under ground, in water and among plants and glass."""
    random = np.random.default_rng(3)
    state = worlds(6, TerrainConfig(landmarks=LANDMARKS, plants=4.0))
    size, wrong, total = 16, 0, 0
    for b in range(6):
        world = state.blocks[b]
        for _ in range(6):
            x, z = random.uniform(2, 46, 2)
            state.position[b, 0] = x, random.uniform(2, 26), z
            state.yaw_deg[b, 0], state.pitch_deg[b, 0] = random.uniform(0, 360), random.uniform(-90, 90)
            near = (slice(int(x) - 1, int(x) + 3), slice(int(z) - 1, int(z) + 3))
            world[near][..., 20:22] = random.choice(
                [0, BLOCK["glass"], BLOCK["poppy"]], (4, 4, 2), p=[0.8, 0.1, 0.1]
            )
            frame = render(state, b, 0, size)
            eye, directions = rays(state, b, size)
            for i in range(size):
                for j in range(size):
                    block, cell, t = plain_walk(world, eye, directions[i, j])
                    depth = t * np.linalg.norm(directions[i, j])
                    same = block == frame.block_id[i, j] and cell == tuple(frame.cell[i, j])
                    same = same and (
                        depth == frame.depth[i, j] or abs(depth - frame.depth[i, j]) < 1e-3 * (1 + depth)
                    )
                    wrong, total = wrong + (not same), total + 1
    assert wrong <= 0.001 * total, f"{wrong} of {total} rays differ (rays along an edge may)"


def digest() -> str:
    state = worlds(3)
    state.pitch_deg[:] = [[-20.0], [0.0], [35.0]]
    return hashlib.sha256(
        render_batch(state, 64).tobytes() + render(state, 1, 0, 100).rgb.tobytes()
    ).hexdigest()


def test_same_bytes_in_another_process() -> None:
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]; "
    code = paths + "import test_voxel_render as t; print(t.digest())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)
    assert printed.stdout.strip() == digest(), printed.stderr


def test_batch_and_single_frames_agree() -> None:
    state = worlds(4, bodies=2)
    for size in (64, 33):
        frames = render_batch(state, size)
        assert frames.shape == (4, 2, size, size, 3)
        for b in range(4):
            for a in range(2):
                assert (render(state, b, a, size).rgb == frames[b, a]).all()


def flat_world(bodies: int = 1) -> VoxelState:
    """Grass at y 0..7; body 0 in the middle looks north, level."""
    state = VoxelState.empty(1, (32, 32, 24), bodies)
    state.blocks[:, :, :, :8] = BLOCK["grass_block"]
    state.position[:] = 16.5, 8.0, 16.5
    return state


def centre(frame: Rendered) -> tuple[str, float]:
    return BLOCK_NAMES[frame.block_id[32, 32]], float(frame.depth[32, 32])


def test_frames_follow_every_change_of_a_block() -> None:
    state = flat_world()
    assert (render(state, 0, 0, 64).block_id[:31] == 0).all()
    for z in (4, 9, 12):
        state.blocks[0, 14:19, z, 8:13] = BLOCK["gold_block"]
        name, depth = centre(render(state, 0, 0, 64))
        assert name == "gold_block"
        assert depth == pytest.approx(16.5 - (z + 1), abs=0.05)
    state.blocks[0, 16, 12, 9] = 0  # a hole at the height of the eye shows the next wall
    assert centre(render(state, 0, 0, 64))[1] == pytest.approx(16.5 - 10, abs=0.1)
    state.blocks[0] = np.roll(state.blocks[0], 1, axis=0)
    assert centre(render(state, 0, 0, 64))[1] == pytest.approx(16.5 - 13, abs=0.1)


def test_buffers_name_what_the_pixels_show() -> None:
    state = worlds(3)
    for b in range(3):
        frame = render(state, b, 0, 64)
        hit = frame.block_id > 0
        x, z, y = np.moveaxis(frame.cell[hit], -1, 0)
        assert (state.blocks[b, x, z, y] == frame.block_id[hit]).all()
        assert (frame.cell[~hit] == -1).all()
        assert np.isinf(frame.depth[~hit & (frame.animal == NOBODY)]).all()
        eye = state.position[b, 0] + (0, EYE_HEIGHT, 0)
        away = np.linalg.norm(frame.cell[hit][:, [0, 2, 1]] + 0.5 - eye, axis=-1)
        assert abs(away - frame.depth[hit]).max() < 0.9


def test_directions_of_the_compass() -> None:
    state = flat_world()
    for yaw, (dx, dz), name in (
        (0, (0, -5), "pumpkin"),
        (90, (5, 0), "melon"),
        (180, (0, 5), "tnt"),
        (270, (-5, 0), "sponge"),
    ):
        state.blocks[0, 16 + dx, 16 + dz, 8:11] = BLOCK[name]
        state.yaw_deg[0, 0] = yaw
        assert centre(render(state, 0, 0, 64))[0] == name
    state.yaw_deg[0, 0] = 45  # the east is now to the right
    columns = np.argwhere(render(state, 0, 0, 64).block_id == BLOCK["melon"])[:, 1]
    assert columns.min() > 32


def test_looking_up_is_sky_and_down_is_ground() -> None:
    state = flat_world()
    state.pitch_deg[0, 0] = -89
    sky = render(state, 0, 0, 64)
    assert (sky.block_id == 0).all()
    assert (sky.rgb[..., 2] > sky.rgb[..., 0]).all()
    state.pitch_deg[0, 0] = 89
    ground = render(state, 0, 0, 64)
    assert (ground.block_id == BLOCK["grass_block"]).all()
    assert ground.depth.min() == pytest.approx(EYE_HEIGHT, abs=0.01)


def test_creatures_show_where_nothing_hides_them() -> None:
    state = flat_world(bodies=2)
    state.position[0, 1] = 18.5, 8.0, 12.5
    state.animal_kind[0, 4] = ANIMAL_KIND["cow"]
    state.animal_position[0, 4] = 14.5, 8.0, 11.5
    frame = render(state, 0, 0, 64)
    assert set(np.unique(frame.animal)) == {-3, NOBODY, 4}
    rows, columns = np.nonzero(frame.animal == 4)
    assert len(rows) > 40
    assert columns.max() < 32 < np.nonzero(frame.animal == -3)[1].min()
    assert frame.depth[rows, columns].mean() == pytest.approx(5.3, abs=0.8)
    assert (frame.block_id[rows, columns] == 0).all()
    state.blocks[0, 10:23, 14, 8:11] = BLOCK["stone"]
    assert (render(state, 0, 0, 64).animal == NOBODY).all()


def test_under_water_is_blue_and_shade_is_dark() -> None:
    state = flat_world()
    lit = render(state, 0, 0, 64).rgb[50:].mean()
    state.blocks[0, :, :, 20] = BLOCK["stone"]
    assert render(state, 0, 0, 64).rgb[50:].mean() < 0.8 * lit
    state.blocks[0, :, :, 20] = 0
    state.blocks[0, :, :, 8:12] = WATER
    frame = render(state, 0, 0, 64)
    assert (frame.block_id != WATER).all()
    assert frame.rgb[..., 2].mean() > 1.5 * frame.rgb[..., 0].mean()


def test_seen_columns_are_those_of_the_frame() -> None:
    state = flat_world()
    frame = render(state, 0, 0, 64)
    mark_seen(state, 0, 0, frame)
    shown = frame.cell[frame.block_id > 0]
    expected = np.zeros((32, 32), bool)
    expected[shown[:, 0], shown[:, 1]] = True
    assert (state.seen[0, 0] == expected).all()
    assert not expected[:, 17:].any()  # what is behind has not been seen


def test_landmarks_are_told_apart_by_colour() -> None:
    """The mean colour of any two differs by at least 40 of 255 in some channel, near and far."""
    names = (*LANDMARKS, "diamond_block", "redstone_block", "lapis_block", "coal_block", "purple_wool")
    for mip_start, count in ((0, 256), (340, 1)):
        means = []
        for name in names:
            texels = TEXELS[BLOCK[name], FACE_Z, mip_start : mip_start + count]
            means.append([(texels >> shift & 255).mean() for shift in (0, 8, 16)])
        apart = abs(np.array(means)[:, None] - np.array(means)[None]).max(-1) + 999 * np.eye(len(names))
        assert apart.min() > 40


def test_a_resident_world_of_64_cubed_takes_less_than_two_megabytes() -> None:
    state = VoxelState.empty(2, (64, 64, 64))
    render_batch(state, 16)
    tables = sight_of(state)
    held = sum(array.nbytes for array in (*vars(state).values(), *vars(tables).values()))
    assert held / 2 <= 2 * 2**20


def test_tables_go_with_their_world() -> None:
    gc.collect()
    before = len(sight._OF_BLOCKS)
    state = flat_world()
    render(state, 0, 0, 16)
    assert len(sight._OF_BLOCKS) == before + 1
    del state
    gc.collect()
    assert len(sight._OF_BLOCKS) == before


def test_what_cannot_be_rendered_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        render(VoxelState.empty(1, (16, 16, 20)), 0, 0, 16)
    with pytest.raises(ValueError, match="take 1 to"):
        render(flat_world(), 0, 0, 5000)
