"""Who is let in, before anything of a request is read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from serving import JSON, SOCKET, body, observations, problem, served_app
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serve.keys import KeyRing, add_key, read_keys
from student.config import StudentConfig

ELSEWHERE = (
    {"Host": "rebound.example"},
    {"Host": "[::1"},
    {"Origin": "https://page.example"},
    {"Origin": "null"},
)
THIS_MACHINE = ({"Host": "localhost:8000"}, {"Host": "[::1]:8000"}, {"Origin": "http://localhost:3000"})


@pytest.mark.parametrize("header", ELSEWHERE)
def test_without_keys_no_page_of_elsewhere_is_answered(client: TestClient, header: dict[str, str]) -> None:
    good = body(observations(1)[0])
    told = problem(client.post("/v1/act", content=good, headers=JSON | header))
    assert (told["status"], "without API keys" in told["detail"]) == (403, True)
    assert problem(client.get("/metrics", headers=header))["status"] == 403
    assert problem(client.delete("/v1/models/tiny", headers=header))["status"] == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=header):
        pytest.fail("a page of elsewhere was let in")


@pytest.mark.parametrize("header", THIS_MACHINE)
def test_without_keys_this_machine_is_answered(client: TestClient, header: dict[str, str]) -> None:
    good = body(observations(1)[0])
    assert client.post("/v1/act", content=good, headers=JSON | header).status_code == 200
    with client.websocket_connect(SOCKET, headers=header):
        pass


def test_with_keys_the_name_is_free_and_the_key_is_looked_at(student: StudentConfig, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "ann", ["act"], 0)
    app = served_app(student, keys=KeyRing(read_keys(tmp_path / "keys.json")))
    with TestClient(app, "https://student.example") as client:
        headers = JSON | {"Authorization": f"Bearer {key}", "Origin": "https://page.example"}
        good = body(observations(1)[0])
        assert client.post("/v1/act", content=good, headers=headers).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_with_keys_anybody_reads_the_page_about_the_interface(student: StudentConfig, tmp_path: Path) -> None:
    add_key(tmp_path / "keys.json", "ann", ["act"], 0)
    app = served_app(student, keys=KeyRing(read_keys(tmp_path / "keys.json")))
    with TestClient(app, "https://student.example") as client:
        page = client.get("/docs").text
        needed = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)""", page)
        assert len(needed) >= 4, page
        for path in needed:
            assert path.startswith("/"), "it is somewhere else's"
            assert client.get(path).status_code == 200
        assert problem(client.get("/docs/files/none.js"))["status"] == 404
        assert problem(client.get("/redoc"))["status"] == 404
        schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
        assert schemes["key"]["scheme"] == "bearer"


def test_without_a_known_key_no_body_is_read(student: StudentConfig, tmp_path: Path) -> None:
    add_key(tmp_path / "keys.json", "ann", ["act"], 0)
    app = served_app(student, keys=KeyRing(read_keys(tmp_path / "keys.json")))
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            pytest.fail("the body of a stranger was read")

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/v1/act", "raw_path": b"/v1/act", "query_string": b"",
            "headers": [(b"host", b"x"), (b"content-length", b"1000"), (b"authorization", b"Bearer guess")],
        }  # fmt: skip
        await app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 401
