"""Who may come in, seen from a request's headers before its body is read.

Invariant: without API keys nobody is answered but programs and pages of this machine; with them, nobody
without a known key has a body read. Scopes, rates and a WebSocket's key are the routes' own.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.config import is_loopback
from serve.keys import KeyRing
from serve.problems import Problem, document


class Gate:
    """ASGI middleware: 403 for what came under another name than the loopback's where no keys are asked for,
    401 without a known key below the paths `guarded` where they are; `count` hears of it."""

    def __init__(
        self, app: ASGIApp, keys: KeyRing, guarded: tuple[str, ...], count: Callable[[int], None]
    ) -> None:
        self._app, self._keys, self._guarded, self._count = app, keys, guarded, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            self._count(problem.status)
            if scope["type"] == "http":
                await document(problem)(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": problem.detail})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not self._keys.asks:
            # A page of any site can be made to ask here: openly (Origin), or under that site's own name,
            # which was made to point here (DNS rebinding).
            _check_loopback("//" + headers.get("host", ""), "Host")
            if "origin" in headers:
                _check_loopback(headers["origin"], "Origin")
        elif scope["type"] == "http" and scope["path"].startswith(self._guarded):
            self._keys.known(headers.get("authorization"))


def _check_loopback(url: str, header: str) -> None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # half an IPv6 address
        host = ""
    if not is_loopback(host):
        raise Problem(
            403,
            f"{header}: without API keys, only programs and pages of this machine are answered, under "
            "127.0.0.1 or localhost: serve with keys=... to be asked from elsewhere",
        )
