"""The skill module: from what a model wrote to a skill of the library, by the nearness of their embeddings.

Invariant: what is found is one of the skills that were offered, word for word; a text that says any word but
the skill's own, those that stand for them and fillers finds none (so no denial has to be known as one), and
neither does a text that lacks a word of the skill or is not near enough. No model output is ever carried out
as it stands.

Nearness alone would take "mine birch log" for "mine oak_log" (they share two words of three), and "undo turn
left 90" for what it denies, with any embedding: so what is near must also fit, by the plain rule of `_fits`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from teachers.team.embedding import FILLERS, Embedder, LocalEmbedder
from teachers.team.wording import Library

APART = 0.02
"""Two skills that fit and lie no farther apart than this are both meant, so neither is."""
LISTED = re.compile(r"^(?:\d+[.)]|[-*\u2022])\s+")
"""The mark of a list's item."""
ZEROS = re.compile(r"(?<=\d)\.0+(?!\d)")
STRANGE = re.compile(r"(?<![^\W_])-\s*\d|[^\w\s.,:;()\[\]{}\"'\u2019`=\u00b0*#>-]")
"""A number with a sign, which no skill has; and signs that may say anything ("!", crosses)."""


class SkillModule:
    """Retrieval over whatever skills are offered."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or LocalEmbedder()

    def find(self, text: str, skills: Sequence[str], ends_s: float = float("inf")) -> str | None:
        """The skill of `skills` that `text` names (itself, or the one that fits and is nearest), or None. An
        embedder elsewhere is waited for until `ends_s`, and raises what its caller raises."""
        wanted = " ".join(text.split()).strip(" .\"'`").removesuffix("!")
        if wanted in skills:
            return wanted
        meant = ZEROS.sub("", LISTED.sub("", wanted))
        if STRANGE.search(meant):
            return None
        library = Library.of(tuple(skills))
        terms = library.terms(meant)
        fitting = tuple(skill for skill in library.skills if _fits(terms, library.own[skill]))
        if not fitting:
            return None
        ranked = sorted(
            zip(self._embedder.nearness(meant, fitting, library, ends_s), fitting, strict=True), reverse=True
        )
        nearest, skill = ranked[0]
        doubtful = len(ranked) > 1 and nearest - ranked[1][0] <= APART
        return skill if nearest >= self._embedder.floor and not doubtful else None


def _fits(terms: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Whether the text says all that is the skill's `own`, its numbers as often and in their order, and
    beside that nothing but fillers."""
    numbers, said = [list(filter(str.isdecimal, words)) for words in (terms, own)], set(terms)
    return set(own) <= said and said - FILLERS <= set(own) and numbers[0] == numbers[1]
