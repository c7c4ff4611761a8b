"""A request's body is counted and timed as it comes, and refused before it is read whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.problems import Problem, document


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit` bytes, declared or not, 408 for one that is not
    there after `within_s`; `count` hears of it."""

    def __init__(self, app: ASGIApp, limit: int, within_s: float, count: Callable[[int], None]) -> None:
        self._app, self._limit, self._within_s, self._count = app, limit, within_s, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem: Problem | None = None
        too_large = Problem(413, f"a request's body has at most {self._limit} bytes here")
        too_slow = Problem(408, f"a request's body comes within {self._within_s:g} s here")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            self._count(413)
            await document(too_large)(scope, receive, send)
            return
        taken, refused, more = 0, False, True
        clock = asyncio.get_running_loop().time
        ends = clock() + self._within_s

        async def counted() -> Message:
            nonlocal taken, more, problem
            if not more:  # what comes after the body is the end of the connection, whenever that is
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, ends - clock()))
            except TimeoutError:
                problem = too_slow
                raise _Refused(too_slow.status, too_slow.detail) from None
            taken += len(message.get("body", b""))
            more = bool(message.get("more_body", False))
            if taken > self._limit:
                problem = too_large
                raise _Refused(too_large.status, too_large.detail)
            return message

        async def watched(message: Message) -> None:
            # Whatever the application makes of the broken-off body, the answer is the refusal.
            nonlocal refused
            if problem is None:
                await send(message)
            elif not refused:
                refused = True
                if message.get("status") != problem.status:  # else the application has counted it
                    self._count(problem.status)
                await document(problem)(scope, receive, send)

        await self._app(scope, counted, watched)


class _Refused(HTTPException):
    """What a framework passes on as it is, where it would make another refusal of another error."""
