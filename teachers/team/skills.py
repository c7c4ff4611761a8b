"""The skill module: from what a model wrote to a skill of the library, by similarity of their embeddings.

Invariant: what is found is one of the skills that were offered, word for word, and a text that is near to
none finds none: no model output is ever carried out as it stands.

An embedding here is the bag of a text's words and of the three-letter pieces of its words, numbers whole. On
a vocabulary of some tens of short commands that finds what a learned one would, without a download.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

NEAR_ENOUGH = 0.6
"""Cosine below which a text is near to no skill."""
NUMBER = 2.0
"""Weight of a number: "turn right 30" is not "turn right 90"."""
SAME = {
    "rotate": "turn", "spin": "turn", "walk": "forward", "move": "forward", "step": "forward",
    "go": "forward", "ahead": "forward", "advance": "forward", "dig": "mine", "break": "mine",
    "build": "craft", "make": "craft", "back": "around", "put": "place",
}  # fmt: skip
"""Words that models use for the words of the skills."""
IDLE = frozenset(
    ("the", "a", "an", "to", "by", "degrees", "degree", "blocks", "block", "of", "on", "then", "one")
)
"""Words that tell no skill from another."""
Embedding = tuple[dict[str, float], float]


@lru_cache(maxsize=4096)
def embed(text: str) -> Embedding:
    """The bag and its length."""
    bag: Counter[str] = Counter()
    for word in re.findall(r"[a-z]+|[0-9]+", text.lower().replace("°", " ")):
        if word.isdecimal():
            bag[word] += NUMBER  # type: ignore[assignment]
        elif word not in IDLE:
            word = SAME.get(word, word)
            bag[word] += 1
            for i in range(max(1, len(word) - 2)):
                bag[f"-{word[i : i + 3]}"] += 0.5  # type: ignore[assignment]
    return dict(bag), math.sqrt(sum(weight * weight for weight in bag.values()))


def similarity(one: str, other: str) -> float:
    """Cosine of the embeddings, 0 to 1."""
    (bag, length), (other_bag, other_length) = embed(one), embed(other)
    if not length or not other_length:
        return 0.0
    return sum(weight * other_bag.get(key, 0.0) for key, weight in bag.items()) / (length * other_length)


def find_skill(text: str, library: Sequence[str]) -> str | None:
    """The skill of `library` that `text` names (itself, or the nearest one that is near enough)."""
    wanted = " ".join(text.split()).strip(" .\"'`")
    if wanted in library:
        return wanted
    best = max(library, key=lambda skill: similarity(wanted, skill), default=None)
    return best if best is not None and similarity(wanted, best) >= NEAR_ENOUGH else None
