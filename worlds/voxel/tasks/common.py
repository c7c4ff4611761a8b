"""What all task families share: worlds from seeds, places to stand, pictures of things, goal wording.

Invariant: everything here is a function of its arguments and of the generator it is given, so one
`EpisodeSpec` names one episode for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worlds.base import Score
from worlds.types import Frame, Goal, Sound, Status
from worlds.voxel import landmarks as sites
from worlds.voxel.data import ANIMAL_KIND, ANIMALS, BLOCK, ITEM_NAMES
from worlds.voxel.perception import block_mask, things_in_sight
from worlds.voxel.physics import EYE_HEIGHT
from worlds.voxel.render import render
from worlds.voxel.sim import VoxelSim, VoxelSimConfig
from worlds.voxel.skills_body import Body
from worlds.voxel.sounds import hear
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig, WorldFacts, generate

LANDMARKS = (
    "pumpkin",
    "melon",
    "hay_block",
    "bookshelf",
    "tnt",
    "diamond_block",
    "lapis_block",
    "purpur_block",
)
"""The kinds of landmark that goals by name and by picture are about."""
RESOURCES = ("oak_log", "stone", "coal_ore", "iron_ore", "diamond_ore")
"""Blocks that the collecting tasks are about."""
CALLS: dict[str, str] = {animal.sound: animal.name for animal in ANIMALS[1:]}
"""Call -> animal."""
DIFFICULTIES = (1, 2, 3)
"""The levels of every task family."""
GOAL_PICTURED = "find this"
CLOSE_UP_PIXELS = 80
"""A goal picture of 64x64 shows its object with at least so many pixels."""
_TRIES = 16


def goal_named(name: str) -> str:
    """The wording of a goal by name."""
    return f"find {name}"


def goal_heard(call: str) -> str:
    """The wording of a goal by sound; `call` is the sound's name, such as "moo"."""
    return f"find the {call} you hear"


@dataclass(frozen=True)
class Ground:
    """A generated world (index 0 of `state`): its facts, and the dry cells that a body reaches on foot from
    the spawn, (n, 3) as x, z, y of the feet."""

    state: VoxelState
    facts: WorldFacts
    stands: NDArray[np.int64]

    def instances(self, name: str) -> NDArray[np.float64]:
        """Where the landmarks or living animals called `name` are now: (n, 3) x, y, z."""
        if name in ANIMAL_KIND:
            return animal_positions(self.state, name)
        found = self.facts.landmarks.get(name)
        return np.zeros((0, 3)) if found is None else np.asarray(found, np.float64)


class Task(Protocol):
    """One episode: the body that acts, and its purpose. `reach` is the horizontal distance (blocks) at
    which the target counts as reached, `wanted` the items to collect (item name -> count)."""

    body: Body
    goal: Goal
    target: str
    reach: float
    max_iterations: int
    wanted: Mapping[str, int]

    def actions(self) -> tuple[str, ...]:
        """The legal action texts now."""
        ...

    def words(self) -> str:
        """The world's remarks for the status line."""
        ...

    def about(self) -> str:
        """The name that notes are about now ("": nothing)."""
        ...

    def targets(self) -> NDArray[np.float64]:
        """(n, 3) x, y, z of all true instances of what notes are about."""
        ...

    def score(self) -> Score:
        """The episode's standing."""
        ...


def animal_positions(state: VoxelState, name: str) -> NDArray[np.float64]:
    """(n, 3) x, y, z of the living animals called `name` in world 0."""
    alive = (state.animal_kind[0] == ANIMAL_KIND[name]) & (state.animal_health[0] > 0)
    return state.animal_position[0][alive]


def world_config(rng: np.random.Generator, difficulty: int) -> TerrainConfig:
    """The land of a difficulty level: 1 is small and open, 2 has woods, water, hills and more kinds of
    things, 3 is larger still. Raises ValueError for another level."""
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty {difficulty} is not one of 1, 2, 3")
    side, kinds, copies = ((32, 4, 1), (48, 6, 1), (64, 8, 1))[difficulty - 1]
    return TerrainConfig(
        size=(side, side, 32),
        relief=(1.5, 4.0, 5.0)[difficulty - 1],
        caves=False,
        lava=False,
        trees=(0.3, 0.7, 1.0)[difficulty - 1],
        structures=((), ("well",), ("well", "house"))[difficulty - 1],
        landmarks=tuple(str(name) for name in rng.permutation(LANDMARKS)[:kinds]),
        landmark_copies=copies,
        landmark_distance=(4.0, 1e9),
        animals=tuple((name, 1 if difficulty < 3 else 2) for name in ANIMAL_KIND),
    )


def new_ground(state: VoxelState, seed: int, config: TerrainConfig) -> Ground:
    """Generate the world of `seed` in index 0 of `state`."""
    facts = generate(state, 0, seed, config)
    return Ground(state, facts, _stands(state, facts))


def _stands(state: VoxelState, facts: WorldFacts) -> NDArray[np.int64]:
    feet = np.empty(state.blocks.shape[1:3], np.int16)
    sites.walk_map(state.blocks[0], feet)
    columns = np.argwhere(sites.reachable(feet, int(facts.spawn[0]), int(facts.spawn[2])))
    return np.column_stack([columns, feet[columns[:, 0], columns[:, 1]]]).astype(np.int64)


def scatter(ground: Ground, rng: np.random.Generator, piles: Sequence[Sequence[str]]) -> Ground:
    """Put each pile (block names, lowest first) on a random reachable column, apart from the spawn and from
    one another where there is room."""
    taken = [(int(ground.facts.spawn[0]), int(ground.facts.spawn[2]))]
    for pile in piles:
        for attempt in range(40):
            x, z, y = (int(v) for v in ground.stands[rng.integers(len(ground.stands))])
            if all(max(abs(x - i), abs(z - k)) > 4 for i, k in taken) or attempt == 39:
                break
        taken.append((x, z))
        for up, name in enumerate(pile):
            ground.state.blocks[0, x, z, y + up] = BLOCK[name]
    return Ground(ground.state, ground.facts, _stands(ground.state, ground.facts))


def put_body(
    state: VoxelState, cell_xzy: Sequence[int], yaw_deg: float, pitch_deg: float = 0.0, a: int = 0
) -> None:
    """Stand body `a` of world 0 in the middle of a cell."""
    x, z, y = cell_xzy
    state.position[0, a] = (x + 0.5, y, z + 0.5)
    state.velocity[0, a] = 0.0
    state.yaw_deg[0, a] = yaw_deg % 360.0
    state.pitch_deg[0, a] = pitch_deg
    state.on_ground[0, a] = True


def put_bodies(ground: Ground, rng: np.random.Generator) -> None:
    """Stand every body somewhere that can be reached on foot, looking along one of 8 directions."""
    for a in range(ground.state.position.shape[1]):
        put_body(ground.state, ground.stands[rng.integers(len(ground.stands))], 45.0 * rng.integers(8), a=a)


def bearing_deg(from_xyz: NDArray[np.float64], to_xyz: NDArray[np.float64]) -> float:
    """Degrees clockwise from north of the way from one point to another."""
    dx, _, dz = to_xyz - from_xyz
    return float(np.degrees(np.arctan2(dx, -dz)) % 360.0)


def status_of(state: VoxelState, words: str = "", a: int = 0, recalled: str = "") -> Status:
    """What body `a` of world 0 reads off its screen."""
    held = state.count[0, a] > 0
    inventory: dict[str, int] = {}
    for item, count in zip(state.item[0, a][held], state.count[0, a][held], strict=True):
        name = ITEM_NAMES[item]
        inventory[name] = inventory.get(name, 0) + int(count)
    x, y, z = (float(v) for v in state.position[0, a])
    return Status(float(state.yaw_deg[0, a]), (x, y, z), inventory, words, recalled)


def heard_now(state: VoxelState, a: int = 0) -> tuple[Sound, ...]:
    """The loudest sound of each kind that body `a` of world 0 hears, loudest first."""
    first: dict[str, Sound] = {}
    for sound in hear(state, 0, a):
        first.setdefault(sound.name, sound)
    return tuple(first.values())


def close_up(ground: Ground, name: str, rng: np.random.Generator, size: int) -> Frame | None:
    """A picture (size, size, 3) of an instance of `name` from a random side, 2 to 5 blocks away; None where
    no place gives a clear view. Moves body 0."""
    instances = ground.instances(name)
    if not len(instances):
        return None
    mask = block_mask([name])
    for _ in range(_TRIES):
        target = instances[rng.integers(len(instances))]
        away = np.hypot(ground.stands[:, 0] + 0.5 - target[0], ground.stands[:, 1] + 0.5 - target[2])
        level = np.abs(ground.stands[:, 2] - target[1]) <= 2
        near = ground.stands[(away > 1.8) & (away < 5.0) & level]
        if not len(near):
            continue
        put_body(ground.state, near[rng.integers(len(near))], 0.0)
        here = ground.state.position[0, 0]
        down = np.degrees(
            np.arctan2(here[1] + EYE_HEIGHT - target[1] - 0.5, np.hypot(*(target - here)[[0, 2]]))
        )
        ground.state.yaw_deg[0, 0] = bearing_deg(here, target) + rng.uniform(-12, 12)
        ground.state.pitch_deg[0, 0] = down
        rendered = render(ground.state, 0, 0, size)
        things = [t for t in things_in_sight(rendered, ground.state, 0, 0, mask) if t.name == name]
        if sum(thing.pixels for thing in things) * 64**2 >= CLOSE_UP_PIXELS * size**2:
            return rendered.rgb
    return None


WORLDS_APART = 4 * 2**30
"""Added to a world seed it names another world of the same split (`4 * index + code`)."""


def open_world(seed: int, config: TerrainConfig, frame_size: int, bodies: int = 1) -> tuple[Ground, Body]:
    """A fresh simulator with the world of `seed`, and the first of the bodies that are to act in it."""
    sim = VoxelSim(VoxelSimConfig(terrain=config, bodies=bodies))
    facts = sim.reset(0, seed)
    return Ground(sim.state, facts, _stands(sim.state, facts)), Body(sim, frame_size=frame_size)


def choose_start(
    ground: Ground,
    body: Body,
    rng: np.random.Generator,
    name: str,
    distance: tuple[float, float],
    visible: bool | None,
) -> None:
    """Stand the body at `distance` (least, most) blocks from the nearest `name`, looking along one of 8
    directions; with `visible` True or False the thing is, or is not, in sight (None: as it comes).
    Raises RuntimeError when the world has no such place."""
    instances = ground.instances(name)
    away = np.hypot(
        ground.stands[:, :1] + 0.5 - instances[None, :, 0],
        ground.stands[:, 1:2] + 0.5 - instances[None, :, 2],
    ).min(axis=1)
    fitting = ground.stands[(away >= distance[0]) & (away <= distance[1])]
    for _ in range(200 if len(fitting) else 0):
        put_body(ground.state, fitting[rng.integers(len(fitting))], 45.0 * rng.integers(8))
        body.forget_frame()
        if visible is None or bool(body.in_sight(name)) == visible:
            ground.state.seen[0] = False
            return
    raise RuntimeError(f"no start {distance} blocks from {name} with visible={visible} in this world")
