"""One state of the voxel world as the team may know it under its map setting.

Invariant: nothing outside (observation, mirror) enters, and under "none" and "accumulated" no position of
a target that was neither in view at one of the last decisions nor is heard now.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from teachers.config import TeacherConfig
from teachers.planners.pose_grid import FAR, CostToGo
from teachers.planners.regions import bounds
from teachers.planners.surface import Surface, surface
from teachers.roles import Choice
from worlds.types import Mirror, Observation, Turn
from worlds.voxel.edges import Corner, squared
from worlds.voxel.frontier import LEAVE, frontier
from worlds.voxel.mirror import note_for
from worlds.voxel.moves import TURNS, WALKS, shut_headings
from worlds.voxel.rehearsal import shut_around

VIEW_DEG = 90.0
FACING_DEG = 22.5
"""Half the step of the headings: a target less far off needs no turn."""
SAME_SPOT = 1.0
"""Blocks: a remembered target is still there when a true one is so near (else it was dug or it wandered)."""
SCAN = "scan"
MESSAGE = "message "
TOLD_ROUNDS = 12
_SIGHTED = re.compile(r"(\w+) at (\d+) (\d+)")
_RIGHT = ("turn right 45", "turn right 90", "turn right 90")
_LEFT = ("turn left 90", "turn left 90", "turn left 45")
HEAD = (*_RIGHT, "turn around", *_LEFT)
"""The turn towards the heading 1..7 eighths clockwise."""
Points = NDArray[np.float64]


def turned(a_deg: float, b_deg: float) -> float:
    """The turn from heading a to heading b, in [-180, 180)."""
    return (b_deg - a_deg + 180.0) % 360.0 - 180.0


@dataclass(frozen=True)
class VoxelSituation:
    """`observation` and the mirror's `facts`, read under `config`."""

    observation: Observation
    facts: dict[str, Any]
    config: TeacherConfig

    @classmethod
    def read(cls, observation: Observation, mirror: Mirror, config: TeacherConfig) -> Self:
        """Raises ValueError for another world's mirror."""
        if mirror.world != "voxel":
            raise ValueError(f"the voxel team got a mirror of {mirror.world!r}; use make_teacher(suite)")
        return cls(observation, dict(mirror.facts), config)

    @property
    def workplaces(self) -> frozenset[str]:
        """Those within reach, as the status line tells."""
        told = self.observation.status.words.split(", ")
        return frozenset(
            name for part in told if part.startswith("near ") for name in part[len("near ") :].split(" and ")
        )

    @property
    def family(self) -> str:
        """The suite without the world, e.g. "goal_name"."""
        return str(self.facts["suite"]).partition("/")[2]

    @cached_property
    def pose(self) -> tuple[float, float, float]:
        """(x, z, yaw_deg) of the own body, squared up to one of the 8 headings as the moving skills do."""
        x, _, z, yaw, _ = self.facts["pose"]
        return float(x), float(z), squared(float(yaw))

    @cached_property
    def body(self) -> int:
        """Index of the own body among all bodies."""
        own = tuple(self.facts["pose"])
        return next(i for i, pose in enumerate(self.facts["bodies"]) if tuple(pose) == own)

    @cached_property
    def note(self) -> str:
        """The describer: what is truly in the frame about the target (the nearest instance)."""
        if not self.observation.notes:
            return ""
        seen = [thing for thing in self.facts["visible"] if thing["name"] == self.facts["target"]]
        if not seen:
            return "see none"
        nearest = min(seen, key=lambda thing: (thing["distance"], thing["column"]))
        return note_for(nearest["column"], nearest["distance"])

    @cached_property
    def heard(self) -> float | None:
        """Bearing (degrees clockwise from the heading) of the goal's sound, None where it is not heard."""
        wanted = self.observation.goal.sound
        found = [sound for sound in self.observation.sounds if sound.name == wanted]
        return max(found, key=lambda sound: sound.loudness).bearing_deg if found else None

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The visible history without what was said to others: a message moves nothing."""
        return tuple(turn for turn in self.observation.history if not turn.action.startswith(MESSAGE))

    @cached_property
    def told(self) -> tuple[tuple[float, float], ...]:
        """x, z of the places of the target that this body was told of in the last `TOLD_ROUNDS`, oldest
        first: what it has not got to by then is behind something, and to go there would go on for ever."""
        heard = (
            self.sighted(message["text"])
            for message in self.facts.get("messages", ())
            if message["receiver"] == self.body + 1
            and message["round"] > self.facts["iteration"] - TOLD_ROUNDS
        )
        return tuple(dict.fromkeys(place for place in heard if place))

    def sighted(self, text: str) -> tuple[float, float] | None:
        """x, z (the middle of the column) of a message "NAME at X Z" about the target, else None."""
        match = _SIGHTED.fullmatch(text)
        if match is None or match[1] != self.facts["target"]:
            return None
        return int(match[2]) + 0.5, int(match[3]) + 0.5

    @cached_property
    def others(self) -> dict[int, tuple[float, float]]:
        """x, z of the other bodies, by number (the first is 1)."""
        places = enumerate(self.facts["bodies"])
        return {a + 1: (pose[0], pose[2]) for a, pose in places if a != self.body}

    @cached_property
    def targets(self) -> Points:
        """(n, 2) x, z of the target's instances that the team may act on."""
        true = _flat(self.facts["targets"])
        if self.config.map == "mirror":
            return true
        if self.heard is not None and len(true):
            return true[[self._heard_target(true, self.heard)]]
        if self.config.map == "none":
            name = self.facts["target"]
            return _flat([thing["position"] for thing in self.facts["visible"] if thing["name"] == name])
        recent = np.concatenate([_flat(self.facts["recent_targets"]), np.reshape(self.told, (-1, 2))])
        gone = [len(true) == 0 or np.hypot(*(true - point).T).min() > SAME_SPOT for point in recent]
        return recent[~np.array(gone, np.bool_)]

    def _heard_target(self, true: Points, bearing_deg: float) -> int:
        """Index of the true instance nearest to the direction the sound comes from."""
        x, z, _ = self.pose
        yaw = float(self.facts["pose"][3])
        return int(np.argmin([abs(turned(yaw + bearing_deg, bearing(x, z, *point))) for point in true]))

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(X, Z) columns whose blocks the team may plan over."""
        size_x, _, size_z = (self.facts["size"][i] for i in (0, 2, 1))
        if self.config.map == "mirror":
            return np.ones((size_x, size_z), np.bool_)
        if self.config.map == "accumulated":
            return np.asarray(self.facts["known"], np.bool_)
        if self.config.map == "own":
            return np.asarray(self.facts["seen"], np.bool_)
        x, z, yaw = self.pose
        dx = np.arange(size_x)[:, None] + 0.5 - x
        dz = np.arange(size_z)[None, :] + 0.5 - z
        ahead = np.cos(np.arctan2(dx, -dz) - math.radians(yaw)) >= math.cos(math.radians(VIEW_DEG / 2))
        return np.asarray(self.facts["known"], np.bool_) & (ahead | (np.hypot(dx, dz) < 2.0))

    @cached_property
    def ground(self) -> Surface:
        """The walkable surface of the known columns."""
        return surface(self.facts["blocks"], self.known)

    def unseen(self, region: str) -> Corner | None:
        """x, z to look round from next in `region`, else anywhere, on the map that the team may plan over
        (None: all is seen)."""
        known, level = self.known, self.ground.level
        x, z = self.pose[:2]
        (low_x, low_z), (high_x, high_z) = bounds(known.shape[0], known.shape[1], region)
        inside = np.zeros_like(known)
        inside[int(low_x) : int(high_x), int(low_z) : int(high_z)] = True
        shut = known & (~self.ground.open | (level < 0))
        found = (frontier(seen, shut, x, z, LEAVE) for seen in (known | ~inside, known))
        return next((goal for goal in found if goal is not None), None)

    def bearing_to(self, x: float, z: float) -> float:
        """Degrees clockwise from the own heading."""
        own_x, own_z, yaw = self.pose
        return turned(yaw, bearing(own_x, own_z, x, z))

    def distance_to(self, x: float, z: float) -> float:
        """Blocks, horizontal."""
        return math.hypot(x - self.pose[0], z - self.pose[1])

    @cached_property
    def nearest_target(self) -> tuple[float, float]:
        """x, z of the nearest of `targets`, which must not be empty."""
        x, z = min(((float(x), float(z)) for x, z in self.targets), key=lambda p: self.distance_to(*p))
        return x, z

    def values_to(self, targets: Points, reach: float) -> dict[str, float]:
        """Skill -> minus the decisions left to come within `reach` of any of `targets`."""
        x, z, yaw = self.pose
        feet = math.floor(self.facts["pose"][1] + 0.3)
        return CostToGo(self.ground, targets, reach).values(x, z, feet, yaw, self.shut)

    @cached_property
    def views(self) -> tuple[float, ...]:
        """Headings (degrees) faced from this spot, the present one first: read back from the visible
        history."""
        headings = [self.pose[2]]
        for turn in reversed(self.turns):
            if turn.action not in TURNS:
                break
            headings.append((headings[-1] - 45.0 * TURNS[turn.action]) % 360.0)
        return tuple(headings)

    @cached_property
    def tried(self) -> tuple[int, ...]:
        """Headings (of 8, degrees) in which a walk from here gets stuck, tried on a copy of the world."""
        return shut_around(self.facts)

    @cached_property
    def shut(self) -> frozenset[float]:
        """See `shut_headings`."""
        return shut_headings(self.turns, self.pose[2])

    def prefer(self, action: str, value: float) -> Choice:
        """One action, and every other one a decision worse."""
        return Choice(action, (action,), {a: value - (a != action) for a in self.observation.actions})

    def choose(self, values: Mapping[str, float], toward: tuple[float, float]) -> Choice:
        """The best of `values`; among the equally good ones the plainest: face the point `toward` (x, z)
        first, then walk as far as it is away. A student can tell that from the frame."""
        legal = {a: v for a, v in values.items() if a in self.observation.actions}
        best = max(legal.values())
        if best <= -FAR:
            return self._escape(best)
        good = [a for a in legal if legal[a] >= best - self.config.tie_decisions]
        bearing, away = self.bearing_to(*toward), self.distance_to(*toward)

        def plainness(action: str) -> tuple[float, float]:
            off = abs(turned(45.0 * TURNS.get(action, 0), bearing))
            return (round(max(off, FACING_DEG), 6), abs(away - WALKS.get(action, 0)))

        return Choice(min(good, key=plainness), tuple(sorted(good)), legal)

    def _escape(self, value: float) -> Choice:
        """Where no plan leads on: walk in the first heading, clockwise, that was not shut from this spot."""
        return self.prefer(self.head_for(0, "forward 4"), value)

    def head_for(self, eighths: int, walk: str = "forward 8") -> str:
        """The skill that turns to the heading `eighths` of a turn clockwise, or walks if it is faced.

        A heading that was shut from this spot is left clockwise."""
        yaw = self.pose[2]
        free = [k % 8 for k in range(eighths, eighths + 8) if (yaw + 45.0 * k) % 360.0 not in self.shut]
        return (walk, *HEAD)[free[0] if free else 1]


def _flat(positions: Any) -> Points:
    """(n, 2) x, z of positions (n, 3) x, y, z."""
    return np.asarray(positions, np.float64).reshape(-1, 3)[:, ::2]


def bearing(x0: float, z0: float, x1: float, z1: float) -> float:
    """Compass degrees of (x1, z1) seen from (x0, z0)."""
    return math.degrees(math.atan2(x1 - x0, -(z1 - z0)))
