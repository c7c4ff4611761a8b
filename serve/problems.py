"""Refusals as problem documents (RFC 9457): a status, a title and a sentence that says what to change."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal with an HTTP status; `detail` is for the person who sent the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def __reduce__(self) -> tuple[type[Problem], tuple[int, str, dict[str, str]]]:
        """It crosses processes whole."""
        return Problem, (self.status, self.detail, self.headers)


def document(problem: Problem) -> JSONResponse:
    """The response that tells of `problem`."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every refusal of `app` with a problem document."""

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:
        return document(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if "json" not in request.headers.get("content-type", ""):
            return document(Problem(415, "send JSON, with the header Content-Type: application/json"))
        # Only where and why: the input itself may be megabytes, or no JSON (NaN).
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return document(Problem(422, f"{place}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return document(Problem(error.status_code, str(error.detail), error.headers))
