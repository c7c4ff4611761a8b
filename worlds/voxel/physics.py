"""How a body moves: walking, jumping, stepping up, falling and swimming through a grid of unit cubes.

Invariant: `move_body` never leaves a body's box (0.6 x 1.8 x 0.6) inside a solid cell that it was not
inside before. Outside the grid everything is solid but the sky.

Constants are those of Minecraft Java 1.16 (minecraft.wiki: Player, Sprinting, Jumping, Fluid,
Damage#Fall damage). From them follow a walk of 4.317, a sprint of 5.612 and a sneak of 1.295 blocks
per second and a jump of 1.252 blocks. One departure: a body that walks against a step of one block
climbs it without a jump (Minecraft's auto-jump), so `STEP_UP` is 1, not 0.6; a sneaking body does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TICKS_PER_S = 20
HALF_WIDTH = 0.3
HEIGHT = 1.8
EYE_HEIGHT = 1.62
STEP_UP = 1.0
SKIN = 1e-6
"""Faces nearer than this touch rather than overlap (block units); absorbs rounding."""

GRAVITY = 0.08  # blocks per tick^2
FALL_DRAG = 0.98
JUMP_SPEED = 0.42  # blocks per tick
INPUT = 0.98  # of the key, as LivingEntity scales it
GROUND_PUSH = 0.1  # blocks per tick^2
AIR_PUSH = 0.02
GROUND_DRAG = 0.546  # slipperiness 0.6 * 0.91
AIR_DRAG = 0.91
SPRINT = 1.3
SNEAK = 0.3
LIQUID_PUSH = 0.02
WATER_DRAG = 0.8
LAVA_DRAG = 0.5
SWIM_UP = 0.04
WATER_SINK = 0.005
LAVA_SINK = 0.02
CLIMB_OUT = 0.3
TERMINAL_SPEED = 3.92  # GRAVITY * FALL_DRAG / (1 - FALL_DRAG)

WATER, LAVA = 1, 2
"""The values of `data.LIQUID`; 0 is no liquid."""
JUMPING, SNEAKING, SPRINTING = 1, 2, 3
"""The values of the third action component."""


@njit(cache=True, nogil=True)
def block_at(blocks: NDArray[np.uint8], b: int, x: int, z: int, y: int) -> int:
    """The block id of a cell, or -1 beyond the sides or the floor; 0 (air) above the grid."""
    if x < 0 or z < 0 or y < 0 or x >= blocks.shape[1] or z >= blocks.shape[2]:
        return -1
    return int(blocks[b, x, z, y]) if y < blocks.shape[3] else 0


@njit(cache=True, nogil=True)
def box_is_free(blocks: NDArray[np.uint8], solid: NDArray[np.bool_], b: int, lows: Any, highs: Any) -> bool:
    """Whether no cell of the inclusive range `lows`..`highs` (x, z, y) is solid."""
    for x in range(lows[0], highs[0] + 1):
        for z in range(lows[1], highs[1] + 1):
            for y in range(lows[2], highs[2] + 1):
                cell = block_at(blocks, b, x, z, y)
                if cell < 0 or solid[cell]:
                    return False
    return True


@njit(cache=True, nogil=True)
def body_fits(
    blocks: NDArray[np.uint8], solid: NDArray[np.bool_], b: int, x: float, y: float, z: float
) -> bool:
    """Whether a body with its feet at (x, y, z) overlaps no solid cell."""
    lows = (_low(x - HALF_WIDTH), _low(z - HALF_WIDTH), _low(y))
    highs = (_high(x + HALF_WIDTH), _high(z + HALF_WIDTH), _high(y + HEIGHT))
    return box_is_free(blocks, solid, b, lows, highs)


@njit(cache=True, nogil=True)
def _low(face: float) -> int:
    return math.floor(face + SKIN)


@njit(cache=True, nogil=True)
def _high(face: float) -> int:
    return math.floor(face - SKIN)


@njit(cache=True, nogil=True)
def sweep(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    b: int,
    x: float,
    y: float,
    z: float,
    axis: int,
    delta: float,
) -> float:
    """How much of `delta` (blocks) a body at (x, y, z) can go along `axis` (0 x, 1 z, 2 y)."""
    if delta == 0.0:
        return 0.0
    x0, x1 = _low(x - HALF_WIDTH), _high(x + HALF_WIDTH)
    z0, z1 = _low(z - HALF_WIDTH), _high(z + HALF_WIDTH)
    y0, y1 = _low(y), _high(y + HEIGHT)
    if axis == 0:
        face = x + HALF_WIDTH if delta > 0 else x - HALF_WIDTH
    elif axis == 1:
        face = z + HALF_WIDTH if delta > 0 else z - HALF_WIDTH
    else:
        face = y + HEIGHT if delta > 0 else y
    if delta > 0:
        first, last, step = _high(face) + 1, _high(face + delta), 1
    else:
        first, last, step = _low(face) - 1, _low(face + delta), -1
    for cell in range(first, last + step, step):
        if axis == 0:
            x0 = x1 = cell
        elif axis == 1:
            z0 = z1 = cell
        else:
            y0 = y1 = cell
        if not box_is_free(blocks, solid, b, (x0, z0, y0), (x1, z1, y1)):
            return max(0.0, cell - face) if delta > 0 else min(0.0, cell + 1 - face)
    return delta


@njit(cache=True, nogil=True)
def liquid_at(
    blocks: NDArray[np.uint8], liquid: NDArray[np.uint8], b: int, x: float, y: float, z: float
) -> int:
    """The liquid (0, `WATER` or `LAVA`) at a point."""
    cell = block_at(blocks, b, math.floor(x), math.floor(z), math.floor(y))
    return int(liquid[cell]) if cell > 0 else 0


@njit(cache=True, nogil=True)
def fall_height(speed: float, last_drop: float) -> float:
    """Blocks fallen from rest by a body that lands with `speed` (blocks per tick) and fell
    `last_drop` in its last tick: the inverse of v' = (v + 0.08) * 0.98."""
    if speed <= GRAVITY:
        return 0.0
    ticks = math.log(1.0 - min(speed, TERMINAL_SPEED - 1e-6) / TERMINAL_SPEED) / math.log(FALL_DRAG)
    return TERMINAL_SPEED * ticks - speed / (1.0 - FALL_DRAG) + last_drop


@njit(cache=True, nogil=True)
def move_body(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    liquid: NDArray[np.uint8],
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    yaw_deg: NDArray[np.float64],
    on_ground: NDArray[np.bool_],
    b: int,
    a: int,
    forward: int,
    right: int,
    mode: int,
) -> float:
    """One tick of motion of body `a` of world `b`, in place. `forward` and `right` are -1, 0 or 1,
    `mode` is 0 or one of `JUMPING`, `SNEAKING`, `SPRINTING`. Returns the blocks fallen on landing."""
    x, y, z = position[b, a, 0], position[b, a, 1], position[b, a, 2]
    vx, vy, vz = velocity[b, a, 0], velocity[b, a, 1], velocity[b, a, 2]
    wet = liquid_at(blocks, liquid, b, x, y + 0.4, z)
    grounded = on_ground[b, a]
    if mode == JUMPING:
        if wet:
            vy += SWIM_UP
        elif grounded:
            vy = JUMP_SPEED
            grounded = False

    if forward != 0 or right != 0:
        push = GROUND_PUSH if on_ground[b, a] else AIR_PUSH
        if wet:
            push = LIQUID_PUSH
        elif mode == SPRINTING and forward > 0:
            push *= SPRINT
        if mode == SNEAKING:
            push *= SNEAK
        push *= INPUT
        if forward != 0 and right != 0:
            push *= math.sqrt(0.5)
        angle = math.radians(yaw_deg[b, a])
        sine, cosine = math.sin(angle), math.cos(angle)
        vx += push * (forward * sine + right * cosine)
        vz += push * (right * sine - forward * cosine)

    if vy == 0.0:  # a body newly set down, not one in motion: let it find its ground at once
        vy = -GRAVITY * FALL_DRAG
    dy = sweep(blocks, solid, b, x, y, z, 2, vy)
    landed = vy < 0.0 and dy != vy
    dx, dz = 0.0, 0.0
    if vx != 0.0 or vz != 0.0:
        dx, dz = _slide(blocks, solid, b, x, y + dy, z, vx, vz)
    blocked = dx != vx or dz != vz
    if blocked and (grounded or landed) and mode != SNEAKING:
        lift = sweep(blocks, solid, b, x, y + dy, z, 2, STEP_UP)
        up_dx, up_dz = _slide(blocks, solid, b, x, y + dy + lift, z, vx, vz)
        if up_dx * up_dx + up_dz * up_dz > dx * dx + dz * dz + SKIN:
            dx, dz = up_dx, up_dz
            dy += lift + sweep(blocks, solid, b, x + dx, y + dy + lift, z + dz, 2, -lift)
            landed = True
    fallen = fall_height(-vy, -dy) if landed and not wet else 0.0
    position[b, a, 0], position[b, a, 1], position[b, a, 2] = x + dx, y + dy, z + dz
    on_ground[b, a] = landed

    vx = vx if dx == vx else 0.0
    vz = vz if dz == vz else 0.0
    vy = 0.0 if landed or (vy > 0.0 and dy != vy) else vy
    if wet:
        drag = WATER_DRAG if wet == WATER else LAVA_DRAG
        vx, vz = vx * drag, vz * drag
        vy = vy * drag - (WATER_SINK if wet == WATER else LAVA_SINK)
        if blocked and body_fits(blocks, solid, b, x + dx, y + dy + 0.6, z + dz):
            vy = CLIMB_OUT
    else:
        drag = GROUND_DRAG if grounded else AIR_DRAG
        vx, vz = vx * drag, vz * drag
        vy = (vy - GRAVITY) * FALL_DRAG
    velocity[b, a, 0] = vx if abs(vx) >= 0.003 else 0.0
    velocity[b, a, 1] = vy
    velocity[b, a, 2] = vz if abs(vz) >= 0.003 else 0.0
    return fallen


@njit(cache=True, nogil=True)
def _slide(
    blocks: NDArray[np.uint8],
    solid: NDArray[np.bool_],
    b: int,
    x: float,
    y: float,
    z: float,
    vx: float,
    vz: float,
) -> tuple[float, float]:
    """The horizontal part of a move, the longer axis first, as Minecraft does."""
    if abs(vx) >= abs(vz):
        dx = sweep(blocks, solid, b, x, y, z, 0, vx)
        return dx, sweep(blocks, solid, b, x + dx, y, z, 1, vz)
    dz = sweep(blocks, solid, b, x, y, z, 1, vz)
    return sweep(blocks, solid, b, x, y, z + dz, 0, vx), dz


@njit(cache=True, nogil=True)
def turn_body(
    yaw_deg: NDArray[np.float64], pitch_deg: NDArray[np.float64], b: int, a: int, right: float, down: float
) -> None:
    """Turn by `right` and look down by `down` degrees; pitch stays within +-90."""
    yaw_deg[b, a] = (yaw_deg[b, a] + right) % 360.0
    pitch_deg[b, a] = min(90.0, max(-90.0, pitch_deg[b, a] + down))
