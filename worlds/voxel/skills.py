"""The text actions of the voxel world: every skill is a closed loop over primitive ticks.

Invariant: a skill ends within its tick limit with "ok" or a named failure ("part", "stuck", "no path",
"not in sight", "no tool", "out of reach", "no such recipe", "missing ...", "inventory full", ...), never
by an exception, and it never reveals what its body could not perceive: what is named must be in the present
frame by the rule of `worlds.voxel.perception`; walks lead over columns in the body's map (which has a rim of
2 blocks), below the ground only where the eye has a free line (`skills_nav`); a crafting table or a furnace
serves where it is in view (`crafting`).

    turn left|right 45|90, turn around, look up|down|level, forward N, jump, scan, search NAME,
    goto X Z, goto NAME, mine NAME, craft NAME, smelt NAME, place NAME, fill NAME, equip NAME,
    open chest, take NAME, put NAME, message N TEXT, done

`smelt` makes one; `open chest` takes all that fits, `take` what fits of NAME, `put` gives one stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from worlds.types import Outcome
from worlds.voxel import skills_work
from worlds.voxel.data import ANIMAL_KIND, BLOCK
from worlds.voxel.moves import TURNS
from worlds.voxel.skills_body import Body

SEARCH_TURNS = 8
LOOK_DEG = 30.0
FORWARD_MOST = 50
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_DISTANCE = re.compile(r"[0-9]{1,6}")
_TURNS = {skill.removeprefix("turn "): 45.0 * eighths for skill, eighths in TURNS.items()}


class Skills:
    """The skills of one body. `outbox` collects (agent, text) messages (the first agent is 1), `done` is set
    by "done"."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.outbox: list[tuple[int, str]] = []
        self.done = False
        self._work: dict[str, Callable[[Body, str], str]] = {
            "mine": skills_work.mine,
            "craft": skills_work.craft,
            "smelt": skills_work.smelt,
            "place": skills_work.place,
            "fill": skills_work.fill,
            "equip": skills_work.equip,
            "put": skills_work.put_in_chest,
            "take": skills_work.take_from_chest,
        }

    def run(self, text: str) -> Outcome:
        """Carry one text action out."""
        self.body.ticks = 0
        return Outcome(self._run(text), self.body.ticks)

    def _run(self, text: str) -> str:
        verb, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if verb in self._work and rest:
            return self._work[verb](self.body, rest.replace(" ", "_"))
        match verb:
            case "turn" if rest in _TURNS:
                self.body.turn(_TURNS[rest])
                return "ok"
            case "look" if rest in ("up", "down", "level"):
                return self._look(rest)
            case "forward" if _DISTANCE.fullmatch(rest) and 0 < int(rest) <= FORWARD_MOST:
                return self.body.walk(float(rest))
            case "jump":
                return self._jump()
            case "scan":
                return self._scan()
            case "search" if rest:
                return self._search(rest.replace(" ", "_"))
            case "goto" if rest:
                return self._goto(rest)
            case "open" if rest == "chest":
                return skills_work.open_chest(self.body)
            case "message":
                return self._message(rest)
            case "done":
                self.done = True
                return "ok"
        return "no such skill"

    def _look(self, where: str) -> str:
        pitch = self.body.pitch_deg
        wanted = {"up": max(-90.0, pitch - LOOK_DEG), "down": min(90.0, pitch + LOOK_DEG), "level": 0.0}[
            where
        ]
        self.body.turn(0.0, wanted - pitch)
        return "ok"

    def _jump(self) -> str:
        before = self.body.position
        self.body.act(forward=1, jump=1)
        for _ in range(8):
            self.body.act(forward=1)
        self.body.settle()
        after = self.body.position
        return "ok" if np.hypot(after[0] - before[0], after[2] - before[2]) > 0.5 else "stuck"

    def _scan(self) -> str:
        """A full turn on the spot; all that comes into view enters the body's map."""
        for _ in range(4):
            self.body.turn(90.0)
            self.body.look()
        return "ok"

    def _search(self, name: str) -> str:
        if not _is_thing(name):
            return f"no such thing {name}"
        for _ in range(SEARCH_TURNS):
            if self.body.in_sight(name):
                return "ok"
            self.body.turn(45.0)
        return "ok" if self.body.in_sight(name) else "not in sight"

    def _goto(self, where: str) -> str:
        body = self.body
        columns_x, columns_z = np.ogrid[: body.blocks.shape[0], : body.blocks.shape[1]]
        words = where.split()
        if len(words) == 2 and all(_WHOLE.fullmatch(word) for word in words):
            goals = (columns_x == int(words[0])) & (columns_z == int(words[1]))
        else:
            name = where.replace(" ", "_")
            if not _is_thing(name):
                return f"no such thing {name}"
            seen = body.in_sight(name)
            if not seen:
                return "not in sight"
            x, _, z = seen[0].position
            goals = np.hypot(columns_x + 0.5 - x, columns_z + 0.5 - z) <= 2.5
        outcome = body.travel(goals)
        body.square_up()
        return outcome

    def _message(self, rest: str) -> str:
        agent, _, text = rest.partition(" ")
        bodies = self.body.state.position.shape[1]
        others = {str(a + 1) for a in range(bodies) if a != self.body.a}
        if agent not in others:
            return "no such agent"
        if not text:
            return "no text"
        self.outbox.append((int(agent), text))
        return "ok"


def _is_thing(name: str) -> bool:
    """Whether an animal or a block other than air is called so."""
    return name in ANIMAL_KIND or BLOCK.get(name, 0) > 0
