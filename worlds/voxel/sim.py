"""`VoxelSim`: a batch of voxel worlds that advance one tick (1/20 s) per call.

Invariant: a tick is a function of the state's arrays and of the actions alone, so `restore(snapshot)`
and the same actions give the same bytes, in this process or another. No Python runs per world.

An action is MineDojo's vector of 8 integers (`worlds/voxel/spaces.py` has the names):
0 forward/back (0 none, 1 forward, 2 back), 1 left/right (0, 1 left, 2 right), 2 (0, 1 jump, 2 sneak,
3 sprint), 3 pitch and 4 yaw in steps of 15 degrees (12: none; more looks down, turns right), 5 what the
hand does (0 nothing, 1 use, 2 drop, 3 attack, 4 craft, 5 equip, 6 place, 7 destroy), 6 the craft
argument, 7 the inventory slot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.voxel.animals import tick_animals
from worlds.voxel.containers import tick_furnaces
from worlds.voxel.crafting import craft
from worlds.voxel.interact import attack, place, stop_digging, use
from worlds.voxel.inventory import equip, take_from_slot
from worlds.voxel.physics import SNEAKING, SPRINTING, move_body, turn_body
from worlds.voxel.state import VoxelState
from worlds.voxel.tables import TABLES, Arrays, Tables, arrays_of
from worlds.voxel.terrain import TerrainConfig, WorldFacts, generate
from worlds.voxel.vitals import tick_vitals

ACTION_SIZES = (3, 3, 4, 25, 25, 8, 244, 36)
NO_TURN = 12
"""The value of action components 3 and 4 that does not turn."""
TURN_STEP_DEG = 15.0
MIN_ANIMALS = 12
"""Animal slots per world, more where the terrain asks for more."""
NOOP, USE, DROP, ATTACK, CRAFT, EQUIP, PLACE, DESTROY = range(8)
"""The values of action component 5."""


@njit(cache=True, nogil=True)
def _tick_body(s: Arrays, t: Tables, b: int, a: int, action: NDArray[np.int64]) -> None:
    """Turn, then use the hand, then move, then live: the order of Minecraft's client."""
    if s.health[b, a] <= 0.0:
        return
    right, down = (action[4] - NO_TURN) * TURN_STEP_DEG, (action[3] - NO_TURN) * TURN_STEP_DEG
    if right != 0.0 or down != 0.0:
        turn_body(s.yaw_deg, s.pitch_deg, b, a, right, down)

    mode, what, slot = action[2], action[5], action[7]
    sneaking = mode == SNEAKING
    hand = np.int64(s.selected[b, a])
    if what == ATTACK:
        attack(s, t, b, a)
    elif s.dig_cell[b, a, 2] >= 0:
        stop_digging(s, b, a)
    if what == USE:
        use(s, t, b, a, sneaking)
    elif what == CRAFT:
        craft(s, t, b, a, action[6])
    elif what == EQUIP:
        equip(s, t, b, a, slot)
    elif what == PLACE:
        place(s, t, b, a, slot, sneaking)
    elif what == DROP and s.item[b, a, hand] != 0:
        take_from_slot(s, b, a, hand, np.int64(1))
    elif what == DESTROY:
        take_from_slot(s, b, a, slot, np.int64(s.count[b, a, slot]))

    forward = 1 if action[0] == 1 else (-1 if action[0] == 2 else 0)
    strafe = 1 if action[1] == 2 else (-1 if action[1] == 1 else 0)
    x, z = s.position[b, a, 0], s.position[b, a, 2]
    fallen = move_body(
        s.blocks,
        t.solid,
        t.liquid,
        s.position,
        s.velocity,
        s.yaw_deg,
        s.on_ground,
        b,
        a,
        forward,
        strafe,
        mode,
    )
    walked = 0.0
    if mode == SPRINTING:
        walked = math.hypot(s.position[b, a, 0] - x, s.position[b, a, 2] - z)
    tick_vitals(s, t, b, a, fallen, walked, mode)


@njit(cache=True, nogil=True)
def tick_worlds(s: Arrays, t: Tables, first: int, actions: NDArray[np.int64]) -> None:
    """One tick of the worlds from `first` on, as many as `actions` (n, A, 8) int64 has; the actions
    must be within `ACTION_SIZES`."""
    for i in range(actions.shape[0]):
        b = first + i
        for a in range(actions.shape[1]):
            _tick_body(s, t, b, a, actions[i, a])
        tick_animals(s, t, b)
        tick_furnaces(s, t, b)
        s.tick[b] += 1


@njit(cache=True, nogil=True)
def within_sizes(actions: NDArray[np.int64]) -> bool:
    """Whether all components of (B, A, 8) actions are within `ACTION_SIZES`."""
    fine = True
    for b in range(actions.shape[0]):
        for a in range(actions.shape[1]):
            for k in range(actions.shape[2]):
                fine &= 0 <= actions[b, a, k] < ACTION_SIZES[k]
    return fine


def noop_actions(worlds: int, bodies: int = 1) -> NDArray[np.int64]:
    """(B, A, 8) actions that do nothing."""
    actions = np.zeros((worlds, bodies, len(ACTION_SIZES)), np.int64)
    actions[..., 3:5] = NO_TURN
    return actions


@dataclass(frozen=True)
class VoxelSimConfig:
    """`worlds` worlds of `terrain`, with `bodies` bodies in each."""

    worlds: int = 1
    bodies: int = 1
    terrain: TerrainConfig = field(default_factory=TerrainConfig)

    def __post_init__(self) -> None:
        if self.worlds < 1 or self.bodies < 1:
            raise ValueError(
                f"a simulator needs at least one world and one body: worlds={self.worlds} and "
                f"bodies={self.bodies}; set both to 1 or more"
            )


class VoxelSim:
    """A batch of worlds. `reset(b, seed)` generates world `b`; until then it is empty air."""

    def __init__(self, config: VoxelSimConfig) -> None:
        self.config = config
        size = config.terrain.size
        animals = max(MIN_ANIMALS, sum(count for _, count in config.terrain.animals))
        self.state = VoxelState.empty(config.worlds, size, config.bodies, animals)
        self.arrays: Arrays = arrays_of(self.state)
        self.facts: list[WorldFacts | None] = [None] * config.worlds
        self._blank = VoxelState.empty(1, size, config.bodies, animals)

    def reset(self, b: int, seed: int) -> WorldFacts:
        """Clear world `b` and generate it anew from `seed`."""
        self.clear(b)
        facts = generate(self.state, b, seed, self.config.terrain)
        self.facts[b] = facts
        return facts

    def clear(self, b: int) -> None:
        """Make world `b` empty air, with bodies as at birth."""
        for array in fields(VoxelState):
            getattr(self.state, array.name)[b] = getattr(self._blank, array.name)[0]

    def tick(self, actions: NDArray[np.int64]) -> None:
        """Advance every world by one tick; `actions` is (B, A, 8) int64.
        Raises ValueError for another shape or values beyond `ACTION_SIZES`."""
        expected = (self.config.worlds, self.config.bodies, len(ACTION_SIZES))
        if actions.shape != expected:
            raise ValueError(f"actions have shape {actions.shape}; this simulator takes {expected}")
        if not within_sizes(actions):
            raise ValueError(f"an action component is outside 0..n-1 of {ACTION_SIZES}")
        tick_worlds(self.arrays, TABLES, 0, actions)

    def tick_one(self, b: int, actions: NDArray[np.int64]) -> None:
        """Advance world `b` alone; `actions` is (A, 8) int64 and is not checked."""
        tick_worlds(self.arrays, TABLES, b, actions[None])

    def look(self, b: int, a: int, yaw_deg: float, pitch_deg: float) -> None:
        """Aim exactly (a mouse is not bound to the action's steps of 15 degrees)."""
        self.state.yaw_deg[b, a] = yaw_deg % 360.0
        self.state.pitch_deg[b, a] = min(90.0, max(-90.0, pitch_deg))

    def snapshot(self) -> VoxelState:
        """A copy of the whole state."""
        return self.state.copy()

    def restore(self, snapshot: VoxelState) -> None:
        """Go back to a snapshot of a simulator of the same shape."""
        self.state.assign(snapshot)
