"""The keys of BabyAI's `Mirror.facts`, and the way back: from facts to an environment that a planner can use.

| key | value |
|---|---|
| `level` | e.g. "GoToObj" |
| `grid` | uint8 (X, Y, 3) full grid: type, colour, state, as minigrid encodes it |
| `position` | (x, y) of the agent |
| `direction` | 0 east, 1 south, 2 west, 3 north |
| `carrying` | (type, colour) codes, (1, 0) for empty hands |
| `seen` | bool (X, Y) cells that were in view at some time in this episode |
| `recent` | bool (X, Y) cells in view now or at one of the last `HISTORY_TURNS` decisions |
| `instruction` | what is left of the mission, as a tree (see `Instruction`) |
| `mission` | the mission's text |
| `actions` | the legal action texts |

Invariant: `restore(facts)` is a function of the facts alone, and a planner that starts from it sees the state
that the facts were taken from. No object of the running environment is shared.

Notes: "see none" or "see COLUMN ROW" about the nearest instance of the instruction's next target in view;
words without digits, so that each is one token of a word-level tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT
from minigrid.core.grid import Grid
from minigrid.core.roomgrid import Room
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core import verifier
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from numpy.typing import NDArray

from worlds.babyai.view import VIEW
from worlds.grounding import UNSEEN

COLUMNS = ("left-three", "left-two", "left-one", "centre", "right-one", "right-two", "right-three")
ROWS = ("ahead-zero", "ahead-one", "ahead-two", "ahead-three", "ahead-four", "ahead-five", "ahead-six")
NOTES: tuple[str, ...] = (UNSEEN, *(f"see {column} {row}" for row in ROWS for column in COLUMNS))

Instruction = Mapping[str, Any]
"""An action is {"kind": a verifier class, "desc": D} or, for "put X next to Y", {"kind", "move": D, "fixed":
D}; a sequence is {"first": I, "second": I}. D = {"type", "colour", "location", "objects": cells of the things
that the description meant at first ((-1, -1): carried or gone), "positions": cells the verifier noted}."""
ABSENT = (-1, -1)

_ACTIONS = {
    "GoToInstr": verifier.GoToInstr,
    "PickupInstr": verifier.PickupInstr,
    "OpenInstr": verifier.OpenInstr,
}


def offset(pose: tuple[int, int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """(columns to the right, rows ahead) of `cell` for an agent at `pose` = (x, y, direction)."""
    x, y, direction = pose
    forward_x, forward_y = ((1, 0), (0, 1), (-1, 0), (0, -1))[direction]
    delta_x, delta_y = cell[0] - x, cell[1] - y
    return forward_x * delta_y - forward_y * delta_x, forward_x * delta_x + forward_y * delta_y


def nearness(at: tuple[int, int]) -> tuple[int, int, int]:
    """Sort key of (right, ahead): nearer by steps first; ties: more ahead first, then further left."""
    return abs(at[0]) + at[1], -at[1], at[0]


def note_for(at: tuple[int, int] | None) -> str:
    """The note about something at (right, ahead), or about nothing."""
    return UNSEEN if at is None else f"see {COLUMNS[at[0] + VIEW // 2]} {ROWS[at[1]]}"


def in_view(
    view: NDArray[np.uint8], pose: tuple[int, int, int], cells: Iterable[tuple[int, int]]
) -> tuple[int, int] | None:
    """The nearest (right, ahead) of those of `cells` that show in `view` (7, 7, 3), seen from `pose`."""
    half = VIEW // 2
    offsets = (offset(pose, cell) for cell in cells)
    inside = (at for at in offsets if abs(at[0]) <= half and 0 <= at[1] < VIEW)
    return min((at for at in inside if view[half + at[0], VIEW - 1 - at[1], 0]), key=nearness, default=None)


def next_action(instruction: Instruction) -> Instruction:
    """The action that the mission asks for next."""
    return next_action(instruction["first"]) if "first" in instruction else instruction


def target_cells(instruction: Instruction, carrying: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the next target's instances are: of "put X next to Y" X, and Y once something is carried."""
    action = next_action(instruction)
    if "move" in action:
        return list(action["fixed" if carrying != (1, 0) else "move"]["objects"])
    return list(action["desc"]["objects"])


def object_name(kind: int, colour: int) -> str:
    """ "red ball", from minigrid's codes."""
    return f"{IDX_TO_COLOR[int(colour)]} {IDX_TO_OBJECT[int(kind)]}"


# -- from an environment to facts ---------------------------------------------------------------


def describe_instruction(env: RoomGridLevel, instruction: Any) -> Instruction:
    """What is left of `instruction`: of a sequence its unfinished parts, in the order to do them; of one
    that is done its last part."""
    kind = type(instruction).__name__
    if isinstance(instruction, verifier.SeqInstr):
        parts = [(instruction.instr_a, instruction.a_done), (instruction.instr_b, instruction.b_done)]
        if kind == "AfterInstr":
            parts.reverse()
        unfinished = [part for part, done in parts if done != "success"] or [parts[-1][0]]
        left = [describe_instruction(env, part) for part in unfinished]
        return left[0] if len(left) == 1 else {"first": left[0], "second": left[1]}
    cells = {id(cell): (i % env.width, i // env.width) for i, cell in enumerate(env.grid.grid) if cell}
    described = {
        ours: {
            "type": desc.type,
            "colour": desc.color,
            "location": desc.loc,
            "objects": [cells.get(id(thing), ABSENT) for thing in desc.obj_set],
            "positions": [(int(x), int(y)) for x, y in desc.obj_poss],
        }
        for ours, desc in _descriptions(kind, instruction)
    }
    return {"kind": kind, **described}


def _descriptions(kind: str, instruction: Any) -> list[tuple[str, Any]]:
    if kind == "PutNextInstr":
        return [("move", instruction.desc_move), ("fixed", instruction.desc_fixed)]
    return [("desc", instruction.desc)]


# -- and back -----------------------------------------------------------------------------------


class RestoredLevel(RoomGridLevel):
    """A level whose state is set from facts: enough of an environment for `BabyAIBot` to plan in."""

    def gen_mission(self) -> None:
        """Nothing is generated: the state is given."""

    def room_from_pos(self, x: int, y: int) -> Room:
        """One room, the whole grid: locations ("on your left") were resolved when the episode began."""
        return Room((0, 0), (self.width, self.height))


def restore(facts: Mapping[str, Any]) -> RestoredLevel:
    """The environment of `facts`, with the rest of the mission as its instruction."""
    env = RestoredLevel(room_size=3, num_rows=1, num_cols=1, max_steps=1)
    codes = facts["grid"]
    env.width, env.height = codes.shape[:2]
    env.grid = Grid(env.width, env.height)
    env.grid.grid = [WorldObj.decode(*code) for code in codes.transpose(1, 0, 2).reshape(-1, 3).tolist()]
    for index, thing in enumerate(env.grid.grid):
        if thing is not None:
            thing.cur_pos = (index % env.width, index // env.width)
    env.agent_pos = np.array(facts["position"])
    env.agent_dir = int(facts["direction"])
    env.carrying = WorldObj.decode(*facts["carrying"], 0)
    env.instrs = _instruction(env, facts["instruction"])
    return env


def _instruction(env: RestoredLevel, facts: Instruction) -> Any:
    if "first" in facts:
        parts = [_instruction(env, facts["first"]), _instruction(env, facts["second"])]
        simple = all(isinstance(part, verifier.ActionInstr) for part in parts)
        return verifier.AndInstr(*parts) if simple else verifier.BeforeInstr(*parts)
    if facts["kind"] == "PutNextInstr":
        move, fixed = _description(env, facts["move"]), _description(env, facts["fixed"])
        return verifier.PutNextInstr(move, fixed)
    return _ACTIONS[facts["kind"]](_description(env, facts["desc"]))


def _description(env: RestoredLevel, facts: Mapping[str, Any]) -> verifier.ObjDesc:
    desc = verifier.ObjDesc(facts["type"], facts["colour"], facts["location"])
    for cell in facts["objects"]:
        held = env.carrying if tuple(cell) == ABSENT else env.grid.get(*cell)
        desc.obj_set.append(held)
    desc.obj_poss = [tuple(cell) for cell in facts["positions"]]
    return desc
