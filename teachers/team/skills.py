"""The skill module: from what a model wrote to a skill of the library, by similarity of their words.

Invariant: what is found is one of the skills that were offered, word for word; every word and number of it
was written, give or take a slip of the pen; and a text that names none, denies one or names two finds none.
No model output is ever carried out as it stands.

An embedding here is the set of a text's words, those that models use for a skill's words counted as these. On
a vocabulary of some tens of short commands that tells "mine oak_log" from "mine birch_log", which a dense
embedding does not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache

SLIP = 0.8
"""How alike (difflib's ratio) two words of five letters or more must be to be one word."""
SAME = {
    "rotate": "turn", "spin": "turn", "walk": "forward", "move": "forward", "step": "forward",
    "go": "forward", "ahead": "forward", "advance": "forward", "dig": "mine", "break": "mine",
    "build": "craft", "make": "craft", "put": "place",
}  # fmt: skip
"""Words that models use for the words of the skills."""
DENIALS = frozenset(
    (
        "not", "don", "never", "no", "nor", "refuse", "cannot", "won", "can", "avoid", "stop", "without",
        "but", "except", "instead", "rather", "skip", "nothing", "neither", "unless",
    )
)  # fmt: skip
DENIED = re.compile(r"n['\u2019]t\b|(?<!\w)-\s*\d")
"""Shouldn't, won't; and a number with a sign, which no skill has."""
BEFORE_A_THING = frozenset(
    ("the", "a", "an", "some", "this", "that", "nearest", "one", "more", "visible", "of")
)
"""What may be written just before a thing: in "dark oak log" it is another thing that is meant."""
NEAR_ENOUGH = 0.4
"""Share of the written words that must be the skill's: the rest is "the", "by", "degrees", "blocks"."""


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """The words and numbers of a text, in the library's terms."""
    found = re.findall(r"[a-z]+|[0-9]+", text.lower())
    return frozenset(SAME.get(word, word) for word in found)


@lru_cache(maxsize=65536)
def _alike(one: str, other: str) -> bool:
    long_enough = min(len(one), len(other)) >= 5
    return one == other or (long_enough and difflib.SequenceMatcher(None, one, other).ratio() >= SLIP)


def similarity(one: str, other: str) -> float:
    """Shared words as a share of all words of both (Jaccard), 0 to 1."""
    a, b = words(one), words(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def find_skill(text: str, library: Sequence[str]) -> str | None:
    """The skill of `library` that `text` names (itself, or the one whose words it holds)."""
    wanted = " ".join(text.split()).strip(" .\"'`")
    if wanted in library:
        return wanted
    written = words(wanted)
    if written & DENIALS or DENIED.search(wanted.lower()):
        return None
    named = [skill for skill in library if all(any(_alike(w, own) for w in written) for own in words(skill))]
    if not named:
        return None
    longest = max(len(words(skill)) for skill in named)
    best = [skill for skill in named if len(words(skill)) == longest]
    verbs = {skill.split()[0] for skill in library}
    said = {verb for verb in verbs if any(_alike(w, verb) for w in written)}
    numbers = {word for word in written if word.isdecimal()}
    if len(best) > 1 or not said <= {best[0].split()[0]} or not numbers <= words(best[0]):
        return None
    if longest / len(written) < NEAR_ENOUGH or not _things_fit(wanted, best[0]):
        return None
    return best[0]


def _things_fit(text: str, skill: str) -> bool:
    """Whether the things of the skill (its words with "_") are the text's, not parts of other ones."""
    told = [SAME.get(word, word) for word in re.findall(r"[a-z]+|[0-9]+", text.lower())]
    allowed = words(skill) | BEFORE_A_THING
    for thing in (word.split("_") for word in skill.split() if "_" in word):
        places = [i for i in range(len(told)) if all(map(_alike, told[i : i + len(thing)], thing))]
        if any(i and told[i - 1] not in allowed and not told[i - 1].isdecimal() for i in places):
            return False
    return True
