"""Texts as vectors, so that the skill which is nearest to what a model wrote can be told.

Invariant: the local embedding is a function of the text and of the library alone, on any machine (no seed, no
`hash`): a text is the sum of its words, each weighted by how few skills of the library have it (inverse
document frequency), a word the sum of itself and of its character trigrams, hashed to a place and a sign.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from teachers.team.wording import Library

PLACES = 1024
TRIGRAMS = 0.5
"""Length of a word's trigrams together, its own being 1."""
FILLERS = frozenset(
    (
        "a", "an", "the", "some", "this", "that", "these", "those", "there", "here", "nearest", "closest",
        "next", "now", "please", "more", "visible", "of", "it", "by", "for", "in", "at", "on", "to", "do",
        "i", "we", "will", "should", "would", "ll", "let", "s", "me", "my", "us", "is", "degree", "degrees",
        "block", "blocks", "deg", "times", "out", "off", "down", "up", "action", "skill", "direction",
        "way", "then", "just", "again", "all", "item", "target", "use", "with", "your", "take", "one",
        "half", "quarter", "side", "part", "area", "surrounding", "surroundings", "want", "need", "must",
        "going", "first"
    )
)  # fmt: skip
"""Words that change nothing about which skill is meant."""
Vector = NDArray[np.float64]


class Embedder(Protocol):
    """How near a text is to skills; `floor` is the least cosine that counts as near."""

    floor: float

    def nearness(
        self, text: str, candidates: tuple[str, ...], library: Library, ends_s: float
    ) -> list[float]:
        """The cosine of the text with each candidate, -1 to 1, waited for until `ends_s`."""
        ...


class LocalEmbedder:
    """Hashed words and trigrams; no network, no weights."""

    floor = 0.72

    def nearness(
        self, text: str, candidates: tuple[str, ...], library: Library, ends_s: float
    ) -> list[float]:
        """See `Embedder`; never waits."""
        written = embed(library.terms(text), library)
        return [float(written @ embed(library.own[skill], library)) for skill in candidates]


def embed(terms: tuple[str, ...], library: Library, weighted: bool = True) -> Vector:
    """The unit vector (`PLACES`,) of a text's terms, 0 where it has none that tell anything; `weighted` by
    how rare they are in the library."""
    weights = _weights(library.skills) if weighted else {}
    unknown = 1.0 + math.log(1 + len(library.skills))
    told = dict.fromkeys(term for term in terms if term not in FILLERS or term in weights)
    total = np.zeros(PLACES)
    for term in told:
        total += weights.get(term, unknown) * _word(term)
    length = float(np.linalg.norm(total))
    return total / length if length else total


@lru_cache(maxsize=1024)
def _weights(skills: tuple[str, ...]) -> dict[str, float]:
    """Term -> 1 + ln((1 + skills) / (1 + skills that have it)), the smooth inverse document frequency."""
    library = Library.of(skills)
    having = Counter(term for skill in skills for term in set(library.own[skill]))
    return {term: 1.0 + math.log((1 + len(skills)) / (1 + count)) for term, count in having.items()}


@lru_cache(maxsize=65536)
def _word(word: str) -> Vector:
    """The unit vector (`PLACES`,) of one word."""
    whole, marked = np.zeros(PLACES), f"<{word}>"
    _add(whole, word)
    parts = np.zeros(PLACES)
    for i in range(len(marked) - 2):
        _add(parts, f"#{marked[i : i + 3]}")
    length = float(np.linalg.norm(parts))
    if length:
        whole += TRIGRAMS * parts / length
    unit: Vector = whole / np.linalg.norm(whole)
    unit.flags.writeable = False
    return unit


def _add(vector: Vector, feature: str) -> None:
    digest = hashlib.blake2b(feature.encode(), digest_size=4).digest()
    vector[int.from_bytes(digest[:3], "big") % PLACES] += 1.0 if digest[3] & 1 else -1.0
