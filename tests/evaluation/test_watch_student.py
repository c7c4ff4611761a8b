"""Whatever goes wrong between the playground and the student is a sentence; the table forgets in time."""

from __future__ import annotations

import json
import time
from typing import Any, cast

import httpx2
import numpy as np
import pytest
from listening import running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.watching import check_playground, playground, split_overrides
from evaluation.watch.episode import HostedEpisode
from evaluation.watch.student import RemoteStudent
from evaluation.watch.table import EpisodeTable
from serve.config import ServeConfig
from serve.ports import free_port
from serve.problems import MEDIA_TYPE, Problem
from worlds.types import Goal, Observation, Status

SEEN = Observation(np.zeros((16, 16, 3), np.uint8), Goal("red"), Status(), (), (), ("go",), ())


def refusing(status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> Starlette:
    """A server that answers everything so."""

    async def answer(request: Request) -> Response:
        if content:
            return Response(content, status, headers)
        return JSONResponse({"detail": "so it is"}, status, headers, MEDIA_TYPE)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


def refusal(url: str, what: str = "decide") -> Problem:
    student = RemoteStudent(url, "", "SOME_KEY", 2.0)
    try:
        with pytest.raises(Problem) as caught:
            student.decide(SEEN, 0.0, 0) if what == "decide" else student.about()
        return caught.value
    finally:
        student.close()


def test_without_a_student_it_says_what_to_start() -> None:
    for what in ("decide", "about"):
        problem = refusal(f"http://127.0.0.1:{free_port()}", what)
        assert problem.status == 503
        assert "python retort.py serve RUN" in problem.detail


@pytest.mark.parametrize(
    ("status", "becomes", "said"),
    [
        (429, 429, "too much to do"),
        (504, 504, "deadline"),
        (401, 502, "SOME_KEY"),
        (403, 502, "SOME_KEY"),
        (422, 502, "so it is"),
        (500, 502, "so it is"),
    ],
)
def test_each_refusal_of_the_student_is_told(status: int, becomes: int, said: str) -> None:
    with running(refusing(status, {"Retry-After": "7"} if status == 429 else None)) as url:
        problem = refusal(url)
    assert problem.status == becomes
    assert said in problem.detail
    assert problem.headers == ({"Retry-After": "7"} if status == 429 else {})


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"[]", json.dumps({"data": []}).encode()])
def test_another_server_at_that_address_is_told_from_a_student(content: bytes) -> None:
    with running(refusing(200, content=content)) as url:
        for what in ("decide", "about"):
            problem = refusal(url, what)
            assert problem.status == 502
            assert "no Retort student" in problem.detail


def test_an_episode_that_nobody_touches_is_forgotten() -> None:
    class World:
        closed = 0

        def close(self) -> None:
            World.closed += 1

    now = 0.0
    table = EpisodeTable(limit=2, expiry_s=10.0, clock=lambda: now)
    episode = cast(HostedEpisode, type("Episode", (), {"world": World()})())
    name = table.add("ann", episode)
    now = 9.0
    with table.use(name, "ann"):
        now = 30.0
        # What is busy is neither forgotten nor makes room.
        second = table.add("ann", episode)
        with table.use(second, "ann"), pytest.raises(Problem) as full:
            table.add("ann", episode)
        assert full.value.status == 429
    with pytest.raises(Problem) as other, table.use(second, "bob"):
        pass
    assert other.value.status == 404
    now = 41.0
    with pytest.raises(Problem), table.use(name, "ann"):
        pass
    assert len(table) == 0
    assert World.closed == 2


def test_keys_of_the_playground_beside_serve() -> None:
    assert split_overrides(["port=1", "watch.port=2"], True) == (["port=1"], ["port=2"])
    with pytest.raises(ValueError, match="--watch"):
        split_overrides(["watch.port=2"], False)
    with pytest.raises(ValueError, match="nonsense"):
        check_playground(ServeConfig(), ["nonsense=1"])


def test_a_port_in_use_is_said() -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        return None

    with running(nothing) as url, pytest.raises(ValueError, match=r"watch\.port="):
        check_playground(ServeConfig(), [f"port={url.rpartition(':')[2]}"])


@pytest.mark.slow
def test_a_playground_of_its_own_process_ends_with_its_block(student_url: str) -> None:
    port = free_port()
    with playground([f"student={student_url}", f"port={port}"]):
        end = time.monotonic() + 240
        while True:
            try:
                answer = httpx2.get(f"http://127.0.0.1:{port}/api/student", timeout=30)
                break
            except httpx2.ConnectError:
                assert time.monotonic() < end, "the playground does not answer"
                time.sleep(0.5)
        assert answer.json()["model"] == "voxel"
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/")
