"""Where the catalogue is kept that all replicas follow, and what each last said of itself.

Invariant: a change is made to the catalogue that its maker saw, or not at all; what the table forgets (its
process died) the replicas tell it again, so the newest catalogue outlives any one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pydantic import BaseModel

from serve.catalogue import Catalogue
from serve.problems import Problem

FORGET_S = 10.0
"""A replica that says nothing for so long is gone."""


class ReplicaState(BaseModel):
    """What one replica serves; `trouble` is why it does not serve what it should ("": it does, or is yet to
    try)."""

    revision: int
    trouble: str


class Failure(NamedTuple):
    """What a replica could not serve, and why."""

    catalogue: Catalogue
    reason: str


class Wanted(NamedTuple):
    """What should be served, and by how many replicas: those heard of lately."""

    catalogue: Catalogue
    replicas: int


class Catalogues(Protocol):
    """In this process, or in one that all replicas share."""

    async def current(self) -> Catalogue:
        """What should be served."""
        ...

    async def sync(self, replica: str, serving: Catalogue, failure: Failure | None, metrics: bytes) -> Wanted:
        """A replica says what it serves, what it failed to, and what it counted, and hears what it should
        serve."""
        ...

    async def change(self, catalogue: Catalogue) -> None:
        """Replace the catalogue of the revision before. Raises `Problem` (409) where that is another one."""
        ...

    async def states(self) -> dict[str, ReplicaState]:
        """The replicas heard of lately."""
        ...

    async def metrics(self) -> dict[str, bytes]:
        """What each of them counted."""
        ...


class _Heard(NamedTuple):
    """A replica's last word."""

    at_s: float
    revision: int
    failure: Failure | None
    metrics: bytes


class CatalogueTable:
    """`Catalogues` in this process."""

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._heard: dict[str, _Heard] = {}

    async def current(self) -> Catalogue:
        return self._catalogue

    async def sync(self, replica: str, serving: Catalogue, failure: Failure | None, metrics: bytes) -> Wanted:
        if serving.revision > self._catalogue.revision:
            self._catalogue = serving
        self._heard[replica] = _Heard(self._clock(), serving.revision, failure, metrics)
        self._forget()
        return Wanted(self._catalogue, len(self._heard))

    async def change(self, catalogue: Catalogue) -> None:
        if catalogue.revision != self._catalogue.revision + 1:
            raise Problem(409, "the models were changed by somebody else meanwhile: look, and ask again")
        self._catalogue = catalogue

    async def states(self) -> dict[str, ReplicaState]:
        self._forget()
        return {name: self._state(heard) for name, heard in self._heard.items()}

    async def metrics(self) -> dict[str, bytes]:
        self._forget()
        return {name: heard.metrics for name, heard in self._heard.items()}

    def _state(self, heard: _Heard) -> ReplicaState:
        failure = heard.failure
        # What it could not serve before says nothing about what it should serve now, and has not tried yet.
        now = failure is not None and failure.catalogue == self._catalogue
        return ReplicaState(revision=heard.revision, trouble=failure.reason if failure and now else "")

    def _forget(self) -> None:
        oldest = self._clock() - FORGET_S
        self._heard = {name: heard for name, heard in self._heard.items() if heard.at_s > oldest}
