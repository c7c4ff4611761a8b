"""The HTTP interface: routes over a `Service`, nothing of Ray.

Invariant: a refusal is a problem document with a 4xx status (504 past the deadline), and no request body is
kept or logged.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.responses import StreamingResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from serve import chat, problems, session_routes
from serve.body import BodyLimit
from serve.chat import ChatRequest
from serve.keys import Authorization, KeyRing
from serve.problems import REFUSALS, Problem
from serve.service import Service
from serve.sessions import Sessions
from serve.wire import ActRequest, ActResponse, BatchRequest, BatchResponse


class Meters:
    """What `/metrics` tells of this replica."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        names = ["model", "version"]
        self._labels = (service.model, service.version)
        self._decisions = Counter("retort_decisions", "Decisions made.", names, registry=self.registry)
        self._refused = Counter(
            "retort_refused", "Requests refused.", [*names, "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "retort_request_seconds", "From a parsed request to its answer.", names,
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10), registry=self.registry,
        )  # fmt: skip
        queue = Gauge("retort_queue", "Observations that wait for the model.", names, registry=self.registry)
        queue.labels(*self._labels).set_function(lambda: len(service.batcher))

    def decided(self, count: int, seconds: float) -> None:
        self._decisions.labels(*self._labels).inc(count)
        self._seconds.labels(*self._labels).observe(seconds)

    def refused(self, status: int) -> None:
        self._refused.labels(*self._labels, str(status)).inc()


def make_app(service: Service, keys: KeyRing, sessions: Sessions) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(
        title="Retort student",
        description="A student that sees what a player sees and says what to do next.",
        version=service.version,
    )
    meters = Meters(service)
    problems.install(app, meters.refused)
    limit = int(service.config.max_body_mib * 2**20)
    app.add_middleware(BodyLimit, limit=limit, count=meters.refused)

    def may_act(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act")

    def may_chat(authorization: Authorization = None) -> str:
        return keys.check(authorization, "chat")

    def may_ask(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act", "chat", "admin")

    async def decide(requests: tuple[ActRequest, ...]) -> list[ActResponse]:
        began = time.perf_counter()
        responses = await service.act(requests)
        meters.decided(len(responses), time.perf_counter() - began)
        return responses

    @app.post("/v1/act", dependencies=[Depends(may_act)], responses=REFUSALS)
    async def act(request: ActRequest) -> ActResponse:
        """What the student does in the state that the observation shows."""
        return (await decide((request,)))[0]

    @app.post("/v1/act/batch", dependencies=[Depends(may_act)], responses=REFUSALS)
    async def act_batch(request: BatchRequest) -> BatchResponse:
        """Many states at once, answered in order."""
        return BatchResponse(responses=await decide(request.requests))

    @app.post(
        "/v1/chat/completions", dependencies=[Depends(may_chat)], responses=REFUSALS, response_model=None
    )
    async def chat_completions(request: ChatRequest) -> dict[str, Any] | StreamingResponse:
        """The student as a chat model (see `serve.chat`)."""
        if request.model != service.model:
            raise Problem(404, f"model: {request.model!r} is not served here, only {service.model!r}")
        asked = ActRequest.model_construct(
            observation=chat.to_wire(request),
            role=chat.role_of(request),
            order="",
            temperature=request.temperature,
            seed=request.seed or 0,
            alternatives=0,
        )
        (answer,) = await decide((asked,))
        if request.stream:
            return StreamingResponse(chat.chunks(answer), media_type="text/event-stream")
        return chat.completion(answer, *service.tokens(asked, answer))

    session_routes.install(app, decide, sessions, keys, limit, service.config.session_expiry_s)

    @app.get("/v1/models", dependencies=[Depends(may_ask)])
    async def models() -> dict[str, object]:
        """The models that are served, as OpenAI's API lists them."""
        entry = {"id": service.model, "object": "model", "created": 0, "owned_by": "retort"}
        return {"object": "list", "data": [entry | {"version": service.version}]}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        """The model is loaded."""
        return {"status": "ready", "model": service.model, "version": service.version}

    @app.get("/metrics", dependencies=[Depends(may_ask)])
    async def metrics() -> Response:
        """Prometheus text of the replica that answers."""
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)

    return app
