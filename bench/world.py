"""Speed and size of the voxel world beside minigrid and crafter, in the same process on one core.

Steps are ticks of one body with random walking, turning, jumping, digging and placing; a frame is 64x64
RGB after such a tick. Figures are per CPU-second (`time.process_time`), the best of `ROUNDS` rounds,
after everything has been compiled; memory is the growth of the resident set over `WORLDS` worlds that
have been ticked and rendered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.rows import row
from worlds.voxel.render import render_batch
from worlds.voxel.sim import ATTACK, NO_TURN, PLACE, VoxelSim, VoxelSimConfig
from worlds.voxel.terrain import TerrainConfig

WORLDS = 256
ROUNDS = 5
ROUND_S = 1.0
FRAME = 64
TERRAIN = TerrainConfig(size=(64, 64, 64), animals=(("cow", 4), ("sheep", 4), ("chicken", 4)))


def run() -> list[dict[str, Any]]:
    """The rows `primitive_steps_per_cpu_s`, `frames64_per_cpu_s` and `resident_mb_per_world`."""
    crafter_frames = _crafter_frames()  # a missing peer is said before minutes are spent
    small = VoxelSim(VoxelSimConfig(worlds=1, terrain=TERRAIN))
    small.reset(0, 0)
    actions = _actions(64, 1)
    small.tick(actions[0])
    render_batch(small.state, FRAME)

    process = psutil.Process()
    before = process.memory_info().rss
    sim = VoxelSim(VoxelSimConfig(worlds=WORLDS, terrain=TERRAIN))
    for b in range(WORLDS):
        sim.reset(b, b)
    actions = _actions(64, WORLDS)
    sim.tick(actions[0])
    render_batch(sim.state, FRAME)
    resident_mb = (process.memory_info().rss - before) / WORLDS / 2**20

    def ticks() -> int:
        for batch in actions:
            sim.tick(batch)
        return len(actions) * WORLDS

    def frames() -> int:
        sim.tick(actions[int(sim.state.tick[0]) % len(actions)])
        render_batch(sim.state, FRAME)
        return WORLDS

    steps, minigrid = _best(ticks), _best(_minigrid_steps())
    shown, crafter = _best(frames), _best(crafter_frames)
    return [
        row("primitive_steps_per_cpu_s", steps, "steps/CPU-s", "minigrid DoorKey-8x8, symbolic", minigrid, 0),
        row("frames64_per_cpu_s", shown, "frames/CPU-s", "crafter 64x64", crafter, 0),
        row("resident_mb_per_world", resident_mb, "MB per 64x64x64 world", "limit", 2.0),
    ]


def _actions(ticks: int, worlds: int) -> NDArray[np.int64]:
    """(ticks, worlds, 1, 8) random actions; the hand keeps to one thing for 16 ticks, as hands do."""
    rng = np.random.default_rng(0)
    shape = (ticks, worlds, 1)
    actions = np.zeros((*shape, 8), np.int64)
    actions[..., 0] = rng.choice(3, shape, p=(0.2, 0.7, 0.1))
    actions[..., 2] = rng.choice(4, shape, p=(0.6, 0.2, 0.1, 0.1))
    actions[..., 3:5] = NO_TURN + rng.choice((-1, 0, 1), (*shape, 2), p=(0.1, 0.8, 0.1))
    actions[..., 5] = np.repeat(rng.choice((0, ATTACK, PLACE), (ticks // 16, worlds, 1)), 16, axis=0)
    actions[..., 7] = rng.integers(0, 36, shape)
    return actions


def _best(work: Callable[[], int]) -> float:
    """Units of work per CPU-second, the best of `ROUNDS` rounds of at least `ROUND_S` CPU-seconds."""
    best = 0.0
    work()
    for _ in range(ROUNDS):
        done, start = 0, time.process_time()
        while (spent := time.process_time() - start) < ROUND_S:
            done += work()
        best = max(best, done / spent)
    return best


def _minigrid_steps() -> Callable[[], int]:
    import gymnasium
    import minigrid  # noqa: F401 (registers its environments)

    env = gymnasium.make("MiniGrid-DoorKey-8x8-v0")
    env.reset(seed=0)
    env.action_space.seed(0)

    def steps() -> int:
        for _ in range(100):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()
        return 100

    return steps


def _crafter_frames() -> Callable[[], int]:
    try:
        import crafter
    except ImportError as error:
        raise ValueError(
            "The frames benchmark compares with crafter, which is not installed: pip install 'crafter>=1.8' "
            "(it is in the dev extra)."
        ) from error

    env = crafter.Env(area=(64, 64), size=(FRAME, FRAME), seed=0)
    env.reset()
    rng = np.random.default_rng(0)

    def frames() -> int:
        for _ in range(20):
            _, _, done, _ = env.step(int(rng.integers(env.action_space.n)))
            if done:
                env.reset()
        return 20

    return frames
