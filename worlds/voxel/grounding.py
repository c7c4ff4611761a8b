"""Frames from random viewpoints with the simulator's free labels, for the base model's grounding.

Invariant: a label says only what its frame shows (the rule of `worlds.voxel.perception`), worlds of two
splits are never the same (`4 * index + code`), and a goal picture is always taken in another world
than the frame that it is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.grounding import GroundingBatch, Question
from worlds.types import SPLIT_CODES, Frame, Sound, Split, Status
from worlds.voxel.data import ANIMAL_KIND, ANIMALS, BLOCK, BLOCK_NAMES
from worlds.voxel.edges import edge_words
from worlds.voxel.mirror import NOTES
from worlds.voxel.moves import MOVES
from worlds.voxel.perception import Thing, block_mask, note_about, things_in_sight
from worlds.voxel.render import Rendered, render
from worlds.voxel.state import VoxelState
from worlds.voxel.tasks.common import (
    CALLS,
    GOAL_PICTURED,
    LANDMARKS,
    RESOURCES,
    Ground,
    close_up,
    goal_heard,
    goal_named,
    heard_now,
    new_ground,
    put_body,
    scatter,
    status_of,
    world_config,
)

GRID = 8
VIEWS_PER_WORLD = 32
AIMED = 0.6
"""Share of viewpoints chosen so that something that is asked about lies within the field of view."""
DEPTHS = (6.0, 14.0)
"""Blocks along the ray: bounds of the dense classes "near" and "mid"."""
ANIMALS_AIMED, RESOURCES_AIMED = 3, 2
"""Training views are aimed at an animal or at a resource so many times as often as at a landmark: animals are
small, look like one another, and wander off; ores are few, and look like stone. Views of the other splits
are aimed at landmarks and animals alike."""
CELL_PIXELS = 2
"""A class is present in a grid cell of a 64x64 frame when at least so many of its 64 pixels show it."""
_SURFACES = {
    "water": ("water",),
    "leaves": tuple(name for name in BLOCK_NAMES if name.endswith("_leaves")),
    "log": tuple(name for name in BLOCK_NAMES if name.endswith("_log") and name != "oak_log"),
    "grass": ("grass_block", "podzol", "dirt", "coarse_dirt"),
    "sand": ("sand", "red_sand", "sandstone", "gravel"),
    "snow": ("snow_block", "ice", "packed_ice"),
}
ANIMAL_NAMES = tuple(ANIMAL_KIND)
NAMED = (*LANDMARKS, *ANIMAL_NAMES, *RESOURCES)
"""Everything that is asked about by name."""
Aims = Sequence[NDArray[np.float64]]


@njit(cache=True)
def _grid_classes(
    block_id_HW: NDArray[np.uint8],
    depth_HW: NDArray[np.float32],
    animal_class_HW: NDArray[np.int16],
    class_of_block: NDArray[np.int16],
    bounds: tuple[float, float],
    grid: int,
    classes: int,
    least: int,
) -> NDArray[np.uint8]:
    """Presence (G, G, C): block or animal classes first, then sky, near and mid as the last three."""
    height, width = block_id_HW.shape
    counts = np.zeros((grid, grid, classes), np.int32)
    for row in range(height):
        for column in range(width):
            cell = counts[row * grid // height, column * grid // width]
            depth = depth_HW[row, column]
            kind = animal_class_HW[row, column]
            if kind < 0:
                if depth == np.inf:
                    cell[classes - 3] += 1
                    continue
                kind = class_of_block[block_id_HW[row, column]]
            if kind >= 0:
                cell[kind] += 1
            if depth < bounds[0]:
                cell[classes - 2] += 1
            elif depth < bounds[1]:
                cell[classes - 1] += 1
    return (counts >= least).astype(np.uint8)


@dataclass(frozen=True)
class _View:
    """One frame before it is asked about."""

    rendered: Rendered
    things: list[Thing]
    classes: NDArray[np.uint8]
    sounds: tuple[Sound, ...]
    status: Status


class VoxelGrounding:
    """A `GroundingSource` over fresh voxel worlds of all sizes that the tasks use.

    `named` and `pictured` questions are about `NAMED` and landmarks, `heard` ones about each animal
    that can be heard. About 60 % of the frames are aimed at something that is asked about.
    """

    class_names: tuple[str, ...] = (*LANDMARKS, *ANIMAL_NAMES, *RESOURCES, *_SURFACES, "sky", "near", "mid")
    notes = NOTES
    actions = MOVES

    def __init__(self, frame_size: int = 64) -> None:
        self.frame_size = frame_size
        self._class_of_block = np.full(len(BLOCK_NAMES), -1, np.int16)
        for index, name in enumerate(self.class_names):
            for block in _SURFACES.get(name, (name,)):
                if block in BLOCK and self._class_of_block[BLOCK[block]] < 0:
                    self._class_of_block[BLOCK[block]] = index
        self._mask = block_mask(NAMED)
        self._class_of_kind = np.array(
            [-1, *(self.class_names.index(animal.name) for animal in ANIMALS[1:])], np.int16
        )

    def sample(self, count: int, seed: int, split: Split) -> GroundingBatch:
        """`count` views, a function of the arguments."""
        rng = np.random.default_rng([seed, SPLIT_CODES[split]])
        worlds = max(2, -(-count // VIEWS_PER_WORLD))
        views: list[_View] = []
        pictures: list[list[tuple[str, int]]] = []
        images: list[Frame] = []
        for _ in range(worlds):
            ground = _random_ground(rng, split)
            shown = []
            for name in LANDMARKS:
                picture = close_up(ground, name, rng, self.frame_size)
                if picture is not None:
                    shown.append((name, len(images)))
                    images.append(picture)
            pictures.append(shown)
            aims = _aims(ground, split)
            views += [self._look(ground, rng, aims) for _ in range(min(VIEWS_PER_WORLD, count - len(views)))]
        questions = [
            self._ask(view, pictures[(index // VIEWS_PER_WORLD + 1) % worlds], rng)
            for index, view in enumerate(views)
        ]
        return GroundingBatch(
            frames=np.stack([view.rendered.rgb for view in views]),
            classes=np.stack([view.classes for view in views]),
            class_names=self.class_names,
            questions=questions,
            sounds=[view.sounds for view in views],
            statuses=[view.status for view in views],
            captions=[_caption(view.things) for view in views],
            goal_images=np.stack(images) if images else None,
        )

    def _look(self, ground: Ground, rng: np.random.Generator, aims: Aims) -> _View:
        state = ground.state
        _choose_view(ground, rng, aims)
        rendered = render(state, 0, 0, self.frame_size)
        return _View(
            rendered,
            things_in_sight(rendered, state, 0, 0, self._mask),
            self._classes(rendered, state),
            heard_now(state),
            status_of(state, edge_words(state)),
        )

    def _classes(self, rendered: Rendered, state: VoxelState) -> NDArray[np.uint8]:
        kinds = self._class_of_kind[state.animal_kind[0]]
        animal_class = np.where(rendered.animal >= 0, kinds[rendered.animal], np.int16(-1))
        least = max(1, CELL_PIXELS * self.frame_size**2 // 64**2)
        return _grid_classes(
            rendered.block_id, rendered.depth, animal_class, self._class_of_block, DEPTHS,
            GRID, len(self.class_names), least,
        )  # fmt: skip

    def _ask(self, view: _View, pictures: list[tuple[str, int]], rng: np.random.Generator) -> list[Question]:
        asked = [Question(goal_named(name), note_about(name, view.things)) for name in NAMED]
        if pictures:
            in_sight = {thing.name for thing in view.things}
            shown = [picture for picture in pictures if picture[0] in in_sight]
            choice = shown if shown and rng.random() < 0.6 else pictures
            name, image = choice[rng.integers(len(choice))]
            asked.append(Question(GOAL_PICTURED, note_about(name, view.things), "pictured", image))
        for call in [sound.name for sound in view.sounds if sound.name in CALLS]:
            asked.append(
                Question(goal_heard(call), note_about(CALLS[call], view.things), "heard", sound=call)
            )
        return asked


PILES = (
    ("stone", "stone"),
    ("stone", "coal_ore"),
    ("coal_ore",),
    ("iron_ore",),
    ("iron_ore", "stone"),
    ("diamond_ore", "diamond_ore"),
    ("diamond_ore", "diamond_ore"),
    ("diamond_ore",),
)
"""What is put on the ground besides what grows there, so that every resource is seen."""


def _random_ground(rng: np.random.Generator, split: Split) -> Ground:
    """A world of any difficulty whose seed is of `split`."""
    config = world_config(rng, int(rng.integers(1, 4)))
    seed = 4 * int(rng.integers(2**28)) + SPLIT_CODES[split]
    ground = new_ground(VoxelState.empty(1, config.size), seed, config)
    return scatter(ground, rng, PILES) if rng.random() < 0.5 else ground


def _aims(ground: Ground, split: Split) -> Aims:
    """Where the things are that views are aimed at: (n, 3) x, y, z of each, as often as it is to be drawn."""
    often = dict.fromkeys((*LANDMARKS, *ANIMAL_NAMES), 1)
    if split == "pretrain":
        often |= dict.fromkeys(ANIMAL_NAMES, ANIMALS_AIMED) | dict.fromkeys(RESOURCES, RESOURCES_AIMED)
    there = {name: _instances(ground, name) for name in often}
    return [there[name] for name, times in often.items() if len(there[name]) for _ in range(times)]


def _instances(ground: Ground, name: str) -> NDArray[np.float64]:
    """Where things called `name` are that may be looked at: (n, 3) x, y, z."""
    if name not in RESOURCES:
        return ground.instances(name)
    blocks = ground.state.blocks[0]  # x, z, y
    air = blocks == BLOCK["air"]
    bare = np.zeros_like(air)
    bare[1:-1] = air[2:] | air[:-2]
    bare[:, 1:-1] |= air[:, 2:] | air[:, :-2]
    return np.argwhere(bare & (blocks == BLOCK[name]))[:, [0, 2, 1]].astype(np.float64)


def _choose_view(ground: Ground, rng: np.random.Generator, aims: Aims) -> None:
    """Stand body 0 somewhere on foot, often so that something of `aims` lies ahead."""
    state, stands = ground.state, ground.stands
    cell, yaw = stands[rng.integers(len(stands))], float(rng.integers(8) * 45)
    if rng.random() < AIMED:
        instances = aims[int(rng.integers(len(aims)))]
        target = instances[rng.integers(len(instances))]
        away = np.hypot(stands[:, 0] + 0.5 - target[0], stands[:, 1] + 0.5 - target[2])
        ring = np.abs(away - rng.uniform(1.5, 24.0)) < 1.0
        if ring.any():
            near = stands[ring]
            cell = near[rng.integers(len(near))]
            bearing = np.degrees(np.arctan2(target[0] - cell[0] - 0.5, cell[1] + 0.5 - target[2]))
            yaw = float(np.round((bearing + rng.uniform(-40, 40)) / 45.0) * 45.0)
    if rng.random() < 0.15:
        yaw += 15.0 * rng.integers(-1, 2)
    put_body(state, cell, yaw, float(rng.choice([-15, 15, 30])) if rng.random() < 0.15 else 0.0)
    state.position[0, 0, [0, 2]] += rng.uniform(-0.2, 0.2, 2)


def _caption(things: list[Thing]) -> str:
    """ "see pumpkin left near and cow right far"."""
    told = [f"{thing.name} {note_about(thing.name, [thing]).removeprefix('see ')}" for thing in things[:4]]
    return "see " + " and ".join(told) if told else NOTES[0]
