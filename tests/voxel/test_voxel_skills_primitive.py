"""What a skill does is done by primitive actions alone: the same actions, played back by one who knows only
MineDojo's space, lead to the same world; and rock that nobody has seen changes nothing of what skills say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from flat_world import FLOOR, flat_sim, give
from numpy.typing import NDArray

from worlds.types import Outcome
from worlds.voxel.data import BLOCK, BLOCK_NAMES
from worlds.voxel.env import VoxelEnv
from worlds.voxel.skill_env import SkillEnv
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body
from worlds.voxel.spaces import action_space
from worlds.voxel.state import VoxelState
from worlds.voxel.terrain import TerrainConfig

LAND = TerrainConfig(size=(48, 48, 32), relief=3.0, caves=False, lava=False, landmarks=("melon",))
BAG = {"oak_log": 9, "cobblestone": 20, "iron_ore": 3, "coal": 3, "chest": 1, "bucket": 1, "bread": 2}
TEXTS = (
    *("forward 8", "turn left 45", "turn right 90", "turn around", "jump", "look down", "look level", "scan"),
    *("search oak_log", "mine oak_log", "mine grass_block", "mine dirt", "goto 20 20", "goto oak_log"),
    *("craft oak_planks", "craft stick", "craft crafting_table", "place crafting_table", "craft furnace"),
    *("place furnace", "smelt iron_ingot", "place chest", "search chest", "put cobblestone", "open chest"),
    *("craft wooden_pickaxe", "equip wooden_pickaxe", "mine stone", "fill water", "equip bread"),
    "place dirt",
)
FAILURES = (
    *("part", "stuck", "no ", "not in sight", "missing ", "out of reach", "inventory full", "cannot "),
    *("furnace busy", "chest full"),
)


def land(seed: int) -> VoxelEnv:
    env = VoxelEnv(LAND, image_size=32)
    env.reset(seed=seed)
    for slot, (name, number) in enumerate(BAG.items()):
        give(env.sim, slot, name, number)
    return env


def differing(one: VoxelState, other: VoxelState) -> list[str]:
    """The arrays in which two states differ; the own map is the renderer's and not of the world."""
    return [k for k, v in vars(one).items() if k != "seen" and not np.array_equal(v, getattr(other, k))]


def texts(seed: int, number: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    yield from (TEXTS[i] for i in rng.integers(len(TEXTS), size=number))


@pytest.mark.parametrize("seed", range(4))
def test_the_ticks_of_a_skill_played_back_lead_to_the_same_world(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = land(seed).sim
    skills, space, taken = Skills(Body(sim, frame_size=32)), action_space(), list[NDArray[np.int64]]()
    tick = sim.tick

    def recorded(actions: NDArray[np.int64]) -> None:
        taken.append(actions.copy())
        tick(actions)

    monkeypatch.setattr(sim, "tick", recorded)
    begun, outcomes = sim.snapshot(), list[Outcome]()
    for text in texts(seed, 40):
        outcomes.append(skills.run(text))
        assert outcomes[-1].ticks == len(taken) - sum(outcome.ticks for outcome in outcomes[:-1])
        assert outcomes[-1].text == "ok" or outcomes[-1].text.startswith(FAILURES)
    assert all(space.contains(actions[0, 0]) for actions in taken)
    ended = sim.snapshot()
    sim.restore(begun)
    for actions in taken:
        tick(actions)
    assert differing(sim.state, ended) == []
    assert len({outcome.text for outcome in outcomes}) > 3
    assert sum(outcome.text == "ok" for outcome in outcomes) > 10


def test_the_skill_level_tells_how_many_ticks_went_by() -> None:
    env = SkillEnv(land(5))
    env.reset(seed=5)
    for text in texts(9, 15):
        before = int(env.env.sim.state.tick[0])
        *_, info = env.step(text)
        assert int(env.env.sim.state.tick[0]) - before == info["ticks"]


def rock(seed: int) -> Skills:
    """A flat world whose ground below the first two layers is random: ores, tables, furnaces, holes, lava."""
    sim = flat_sim(size=(32, 32, 24))
    rng = np.random.default_rng(seed)
    names = (*BLOCK_NAMES[1:40], "crafting_table", "furnace", "chest", "diamond_ore", "lava", "air", "melon")
    ids = np.array([BLOCK[name] for name in names], np.uint8)
    sim.state.blocks[0, :, :, 1 : FLOOR - 2] = rng.choice(ids, (32, 32, FLOOR - 3))
    for slot, (name, number) in enumerate({**BAG, "oak_planks": 9, "stick": 4}.items()):
        give(sim, slot, name, number)
    return Skills(Body(sim))


def test_rock_that_nobody_has_seen_changes_no_outcome() -> None:
    """Of the skills, those alone are left out that dig."""
    hidden = ("mine diamond_ore", "goto melon", "search lava", "mine chest", "fill lava", "open chest")
    placing = [text for text in (*TEXTS, *hidden) if text not in ("mine stone", "mine dirt")]
    rng = np.random.default_rng(3)
    order = [placing[i] for i in rng.integers(len(placing), size=60)]
    told = []
    for seed in range(3):
        skills = rock(seed)
        outcomes = [skills.run(text) for text in ("craft furnace", "smelt iron_ingot", *hidden, *order)]
        told.append((outcomes, skills.body.position, skills.body.state.seen.sum()))
    assert told[0] == told[1] == told[2]
    assert told[0][0][0].text == "missing crafting_table"
    assert told[0][0][1].text == "missing furnace"
    assert {outcome.text for outcome in told[0][0][2:8]} == {"not in sight"}
