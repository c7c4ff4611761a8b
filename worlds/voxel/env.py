"""The voxel world's primitive level as Gymnasium environments: `VoxelEnv` and `VoxelVectorEnv`.

Invariant: world i of a vector environment that is reset with a list of seeds goes through the same
observations as a single environment reset with seed i. There is no task at this level: the reward is
always 0 and an episode ends when the body dies (wrap in `TimeLimit` for a limit).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from worlds.types import Frame
from worlds.voxel.observe import Nested, Observer
from worlds.voxel.render import render
from worlds.voxel.sim import VoxelSim, VoxelSimConfig
from worlds.voxel.spaces import action_space, observation_space
from worlds.voxel.terrain import TerrainConfig

_SEEDS = 2**31


def _first(batched: Nested) -> Nested:
    """The observation of the first world."""
    return {key: _first(value) if isinstance(value, dict) else value[0] for key, value in batched.items()}


class VoxelEnv(gymnasium.Env[Nested, NDArray[Any]]):
    """One world with one body. `reset(seed=n)` makes the world of seed n."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's name and type)

    def __init__(
        self, terrain: TerrainConfig | None = None, image_size: int = 64, render_mode: str | None = None
    ) -> None:
        self.sim = VoxelSim(VoxelSimConfig(terrain=terrain or TerrainConfig()))
        self.image_size = image_size
        self.render_mode = render_mode
        self.observation_space = observation_space(image_size)
        self.action_space = action_space()
        self._observer = Observer(self.sim, image_size)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Nested, dict[str, Any]]:
        """Make the world of `seed`, or of a seed drawn from the environment's own generator."""
        super().reset(seed=seed)
        world = seed if seed is not None else int(self.np_random.integers(_SEEDS))
        self.sim.reset(0, world)
        self._observer.begin(0)
        return _first(self._observer.observe(None)), {"world_seed": world}

    def step(self, action: NDArray[Any]) -> tuple[Nested, float, bool, bool, dict[str, Any]]:
        """One tick (1/20 s)."""
        actions = np.asarray(action, np.int64).reshape(1, 1, -1)
        self.sim.tick(actions)
        return _first(self._observer.observe(actions)), 0.0, self.dead, False, {}

    @property
    def dead(self) -> bool:
        """Whether the body has died."""
        return bool(self.sim.state.health[0, 0] <= 0.0)

    def observe(self) -> Nested:
        """The present observation; what it says of gains and damage is since the last one."""
        return _first(self._observer.observe(None))

    def render(self) -> Frame | None:  # type: ignore[override]
        """The first-person frame (H, W, 3) where `render_mode` is "rgb_array"."""
        if self.render_mode is None:
            return None
        return render(self.sim.state, 0, 0, self.image_size).rgb


class VoxelVectorEnv(gymnasium.vector.VectorEnv[Nested, NDArray[np.int64], NDArray[Any]]):
    """`num_envs` worlds ticked by one kernel call. A world whose body died begins anew on the next
    step, with a seed drawn from the vector environment's own generator (`AutoresetMode.NEXT_STEP`)."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's name and type)

    def __init__(self, num_envs: int, terrain: TerrainConfig | None = None, image_size: int = 64) -> None:
        self.num_envs = num_envs
        self.sim = VoxelSim(VoxelSimConfig(worlds=num_envs, terrain=terrain or TerrainConfig()))
        self.single_observation_space = observation_space(image_size)
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._observer = Observer(self.sim, image_size)
        self._dead = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Nested, dict[str, Any]]:
        """Make all worlds: from a list of seeds, or from `seed`, `seed` + 1, ..."""
        first = seed if isinstance(seed, int) else None
        super().reset(seed=first)
        if isinstance(seed, list):
            if len(seed) != self.num_envs:
                raise ValueError(f"{len(seed)} seeds for {self.num_envs} worlds: give one per world")
            seeds = seed
        else:
            seeds = [None if first is None else first + b for b in range(self.num_envs)]
        worlds = np.array([self._make(b, chosen) for b, chosen in enumerate(seeds)])
        return self._observer.observe(None), {"world_seed": worlds}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Nested, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One tick of every world; `actions` is (num_envs, 8). Dead worlds begin anew instead."""
        batch = np.asarray(actions, np.int64).reshape(self.num_envs, 1, -1)
        anew = np.flatnonzero(self._dead)
        self.sim.tick(batch)
        for b in anew:
            self._make(int(b), None)
        self._dead = self.sim.state.health[:, 0] <= 0.0
        never = np.zeros(self.num_envs, np.bool_)
        return self._observer.observe(batch), np.zeros(self.num_envs), self._dead.copy(), never, {}

    def _make(self, b: int, seed: int | None) -> int:
        world = seed if seed is not None else int(self.np_random.integers(_SEEDS))
        self.sim.reset(b, world)
        self._observer.begin(b)
        self._dead[b] = False
        return world
