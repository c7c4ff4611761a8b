"""From the text of a prompt back to a situation that the scripted planners can plan in.

Invariant: nothing but the text is read, so what a describer left out is missing here too: without a map the
land is open, without known places the body searches. The lines are those of `teachers.team.describe`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachers.config import TeacherConfig
from teachers.planners.surface import UNKNOWN, Surface
from teachers.roles import Phase, Subtask
from teachers.team.map_text import read_map
from teachers.voxel_situation import VoxelSituation
from worlds.types import Goal, Observation, Status, Turn
from worlds.voxel.moves import MOVES, shut_headings

_LINE = re.compile(r"^([A-Z][a-z]+(?: [a-z]+)*): (.*)$")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_FLAT = re.compile(rf"x {_NUMBER} z {_NUMBER}")
_PLACE = re.compile(rf"x {_NUMBER} y {_NUMBER} z {_NUMBER}, heading {_NUMBER}")
_SEEN = re.compile(rf"(\w+) [\w-]+ at {_NUMBER} blocks, x {_NUMBER} z {_NUMBER}")
_TURN = re.compile(rf"([^;(]+) \(([^;)]*), heading {_NUMBER}\)")
_OTHER = re.compile(rf"body (\d+) x {_NUMBER} z {_NUMBER}")
_SAID = re.compile(r"round (\d+): body (\d+) to body (\d+): ([^;]+)")
_WINDOW = re.compile(r"columns x (\d+) to \d+, rows z (\d+) to \d+")
_SIZE = re.compile(r"(\d+) by (\d+) blocks, (\d+) high")


def read_lines(text: str) -> tuple[dict[str, str], list[str]]:
    """The labelled lines of a prompt, and the rows that follow the map's."""
    lines: dict[str, str] = {}
    rows: list[str] = []
    for line in text.splitlines():
        if "Map" in lines:
            rows.append(line)
        elif match := _LINE.match(line):
            lines.setdefault(match[1], match[2])
    return lines, rows


@dataclass(frozen=True)
class ToldSituation(VoxelSituation):
    """What a prompt tells. `told_ground` is its map, `told_unseen` the place (x, z) to look round from,
    `told_shut` the headings in which no walk leads on."""

    told_ground: Surface | None = None
    told_unseen: tuple[float, float] | None = None
    told_shut: frozenset[float] = frozenset()

    @cached_property
    def shut(self) -> frozenset[float]:
        """What is told, and what the last turns tell."""
        return self.told_shut | shut_headings(self.turns, self.pose[2])

    def unseen(self, region: str) -> tuple[float, float] | None:
        """What is told of it: the window of the map ends before the region does."""
        return self.told_unseen

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(X, Z) columns of the map."""
        known: NDArray[np.bool_] = self.ground.level != UNKNOWN
        return known

    @cached_property
    def ground(self) -> Surface:
        """The told map, or unknown land."""
        size_x, size_z, _ = self.facts["size"]
        return self.told_ground or read_map([], 0, 0, (size_x, size_z), 0)


def read_situation(text: str) -> ToldSituation:
    """The situation of any role's prompt; what is not told is empty."""
    lines, rows = read_lines(text)
    told_size = _SIZE.search(lines.get("World", ""))
    size = (int(told_size[1]), int(told_size[2]), int(told_size[3])) if told_size else (64, 64, 32)
    place = _PLACE.search(lines.get("Place", ""))
    x, y, z, heading = map(float, place.groups()) if place else (size[0] / 2, 0.0, size[1] / 2, 0.0)
    pose = (x, y, z, heading, 0.0)
    bodies = [(float(bx), 0.0, float(bz), 0.0, 0.0) for bx, bz in _FLAT.findall(lines.get("Bodies", ""))]
    others = {
        int(n): (float(bx), 0.0, float(bz), 0.0, 0.0) for n, bx, bz in _OTHER.findall(lines.get("Others", ""))
    }
    if others:
        bodies = [others.get(n, pose) for n in range(1, len(others) + 2)]
    window = _WINDOW.search(lines.get("Map", ""))
    ground = None
    if window:
        ground = read_map(rows, int(window[1]), int(window[2]), (size[0], size[1]), math.floor(y + 0.3))
    facts: dict[str, Any] = {
        "suite": f"voxel/{lines.get('Family', '')}",
        "target": lines.get("About", ""),
        "wanted": _items(lines.get("Wanted", "")),
        "inventory": _items(lines.get("Carried", "")),
        "size": size,
        "pose": pose,
        "bodies": bodies or [pose],
        "visible": _visible(lines.get("In the frame", "")),
        "targets": _targets(lines.get("Places known", "")),
        "iteration": int(lines.get("Decision", "1")) - 1,
        "messages": [
            {"round": int(r), "sender": int(s), "receiver": int(n), "text": text.strip()}
            for r, s, n, text in _SAID.findall(lines.get("Said", ""))
        ],
        "reach": float(lines.get("Reached within", "2.5").split()[0]),
    }
    observation = Observation(
        frame=np.zeros((0, 0, 3), np.uint8),
        goal=Goal(lines.get("Task", "")),
        status=Status(heading, (x, y, z), facts["inventory"], _words(lines)),
        sounds=(),
        history=_history(lines.get("Last turns", "")),
        actions=tuple(lines["Legal actions"].split(" | ")) if "Legal actions" in lines else MOVES,
        notes=(),
    )
    unseen = _FLAT.search(lines.get("Unseen", ""))
    way = (float(unseen[1]), float(unseen[2])) if unseen else None
    shut = frozenset(map(float, re.findall(r"\d+", lines.get("Shut", ""))))
    return ToldSituation(observation, facts, TeacherConfig(map="mirror"), ground, way, shut)


def read_subtask(text: str) -> Subtask:
    """The manager's order in a conductor's prompt."""
    lines, _ = read_lines(text)
    region = lines.get("Region", "")
    words = lines.get("Subtask", "").removesuffix(region).strip()
    verb, _, what = words.partition(" ")
    return Subtask(verb, what, region)


def read_phase(text: str) -> Phase:
    """The conductor's order in an actor's prompt."""
    lines, _ = read_lines(text)
    region = lines.get("Region", "")
    name, _, what = lines.get("Phase", "search").removesuffix(region).strip().partition(" ")
    return Phase(name, what, region)


def _words(lines: Mapping[str, str]) -> str:
    if "Status" in lines:
        return lines["Status"]
    near = lines.get("Within reach", "")
    return f"near {near.replace(', ', ' and ')}" if near else ""


def _items(text: str) -> dict[str, int]:
    pairs = (part.split(" ", 1) for part in text.split(", ") if part)
    return {pair[1]: int(pair[0]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}


def _visible(text: str) -> list[dict[str, Any]]:
    """From "name column at ... ", or from bare names."""
    seen = [
        {"name": name, "distance": float(away), "position": (float(x), 0.0, float(z))}
        for name, away, x, z in _SEEN.findall(text)
    ]
    return seen or [{"name": name} for name in text.split(", ") if name]


def _targets(text: str) -> NDArray[np.float64]:
    """(n, 3); one at an unknown place where the text says no more than "yes"."""
    if text == "yes":
        return np.zeros((1, 3))
    return np.array([(float(x), 0.0, float(z)) for x, z in _FLAT.findall(text)], np.float64).reshape(-1, 3)


def _history(text: str) -> tuple[Turn, ...]:
    return tuple(
        Turn("", action.strip(), outcome, float(heading)) for action, outcome, heading in _TURN.findall(text)
    )
