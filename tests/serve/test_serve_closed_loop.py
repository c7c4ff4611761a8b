"""A WebSocket whose client does not wait for answers: it is let go, and holds no memory before or after."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest
import websockets.sync.client
from listening import running
from served import children, fronts, served, until
from serving import observations, served_app
from tiny import ACTIONS
from websockets.exceptions import ConnectionClosed

from serve.batcher import Batcher
from serve.client import Client
from serve.closed_loop import FLOODED, UNANSWERED
from serve.config import ServeConfig
from serve.images import encode_frame
from student.config import StudentConfig

OPENING = json.dumps({"goal": {"text": "red"}, "actions": list(ACTIONS)})
STEP = json.dumps({"frame": encode_frame(observations(1)[0].frame)})
MIB = 2**20


def connected(url: str) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(url.replace("http", "ws") + "/v1/session")


def opened(url: str) -> tuple[websockets.sync.client.ClientConnection, str]:
    """A connection, and its episode's id."""
    connection = connected(url)
    connection.send(OPENING)
    return connection, str(json.loads(connection.recv(timeout=20))["id"])


def let_go(connection: websockets.sync.client.ClientConnection, messages: int, text: str) -> tuple[int, str]:
    """(code, reason) with which a client that sends so many messages is closed."""
    try:
        for _ in range(messages):
            connection.send(text)
        for _ in range(messages):
            connection.recv(timeout=30)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    return 0, "it is open still"


@pytest.fixture
def slow_model(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Decisions wait for the event."""
    go, ask = threading.Event(), Batcher.ask

    async def slowly(self: Batcher, *asked: object) -> object:
        while not go.is_set():
            await asyncio.sleep(0.01)
        return await ask(self, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Batcher, "ask", slowly)
    return go


def test_a_few_messages_ahead_are_answered_in_order(
    student: StudentConfig, slow_model: threading.Event
) -> None:
    with running(served_app(student)) as url, connected(url) as connection:
        connection.send(OPENING)
        for _ in range(UNANSWERED - 1):
            connection.send(STEP)
        time.sleep(0.3)
        slow_model.set()
        told = [json.loads(connection.recv(timeout=20)) for _ in range(UNANSWERED)]
    assert told[0]["decisions"] == 0
    assert all(one["action"] in ACTIONS for one in told[1:])


def test_who_sends_without_waiting_is_let_go(student: StudentConfig, slow_model: threading.Event) -> None:
    with running(served_app(student, ServeConfig(max_body_mib=0.25))) as url:
        for messages, text in ((UNANSWERED + 3, STEP), (4, STEP[:-1] + " " * 100_000 + "}")):
            slow_model.clear()
            connection, name = opened(url)
            threading.Timer(0.5, slow_model.set).start()
            assert let_go(connection, messages, text) == (1008, FLOODED)
            until(lambda name=name: httpx2.get(f"{url}/v1/sessions/{name}").status_code == 404)
        refused = httpx2.get(f"{url}/metrics").text
        assert 'status="429"} 2.0' in refused
        connection, _ = opened(url)
        connection.send(STEP)
        assert json.loads(connection.recv(timeout=20))["action"] in ACTIONS
        connection.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("front", ["haproxy", "ray"])
def test_a_flood_holds_no_memory_behind_either_front(folder: Path, tmp_path: Path, front: str) -> None:
    with served(folder, tmp_path / "log", f"front={front}", "deadline_s=3") as (process, url):
        assert bool(fronts(process)) == (front == "haproxy")
        with Client(url) as client:
            client.act(observations(1)[0])
            servers = [*fronts(process), *children(process, "ServeReplica"), *children(process, "ProxyActor")]
            with grown_mib(servers) as grown:
                for text in (STEP, "x" * 2**17):
                    connection, name = opened(url)
                    assert let_go(connection, 4000, text) == (1008, FLOODED)
                    until(lambda name=name: httpx2.get(f"{url}/v1/sessions/{name}").status_code == 404)
                _flood_that_reads_nothing(url, 512 * MIB)
                assert client.act(observations(1)[0]).action in ACTIONS
            assert max(grown.values()) < 150, grown
        # Whoever leaves in the ordinary way leaves no episode behind.
        for _ in range(5):
            connection, name = opened(url)
            connection.close()
            until(lambda name=name: httpx2.get(f"{url}/v1/sessions/{name}").status_code == 404)


@contextmanager
def grown_mib(processes: list[psutil.Process]) -> Iterator[dict[str, float]]:
    """By how much each process was larger at most than it was, in MiB."""
    before = {one: one.memory_info().rss for one in processes}
    grown: dict[str, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for one in processes:
                with suppress(psutil.Error):
                    more = (one.memory_info().rss - before[one]) / MIB
                    name = f"{one.pid} {''.join(one.cmdline())[:40] or one.name()}"
                    grown[name] = max(grown.get(name, 0.0), more)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield grown
    finally:
        over.set()
        looking.join()


def _flood_that_reads_nothing(url: str, most: int) -> None:
    """Frames by hand, until the server has gone: a client that heeds no close and takes no answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        key = base64.b64encode(os.urandom(16)).decode()
        raw.sendall(
            f"GET /v1/session HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in raw.recv(4096)
        payload = b"x" * 2**16
        frame = b"\x81\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload  # the mask is 0
        with suppress(ConnectionError):
            for _ in range(most // len(frame)):
                raw.sendall(frame)
