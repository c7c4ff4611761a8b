"""BabyAI as a `World`: every registered level is a suite, "babyai/GoToObj" is the level `BabyAI-GoToObj-v0`.

Invariant: the frame is what minigrid shows of the partial view and nothing more; the episode ends by itself
when the mission is done. One action is one minigrid step.

Single-room levels are capped at 24 iterations: the bot needs at most 20, while random walks win every second
episode within minigrid's own 64. Other levels have minigrid's cap.
The actions are those that can matter in the level: moving alone for "go to" missions in one room, else also
"pick up", "drop" and "toggle". "done" is never offered: minigrid does not judge it. The `difficulty` of an
episode is not used: the levels are the difficulty.
"""

from __future__ import annotations

import contextlib
import io
from collections import deque
from typing import Any

import gymnasium
import minigrid  # noqa: F401  (registers the levels)
import numpy as np
from minigrid.core.constants import IDX_TO_OBJECT
from minigrid.envs.babyai.core.verifier import GoToInstr
from numpy.typing import NDArray

from worlds.babyai.mirror import NOTES, describe_instruction, in_view, note_for, object_name, target_cells
from worlds.babyai.view import EMPTY, draw_one, look
from worlds.base import HISTORY_TURNS, Score, View, World
from worlds.types import EpisodeSpec, Frame, Goal, Mirror, Outcome, Status

SINGLE_ROOM_ITERATIONS = 24
MOVES = ("turn left", "turn right", "forward")
ACTIONS = (*MOVES, "pick up", "drop", "toggle")
"""In minigrid's order: the index is minigrid's action."""
EMPTY_HANDS = (EMPTY, 0)
OVERVIEW_TILE = 12


class BabyAIWorld(World):
    """The levels of BabyAI; a bare `reset(seed=...)` plays `suite`. `frame_size` is a multiple of 8: a frame
    is seven by seven tiles of an eighth each, padded with black. Raises ValueError for an unknown level."""

    name = "babyai"

    def __init__(self, suite: str = "babyai/GoToObj", frame_size: int = 64) -> None:
        super().__init__(frame_size)
        self._suite = suite
        level = suite.partition("/")[2]
        self._envs: dict[str, Any] = {level: make_level(level)}

    def _default_episode(self, seed: int) -> EpisodeSpec:
        return EpisodeSpec(self._suite, "train", seed)

    def _begin(self, episode: EpisodeSpec) -> Goal:
        self._level = episode.suite.partition("/")[2]
        if self._level not in self._envs:
            self._envs[self._level] = make_level(self._level)
        self._env = self._envs[self._level]
        with contextlib.redirect_stdout(io.StringIO()):  # minigrid prints the layouts it rejects
            self._env.reset(seed=episode.seed)
        single = self._env.num_rows * self._env.num_cols == 1
        self.max_iterations = SINGLE_ROOM_ITERATIONS if single else int(self._env.max_steps)
        self._env.max_steps = self.max_iterations + 1  # this class ends episodes
        self._legal = MOVES if single and isinstance(self._env.instrs, GoToInstr) else ACTIONS
        self._views: deque[NDArray[np.bool_]] = deque(maxlen=HISTORY_TURNS + 1)
        self._seen = np.zeros((self._env.width, self._env.height), np.bool_)
        self._success = self._over = False
        self._look()
        return Goal(str(self._env.mission))

    def overview(self) -> tuple[Frame, tuple[float, float]]:
        """See `World.overview`: minigrid's own full view."""
        x, y = self._env.agent_pos
        image: Frame = self._env.get_full_render(highlight=True, tile_size=OVERVIEW_TILE)
        return image, ((float(x) + 0.5) * OVERVIEW_TILE, (float(y) + 0.5) * OVERVIEW_TILE)

    def _apply(self, action: str) -> Outcome:
        before = self._state()
        _, reward, terminated, _, _ = self._env.step(ACTIONS.index(action))
        self._success, self._over = bool(terminated and reward > 0), bool(terminated)
        self._look()
        moved = any(not np.array_equal(was, now) for was, now in zip(before, self._state(), strict=True))
        return Outcome("ok" if moved else "blocked", ticks=1)

    def _score(self) -> Score:
        return Score(self._success, float(self._success), self._over)

    def _observe_now(self) -> View:
        held = self._carrying()
        return View(
            frame=draw_one(self._view_773, self.frame_size),
            status=Status(
                heading_deg=(90.0 * self._env.agent_dir + 90.0) % 360.0,
                inventory={} if held == EMPTY_HANDS else {object_name(*held): 1},
            ),
            sounds=(),
            actions=self._legal,
            notes=NOTES,
        )

    def mirror(self) -> Mirror:
        """The whole grid and what is left of the mission (keys: `worlds.babyai.mirror`)."""
        x, y, direction = self._pose()
        facts = {
            "level": self._level,
            "grid": self._env.grid.encode(),
            "position": (x, y),
            "direction": direction,
            "carrying": self._carrying(),
            "seen": self._seen.copy(),
            "recent": np.any(self._views, axis=0),
            "instruction": describe_instruction(self._env, self._env.instrs),
            "mission": str(self._env.mission),
            "actions": self._legal,
        }
        return Mirror(self.name, facts, self._text(facts))

    def _text(self, facts: dict[str, Any]) -> str:
        things = [
            f"{object_name(kind, colour)} at {x} {y}"
            for (x, y), kind, colour in (
                ((x, y), *facts["grid"][x, y, :2]) for x, y in np.ndindex(*facts["grid"].shape[:2])
            )
            if IDX_TO_OBJECT[int(kind)] in ("door", "key", "ball", "box")
        ]
        heading = ("east", "south", "west", "north")[facts["direction"]]
        held = "nothing" if facts["carrying"] == EMPTY_HANDS else object_name(*facts["carrying"])
        at = in_view(self._view_773, self._pose(), target_cells(facts["instruction"], facts["carrying"]))
        where = f"You are at {facts['position'][0]} {facts['position'][1]} facing {heading}, carrying {held}."
        return f"Mission: {facts['mission']}. {where} In the rooms: {', '.join(things)}. You {note_for(at)}."

    def _pose(self) -> tuple[int, int, int]:
        return int(self._env.agent_pos[0]), int(self._env.agent_pos[1]), int(self._env.agent_dir)

    def _carrying(self) -> tuple[int, int]:
        held = self._env.carrying
        return EMPTY_HANDS if held is None else (held.encode()[0], held.encode()[1])

    def _state(self) -> tuple[Any, ...]:
        return self._pose(), self._carrying(), self._env.grid.encode()

    def _look(self) -> None:
        grid = self._env.grid.encode()
        in_view_now = np.zeros_like(self._seen)
        self._view_773 = look(grid, *self._pose(), self._carrying(), in_view_now)
        self._seen |= in_view_now
        self._views.append(in_view_now)


def levels() -> dict[str, str]:
    """Every level ("GoToObj") with the name of its environment in Gymnasium's registry."""
    return {
        name.removeprefix("BabyAI-").rpartition("-v")[0]: name
        for name in sorted(gymnasium.registry)
        if name.startswith("BabyAI-")
    }


def make_level(level: str) -> Any:
    """The minigrid environment of a level ("GoToObj"). Raises ValueError for a level that is unknown."""
    known = levels()
    if level not in known:
        raise ValueError(
            f"BabyAI has no level {level!r}. Use a suite babyai/LEVEL with LEVEL one of: {', '.join(known)}."
        )
    return gymnasium.make(known[level], disable_env_checker=True).unwrapped
