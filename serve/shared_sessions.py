"""Sessions that all replicas share: a table in a process of its own, asked through a Serve handle.

Invariant: what the table refuses is refused by every replica in the same words.
"""

from __future__ import annotations

from typing import Any

from ray.exceptions import RayTaskError

from serve.problems import Problem
from serve.sessions import Session, SessionInfo, SessionRequest, SessionTable
from serve.wire import WireTurn


class SessionKeeper(SessionTable):
    """The table, as a Serve deployment of one replica."""


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
        try:
            return await getattr(self._keeper, method).remote(*arguments)
        except RayTaskError as error:
            if isinstance(error.cause, Problem):
                raise error.cause from None
            raise
