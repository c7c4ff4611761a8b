"""A request's body is counted as it comes, and refused before it is read whole."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.problems import Problem, document


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit` bytes, declared or not; `count` hears of it."""

    def __init__(self, app: ASGIApp, limit: int, count: Callable[[int], None]) -> None:
        self._app, self._limit, self._count = app, limit, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = document(Problem(413, f"a request's body has at most {self._limit} bytes here"))
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            self._count(413)
            await refusal(scope, receive, send)
            return
        taken, refused = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            # Whatever the application makes of the broken-off body, the answer is the refusal.
            nonlocal refused
            if taken <= self._limit:
                await send(message)
            elif not refused:
                refused = True
                self._count(413)
                await refusal(scope, receive, send)

        await self._app(scope, counted, watched)


class _TooLarge(Exception):
    pass
