"""`SkillEnv`: the whole vocabulary of skills over the primitive environment, one line of text a step.

Invariant: what a step does is done by primitive ticks of the wrapped environment (`info["ticks"]` of them),
and no text raises: what is no skill, or cannot be done, is named in `info["outcome"]`.

Tasks restrict this vocabulary to what they need, with notes and a history (`worlds.voxel.world`); here
nothing is left out.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from worlds.base import PRINTABLE
from worlds.voxel.env import VoxelEnv
from worlds.voxel.observe import Nested
from worlds.voxel.skills import Skills
from worlds.voxel.skills_body import Body

LONGEST = 80
"""Characters of an action."""


class SkillEnv(gymnasium.Env[Nested, str]):
    """`env` at the skill level, with its observations. The reward is always 0; an episode ends when the body
    dies or says "done". `info`: `outcome` ("ok" or a named failure), `ticks`, and `messages`, those sent so
    far as (agent, text)."""

    metadata = VoxelEnv.metadata

    def __init__(self, env: VoxelEnv) -> None:
        self.env = env
        self.render_mode = env.render_mode
        self.observation_space = env.observation_space
        self.action_space = gymnasium.spaces.Text(LONGEST, charset=PRINTABLE)
        self._skills = Skills(Body(env.sim, frame_size=env.image_size))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Nested, dict[str, Any]]:
        """Begin anew in the world of `seed`."""
        super().reset(seed=seed)
        chosen = seed if seed is not None else int(self.np_random.integers(2**31))
        found = self.env.reset(seed=chosen, options=options)
        self._skills = Skills(Body(self.env.sim, frame_size=self.env.image_size))
        self._skills.body.look()  # what is in view at the start is in the body's map
        return found

    def step(self, action: str) -> tuple[Nested, float, bool, bool, dict[str, Any]]:
        """Carry one text action out."""
        outcome = self._skills.run(action)
        self._skills.body.look()
        over = self._skills.done or self.env.dead
        info = {"outcome": outcome.text, "ticks": outcome.ticks, "messages": tuple(self._skills.outbox)}
        return self.env.observe(), 0.0, over, False, info

    def render(self) -> Any:
        """See `VoxelEnv.render`."""
        return self.env.render()
