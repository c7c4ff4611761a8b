"""Refusals as problem documents (RFC 9457): a status, a title and a sentence that says what to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
REFUSALS: dict[int | str, dict[str, object]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    for status, text in {
        400: "no JSON",
        401: "no known key",
        403: "the key lacks the scope; without keys, asked from elsewhere",
        404: "no such session, model or version",
        408: "the body did not come in time",
        409: "the session is deciding, or the models were changed meanwhile",
        413: "body or picture too large",
        415: "not JSON, or no form where one is asked for",
        422: "not an observation",
        429: "too many requests: see Retry-After",
        503: "a process is being replaced: see Retry-After",
        504: "past the deadline",
    }.items()
}

LONGEST = 300
FASTAPIS = "There was an error parsing the body"
"""Its words for a body that is no JSON in any way that it did not foresee."""

ELSEWHERE: dict[int | str, dict[str, object]] = {403: REFUSALS[403]}
"""Of routes that anybody may ask who is let in at all."""


class Problem(Exception):
    """A refusal with an HTTP status; `detail` is for the person who sent the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def __reduce__(self) -> tuple[type[Problem], tuple[int, str, dict[str, str]]]:
        """It crosses processes whole."""
        return Problem, (self.status, self.detail, self.headers)


def where_and_why(error: ValidationError | RequestValidationError) -> str:
    """What does not fit, without the input itself: that may be megabytes, or no JSON (NaN)."""
    # Where something may be of several kinds, the kind that fits furthest is the one that was meant.
    meant = max(error.errors(), key=lambda one: len(one["loc"]))
    # An unknown field has its sender's name; what has a bracket is pydantic's name of a kind.
    where = ".".join(part for part in map(str, meant["loc"]) if "[" not in part)
    return f"{where[:LONGEST]}: {meant['msg'][:LONGEST]}"


def body_of(problem: Problem) -> dict[str, object]:
    """The problem document. Its `error` is OpenAI's form of it, the one that their clients show."""
    title, detail = HTTPStatus(problem.status).phrase, problem.detail
    error = {"message": detail, "type": title, "param": None, "code": str(problem.status)}
    return {"type": "about:blank", "title": title, "status": problem.status, "detail": detail, "error": error}


def document(problem: Problem) -> JSONResponse:
    """The response that tells of `problem`."""
    return JSONResponse(body_of(problem), problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI, count: Callable[[int], None]) -> None:
    """Answer every refusal of `app` with a problem document; `count` hears its status."""

    def refuse(problem: Problem) -> JSONResponse:
        count(problem.status)
        return document(problem)

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:
        return refuse(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        kind = request.headers.get("content-type", "")
        if request.url.path.endswith("/form"):
            if "form" not in kind:
                return refuse(Problem(415, "send a form (multipart/form-data)"))
            how = "pictures are files (curl -F frame=@FILE), request is text"
            return refuse(Problem(422, f"{where_and_why(error)} ({how})"))
        if "json" not in kind:
            return refuse(Problem(415, "send JSON, with the header Content-Type: application/json"))
        return refuse(Problem(422, where_and_why(error)))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        asked, detail = request.url.path[:LONGEST], str(error.detail)
        if detail == HTTPStatus(error.status_code).phrase:  # Starlette's own: of paths and methods
            known = {404: f"there is no {asked} here", 405: f"{request.method} is not for {asked}: see Allow"}
            detail = known.get(error.status_code, detail)
        elif detail == FASTAPIS:
            detail = "the body is no JSON in UTF-8, or one too deep: send it as such, uncompressed"
        return refuse(Problem(error.status_code, detail, error.headers))
