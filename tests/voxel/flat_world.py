"""A flat world for the tests of the tick: bedrock, stone up to y = 7, one body (or more) in the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.data import BLOCK, DURABILITY, ITEM
from worlds.voxel.sim import ATTACK, CRAFT, NO_TURN, VoxelSim, VoxelSimConfig, noop_actions
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig

FLOOR = 8
"""The y of the feet of whoever stands on the stone."""


def flat_sim(worlds: int = 1, bodies: int = 1, size: tuple[int, int, int] = (16, 16, 24)) -> VoxelSim:
    sim = VoxelSim(VoxelSimConfig(worlds, bodies, TerrainConfig(size=size)))
    sim.state.blocks[..., 0] = BLOCK["bedrock"]
    sim.state.blocks[..., 1:FLOOR] = BLOCK["stone"]
    sim.state.position[:] = (size[0] / 2 + 0.5, FLOOR, size[1] / 2 + 0.5)
    sim.state.on_ground[:] = True
    return sim


def give(sim: VoxelSim, slot: int, name: str, number: int = 1, a: int = 0) -> None:
    sim.state.item[:, a, slot] = ITEM[name]
    sim.state.count[:, a, slot] = number
    sim.state.durability[:, a, slot] = DURABILITY[ITEM[name]]


def carried(sim: VoxelSim, name: str, b: int = 0, a: int = 0) -> int:
    return int(sim.state.count[b, a][sim.state.item[b, a] == ITEM[name]].sum())


def act(
    sim: VoxelSim,
    ticks: int = 1,
    *,
    move: int = 0,
    strafe: int = 0,
    mode: int = 0,
    hand: int = 0,
    argument: int = 0,
    slot: int = 0,
    pitch: int = NO_TURN,
    yaw: int = NO_TURN,
) -> None:
    actions = noop_actions(sim.config.worlds, sim.config.bodies)
    actions[:] = (move, strafe, mode, pitch, yaw, hand, argument, slot)
    for _ in range(ticks):
        sim.tick(actions)


def random_actions(rng: np.random.Generator, ticks: int, worlds: int, bodies: int = 1) -> NDArray[np.int64]:
    """Play that gets somewhere: mostly walking, some turning; the hand does one thing for 16 ticks."""
    shape = (ticks, worlds, bodies)
    actions = np.zeros((*shape, 8), np.int64)
    actions[..., 0] = rng.choice(3, shape, p=(0.2, 0.7, 0.1))
    actions[..., 1] = rng.choice(3, shape, p=(0.8, 0.1, 0.1))
    actions[..., 2] = rng.choice(4, shape, p=(0.5, 0.3, 0.1, 0.1))
    for axis in (3, 4):
        actions[..., axis] = NO_TURN + rng.choice((-1, 0, 1), shape, p=(0.1, 0.8, 0.1))
    held = (-(-ticks // 16), worlds, bodies)
    hands = np.zeros((*held, 3), np.int64)
    hands[..., 0] = rng.choice((0, 1, ATTACK, CRAFT, 5, 6), held, p=(0.1, 0.1, 0.5, 0.05, 0.1, 0.15))
    hands[..., 1] = rng.integers(0, 244, held)
    hands[..., 2] = rng.integers(0, 36, held)
    actions[..., 5:] = np.repeat(hands, 16, axis=0)[:ticks]
    return actions


def equal(one: VoxelState, other: VoxelState) -> bool:
    return all(np.array_equal(mine, getattr(other, name)) for name, mine in vars(one).items())
