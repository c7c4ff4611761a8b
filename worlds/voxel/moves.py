"""The moving skills of all tasks: how far each turns or walks, and which ways their outcomes showed shut.

Invariant: the skills themselves tell a body nothing: where they lead must be seen, or be tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worlds.types import Turn

TURNS: Mapping[str, int] = {
    "turn left 45": -1,
    "turn right 45": 1,
    "turn left 90": -2,
    "turn right 90": 2,
    "turn around": 4,
}
"""Skill -> eighths of a turn, clockwise."""
WALKS: Mapping[str, int] = {"forward 2": 2, "forward 4": 4, "forward 8": 8}
"""Skill -> blocks along the heading."""
MOVES = (*TURNS, *WALKS)
PART, STUCK = "part", "stuck"
"""The outcomes of a walk that an obstacle ended, after a while or at once."""
IN_PLACE = ("scan", "craft ", "smelt ", "equip ", "message ")
"""How skills begin that leave the body where it stands."""


def shut_headings(turns: Sequence[Turn], heading_deg: float) -> frozenset[float]:
    """Headings in which a walk from this very spot got stuck, or only a little further twice in a row: read
    back from the last `turns` (oldest first) of a body that looks along `heading_deg` now (one of 8)."""
    shut = set()
    latest = [turn for turn in reversed(turns) if not turn.action.startswith(IN_PLACE)]
    for turn, before in zip(latest, [*latest[1:], None], strict=False):
        if turn.action in TURNS:
            heading_deg = (heading_deg - 45.0 * TURNS[turn.action]) % 360.0
        elif turn.action in WALKS and turn.outcome == STUCK:
            shut.add(heading_deg)
        else:
            again = before is not None and before.action in WALKS and before.outcome == PART
            if turn.action in WALKS and turn.outcome == PART and again:
                shut.add(heading_deg)
            break
    return frozenset(shut)
