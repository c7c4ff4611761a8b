"""The HTTP interface: routes over a `Fleet`, nothing of Ray.

Invariant: a refusal is a problem document with a 4xx status (504 past the deadline), and no request body is
kept or logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Response, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST

from serve import chat, model_routes, problems, session_routes
from serve.body import BodyLimit
from serve.catalogues import Catalogues
from serve.chat import ChatRequest
from serve.fleet import Fleet, grouped
from serve.follower import Follower
from serve.form import from_form
from serve.gate import Gate
from serve.keys import Authorization, KeyRing
from serve.meters import Meters, merged
from serve.problems import ELSEWHERE, REFUSALS, Problem
from serve.service import Service
from serve.sessions import Sessions
from serve.wire import ActRequest, ActResponse, BatchRequest, BatchResponse
from student.types import Prompt

IN_LOOP = 4
"""Requests whose pictures are decoded at once; those of more are decoded in a thread."""


def make_app(fleet: Fleet, keys: KeyRing, sessions: Sessions, catalogues: Catalogues) -> FastAPI:
    """The ASGI application."""
    meters = Meters(fleet)
    follower = Follower(fleet, catalogues, meters, keys.share)

    @asynccontextmanager
    async def following(_: FastAPI) -> AsyncIterator[None]:
        await follower.catch_up()  # a replica that comes later must not begin with what was taken out
        task = asyncio.create_task(follower.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    # FastAPI's own page loads its scripts from elsewhere, where a machine may have no way to.
    app = FastAPIOffline(
        title="Retort student",
        description="A student that sees what a player sees and says what to do next.",
        lifespan=following,
        static_url="/docs/files",
        redoc_url=None,  # it asks elsewhere for a picture
    )
    problems.install(app, meters.refused)
    limit = int(fleet.config.max_body_mib * 2**20)
    app.add_middleware(BodyLimit, limit=limit, within_s=fleet.config.deadline_s, count=meters.refused)
    app.add_middleware(Gate, keys=keys, guarded=("/v1/", "/metrics"), count=meters.refused)

    async def may_act(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act")

    async def may_chat(authorization: Authorization = None) -> str:
        return keys.check(authorization, "chat")

    async def may_ask(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act", "chat", "admin")

    async def decided(
        service: Service, requests: list[ActRequest], prompts: list[Prompt]
    ) -> list[ActResponse]:
        began = time.perf_counter()
        try:
            answers = await service.act(requests, prompts)
        except Exception as error:
            meters.failed(service, error.status if isinstance(error, Problem) else 500)
            raise
        meters.decided(service, len(answers), time.perf_counter() - began)
        return answers

    async def decide(requests: tuple[ActRequest, ...]) -> list[ActResponse]:
        groups = grouped([fleet.choose(request) for request in requests])
        answers: dict[int, ActResponse] = {}
        with ExitStack() as stack:
            for service in groups:
                stack.enter_context(service.used())
            parts = []
            for service, places in groups.items():
                chosen = [requests[place] for place in places]
                service.batcher.mind_room(len(chosen))  # said before their pictures are decoded
                few = len(chosen) <= IN_LOOP  # many pictures would hold up everybody else
                prompts = service.prompts(chosen) if few else await asyncio.to_thread(service.prompts, chosen)
                parts.append((service, chosen, prompts))
            told = await asyncio.gather(*(decided(*part) for part in parts))
        for places, found in zip(groups.values(), told, strict=True):
            answers |= dict(zip(places, found, strict=True))
        return [answers[place] for place in range(len(requests))]

    @app.post("/v1/act", dependencies=[Depends(may_act)], responses=REFUSALS)
    async def act(request: ActRequest) -> ActResponse:
        """What the student does in the state that the observation shows."""
        return (await decide((request,)))[0]

    @app.post("/v1/act/form", dependencies=[Depends(may_act)], responses=REFUSALS)
    async def act_form(
        request: Annotated[str, Form(description="An ActRequest as JSON, without its pictures.")],
        frame: Annotated[UploadFile, File(description="A PNG or JPEG.")],
        goal_image: Annotated[UploadFile | None, File(description="The goal's picture.")] = None,
    ) -> ActResponse:
        """The same as `/v1/act`, with the pictures as files of a form (`curl -F`)."""
        picture = None if goal_image is None else await goal_image.read()
        return (await decide((from_form(request, await frame.read(), picture),)))[0]

    @app.post("/v1/act/batch", dependencies=[Depends(may_act)], responses=REFUSALS)
    async def act_batch(request: BatchRequest, authorization: Authorization = None) -> BatchResponse:
        """Many states at once, answered in order; each counts as a request."""
        keys.charge(authorization, len(request.requests) - 1)
        return BatchResponse(responses=await decide(request.requests))

    @app.post(
        "/v1/chat/completions", dependencies=[Depends(may_chat)], responses=REFUSALS, response_model=None
    )
    async def chat_completions(request: ChatRequest) -> dict[str, Any] | StreamingResponse:
        """The student as a chat model (see `serve.chat`)."""
        asked = ActRequest.model_construct(
            observation=chat.to_wire(request),
            model=request.model,
            role=chat.role_of(request),
            order="",
            temperature=request.temperature,
            seed=request.seed or 0,
            alternatives=0,
        )
        service = fleet.choose(asked)
        with service.used():
            prompts = service.prompts([asked])
            (answer,) = await decided(service, [asked], prompts)
        usage = chat.usage_of(*service.tokens(prompts[0], answer))
        if request.stream:
            asked_for = request.stream_options is not None and request.stream_options.include_usage
            told = chat.chunks(answer, usage if asked_for else None)
            return StreamingResponse(told, media_type="text/event-stream")
        return chat.completion(answer, usage)

    session_routes.install(
        app, decide, fleet, sessions, keys, limit, fleet.config.session_expiry_s, meters.refused
    )
    model_routes.install(app, fleet, catalogues, follower, keys)

    @app.get("/healthz", responses=ELSEWHERE)
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses=ELSEWHERE)
    async def readyz() -> dict[str, str]:
        """The models are loaded; the default's name and version."""
        first = model_routes.listed(fleet.catalogue)[0]
        return {"status": "ready", "model": first.id, "version": first.version}

    @app.get(
        "/metrics", dependencies=[Depends(may_ask)], response_class=PlainTextResponse, responses=REFUSALS
    )
    async def metrics() -> Response:
        """Prometheus text of all replicas, told apart by the label `replica`."""
        await follower.tell()
        return Response(merged(await catalogues.metrics()), media_type=CONTENT_TYPE_LATEST)

    return app
