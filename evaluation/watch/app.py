"""The playground over HTTP: the page, and what it asks for.

Invariant: a refusal is a problem document, never a 500; the page runs no code and loads nothing but its own
files, as its Content-Security-Policy says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evaluation.watch.playground import Playground
from evaluation.watch.wire import Catalogue, Look, LookRequest, OpenRequest, Scene, StepRequest
from serve import problems
from serve.body import BodyLimit
from serve.gate import Gate
from serve.keys import Authorization, KeyRing

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Guarded:
    """ASGI middleware: `HEADERS` on every answer; the API's are never stored, the page's always checked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Cache-Control"] = "no-store" if scope["path"].startswith("/api/") else "no-cache"
            await send(message)

        await self._app(scope, receive, headed if scope["type"] == "http" else send)


def make_app(playground: Playground, keys: KeyRing) -> FastAPI:
    """The ASGI application; it closes the connection to the student when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        playground.student.close()

    # No pages about it: FastAPI's load their scripts from elsewhere, which the policy forbids.
    app = FastAPI(openapi_url=None, lifespan=lifespan)
    problems.install(app, _uncounted)
    app.add_middleware(
        BodyLimit,
        limit=int(playground.config.max_body_mib * 2**20),
        within_s=playground.config.timeout_s,
        count=_uncounted,
    )
    app.add_middleware(Gate, keys=keys, guarded=("/api/",), count=_uncounted)
    app.add_middleware(Guarded)

    def caller(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act")

    @app.get("/api/catalogue")
    def catalogue(owner: str = Depends(caller)) -> Catalogue:
        """What can be opened."""
        return playground.catalogue()

    @app.get("/api/student")
    def student(owner: str = Depends(caller)) -> dict[str, str]:
        """Who decides; a problem document where nobody answers."""
        return playground.student.about()

    @app.post("/api/episodes")
    def begin(request: OpenRequest, owner: str = Depends(caller)) -> Scene:
        """Begin an episode."""
        return playground.open(owner, request)

    @app.get("/api/episodes/{name}")
    def scene(name: str, owner: str = Depends(caller)) -> Scene:
        """The episode as it stands."""
        return playground.scene(owner, name)

    @app.post("/api/episodes/{name}/ask")
    def ask(name: str, owner: str = Depends(caller)) -> Scene:
        """The student's decision in the present state; asking twice gives the same."""
        return playground.ask(owner, name)

    @app.post("/api/episodes/{name}/step")
    def step(name: str, request: StepRequest, owner: str = Depends(caller)) -> Scene:
        """Carry out the student's decision, or one by hand."""
        return playground.step(owner, name, request)

    @app.delete("/api/episodes/{name}", status_code=204)
    def end(name: str, owner: str = Depends(caller)) -> Response:
        """Forget the episode."""
        playground.table.close(name, owner)
        return Response(status_code=204)

    @app.post("/api/look")
    def look(request: LookRequest, owner: str = Depends(caller)) -> Look:
        """The student's decision on a picture of one's own."""
        return playground.look(request)

    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


def _uncounted(status: int) -> None:
    """The playground keeps no meters of refusals."""
