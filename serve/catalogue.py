"""Which models are served, in which versions of their weights, and which request gets which.

Invariant: every model has a version, and the shares of its versions add up to 1; a catalogue is never
changed: a change makes another one of the next revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve.problems import Problem
from student.config import StudentConfig

NAME = r"[\w.-]+"
"""A model's name, as a regular expression."""


@dataclass(frozen=True)
class Version:
    """One set of weights: `name` is their fingerprint, `share` the part of its model's requests that it gets
    (0: those that name it, alone)."""

    name: str
    student: StudentConfig
    share: float


@dataclass(frozen=True)
class Model:
    """What is asked for by `name`, in one version or several."""

    name: str
    versions: tuple[Version, ...]

    def version(self, name: str) -> Version | None:
        """The version of that name."""
        return next((version for version in self.versions if version.name == name), None)

    def drawn(self, draw: float) -> Version:
        """The version that `draw`, uniform in 0..1, falls to."""
        for version in self.versions:
            if draw < version.share:
                return version
            draw -= version.share
        return max(self.versions, key=lambda version: version.share)  # what rounding left over


@dataclass(frozen=True)
class Catalogue:
    """All models; the first is asked where a request names none."""

    revision: int
    models: tuple[Model, ...]

    def model(self, name: str) -> Model | None:
        """The model of that name."""
        return next((model for model in self.models if model.name == name), None)

    def choose(self, asked: str, draw: float) -> tuple[Model, Version]:
        """Who answers a request for "" (the first model), "MODEL" (by its versions' shares) or
        "MODEL@VERSION". Raises `Problem` (404) where there is none of that name."""
        name, at, wanted = asked.partition("@")
        model = self.model(name) if name else self.models[0]
        if model is None:
            served = ", ".join(repr(model.name) for model in self.models)
            raise Problem(404, f"model: {name!r} is not served here, only {served}")
        if not at:
            return model, model.drawn(draw)
        version = model.version(wanted)
        if version is None:
            served = ", ".join(version.name for version in model.versions)
            raise Problem(404, f"model: {model.name!r} has no version {wanted!r} here, only {served}")
        return model, version

    def offering(self, name: str, version: str, student: StudentConfig, share: float) -> Catalogue:
        """With that version of a model at that share, and its other versions at what is left, as they shared
        it before; at a share of 1 there are no others.

        Raises `Problem` (422) where nobody would get the rest."""
        model = self.model(name)
        others = [one for one in model.versions if one.name != version] if model and share < 1 else []
        left = sum(other.share for other in others)
        if share < 1 and left <= 0:
            raise Problem(422, f"share: {name!r} has no other version for the rest: offer it with share 1")
        scaled = [replace(other, share=other.share * (1 - share) / left) for other in others]
        return self._with(Model(name, (*scaled, Version(version, student, share))))

    def without(self, name: str, version: str = "") -> Catalogue:
        """Without that version of a model (its share goes to the others), or without the model.

        Raises `Problem`: 404 where there is none, 409 for the last model."""
        model, _ = self.choose(f"{name}@{version}" if version else name, 0.0)
        others = [one for one in model.versions if version and one.name != version]
        if others:
            left = sum(other.share for other in others)
            if left <= 0:
                raise Problem(409, f"no other version of {name!r} has a share: give one of them some first")
            scaled = [replace(other, share=other.share / left) for other in others]
            return self._with(Model(name, tuple(scaled)))
        if len(self.models) == 1:
            raise Problem(409, f"{name!r} is the last model: offer another one first")
        rest = tuple(one for one in self.models if one.name != name)
        return Catalogue(self.revision + 1, rest)

    def _with(self, model: Model) -> Catalogue:
        models = [model if one.name == model.name else one for one in self.models]
        if model not in models:
            models.append(model)
        return Catalogue(self.revision + 1, tuple(models))


def first_catalogue(models: Sequence[tuple[str, StudentConfig, str]]) -> Catalogue:
    """The catalogue to begin with, of (name, student, version)."""
    return Catalogue(1, tuple(Model(name, (Version(v, student, 1.0),)) for name, student, v in models))
