"""The routes of sessions: over HTTP, and over one WebSocket for closed-loop control.

Invariant: a decision that fails leaves its session as it was, and a connection's session ends with it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from fastapi import Depends, FastAPI, WebSocket
from pydantic import BaseModel, ValidationError

from serve.closed_loop import converse
from serve.fleet import Fleet
from serve.images import decode_frame, encode_frame
from serve.keys import Authorization, KeyRing
from serve.problems import REFUSALS, Problem, body_of, where_and_why
from serve.sessions import SessionInfo, SessionRequest, Sessions, StepRequest
from serve.wire import ActRequest, ActResponse, WireTurn


def install(
    app: FastAPI,
    decide: Callable[[tuple[ActRequest, ...]], Awaitable[list[ActResponse]]],
    fleet: Fleet,
    sessions: Sessions,
    keys: KeyRing,
    limit: int,
    idle_s: float,
    count: Callable[[int], None],
) -> None:
    """Add the routes to `app`. A WebSocket's message has at most `limit` characters; after `idle_s` without
    one it is closed. At most `max_queue` of them are open here, for each holds one of the places that Ray
    Serve gives to requests. `count` hears the status of what one is refused."""
    open_sockets = 0
    episodes: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references to what runs

    async def may_act(authorization: Authorization = None) -> str:
        return keys.check(authorization, "act")

    async def advance(name: str, owner: str, step: StepRequest) -> ActResponse:
        session = await sessions.begin(name, owner)
        turn = None
        try:
            request = ActRequest.model_construct(
                observation=session.observation(step),
                model=fleet.pinned(session.request.model, draw=random.Random(name).random()),
                role=session.request.role,
                order=session.request.order,
                temperature=session.request.temperature,
                seed=step.seed,
                alternatives=step.alternatives,
            )
            (answer,) = await decide((request,))
            turn = WireTurn(note=answer.note, action=answer.action, heading_deg=step.status.heading_deg)
            return answer
        finally:
            await sessions.finish(name, step.outcome, turn)

    async def begin(owner: str, request: SessionRequest) -> SessionInfo:
        if request.goal.image is not None:  # what is kept is a picture and nothing else
            picture = encode_frame(decode_frame(request.goal.image, fleet.config.max_pixels))
            request = request.model_copy(update={"goal": request.goal.model_copy(update={"image": picture})})
        asked = ActRequest.model_construct(model=request.model, role=request.role)
        service = fleet.choose(asked)
        pinned = request.model_copy(update={"model": f"{service.model}@{service.version}"})
        return await sessions.info(await sessions.create(owner, pinned), owner)

    @app.post("/v1/sessions", status_code=201, responses=REFUSALS)
    async def open_session(request: SessionRequest, owner: str = Depends(may_act)) -> SessionInfo:
        """Begin an episode whose history the server keeps."""
        return await begin(owner, request)

    @app.post("/v1/sessions/{name}/act", responses=REFUSALS)
    async def act_in_session(name: str, step: StepRequest, owner: str = Depends(may_act)) -> ActResponse:
        """The next decision of the episode."""
        return await advance(name, owner, step)

    @app.get("/v1/sessions/{name}", responses=REFUSALS)
    async def session(name: str, owner: str = Depends(may_act)) -> SessionInfo:
        """The episode so far."""
        return await sessions.info(name, owner)

    @app.delete("/v1/sessions/{name}", status_code=204, responses=REFUSALS)
    async def close_session(name: str, owner: str = Depends(may_act)) -> None:
        """Forget the episode."""
        await sessions.close(name, owner)

    @app.websocket("/v1/session")
    async def closed_loop(socket: WebSocket) -> None:
        """An episode over one connection: a `SessionRequest`, then a `StepRequest` per decision; each is
        answered with what the route of its kind answers, or with a problem document."""
        nonlocal open_sockets
        header = socket.headers.get("authorization")
        try:
            owner = keys.let_in(header, "act")
            if open_sockets >= fleet.config.max_queue:
                raise Problem(429, "too many connections are open here")
        except Problem as problem:
            count(problem.status)
            await socket.close(1008, problem.detail)
            return
        open_sockets += 1
        name = ""

        async def decided(text: str) -> BaseModel:
            nonlocal name
            keys.check(header, "act")  # a message counts as a request does
            if name:
                return await advance(name, owner, StepRequest.model_validate_json(text))
            info = await begin(owner, SessionRequest.model_validate_json(text))
            name = info.id
            return info

        async def answer(message: str | Problem) -> str:
            try:
                if isinstance(message, Problem):
                    raise message
                return (await decided(message)).model_dump_json()
            except ValidationError as error:
                problem = Problem(422, where_and_why(error))
            except Problem as refused:
                problem = refused
            count(problem.status)
            return json.dumps(body_of(problem))

        async def episode() -> None:
            nonlocal open_sockets
            try:
                await socket.accept()
                await converse(socket, answer, limit, idle_s, fleet.config.deadline_s, count)
            finally:
                open_sockets -= 1
                if name:
                    with suppress(Problem):  # it may have expired
                        await sessions.close(name, owner)

        # Ray cancels what handles a connection that has ended, be it in the midst of ending the session.
        episodes.add(task := asyncio.create_task(episode()))
        task.add_done_callback(episodes.discard)
        await asyncio.shield(task)
