"""BabyAI frames from random places with free labels, for the base model's grounding.

Invariant: layouts are those of minigrid's own generators at seeds of the asked split (`4 * index + code`), so
that no seed is shared between splits; poses, doors and the load are random, and no action is an answer.
A question is worded as a mission ("go to the red ball"), an answer as the world's notes.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from numpy.typing import NDArray

from worlds.babyai.mirror import NOTES, nearness, note_for, object_name
from worlds.babyai.view import CELLS, DOOR, EMPTY, VIEW, draw, look
from worlds.babyai.world import ACTIONS, EMPTY_HANDS, make_level
from worlds.grounding import GroundingBatch, Question
from worlds.types import SPLIT_CODES, Split, Status

LAYOUTS = ("GoToLocal", "GoToLocal", "GoToLocal", "GoToLocalS8N4", "GoToObj", "GoTo")
"""One is drawn per world: one room with 8, 4 or 1 objects, or nine rooms with doors."""
VIEWS_PER_WORLD = 16
QUESTIONS = 6
"""Per frame; at most PRESENT of them about something in view."""
PRESENT = 4
CARRYING = 0.05
VERBS = 0.15
"""Share of questions worded "pick up" or "open" in place of "go to"."""

_THINGS = tuple(OBJECT_TO_IDX[name] for name in ("door", "key", "ball", "box"))
_PAIRS = tuple((kind, colour) for kind in _THINGS for colour in COLOR_TO_IDX.values())
_PLAIN = ("unseen", "wall", "door", "key", "ball", "box")
_CLASS_NAMES = (*_PLAIN, "open door", "locked door", *(object_name(*pair) for pair in _PAIRS))


def _class_table() -> NDArray[np.uint8]:
    """Presence of each class for (type, colour, state): (11, 6, 3, C) uint8."""
    table = np.zeros((len(OBJECT_TO_IDX), len(COLOR_TO_IDX), 3, len(_CLASS_NAMES)), np.uint8)
    for name in _PLAIN:
        table[OBJECT_TO_IDX[name], :, :, _CLASS_NAMES.index(name)] = 1
    table[DOOR, :, 0, _CLASS_NAMES.index("open door")] = 1
    table[DOOR, :, 2, _CLASS_NAMES.index("locked door")] = 1
    for kind, colour in _PAIRS:
        table[kind, colour, :, _CLASS_NAMES.index(object_name(kind, colour))] = 1
    return table


_TABLE = _class_table()


class BabyAIGrounding:
    """The grounding source of BabyAI (`worlds.grounding.GroundingSource`)."""

    class_names: tuple[str, ...] = _CLASS_NAMES
    notes: tuple[str, ...] = NOTES
    actions: tuple[str, ...] = ACTIONS

    def __init__(self, frame_size: int = 64) -> None:
        self.frame_size = frame_size
        self._levels = {name: make_level(name) for name in dict.fromkeys(LAYOUTS)}

    def sample(self, count: int, seed: int, split: Split) -> GroundingBatch:
        """`count` frames, 16 from each of as many worlds as it takes."""
        rng = np.random.default_rng([seed, SPLIT_CODES[split]])
        views = np.zeros((count, VIEW, VIEW, 3), np.uint8)
        statuses: list[Status] = []
        for start in range(0, count, VIEWS_PER_WORLD):
            grid = self._layout(rng, split)
            for index in range(start, min(start + VIEWS_PER_WORLD, count)):
                views[index], status = _random_view(grid, rng)
                statuses.append(status)
        classes = np.zeros((count, CELLS, CELLS, len(_CLASS_NAMES)), np.uint8)
        kinds = views.astype(np.int64)
        classes[:, :VIEW, :VIEW] = _TABLE[kinds[..., 0], kinds[..., 1], kinds[..., 2]].transpose(0, 2, 1, 3)
        things = [_things(view) for view in views]
        return GroundingBatch(
            frames=draw(views, self.frame_size),
            classes=classes,
            class_names=_CLASS_NAMES,
            questions=[_questions(found, rng) for found in things],
            sounds=[()] * count,
            statuses=statuses,
            captions=[_caption(found) for found in things],
        )

    def _layout(self, rng: np.random.Generator, split: Split) -> NDArray[np.uint8]:
        """A grid (X, Y, 3) of the split, its doors opened, closed or locked at random."""
        env: Any = self._levels[LAYOUTS[rng.integers(len(LAYOUTS))]]
        with contextlib.redirect_stdout(io.StringIO()):  # minigrid prints the layouts it rejects
            env.reset(seed=int(rng.integers(2**28)) * 4 + SPLIT_CODES[split])
        grid: NDArray[np.uint8] = env.grid.encode()
        doors = grid[..., 0] == DOOR
        grid[doors, 2] = rng.integers(3, size=int(doors.sum()))
        return grid


def _random_view(grid: NDArray[np.uint8], rng: np.random.Generator) -> tuple[NDArray[np.uint8], Status]:
    free = np.argwhere(grid[..., 0] == EMPTY)
    x, y = free[rng.integers(len(free))]
    direction = int(rng.integers(4))
    carried = EMPTY_HANDS
    if rng.random() < CARRYING:
        carried = _PAIRS[rng.integers(len(COLOR_TO_IDX), len(_PAIRS))]
    view = look(grid, int(x), int(y), direction, carried, np.zeros(grid.shape[:2], np.bool_))
    inventory = {} if carried == EMPTY_HANDS else {object_name(*carried): 1}
    return view, Status(heading_deg=(90.0 * direction + 90.0) % 360.0, inventory=inventory)


def _things(view: NDArray[np.uint8]) -> dict[tuple[int, int], tuple[int, int]]:
    """(type, colour) -> (right, ahead) of the nearest such thing in view."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for column, row in np.argwhere(np.isin(view[..., 0], _THINGS)):
        at = (int(column) - VIEW // 2, VIEW - 1 - int(row))
        if at != (0, 0):  # there the agent stands: what shows is what it carries
            found.setdefault((int(view[column, row, 0]), int(view[column, row, 1])), []).append(at)
    return {pair: min(places, key=nearness) for pair, places in found.items()}


def _questions(found: dict[tuple[int, int], tuple[int, int]], rng: np.random.Generator) -> list[Question]:
    """Shuffled questions about things in view and others; half of the others share a kind or a colour."""
    present = list(found)
    asked = [present[i] for i in rng.permutation(len(present))[:PRESENT]]
    absent = [pair for pair in _PAIRS if pair not in found]
    alike = [pair for pair in absent if any(pair[0] == p[0] or pair[1] == p[1] for p in present)]
    missing = QUESTIONS - len(asked)
    asked += [alike[i] for i in rng.permutation(len(alike))[: missing // 2]]
    rest = [pair for pair in absent if pair not in asked]
    asked += [rest[i] for i in rng.permutation(len(rest))[: QUESTIONS - len(asked)]]
    return [_question(asked[i], found.get(asked[i]), rng) for i in rng.permutation(len(asked))]


def _question(pair: tuple[int, int], at: tuple[int, int] | None, rng: np.random.Generator) -> Question:
    verb = "go to" if rng.random() >= VERBS else "open" if pair[0] == DOOR else "pick up"
    article = ("the", "a")[int(rng.integers(2))]
    return Question(f"{verb} {article} {object_name(*pair)}", note_for(at))


def _caption(found: dict[tuple[int, int], tuple[int, int]]) -> str:
    """ "red ball left-one ahead-two, blue key centre ahead-one", nearest first, at most four."""
    order = sorted(found, key=lambda pair: nearness(found[pair]))[:4]
    told = (f"{object_name(*pair)} {note_for(found[pair]).removeprefix('see ')}" for pair in order)
    return ", ".join(told) or "nothing"
