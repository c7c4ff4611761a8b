"""The routes of models: who is served, and for administrators, what is to be served.

Invariant: a change is answered with 200 only once every replica serves it; until then, and where it cannot be
made, what was served is served on.
"""

from __future__ import annotations

import asyncio
import re
import time

from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel, Field

from serve.catalogue import NAME, Catalogue
from serve.catalogues import Catalogues, ReplicaState
from serve.fleet import Fleet
from serve.follower import SYNC_S, Follower
from serve.keys import Authorization, KeyRing
from serve.problems import REFUSALS, Problem
from serve.wire import Text, Wire

PATIENCE_S = 60.0
"""How long a change waits for all replicas before it is answered with 202."""


class Offer(Wire):
    """A version of a model: the checkpoint `folder` (within the server's `models_under`), and the share of
    the model's requests that it gets. At 1 it takes the place of all others; at less it is a canary beside
    them; at 0 only those get it that ask for MODEL@VERSION."""

    folder: Text
    share: float = Field(default=1.0, ge=0, le=1)


class VersionInfo(BaseModel):
    """One set of weights and its part of the requests."""

    version: str
    share: float


class ModelInfo(BaseModel):
    """A model as OpenAI's API lists them, with its versions; `version` is the one with the largest share."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "retort"
    version: str
    versions: list[VersionInfo]


class ModelList(BaseModel):
    """All models, the default first."""

    object: str = "list"
    data: list[ModelInfo]


class Change(ModelList):
    """The models after a change, and how far each replica is; `revision` counts changes."""

    revision: int
    replicas: dict[str, ReplicaState]


def listed(catalogue: Catalogue) -> list[ModelInfo]:
    """The models as they are told."""
    return [
        ModelInfo(
            id=model.name,
            version=max(model.versions, key=lambda version: version.share).name,
            versions=[VersionInfo(version=one.name, share=one.share) for one in model.versions],
        )
        for model in catalogue.models
    ]


def install(app: FastAPI, fleet: Fleet, catalogues: Catalogues, follower: Follower, keys: KeyRing) -> None:
    """Add the routes to `app`."""

    async def may_ask(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act", "chat", "admin")

    async def may_administer(authorization: Authorization = None) -> str:
        return keys.check(authorization, "admin")

    async def changed(catalogue: Catalogue, response: Response) -> Change:
        await catalogues.change(catalogue)
        await follower.sync()
        end = time.monotonic() + PATIENCE_S
        while True:
            states = await catalogues.states()
            behind = [one for one in states.values() if one.revision < catalogue.revision]
            if not behind:
                break
            if time.monotonic() > end or any(one.trouble for one in behind):
                response.status_code = 202
                break
            await asyncio.sleep(SYNC_S / 2)
        return Change(data=listed(catalogue), revision=catalogue.revision, replicas=states)

    @app.get("/v1/models", dependencies=[Depends(may_ask)], responses=REFUSALS)
    async def models() -> ModelList:
        """The models that are served, as OpenAI's API lists them, with their versions and shares."""
        return ModelList(data=listed(fleet.catalogue))

    @app.put("/v1/models/{name}", dependencies=[Depends(may_administer)], responses=REFUSALS)
    async def offer(name: str, offered: Offer, response: Response) -> Change:
        """Serve a checkpoint folder under this name: a new model, a canary, or in place of what is served.
        202: not all replicas do yet; `replicas` says which, and why."""
        _check_name(name)
        base = await follower.sync()
        student, version = await asyncio.to_thread(fleet.student_at, offered.folder, name)
        catalogue = base.offering(name, version, student, offered.share)
        _check_count(catalogue, fleet.config.max_versions)
        await fleet.ready(name, version, student)
        try:
            return await changed(catalogue, response)
        except Problem:
            await fleet.follow(fleet.catalogue)  # lets go of what was loaded for nothing
            raise

    @app.delete("/v1/models/{name}", dependencies=[Depends(may_administer)], responses=REFUSALS)
    async def retire(name: str, response: Response, version: str = "") -> Change:
        """Take out a version of a model, or without `version` the model."""
        _check_name(name)
        return await changed((await follower.sync()).without(name, version), response)


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise Problem(
            422, "name: a model's name has letters, digits, dot, dash and underscore; a version is ?version="
        )


def _check_count(catalogue: Catalogue, most: int) -> None:
    count = sum(len(model.versions) for model in catalogue.models)
    if count > most:
        raise Problem(409, f"{most} versions are served already (max_versions): take one out first")
