"""The words of a text, in the terms of a library of skills.

Invariant: a text that is a skill of the library has that skill's own terms, in their order; what is written
otherwise becomes a term of the library only by its inflection, a slip of the pen or a word of `SAME`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

SLIP = 0.8
"""How alike (difflib's ratio) two words of five letters or more must be to be one word."""
SAME = {
    "rotate": "turn", "spin": "turn", "pivot": "turn",
    "walk": "forward", "move": "forward", "step": "forward", "go": "forward", "ahead": "forward",
    "advance": "forward", "head": "forward", "straight": "forward", "onward": "forward",
    "dig": "mine", "break": "mine", "chop": "mine", "cut": "mine", "harvest": "mine", "gather": "mine",
    "collect": "mine",
    "build": "craft", "make": "craft", "create": "craft", "produce": "craft",
    "put": "place", "set": "place", "locate": "find", "seek": "find",
    "search": "find", "find": "search", "northern": "north", "southern": "south", "western": "west",
    "eastern": "east",
    "clockwise": "right", "anticlockwise": "left", "counterclockwise": "left", "180": "around",
}  # fmt: skip
"""Words that models use for the words of the skills."""
PHRASES = {
    "northwest": "north west",
    "northeast": "north east",
    "southwest": "south west",
    "southeast": "south east",
    "u-turn": "turn around",
    "half turn": "turn around",
    "counter-clockwise": "counterclockwise",
}
UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
COUNTS = {name: number for number, name in enumerate(UNITS) if number != 1}
""""one" is as often a pronoun as a number."""
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Library:
    """The skills on offer, and what their words are: `things` are the names after a verb ("oak_log" as
    ("oak", "log")), `plain` the words that are part of no name of several words."""

    skills: tuple[str, ...]
    things: tuple[tuple[str, ...], ...]
    plain: frozenset[str]
    compounds: dict[str, tuple[str, ...]]

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(skills: tuple[str, ...]) -> Library:
        """Of the skills as they are written."""
        arguments = {word for skill in skills for word in skill.split() if "_" in word}
        things = tuple(sorted((tuple(word.split("_")) for word in arguments), key=lambda t: (-len(t), t)))
        plain = frozenset(word for skill in skills for word in skill.split() if "_" not in word)
        return Library(skills, things, plain, {"".join(thing): thing for thing in things})

    @cached_property
    def own(self) -> dict[str, tuple[str, ...]]:
        """Skill -> its terms."""
        return {skill: self.terms(skill) for skill in self.skills}

    @cached_property
    def known(self) -> frozenset[str]:
        """All terms of all skills."""
        return frozenset(term for terms in self.own.values() for term in terms)

    def terms(self, text: str) -> tuple[str, ...]:
        """The text's words, each as the library's where it is one of those."""
        tokens = _tokens(text)
        found: list[str] = []
        while tokens:
            if (thing := self._thing_at(tokens)) is not None:
                found += thing
                tokens = tokens[len(thing) :]
                continue
            token = tokens.pop(0)
            found += self.compounds.get(token) or (self._plain(token),)
        return tuple(found)

    def _thing_at(self, tokens: list[str]) -> tuple[str, ...] | None:
        """The longest name that the tokens begin with."""
        for thing in self.things:
            here = tokens[: len(thing)]
            if len(here) == len(thing) and all(map(alike, here, thing)):
                return thing
        return None

    def _plain(self, token: str) -> str:
        """The library's word that the token is, or stands for; else the token."""
        if token in self.plain:
            return token
        for known in (*sorted(self.plain), *(word for word in SAME if SAME[word] in self.plain)):
            if alike(token, known):
                return SAME.get(known, known) if known not in self.plain else known
        return token


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """The words and numbers of a text, those of `SAME` as what they stand for."""
    return frozenset(SAME.get(token, token) for token in _all_tokens(text))


def similarity(one: str, other: str) -> float:
    """Shared words as a share of all words of both (Jaccard), 0 to 1."""
    a, b = words(one), words(other)
    return len(a & b) / len(a | b) if a | b else 0.0


@lru_cache(maxsize=65536)
def alike(one: str, other: str) -> bool:
    """Whether two words are one: the same, another inflection, or a slip of the pen."""
    if one == other or (not one.isdecimal() and stem(one) == stem(other)):
        return True
    if min(len(one), len(other)) < 5 or one[0] != other[0]:  # a prefix makes another word of it
        return False
    return difflib.SequenceMatcher(None, one, other).ratio() >= SLIP


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Without the ending of a verb's form or a plural; words of three letters stay."""
    for ending in ("ing", "ed", "es", "s"):
        cut = word.removesuffix(ending)
        if cut != word and len(cut) >= 3:
            twice = len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "ls"
            word = cut[:-1] if twice else cut
            break
    return word.removesuffix("e") if len(word) > 3 else word


@lru_cache(maxsize=4096)
def _all_tokens(text: str) -> tuple[str, ...]:
    lowered = _HUMP.sub(" ", text).lower()
    for phrase, plain in PHRASES.items():
        lowered = lowered.replace(phrase, plain)
    found: list[str] = []
    for token in _TOKEN.findall(lowered):
        after_tens = bool(found) and found[-1] in TENS
        if token in TENS:
            found.append(token)
        elif token in COUNTS or (token == "one" and after_tens):
            number = UNITS.index(token)
            if after_tens and 0 < number < 10:
                found[-1] = str(TENS[found[-1]] + number)
            else:
                found.append(str(number))
        else:
            found.append(token)
    return tuple(str(TENS[token]) if token in TENS else token for token in found)


def _tokens(text: str) -> list[str]:
    """Words in small letters and numbers in digits: "forty-five" is "45", "turnRight" two words."""
    return list(_all_tokens(text))
