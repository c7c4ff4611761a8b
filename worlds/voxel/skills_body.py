"""One body driven through primitive ticks: the ground on which the skills stand.

Invariant: a body is moved by primitive actions of MineDojo's space alone (turns in steps of 15 degrees),
so what a skill does, a policy over the primitive level could have done; `take_out` alone is more, because
that space can only empty a chest. What a body knows of the map is `VoxelState.seen`, with a rim of `TOUCH`
blocks (the rows of a small frame skip columns of far ground); `find_path` says what it uses of a column.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from worlds.voxel.containers import take
from worlds.voxel.data import BLOCK, HURTS, LIQUID, SOLID
from worlds.voxel.perception import Thing, block_mask, things_in_sight
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.render import Rendered, mark_seen, render
from worlds.voxel.sim import VoxelSim
from worlds.voxel.skills_nav import MAX_DROP, find_path
from worlds.voxel.state import VoxelState
from worlds.voxel.tables import TABLES

STEP_DEG = 15
CAMERA_REST = 12
NO_OP = (0, 0, 0, CAMERA_REST, CAMERA_REST, 0, 0, 0)
USE, DROP, ATTACK, CRAFT, EQUIP, PLACE = 1, 2, 3, 4, 5, 6
"""The values of the functional component of an action."""
TOUCH = 2
ARRIVED = 0.35
"""Blocks: so near to the middle of a cell a body is in it."""
TRAVEL = 50.0
"""Blocks: no decision travels farther (STEVE-2's limit per move step)."""
_WAYPOINT_TICKS = 24
_WET = frozenset(int(block) for block in np.flatnonzero(LIQUID))
_BEYOND = BLOCK["bedrock"]
SHORT = 0.15
"""Blocks before its end at which a walk lets go: the body slides on."""
MOVED = 0.6
"""Blocks from which on a walk is not stuck."""


class Body:
    """Body `a` of world `b`. `ticks` counts the primitive steps since it was last set to 0."""

    def __init__(self, sim: VoxelSim, b: int = 0, a: int = 0, frame_size: int = 64) -> None:
        self.sim, self.b, self.a, self.frame_size = sim, b, a, frame_size
        self.ticks = 0
        worlds, bodies = sim.state.position.shape[:2]
        self._actions = np.tile(np.array(NO_OP, np.int64), (worlds, bodies, 1))
        self._rendered: Rendered | None = None

    @property
    def state(self) -> VoxelState:
        return self.sim.state

    @property
    def blocks(self) -> NDArray[np.uint8]:
        """(X, Z, Y) of its world."""
        return self.state.blocks[self.b]

    @property
    def position(self) -> tuple[float, float, float]:
        x, y, z = self.state.position[self.b, self.a]
        return float(x), float(y), float(z)

    @property
    def cell(self) -> tuple[int, int, int]:
        """(x, z, y) of the feet."""
        x, y, z = self.position
        return math.floor(x), math.floor(z), math.floor(y + 1e-3)

    @property
    def yaw_deg(self) -> float:
        return float(self.state.yaw_deg[self.b, self.a])

    @property
    def pitch_deg(self) -> float:
        return float(self.state.pitch_deg[self.b, self.a])

    def act(
        self,
        forward: int = 0,
        strafe: int = 0,
        jump: int = 0,
        down_deg: float = 0.0,
        right_deg: float = 0.0,
        function: int = 0,
        craft: int = 0,
        slot: int = 0,
    ) -> None:
        """One tick. `forward`: 1 on, 2 back; `strafe`: 1 left, 2 right; turns are multiples of 15 degrees."""
        pitch = CAMERA_REST + round(down_deg / STEP_DEG)
        yaw = CAMERA_REST + round(right_deg / STEP_DEG)
        self._actions[self.b, self.a] = (forward, strafe, jump, pitch, yaw, function, craft, slot)
        self.sim.tick(self._actions)
        self._actions[self.b, self.a] = NO_OP
        self.ticks += 1
        self._rendered = None

    def take_out(self, container: int, item: int) -> None:
        """One tick: every `item` that fits out of a container in hand's reach."""
        counts = self.state.container_count[self.b, container]
        for slot in np.flatnonzero(self.state.container_item[self.b, container] == item):
            take(self.sim.arrays, TABLES, self.b, self.a, container, int(slot), int(counts[slot]))
        self.act()

    def look(self) -> Rendered:
        """The frame now (rendered once per state), which also enters the body's map."""
        if self._rendered is None:
            self._rendered = render(self.state, self.b, self.a, self.frame_size)
            mark_seen(self.state, self.b, self.a, self._rendered)
        return self._rendered

    def forget_frame(self) -> None:
        """To be called after the state was changed from outside."""
        self._rendered = None

    def in_sight(self, name: str) -> list[Thing]:
        """What is called `name` in the frame now, nearest first."""
        things = things_in_sight(self.look(), self.state, self.b, self.a, block_mask([name]))
        return [thing for thing in things if thing.name == name]

    def known(self) -> NDArray[np.bool_]:
        """(X, Z): the columns in the body's map: seen, or within `TOUCH` of one seen or of the body."""
        near = self.state.seen[self.b, self.a].copy()
        near[self.cell[:2]] = True
        for axis in (0, 1):
            known = near.copy()
            for offset in range(1, TOUCH + 1):
                ahead, back = np.roll(near, offset, axis), np.roll(near, -offset, axis)
                # What was rolled over the border is not next to it.
                np.moveaxis(ahead, axis, 0)[:offset] = False
                np.moveaxis(back, axis, 0)[-offset:] = False
                known |= ahead | back
            near = known
        return near

    # -- turning --------------------------------------------------------------------------------

    def turn(self, right_deg: float, down_deg: float = 0.0) -> None:
        """Turn by multiples of 15 degrees, at most 180 right and 180 down, in one tick."""
        self.act(right_deg=right_deg, down_deg=down_deg)

    def face(self, x: float, z: float) -> float:
        """The turn (degrees right, a multiple of 15) that points nearest to the bearing of a point."""
        here_x, _, here_z = self.position
        turn = math.degrees(math.atan2(x - here_x, here_z - z)) - self.yaw_deg
        return round(((turn + 180.0) % 360.0 - 180.0) / STEP_DEG) * STEP_DEG

    def square_up(self) -> None:
        """Return to a level view along one of the 8 compass directions, where the moving skills start."""
        turn = (round(self.yaw_deg / 45.0) * 45.0 - self.yaw_deg + 180.0) % 360.0 - 180.0
        if abs(turn) >= STEP_DEG / 2 or abs(self.pitch_deg) >= STEP_DEG / 2:
            self.act(right_deg=turn, down_deg=-self.pitch_deg)

    # -- walking --------------------------------------------------------------------------------

    def in_water(self) -> bool:
        x, y, z = self.position
        return self._block(math.floor(x), math.floor(z), math.floor(y + 0.4)) in _WET

    def settle(self) -> None:
        """Let a fall or a jump end."""
        for _ in range(20):
            if self.state.on_ground[self.b, self.a] or self.in_water():
                return
            self.act()

    def walk(self, blocks: float) -> str:
        """Go on along the heading: "ok", "part" (an obstacle after a while) or "stuck". Steps of one block
        are climbed, a single obstacle is gone around, and edges deeper than 3 blocks are not crossed."""
        yaw = math.radians(self.yaw_deg)
        ahead = (math.sin(yaw), -math.cos(yaw))
        start_x, _, start_z = self.position
        gone = best = 0.0
        blocked = detours = 0
        for _ in range(int(8 * blocks) + 24):
            if gone >= blocks - SHORT or self._danger(ahead):
                break
            self.act(forward=1, jump=int(self.in_water()))
            x, _, z = self.position
            gone = (x - start_x) * ahead[0] + (z - start_z) * ahead[1]
            blocked = 0 if gone > best + 0.02 else blocked + 1
            best = max(best, gone)
            if blocked >= 3:
                if detours == 2 or not self._sidestep(ahead):
                    break
                detours, blocked = detours + 1, 0
        self.settle()
        if best >= blocks - MOVED:
            return "ok"
        return "part" if best >= MOVED else "stuck"

    def _sidestep(self, ahead: tuple[float, float]) -> bool:
        """Strafe past a narrow obstacle, if there is room within 1.3 blocks to a side."""
        x, y, z = self.position
        for offset in (0.4, 0.7, 1.0, 1.3):
            for strafe, sign in ((2, 1.0), (1, -1.0)):
                side = (-ahead[1] * sign, ahead[0] * sign)
                at = (x + side[0] * offset, z + side[1] * offset)
                if not (self._fits(*at, y) and self._fits(at[0] + ahead[0] * 0.7, at[1] + ahead[1] * 0.7, y)):
                    continue
                for _ in range(10):
                    now_x, _, now_z = self.position
                    if (now_x - x) * side[0] + (now_z - z) * side[1] >= offset - 0.1:
                        return True
                    self.act(strafe=strafe)
                return False
        return False

    def _fits(self, x: float, z: float, y: float) -> bool:
        """Whether a body has room with its feet at height `y`, or one block higher."""
        return any(
            all(
                not SOLID[
                    self._block(math.floor(x + dx), math.floor(z + dz), math.floor(y + 0.01) + up + part)
                ]
                for dx in (-0.3, 0.3)
                for dz in (-0.3, 0.3)
                for part in (0, 1)
            )
            for up in (0, 1)
        )

    def _danger(self, ahead: tuple[float, float]) -> bool:
        """Whether the next step would hurt: a deep fall, lava, cactus."""
        x, y, z = self.position
        column = (math.floor(x + ahead[0] * 0.8), math.floor(z + ahead[1] * 0.8))
        feet = math.floor(y + 1e-3)
        for height in range(feet + 1, feet - MAX_DROP - 2, -1):
            block = self._block(*column, height)
            if HURTS[block]:
                return True
            if SOLID[block] or LIQUID[block]:
                return False
        return bool(self.state.on_ground[self.b, self.a])

    def _block(self, x: int, z: int, y: int) -> int:
        size_x, size_z, size_y = self.blocks.shape
        if not (0 <= x < size_x and 0 <= z < size_z and y >= 0):
            return _BEYOND
        return int(self.blocks[x, z, y]) if y < size_y else 0

    def travel(self, goals_XZ: NDArray[np.bool_]) -> str:
        """Walk over known columns into `goals_XZ`: "ok", "part" (after 50 blocks), "no path", "stuck"."""
        travelled = 0.0
        for _ in range(3):
            x, y, z = self.position
            eye = (x, y + EYE_HEIGHT, z)
            path = find_path(self.blocks, self.known(), self.cell, goals_XZ, int(TRAVEL * 40), eye)
            if path is None:
                return "no path"
            for column_x, column_z, _ in path[1:]:
                before = self.position
                if not self._step_to(column_x + 0.5, column_z + 0.5):
                    break
                travelled += math.hypot(self.position[0] - before[0], self.position[2] - before[2])
                if travelled >= TRAVEL - 1.0:
                    self.settle()
                    return "part"
            else:
                self.settle()
                return "ok"
        return "stuck"

    def _step_to(self, x: float, z: float) -> bool:
        for _ in range(_WAYPOINT_TICKS):
            here_x, _, here_z = self.position
            if math.hypot(x - here_x, z - here_z) < ARRIVED:
                return True
            self.act(forward=1, jump=int(self.in_water()), right_deg=self.face(x, z))
        return False

    def aim(self, x: float, y: float, z: float) -> tuple[float, float]:
        """(right, down) degrees of the turn, in multiples of 15, that points nearest to a point."""
        here_x, here_y, here_z = self.position
        level = math.hypot(x - here_x, z - here_z)
        down = math.degrees(math.atan2(here_y + EYE_HEIGHT - y, level))
        return self.face(x, z), round((down - self.pitch_deg) / STEP_DEG) * STEP_DEG
