"""The services of a catalogue in this process.

Invariant: a request is answered by a version of the catalogue as it stood when the request came; a version is
loaded before it is asked, and let go only after it has answered what it was asked.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serve.catalogue import Catalogue
from serve.config import ServeConfig
from serve.problems import Problem
from serve.service import Service
from serve.wire import ActRequest
from student.config import StudentConfig, as_saved
from student.fingerprint import fingerprint

LOOK_S = 0.1
"""How often a version that was taken out is looked at, until all who chose it have their answers."""
LET_GO_S = 120.0
"""It is let go by then: a request has a deadline, and its pictures are decoded long before."""
logger = logging.getLogger("ray.serve")

Place = tuple[str, str]
"""Model and version."""


class Fleet:
    """Loads all models of `catalogue`; see `follow` for later ones. Raises ValueError for a folder that holds
    no student."""

    def __init__(self, config: ServeConfig, catalogue: Catalogue) -> None:
        self.config, self.catalogue = config, catalogue
        self._services = {place: self._load(place, student) for place, student in _wanted(catalogue).items()}
        self._following = asyncio.Lock()

    @property
    def services(self) -> list[Service]:
        """Those in the catalogue, the default's first."""
        return [self._services[place] for place in _wanted(self.catalogue)]

    def choose(self, request: ActRequest, draw: float | None = None) -> Service:
        """Who answers `request`; `draw` (None: by chance) decides between versions.

        Raises `Problem` (404) for a model or version that is not served."""
        asked = request.model or self.config.roles.get(request.role, "")
        if not request.model and self.catalogue.model(asked) is None:
            asked = ""  # the role's own model was taken out
        model, version = self.catalogue.choose(asked, random.random() if draw is None else draw)
        return self._services[model.name, version.name]

    def pinned(self, asked: str, draw: float) -> str:
        """`asked` ("MODEL@VERSION") as long as it is served, and what took its place thereafter."""
        model, _, version = asked.partition("@")
        if self.catalogue.model(model) is None:
            model, version = self.catalogue.models[0].name, ""
        found = self.catalogue.model(model)
        assert found is not None
        return f"{model}@{(found.version(version) or found.drawn(draw)).name}"

    def student_at(self, folder: str, model: str) -> tuple[StudentConfig, str]:
        """(the student in `folder`, its version), asked as its checkpoint says, else as the present one of
        `model` is.

        Raises `Problem` (422) where the folder may not be served from, or holds no student."""
        root = Path(self.config.models_under).resolve()
        try:
            path = (root / folder).resolve()
            found = any(path.glob("*.safetensors"))
        except (OSError, ValueError) as error:
            raise Problem(422, f"folder: {folder} cannot be looked into ({error})") from error
        if not path.is_relative_to(root):
            raise Problem(422, f"folder: {folder} is not within {self.config.models_under} (models_under)")
        if not found:
            raise Problem(
                422, f"folder: {path} holds no weights (*.safetensors); a relative one is within {root}"
            )
        like = self.catalogue.model(model) or self.catalogue.models[0]
        try:
            return as_saved(replace(like.versions[-1].student, path=str(path))), fingerprint(path)
        except ValueError as error:
            raise Problem(422, f"folder: {error}") from error

    async def ready(self, model: str, version: str, student: StudentConfig) -> None:
        """Load a version that is not in the catalogue yet. Raises `Problem` (422) where it cannot be."""
        async with self._following:
            await self._hold((model, version), student)

    async def follow(self, catalogue: Catalogue) -> None:
        """Serve `catalogue` from now on, unless a later one is served already. Raises `Problem` where one of
        its versions cannot be loaded: then what was served is served on."""
        async with self._following:
            if catalogue.revision < self.catalogue.revision:
                return
            for place, student in _wanted(catalogue).items():
                await self._hold(place, student)
            self.catalogue = catalogue
            wanted = _wanted(catalogue)
            for place in [place for place in self._services if place not in wanted]:
                _TASKS.add(task := asyncio.ensure_future(_let_go(self._services.pop(place))))
                task.add_done_callback(_TASKS.discard)

    async def drain(self) -> None:
        """Answer what was asked, then end."""
        for service in self._services.values():
            await service.batcher.drain()
            service.batcher.close()

    async def _hold(self, place: Place, student: StudentConfig) -> None:
        if place in self._services:
            return
        try:
            self._services[place] = await asyncio.to_thread(self._load, place, student)
        except Exception as error:  # whatever a damaged checkpoint makes the libraries raise
            told = f"{student.path} cannot be served ({type(error).__name__}: {error})"
            raise Problem(422, told) from error

    def _load(self, place: Place, student: StudentConfig) -> Service:
        model, version = place
        if (found := fingerprint(student.folder())) != version:
            raise ValueError(f"its weights are {found} and no longer {version}: offer the folder anew")
        return Service(self.config, student, model, version)


_TASKS: set[asyncio.Future[None]] = set()
"""asyncio itself keeps only weak references to what runs."""


def _wanted(catalogue: Catalogue) -> dict[Place, StudentConfig]:
    return {
        (model.name, version.name): version.student
        for model in catalogue.models
        for version in model.versions
    }


async def _let_go(service: Service) -> None:
    ends = asyncio.get_running_loop().time() + LET_GO_S
    while not service.idle and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(LOOK_S)
    await service.batcher.drain()
    service.batcher.close()
    logger.info("let go of %s@%s", service.model, service.version)


def grouped(services: Sequence[Service]) -> dict[Service, list[int]]:
    """The places of each service, in order."""
    places: dict[Service, list[int]] = {}
    for place, service in enumerate(services):
        places.setdefault(service, []).append(place)
    return places
