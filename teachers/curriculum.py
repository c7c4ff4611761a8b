"""The curriculum: which tasks the next episodes are of, from how earlier ones went.

Invariant: the shares sum to 1, depend on the tallies alone, and no kind of task is ever starved: each has at
least `FLOOR` of an equal share. Beyond that a kind counts by p * (1 - p), p its success rate: what always
succeeds or always fails teaches least (the variance of the outcome, as in curricula by learnability).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

FLOOR = 0.4
"""Of an equal share."""
PRIOR = 2.0
"""Successes and failures that every kind is taken to have had: an unknown kind counts as even."""


class Kind(NamedTuple):
    """A family of tasks at a difficulty."""

    suite: str
    difficulty: int


class Tally(NamedTuple):
    """How its episodes went."""

    successes: int
    episodes: int


def shares(kinds: Sequence[Kind], tallies: Mapping[Kind, Tally]) -> dict[Kind, float]:
    """The share of the next episodes of each kind."""
    value = {}
    for kind in kinds:
        successes, episodes = tallies.get(kind, Tally(0, 0))
        rate = (successes + PRIOR) / (episodes + 2 * PRIOR)
        value[kind] = rate * (1 - rate)
    total = sum(value.values())
    return {kind: FLOOR / len(kinds) + (1 - FLOOR) * value[kind] / total for kind in kinds}


def draw(kinds: Sequence[Kind], tallies: Mapping[Kind, Tally], count: int) -> list[Kind]:
    """`count` kinds in the proportions of `shares`, mixed evenly."""
    played = {kind: tallies.get(kind, Tally(0, 0)).episodes for kind in kinds}
    floor = FLOOR / len(kinds) * sum(played.values())
    # Where a draw is smaller than the kinds are many, who fell behind its floor comes first.
    wanted = {k: share * count + max(0.0, floor - played[k]) for k, share in shares(kinds, tallies).items()}
    given = dict.fromkeys(kinds, 0)
    for _ in range(count):
        given[max(kinds, key=lambda kind: wanted[kind] - given[kind])] += 1
    places = [((i + 0.5) / number, kind) for kind, number in given.items() for i in range(number)]
    return [kind for _, kind in sorted(places)]
