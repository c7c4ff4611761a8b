"""The embeddings that the local endpoint serves: the hashed one of the skill module.

Invariant: a function of the text alone, so all words weigh alike.
"""

from __future__ import annotations

from teachers.team.embedding import embed
from teachers.team.wording import Library
from worlds.voxel.moves import MOVES

MODEL = "retort-embedding"
WORDS = Library.of((*MOVES, "scan", "mine", "craft", "smelt", "place", "equip", "message"))


def vectors(texts: list[str]) -> list[list[float]]:
    """A unit vector each (0 for a text without words)."""
    return [embed(WORDS.terms(text), WORDS, weighted=False).tolist() for text in texts]
