"""A small voxel world that offers the facts of `worlds.voxel.mirror`: flat ground, pillars, one target.

Its walking and seeing are written independently of the planners, so that a plan is tested against them.
"""

from __future__ import annotations

import math

import numpy as np

from worlds.base import Score, View, World
from worlds.types import EpisodeSpec, Goal, Mirror, Outcome, Status
from worlds.voxel.data import BLOCK
from worlds.voxel.mirror import NOTES

TURN = {
    "turn left 45": -45,
    "turn right 45": 45,
    "turn left 90": -90,
    "turn right 90": 90,
    "turn around": 180,
}
WALK = {"forward 2": 2, "forward 4": 4, "forward 8": 8}
SIGHT = 20.0
GROUND = 8


class ToyVoxels(World):
    """`size` x `size` columns with `pillars` two-block pillars; reach 3, 40 decisions."""

    name = "voxel"

    def __init__(self, size: int = 48, pillars: int = 60) -> None:
        super().__init__(8)
        self.size, self.pillars = size, pillars

    def _default_episode(self, seed: int) -> EpisodeSpec:
        return EpisodeSpec("voxel/goal_name", "train", seed)

    def _begin(self, episode: EpisodeSpec) -> Goal:
        rng = np.random.default_rng(episode.seed)
        self.max_iterations = 40
        size = self.size
        self.blocks = np.zeros((size, size, 16), np.uint8)
        self.blocks[:, :, :GROUND] = BLOCK["stone"]
        for x, z in rng.integers(0, size, (self.pillars, 2)):
            self.blocks[x, z, GROUND : GROUND + 2] = BLOCK["stone"]
        self.target = self._free(rng)
        while True:
            self.at = self._free(rng)
            if 8 <= math.dist(self.at, self.target) <= 34:
                break
        self.yaw = 45.0 * int(rng.integers(8))
        self.known = np.zeros((size, size), np.bool_)
        self.sightings: list[bool] = []
        self._look()
        return Goal("find pumpkin")

    def _free(self, rng: np.random.Generator) -> tuple[float, float]:
        while True:
            x, z = rng.integers(2, self.size - 2, 2)
            if not self.blocks[x - 1 : x + 2, z - 1 : z + 2, GROUND].any():
                return float(x) + 0.5, float(z) + 0.5

    def _blocked(self, x: float, z: float) -> bool:
        cells = [(math.floor(x + i), math.floor(z + j)) for i in (-0.3, 0.3) for j in (-0.3, 0.3)]
        inside = all(0 <= c < self.size for cell in cells for c in cell)
        return not inside or any(self.blocks[cx, cz, GROUND] for cx, cz in cells)

    def _apply(self, action: str) -> Outcome:
        if action in TURN:
            self.yaw = (self.yaw + TURN[action]) % 360
        moved, detours = 0.0, 0
        dx, dz = math.sin(math.radians(self.yaw)), -math.cos(math.radians(self.yaw))
        while moved < WALK.get(action, 0):
            there = (self.at[0] + 0.1 * dx, self.at[1] + 0.1 * dz)
            if self._blocked(*there):
                sides = [s * i / 10 for i in (4, 7, 10, 13) for s in (1, -1)]
                beside = [(self.at[0] - dz * s, self.at[1] + dx * s) for s in sides]
                free = [
                    p
                    for p in beside
                    if not self._blocked(*p) and not self._blocked(p[0] + dx * 0.7, p[1] + dz * 0.7)
                ]
                if detours == 2 or not free:
                    break
                self.at, detours = free[0], detours + 1
            else:
                self.at, moved = there, moved + 0.1
        self._look()
        return Outcome("stuck" if moved < min(WALK.get(action, 0), 0.6) else "ok")

    def _ray(self, x: float, z: float) -> bool:
        away = math.dist(self.at, (x, z))
        for i in range(1, int(away * 4)):
            px, pz = (a + (b - a) * i / (away * 4) for a, b in zip(self.at, (x, z), strict=True))
            if self.blocks[int(px), int(pz), GROUND + 1] and math.dist((px, pz), (x, z)) > 1:
                return False
        return True

    def _off(self, x: float, z: float) -> float:
        angle = math.degrees(math.atan2(x - self.at[0], self.at[1] - z))
        return (angle - self.yaw + 180) % 360 - 180

    def _look(self) -> None:
        cells = np.arange(self.size) + 0.5
        dx, dz = np.meshgrid(cells - self.at[0], cells - self.at[1], indexing="ij")
        off = (np.degrees(np.arctan2(dx, -dz)) - self.yaw + 180) % 360 - 180
        away = np.hypot(dx, dz)
        self.known |= ((abs(off) <= 45) & (away <= SIGHT)) | (away < 2)
        in_view = abs(self._off(*self.target)) <= 45 and math.dist(self.at, self.target) <= SIGHT
        self.sightings.append(in_view and self._ray(*self.target))

    def _observe_now(self) -> View:
        frame = np.zeros((8, 8, 3), np.uint8)
        status = Status(self.yaw, (self.at[0], float(GROUND), self.at[1]))
        return View(frame, status, (), (*TURN, *WALK), NOTES)

    def _score(self) -> Score:
        there = math.dist(self.at, self.target) <= 3
        return Score(there, float(there), there)

    def mirror(self) -> Mirror:
        spot = (self.target[0], float(GROUND), self.target[1])
        pose = (self.at[0], float(GROUND), self.at[1], self.yaw, 0.0)
        column = min(4, int((self._off(*self.target) + 45) / 18))
        thing = {
            "name": "pumpkin", "column": column, "distance": math.dist(self.at, self.target),
            "pixels": 9, "position": spot,
        }  # fmt: skip
        facts = {
            "blocks": self.blocks, "known": self.known, "pose": pose, "bodies": [pose], "frame_size": 64,
            "suite": "voxel/goal_name", "target": "pumpkin", "targets": np.array([spot]), "reach": 3.0,
            "visible": [thing] if self.sightings[-1] else [],
            "seen_targets": np.array([spot] * any(self.sightings)).reshape(-1, 3),
            "recent_targets": np.array([spot] * any(self.sightings[-9:])).reshape(-1, 3),
            "actions": self.observe().actions, "notes": NOTES,
            "inventory": {}, "wanted": {}, "containers": [],
            "iteration": self.iteration, "max_iterations": 40, "size": self.blocks.shape,
        }  # fmt: skip
        return Mirror("voxel", facts, "")
