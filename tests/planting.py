"""Canaries for the privilege firewall: a word and numbers that stand in mirrors and expert outputs alone, and
the finder that looks for them on the student's side."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from teachers.types import Label
from worlds.types import Mirror

CANARY = "canaryfinch"
FIRST = 918_273_000_000
"""Every planted number is this and some thousands: its first digits tell it, however it is written."""
_FOUND = re.compile(rf"{CANARY}|918[,._ ]?273[,._ ]?\d\d\d|9\.1[0-9]*e\+?11", re.IGNORECASE)


def found(text: str) -> list[str]:
    """The canaries in a text: the word, and planted numbers in whole, grouped or rounded ("9.18e+11")."""
    return _FOUND.findall(text)


class Plants:
    """Plants numbers, each of them once, and knows what stood in their places."""

    def __init__(self) -> None:
        self._planted = 0
        self._honest: dict[str, Mirror] = {}

    def number(self) -> int:
        """One that was not planted before."""
        self._planted += 1
        return FIRST + self._planted

    def mirror(self, mirror: Mirror, keep: Collection[str] = ()) -> Mirror:
        """The mirror with a number of its own in place of every number (but bytes and truth values, which can
        hold none), the word beside every text, both in new keys. The facts `keep` are left as they are."""
        facts = {key: fact if key in keep else self._fact(fact) for key, fact in mirror.facts.items()}
        facts |= {f"{CANARY}_{key}": self.number() for key in mirror.facts}
        text = f"{mirror.text} {CANARY} {self.number()}"
        self._honest[text] = mirror
        return replace(mirror, facts=facts, text=text)

    def honest(self, planted: Mirror) -> Mirror:
        """What `mirror` was given: a teacher that has to work on the true state."""
        return self._honest[planted.text]

    def label(self, label: Label) -> Label:
        """The label with canaries in all that is for people alone; its action, ties and note are what it may
        say."""
        values = {
            CANARY: float(self.number()),
            **{action: float(self.number()) for action in label.equally_good},
        }
        said = (*label.said, f"{CANARY} {self.number()}")
        return replace(label, values=values, reason=f"{CANARY} {self.number()}", said=said)

    def _fact(self, fact: Any) -> Any:
        match fact:
            case bool() | np.bool_():
                return fact
            case int() | np.integer():
                return self.number()
            case float() | np.floating():
                return self.number() + 0.5
            case str():
                return f"{fact} {CANARY}"
            case dict():
                return {key: self._fact(value) for key, value in fact.items()}
            case list() | tuple():
                return type(fact)([self._fact(value) for value in fact])
            case np.ndarray() if fact.dtype.itemsize == 8:
                return np.array([self.number() for _ in range(fact.size)], fact.dtype).reshape(fact.shape)
        return fact
