"""What the agent sees: minigrid's partial view, computed on plain arrays, and its pixels.

Invariant: `look` equals `MiniGridEnv.gen_obs()["image"]` and `draw` equals `MiniGridEnv.get_pov_render`, byte
for byte (the tests compare them); nothing behind a wall or a closed door enters either.

Shapes: a grid is (X, Y, 3) uint8 (type, colour, state) as `minigrid.core.grid.Grid.encode` gives it; a view
is (7, 7, 3) uint8 in minigrid's order [column, row]: the agent stands at [3, 6] and looks towards row 0.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from numba import njit
from numpy.typing import NDArray

from worlds.types import Frame

VIEW = 7
CELLS = 8
"""A frame is CELLS x CELLS tiles; the last row and column stay black, so that tiles and the 8x8 cells of a
stride-8 encoder coincide on a 64x64 frame."""
UNSEEN_CELL, EMPTY, WALL, FLOOR, DOOR = (
    OBJECT_TO_IDX[name] for name in ("unseen", "empty", "wall", "floor", "door")
)
_GREY = 5
_TYPES, _COLOURS, _STATES = 11, 6, 3

Array = NDArray[np.uint8]


@njit(cache=True)
def look(
    grid: Array, x: int, y: int, direction: int, carried: tuple[int, int], seen: NDArray[np.bool_]
) -> Array:
    """The view (7, 7, 3) from cell (x, y) towards `direction` (0 east, 1 south, 2 west, 3 north). `carried`
    is (type, colour), or (1, 0) for empty hands. Marks what is in view in `seen` (X, Y)."""
    forward_x, forward_y = ((1, 0), (0, 1), (-1, 0), (0, -1))[direction]
    view = np.zeros((VIEW, VIEW, 3), np.uint8)
    opaque = np.zeros((VIEW, VIEW), np.bool_)
    for column in range(VIEW):
        for row in range(VIEW):
            ahead, right = VIEW - 1 - row, column - VIEW // 2
            at_x, at_y = x + forward_x * ahead - forward_y * right, y + forward_y * ahead + forward_x * right
            if 0 <= at_x < grid.shape[0] and 0 <= at_y < grid.shape[1]:
                view[column, row] = grid[at_x, at_y]
            else:
                view[column, row, 0], view[column, row, 1] = WALL, _GREY
            kind, state = view[column, row, 0], view[column, row, 2]
            opaque[column, row] = kind == WALL or (kind == DOOR and state != 0)
    visible = np.zeros((VIEW, VIEW), np.bool_)
    visible[VIEW // 2, VIEW - 1] = True
    for row in range(VIEW - 1, -1, -1):  # minigrid's own light: sideways along a row, then one row on
        for step, first, last in ((1, 0, VIEW - 1), (-1, VIEW - 1, 0)):
            for column in range(first, last, step):
                if visible[column, row] and not opaque[column, row]:
                    visible[column + step, row] = True
                    if row > 0:
                        visible[column + step, row - 1] = True
                        visible[column, row - 1] = True
    for column in range(VIEW):
        for row in range(VIEW):
            if not visible[column, row]:
                view[column, row] = 0
                continue
            ahead, right = VIEW - 1 - row, column - VIEW // 2
            at_x, at_y = x + forward_x * ahead - forward_y * right, y + forward_y * ahead + forward_x * right
            if 0 <= at_x < grid.shape[0] and 0 <= at_y < grid.shape[1]:
                seen[at_x, at_y] = True
    view[VIEW // 2, VIEW - 1] = (carried[0], carried[1], 0)
    return view


def draw(views_N773: Array, frame_size: int = 64) -> NDArray[np.uint8]:
    """The pixels of N views, (N, frame_size, frame_size, 3) uint8, black right of and below the 7x7 tiles.
    `frame_size` must be a multiple of 8 (ValueError)."""
    if frame_size % CELLS or frame_size < CELLS:
        raise ValueError(f"BabyAI frames are 8x8 tiles: set frame_size to a multiple of 8, not {frame_size}.")
    tile = frame_size // CELLS
    kinds = views_N773.astype(np.int64)
    codes = (kinds[..., 0] * _COLOURS + kinds[..., 1]) * _STATES + kinds[..., 2]
    codes[:, VIEW // 2, VIEW - 1] += _TYPES * _COLOURS * _STATES
    tiles = np.zeros((*codes.shape, tile, tile, 3), np.uint8)
    for code in np.unique(codes):
        tiles[codes == code] = _tile(int(code), tile)
    frames = np.zeros((len(views_N773), frame_size, frame_size, 3), np.uint8)
    drawn = tiles.transpose(0, 2, 3, 1, 4, 5).reshape(-1, VIEW * tile, VIEW * tile, 3)
    frames[:, : VIEW * tile, : VIEW * tile] = drawn
    return frames


def draw_one(view: Array, frame_size: int = 64) -> Frame:
    """The frame of one view, (frame_size, frame_size, 3) uint8."""
    frame: Frame = draw(view[None], frame_size)[0]
    return frame


@lru_cache(maxsize=4096)
def _tile(code: int, tile: int) -> NDArray[np.uint8]:
    """One tile as minigrid draws it: what is in view is lit; the agent, facing up, stands at [3, 6]."""
    agent, code = divmod(code, _TYPES * _COLOURS * _STATES)
    kind, colour, state = code // (_COLOURS * _STATES), code // _STATES % _COLOURS, code % _STATES
    drawn: NDArray[np.uint8] = Grid.render_tile(
        WorldObj.decode(kind, colour, state),
        agent_dir=3 if agent else None,
        highlight=kind != UNSEEN_CELL,
        tile_size=tile,
    )
    return drawn
