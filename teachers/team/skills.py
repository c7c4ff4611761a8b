"""The skill module: from what a model wrote to a skill of the library, by the nearness of their embeddings.

Invariant: what is found is one of the skills that were offered, word for word; a text that denies one, names
two, or says a thing, a number, a direction or a verb of the library that the skill has not, finds none, and
neither does a text that is not near enough. No model output is ever carried out as it stands.

Nearness alone would take "mine birch log" for "mine oak_log" (they share two words of three), with any
embedding: so what is near must also fit, by the plain rules of `_fits`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from teachers.team.embedding import FILLERS, Embedder, LocalEmbedder
from teachers.team.wording import Library

APART = 0.02
"""Two skills that fit and lie no farther apart than this are both meant, so neither is."""
DENIALS = frozenset(
    (
        "not", "don", "never", "no", "nor", "refuse", "cannot", "won", "can", "avoid", "stop", "without",
        "but", "except", "instead", "rather", "skip", "nothing", "neither", "unless",
    )
)  # fmt: skip
DENIED = re.compile(r"n['\u2019]t\b|(?<!\w)-\s*\d")
"""Shouldn't, won't; and a number with a sign, which no skill has."""
DIRECTIONS = frozenset(
    [
        "left",
        "right",
        "around",
        "forward",
        "back",
        "backward",
        "backwards",
        "north",
        "east",
        "south",
        "west",
        "sideways",
    ]
)
PURPOSE = re.compile(r"\b(?:because|since|using|from|with|towards?|so that|in order)\b.*", re.DOTALL)
"""What comes after names other things, by way of a reason."""


class SkillModule:
    """Retrieval over whatever skills are offered."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or LocalEmbedder()

    def find(self, text: str, skills: Sequence[str], ends_s: float = float("inf")) -> str | None:
        """The skill of `skills` that `text` names (itself, or the one that fits and is nearest), or None. An
        embedder elsewhere is waited for until `ends_s`, and raises what its caller raises."""
        wanted = " ".join(text.split()).strip(" .\"'`")
        if wanted in skills:
            return wanted
        library = Library.of(tuple(skills))
        terms = library.terms(wanted)
        if set(terms) & DENIALS or DENIED.search(wanted.lower()):
            return None
        meant = PURPOSE.sub("", wanted)
        terms = library.terms(meant)
        fitting = tuple(skill for skill in library.skills if _fits(terms, skill, library))
        if not fitting:
            return None
        ranked = sorted(
            zip(self._embedder.nearness(meant, fitting, library, ends_s), fitting, strict=True), reverse=True
        )
        nearest, skill = ranked[0]
        doubtful = len(ranked) > 1 and nearest - ranked[1][0] <= APART
        return skill if nearest >= self._embedder.floor and not doubtful else None


def _fits(terms: tuple[str, ...], skill: str, library: Library) -> bool:
    """Whether all that the text says of the library's terms is the skill's, and all of the skill but its verb
    is said, its things as such and not as parts of other ones, by somebody who says what to do."""
    own, said = library.own[skill], set(terms)
    verb, rest = own[0], own[1:]
    if not set(rest) <= said or (not rest and verb not in said):
        return False
    numbers = {term for term in said if term.isdecimal()}
    if not (said & (library.known | DIRECTIONS) | numbers) <= set(own):
        return False
    if not said - set(rest) - FILLERS:  # a thing alone
        return False
    things = [word for word in rest if not word.isdecimal() and word not in DIRECTIONS]
    return all(_stands_alone(terms, word, own) for word in things)


def _stands_alone(terms: tuple[str, ...], thing: str, own: tuple[str, ...]) -> bool:
    """Whether no word of another thing comes just before `thing`, as "dark" in "dark oak log"."""
    before = [terms[i - 1] for i, term in enumerate(terms) if term == thing and i]
    return all(word in own or word in FILLERS or word.isdecimal() for word in before)
