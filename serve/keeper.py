"""What all replicas share: sessions and the catalogue, in a process of its own, asked through a Serve handle.

Invariant: what a table refuses is refused by every replica in the same words.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException

from serve.catalogue import Catalogue
from serve.catalogues import CatalogueTable, Failure, ReplicaState, Wanted
from serve.config import ServeConfig
from serve.problems import Problem
from serve.sessions import Session, SessionInfo, SessionRequest, table_of
from serve.wire import WireTurn

KEEPER_S = 10.0
"""While no process of the keeper runs, Ray Serve would hold a question to it for ever."""


class Keeper:
    """Both tables, as a Serve deployment of one replica."""

    def __init__(self, config: ServeConfig, catalogue: Catalogue) -> None:
        self._tables = {
            "sessions": table_of(config),
            "catalogues": CatalogueTable(catalogue),
        }

    async def ask(self, table: str, method: str, *arguments: Any) -> Any:
        """Call a method of one of the tables."""
        return await getattr(self._tables[table], method)(*arguments)


async def _asked(keeper: Any, table: str, method: str, *arguments: Any) -> Any:
    try:
        async with asyncio.timeout(KEEPER_S):
            return await keeper.ask.remote(table, method, *arguments)
    except RayTaskError as error:
        if isinstance(error.cause, Problem):
            raise error.cause from None
        raise
    except (TimeoutError, RayError, RayServeException) as error:
        raise Problem(
            503,
            "the process that keeps sessions and models is being replaced: ask again",
            {"Retry-After": "2"},
        ) from error


class SharedSessions:
    """`serve.sessions.Sessions` over the keeper's handle."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def create(self, owner: str, request: SessionRequest) -> str:
        name: str = await self._ask("create", owner, request)
        return name

    async def begin(self, name: str, owner: str) -> Session:
        session: Session = await self._ask("begin", name, owner)
        return session

    async def finish(self, name: str, outcome: str, turn: WireTurn | None) -> None:
        await self._ask("finish", name, outcome, turn)

    async def info(self, name: str, owner: str) -> SessionInfo:
        info: SessionInfo = await self._ask("info", name, owner)
        return info

    async def close(self, name: str, owner: str) -> None:
        await self._ask("close", name, owner)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        return await _asked(self._keeper, "sessions", method, *arguments)


class SharedCatalogues:
    """`serve.catalogues.Catalogues` over the keeper's handle."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def current(self) -> Catalogue:
        catalogue: Catalogue = await self._ask("current")
        return catalogue

    async def sync(self, replica: str, serving: Catalogue, failure: Failure | None, metrics: bytes) -> Wanted:
        wanted: Wanted = await self._ask("sync", replica, serving, failure, metrics)
        return wanted

    async def change(self, catalogue: Catalogue) -> None:
        await self._ask("change", catalogue)

    async def states(self) -> dict[str, ReplicaState]:
        states: dict[str, ReplicaState] = await self._ask("states")
        return states

    async def metrics(self) -> dict[str, bytes]:
        metrics: dict[str, bytes] = await self._ask("metrics")
        return metrics

    async def _ask(self, method: str, *arguments: Any) -> Any:
        return await _asked(self._keeper, "catalogues", method, *arguments)
