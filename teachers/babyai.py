"""The BabyAI teachers: minigrid's own `BabyAIBot` as planner, and a weaker rule-based expert.

Invariant: a label is a function of the facts: a fresh bot plans from the restored state and from the cells it
may know. In one room those are the cells in view now or at one of the last decisions, which is what the
student's history tells; where there are doors, all cells seen in the episode (less would not find the way).
The facts are turned first so that the agent faces north: the bot breaks ties by absolute direction, which
nobody can see in an egocentric frame; after the turn, by left and right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from minigrid.utils.baby_ai_bot import BabyAIBot, DropSubgoal, GoNextToSubgoal
from numba import njit
from numpy.typing import NDArray

from teachers.types import Label, Role
from worlds.babyai.mirror import ABSENT, in_view, next_action, note_for, restore, target_cells
from worlds.babyai.view import DOOR, EMPTY, FLOOR, look
from worlds.babyai.world import ACTIONS, EMPTY_HANDS, MOVES
from worlds.types import Mirror, Observation

NORTH = 3
LOCKED = 2
FAR = 10_000
_STEP = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


class GaveUp(Exception):
    """The bot has no plan, or none within its limit."""


class BabyAITeacher:
    """The bot, at most `step_limit` planning steps a label (on some seeds it plans for ever). A state for
    which it has no plan gets an invalid label with the reason."""

    version = "babyai-bot-1"

    def __init__(self, step_limit: int = 100) -> None:
        self.step_limit = step_limit

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The bot's action. On the way to a target that was in view, `values` are minus the exact number of
        actions left; all actions of the best value are equally good, and the bot's is taken if it is one."""
        if role != "actor":
            return Label(role, "", valid=False, reason=f"BabyAI has one body and no {role}")
        facts = face_north(mirror.facts)
        known = facts["recent"] if tuple(facts["actions"]) == MOVES else facts["seen"]
        note = note_for(target_in_view(facts))
        try:
            advice = ACTIONS[bot_advice(facts, known, self.step_limit)]
        except GaveUp as error:
            return Label(role, "", note, valid=False, reason=str(error))
        legal = advice in facts["actions"]
        kind = next_action(facts["instruction"])["kind"]
        near = kind == "GoToInstr" or (kind == "PickupInstr" and facts["carrying"] == EMPTY_HANDS)
        values = approach_values(facts, known, known) if near and (advice in MOVES or not legal) else {}
        if not values and not legal:  # it would clear the way, where to go round through the unseen will do
            values = approach_values(facts, known, np.ones_like(known))
        if not values:
            reason = "" if legal else f"the bot's {advice!r} is not among the actions"
            good = tuple(a for a in MOVES if a == advice or reveals_as_much(facts, known, a, advice))
            return Label(role, advice, note, good or (advice,), valid=legal, reason=reason)
        best = tuple(action for action in values if values[action] == max(values.values()))
        return Label(role, advice if advice in best else best[-1], note, best, values)


class BabyAIRuleExpert:
    """A weaker expert for the reference policy: it looks at the present view and at the last turns alone. It
    turns right until the target is in view, walks on after a full turn, and approaches without a map: forward
    until level with the target, then a turn to it, and a sidestep when something was in the way."""

    version = "babyai-rule-1"

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The rule's action, with the true note."""
        if role != "actor":
            return Label(role, "", valid=False, reason=f"BabyAI has one body and no {role}")
        at = target_in_view(mirror.facts)
        turns = observation.history
        blocked = bool(turns) and turns[-1].action == "forward" and turns[-1].outcome == "blocked"
        if at is None:
            action = _search([turn.action for turn in turns], blocked)
        else:
            dodging = (
                len(turns) > 1 and turns[-2].outcome == "blocked" and turns[-1].action.startswith("turn")
            )
            action = _approach(at, blocked, dodging, next_action(mirror.facts["instruction"])["kind"])
        return Label(role, action, note_for(at), (action,))


def _search(actions: Sequence[str], blocked: bool) -> str:
    if actions and actions[-1] == "forward":
        return "turn right" if blocked else "forward"
    return "forward" if list(actions[-3:]) == ["turn right"] * 3 else "turn right"


def _approach(at: tuple[int, int], blocked: bool, dodging: bool, kind: str) -> str:
    right, ahead = at
    side = "turn left" if right < 0 else "turn right"
    if at == (0, 1):
        return {"PickupInstr": "pick up", "OpenInstr": "toggle"}.get(kind, "forward")
    if dodging:
        return "forward"
    return side if blocked or ahead == 0 else "forward"


def face_north(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same state with the world turned by quarters until the agent faces north."""
    turned = dict(facts)
    for _ in range((NORTH - facts["direction"]) % 4):
        height = turned["grid"].shape[1]

        def turn(cell: tuple[int, int], height: int = height) -> tuple[int, int]:
            return cell if cell[0] < 0 else (height - 1 - cell[1], cell[0])

        turned |= {
            "grid": np.rot90(turned["grid"]),
            "seen": np.rot90(turned["seen"]),
            "recent": np.rot90(turned["recent"]),
            "position": turn(turned["position"]),
            "instruction": _map_cells(turned["instruction"], turn),
            "direction": (turned["direction"] + 1) % 4,
        }
    return turned


def _map_cells(tree: Any, turn: Any) -> Any:
    if isinstance(tree, list):
        return [turn(cell) for cell in tree]
    return {key: _map_cells(value, turn) for key, value in tree.items()} if isinstance(tree, dict) else tree


def bot_advice(facts: Mapping[str, Any], known: NDArray[np.bool_], step_limit: int) -> int:
    """The action code of a fresh bot that knows the cells `known` (X, Y). Raises GaveUp."""
    env = restore(facts)
    bot = BabyAIBot(env)
    bot.vis_mask = known.copy()
    try:
        _resume(bot, facts)
        for _ in range(step_limit):
            if not bot.stack:
                return 2  # facing the target already: any action that does not turn away ends the episode
            action = bot.stack[-1].replan_before_action()
            if action is not None:
                return int(action)
    except AssertionError as error:  # the bot's way to say that it is lost
        raise GaveUp(f"the bot has no plan: {error or 'an assumption of its own failed'}") from error
    raise GaveUp(f"the bot made no plan within {step_limit} planning steps")


def _resume(bot: BabyAIBot, facts: Mapping[str, Any]) -> None:
    """Take up a plan in the middle: a fresh bot plans as if its hands were empty, but what they hold tells
    what the plan was. A thing to put somewhere is past its pick-up, the key of a locked door is on its way
    there, and anything else was in the way and is put down first. Raises GaveUp."""
    held = bot.mission.carrying
    if held is None:
        return
    action = next_action(facts["instruction"])
    if action["kind"] == "PutNextInstr" and ABSENT in action["move"]["objects"]:
        del bot.stack[-2:]
        return
    locked = (facts["grid"][..., 0] == DOOR) & (facts["grid"][..., 2] == LOCKED)
    if held.type == "key" and bool((locked & (facts["grid"][..., 1] == facts["carrying"][1])).any()):
        return
    room = bot._find_drop_pos()
    if room is None:
        raise GaveUp("there is no room to put down what is in the way")
    bot.stack += [DropSubgoal(bot), GoNextToSubgoal(bot, room)]


def target_in_view(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """(right, ahead) of the nearest instance of the next target in the frame."""
    pose = (*facts["position"], facts["direction"])
    view = look(np.ascontiguousarray(facts["grid"]), *pose, facts["carrying"], facts["seen"].copy())
    return in_view(view, pose, target_cells(facts["instruction"], facts["carrying"]))


def reveals_as_much(facts: Mapping[str, Any], known: NDArray[np.bool_], turn: str, advice: str) -> bool:
    """Whether both are turns and `turn` brings at least as many cells into view that are not `known`."""
    if not (turn.startswith("turn") and advice.startswith("turn")):
        return False
    gains = []
    for choice in (turn, advice):
        seen = known.copy(order="C")
        direction = (facts["direction"] + (1 if choice == "turn right" else -1)) % 4
        look(np.ascontiguousarray(facts["grid"]), *facts["position"], direction, facts["carrying"], seen)
        gains.append(int(seen.sum()))
    return gains[0] >= gains[1]


def approach_values(
    facts: Mapping[str, Any], known: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> dict[str, float]:
    """Minus the exact number of actions, the action itself included, until the agent faces an instance of the
    target that it knows of, over `allowed` (X, Y) cells, of which unknown ones count as free; empty if there
    is no such way."""
    kind, state = facts["grid"][..., 0], facts["grid"][..., 2]
    passable = (kind == EMPTY) | (kind == FLOOR) | ((kind == DOOR) & (state == 0))
    free = np.ascontiguousarray(allowed & (passable | ~known))
    goals = np.zeros_like(free)
    for x, y in target_cells(facts["instruction"], facts["carrying"]):
        goals[x, y] = x >= 0 and known[x, y]
    distance = pose_distances(free, goals)
    (x, y), d = facts["position"], facts["direction"]
    ahead_x, ahead_y = x + _STEP[d, 0], y + _STEP[d, 1]
    on = (ahead_x, ahead_y) if free[ahead_x, ahead_y] else (x, y)
    after = (distance[x, y, (d - 1) % 4], distance[x, y, (d + 1) % 4], distance[*on, d])
    if min(after) >= FAR:
        return {}
    return {action: -1.0 - float(steps) for action, steps in zip(ACTIONS, after, strict=False)}


@njit(cache=True)  # type: ignore[untyped-decorator]
def pose_distances(free: NDArray[np.bool_], goals: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Actions needed from pose (X, Y, 4) until it faces a goal cell; FAR where it cannot."""
    width, height = free.shape
    distance = np.full((width, height, 4), FAR, np.int64)
    queue = np.empty((width * height * 4, 3), np.int64)
    tail = 0
    for x in range(width):
        for y in range(height):
            for d in range(4):
                to_x, to_y = x + _STEP[d, 0], y + _STEP[d, 1]
                inside = 0 <= to_x < width and 0 <= to_y < height
                if free[x, y] and inside and goals[to_x, to_y]:
                    distance[x, y, d] = 0
                    queue[tail] = (x, y, d)
                    tail += 1
    head = 0
    while head < tail:
        x, y, d = queue[head]
        head += 1
        back_x, back_y = x - _STEP[d, 0], y - _STEP[d, 1]
        for x2, y2, d2 in ((x, y, (d + 1) % 4), (x, y, (d + 3) % 4), (back_x, back_y, d)):
            if 0 <= x2 < width and 0 <= y2 < height and free[x2, y2] and distance[x2, y2, d2] == FAR:
                distance[x2, y2, d2] = distance[x, y, d] + 1
                queue[tail] = (x2, y2, d2)
                tail += 1
    return distance
