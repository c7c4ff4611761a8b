"""The endpoint as an ASGI application: chat completions, embeddings, models, and nothing kept.

Invariant: it answers from the request's text alone (images are taken and not looked at), and every fault is
one that an OpenAI client may meet.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, ClassVar, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from teachers.endpoint.answers import NotUnderstood, answer
from teachers.endpoint.faults import Fate, Fault, FaultConfig
from teachers.endpoint.vectors import MODEL as EMBEDDINGS
from teachers.endpoint.vectors import vectors

MODEL = "retort-scripted"
TEXTS: dict[Fault, str] = {
    "no JSON": "Sure! I would turn right, because",
    "wrong schema": json.dumps({"move": "turn right 90", "confidence": 0.9}),
    "off the grammar": json.dumps({"thought": "fly", "action": "fly to the moon", "also_good": []}),
}


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """Its text parts."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""


class _Asked(BaseModel):
    """What both routes are sent. `model_name` is the one that answers, `kind` what the request is called."""

    model_config = ConfigDict(extra="ignore")
    model_name: ClassVar[str]
    kind: ClassVar[str]

    model: str


class _Chat(_Asked):
    model_name, kind = MODEL, "chat completion"

    messages: list[_Message]


class _Texts(_Asked):
    model_name, kind = EMBEDDINGS, "embedding"

    input: str | list[str]


_Form = TypeVar("_Form", bound=_Asked)


class _Refused(Exception):
    """The request is answered with this error."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


class _Dropped(Exception):
    """Ends the connection within an answer."""


def make_app(config: FaultConfig) -> FastAPI:
    """The application; `app.state.asked` counts the completions that teams asked for, `embedded` the requests
    for embeddings, `failed` those of both that a fault befell."""
    app = FastAPI(openapi_url=None)  # no pages about it: FastAPI's load their scripts from elsewhere
    fate = Fate(config)
    app.state.asked = app.state.embedded = app.state.failed = 0

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        names = (MODEL, EMBEDDINGS)
        listed = [{"id": name, "object": "model", "owned_by": "retort"} for name in names]
        return {"object": "list", "data": listed}

    @app.exception_handler(_Refused)
    async def refuse(_: Request, refused: _Refused) -> Response:
        error = {"message": str(refused), "type": "retort", "param": None, "code": refused.status}
        return JSONResponse({"error": error}, refused.status, refused.headers)

    async def read(form: type[_Form], content: bytes) -> tuple[_Form, Fault | None]:
        """The request and the fault that befalls it, once its time has passed."""
        try:
            asked = form.model_validate_json(content)
        except ValidationError as error:
            raise _Refused(400, f"no {form.kind} request: {error.errors()[0]['msg']}") from error
        if asked.model != form.model_name:
            raise _Refused(404, f"no {form.kind} by {asked.model!r} here, only by {form.model_name!r}")
        fault, seconds = fate.of(content)
        app.state.failed += fault is not None
        await asyncio.sleep(config.silence_s if fault == "silence" else seconds)
        if fault == "busy":
            raise _Refused(429, "too many requests", {"Retry-After": f"{config.retry_after_s:g}"})
        if fault == "error":
            raise _Refused(500, "something broke")
        return asked, fault

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        app.state.asked += 1
        content = await request.body()
        asked, fault = await read(_Chat, content)
        user_texts = [message.text for message in asked.messages if message.role == "user"]
        try:
            text = TEXTS[fault] if fault in TEXTS else await asyncio.to_thread(answer, user_texts)
        except NotUnderstood as error:
            app.state.asked -= 1  # such as the small question before a run
            raise _Refused(400, str(error)) from error
        return _respond(fault, _completion(text, fault, len(content)))

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        app.state.embedded += 1
        content = await request.body()
        asked, fault = await read(_Texts, content)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        return _respond(fault, _embeddings(texts, fault, len(content)))

    return app


def _completion(text: str, fault: Fault | None, size: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    finish = "stop"
    if fault == "refusal":
        message |= {"content": None, "refusal": "I'm sorry, but I can't help with that."}
    elif fault == "cut off":
        message["content"], finish = text[: len(text) // 2], "length"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": []
        if fault == "no choice"
        else [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": size // 4,
            "completion_tokens": len(text) // 4,
            "total_tokens": size // 4 + len(text) // 4,
        },
    }


def _embeddings(texts: list[str], fault: Fault | None, size: int) -> dict[str, Any]:
    """A vector a text; with a fault of what an answer says, the last one is missing."""
    told = vectors(texts if fault is None else texts[:-1])
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(told)]
    usage = {"prompt_tokens": size // 4, "total_tokens": size // 4}
    return {"object": "list", "data": data, "model": EMBEDDINGS, "usage": usage}


def _respond(fault: Fault | None, answer_: dict[str, Any]) -> Response:
    body = json.dumps(answer_).encode()
    if fault == "half a body":
        return Response(body[: len(body) // 2], media_type="application/json")
    if fault == "drop":

        async def cut() -> AsyncIterator[bytes]:
            yield body[: len(body) // 2]
            raise _Dropped("dropped on purpose")

        return StreamingResponse(
            cut(), media_type="application/json", headers={"Content-Length": str(len(body))}
        )
    return Response(body, media_type="application/json")


def run_endpoint(config: FaultConfig, host: str, port: int) -> None:
    """Serve until interrupted. Raises ValueError for a port that is taken."""
    import logging
    import socket

    import uvicorn

    class _Quiet(logging.Filter):
        """Faults that were ordered are no errors."""

        def filter(self, record: logging.LogRecord) -> bool:
            return not (record.exc_info and "_Dropped" in repr(record.exc_info))

    logging.getLogger("uvicorn.error").addFilter(_Quiet())
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise ValueError(
            f"port {port} of {host} cannot be listened on ({error.strerror}): choose another with --port"
        ) from error
    print(f"teacher endpoint: http://{host}:{listener.getsockname()[1]}/v1, model {MODEL}", flush=True)
    # Whoever waits for a silent answer keeps nobody from ending this: nothing here is worth finishing.
    settings = uvicorn.Config(
        make_app(config), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(settings)
    server.run(sockets=[listener])
