"""Sessions: the server keeps the history that a caller would have kept, for its owner, and not for ever."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from serving import HERE, SOCKET, body, observations, problem, served_app
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tiny import ACTIONS, NOTES

from serve.config import ServeConfig
from serve.images import encode_frame
from serve.keys import KeyRing, add_key, read_keys
from serve.problems import Problem
from serve.sessions import SessionRequest, SessionTable
from serve.wire import WireGoal, WireTurn, from_observation
from student.config import StudentConfig

EPISODE = SessionRequest(goal=WireGoal(text="red"), actions=ACTIONS, notes=NOTES)
TURN = WireTurn(action="go")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_decides_what_a_caller_with_its_own_history_gets(client: TestClient) -> None:
    opened = client.post(
        "/v1/sessions", content=EPISODE.model_dump_json(), headers={"Content-Type": "application/json"}
    )
    assert opened.status_code == 201
    name = opened.json()["id"]
    history: list[dict[str, Any]] = []
    outcomes = ["", "ok", "stuck", "ok", "no path"]
    for seen, outcome in zip(observations(5), outcomes, strict=True):
        wire = json.loads(from_observation(seen).model_dump_json())
        if history:
            history[-1]["outcome"] = outcome
        step = {
            "frame": wire["frame"],
            "status": wire["status"],
            "sounds": wire["sounds"],
            "outcome": outcome or "ok",
        }
        kept = client.post(f"/v1/sessions/{name}/act", json=step).json()
        own = {k: step[k] for k in ("frame", "status", "sounds")} | {
            "goal": {"text": "red"}, "history": history, "actions": list(ACTIONS), "notes": list(NOTES),
        }  # fmt: skip
        assert kept == client.post("/v1/act", json={"observation": own}).json()
        history.append(
            {"note": kept["note"], "action": kept["action"], "heading_deg": wire["status"]["heading_deg"]}
        )
    info = client.get(f"/v1/sessions/{name}").json()
    assert (info["decisions"], [turn["action"] for turn in info["history"]]) == (
        5,
        [h["action"] for h in history],
    )
    assert client.delete(f"/v1/sessions/{name}").status_code == 204
    assert problem(client.get(f"/v1/sessions/{name}"))["status"] == 404
    assert problem(client.post(f"/v1/sessions/{name}/act", json={"frame": "x"}))["status"] == 404


def test_a_failed_decision_changes_nothing(client: TestClient) -> None:
    name = client.post("/v1/sessions", json=EPISODE.model_dump(mode="json")).json()["id"]
    assert problem(client.post(f"/v1/sessions/{name}/act", json={"frame": "bm9wZQ=="}))["status"] == 422
    assert client.get(f"/v1/sessions/{name}").json()["decisions"] == 0
    frame = json.loads(body(observations(1)[0]))["observation"]["frame"]
    assert client.post(f"/v1/sessions/{name}/act", json={"frame": frame}).status_code == 200
    client.delete(f"/v1/sessions/{name}")


def test_what_a_session_keeps_is_a_picture(client: TestClient) -> None:
    opening = {"goal": {"text": "red", "image": "!" * 1000}, "actions": ["go"]}
    assert problem(client.post("/v1/sessions", json=opening))["status"] == 422


def test_a_session_keeps_nothing_that_hangs_on_a_picture(student: StudentConfig) -> None:
    app = served_app(student)
    frame = observations(1)[0].frame
    padded = base64.b64encode(base64.b64decode(encode_frame(frame)) + b"x" * 100_000).decode()
    kept: list[SessionRequest] = []

    async def create(self: SessionTable, owner: str, request: SessionRequest) -> str:
        kept.append(request)
        return await usual(self, owner, request)

    usual = SessionTable.create
    with pytest.MonkeyPatch.context() as patch, TestClient(app, HERE) as client:
        patch.setattr(SessionTable, "create", create)
        opening = {"goal": {"text": "red", "image": padded}, "actions": ["go"]}
        assert client.post("/v1/sessions", json=opening).status_code == 201
    assert kept[0].goal.image == encode_frame(frame)


def test_connections_are_bounded(student: StudentConfig) -> None:
    app = served_app(student, ServeConfig(max_queue=1))
    with TestClient(app) as client:
        with client.websocket_connect(SOCKET):
            with pytest.raises(WebSocketDisconnect) as full, client.websocket_connect(SOCKET):
                pytest.fail("it was let in")
            assert "too many connections" in str(full.value.reason)
        with client.websocket_connect(SOCKET) as again:
            again.send_text("{}")
            assert again.receive_json()["status"] == 422


def test_a_closed_loop_over_one_connection_decides_as_a_session(client: TestClient) -> None:
    frames = [json.loads(body(one))["observation"]["frame"] for one in observations(3)]
    name = client.post("/v1/sessions", json=EPISODE.model_dump(mode="json")).json()["id"]
    with client.websocket_connect(SOCKET) as socket:
        socket.send_text('{"goal": {}}')
        assert socket.receive_json()["status"] == 422
        socket.send_text(EPISODE.model_dump_json())
        kept = socket.receive_json()["id"]
        for frame in frames:
            step = {"frame": frame, "outcome": "ok"}
            socket.send_json(step)
            assert socket.receive_json() == client.post(f"/v1/sessions/{name}/act", json=step).json()
        socket.send_json({"frame": "bm9wZQ=="})
        assert "PNG" in socket.receive_json()["detail"]
        socket.send_text("x" * 300_000)
        assert socket.receive_json()["status"] == 413
        assert client.get(f"/v1/sessions/{kept}").json()["decisions"] == 3
    assert problem(client.get(f"/v1/sessions/{kept}"))["status"] == 404
    client.delete(f"/v1/sessions/{name}")


def test_a_connection_keeps_to_its_keys_rate_and_is_closed_when_idle(
    student: StudentConfig, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    header = {"Authorization": f"Bearer {add_key(file, 'ann', ['act'], 3)}"}
    config = ServeConfig(session_expiry_s=1.0)
    app = served_app(student, config, KeyRing(read_keys(file)))
    frame = json.loads(body(observations(1)[0]))["observation"]["frame"]
    with TestClient(app) as client:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET):
            pytest.fail("it was let in without a key")
        with client.websocket_connect(SOCKET, headers=header) as socket:
            socket.send_bytes(b"frame")
            assert socket.receive_json()["status"] == 422
            socket.send_text(EPISODE.model_dump_json())
            assert "id" in socket.receive_json()
            answers = []
            for _ in range(3):
                socket.send_json({"frame": frame})
                answers.append(socket.receive_json().get("status"))
            assert answers == [None, None, 429]
            with pytest.raises(WebSocketDisconnect) as idle:
                socket.receive_json()
            assert idle.value.reason == "nothing came for 1 s"


def refusal(error: pytest.ExceptionInfo[Problem]) -> int:
    return error.value.status


def test_one_decision_at_a_time_for_its_owner_until_it_expires() -> None:
    async def scene() -> None:
        clock = Clock()
        kept = SessionTable(limit=2, per_key=2, expiry_s=60.0, busy_s=20.0, clock=clock)
        name = await kept.create("ann", EPISODE)
        with pytest.raises(Problem) as stranger:
            await kept.begin(name, "bob")
        assert refusal(stranger) == 404
        await kept.begin(name, "ann")
        with pytest.raises(Problem) as busy:
            await kept.begin(name, "ann")
        assert refusal(busy) == 409
        clock.now += 21  # the replica that was deciding is gone
        await kept.begin(name, "ann")
        await kept.finish(name, "ok", TURN)
        assert (await kept.info(name, "ann")).decisions == 1
        await kept.create("bob", EPISODE)
        with pytest.raises(Problem) as full:
            await kept.create("bob", EPISODE)
        assert refusal(full) == 429
        clock.now += 61
        with pytest.raises(Problem) as gone:
            await kept.info(name, "ann")
        assert refusal(gone) == 404
        await kept.create("bob", EPISODE)

    asyncio.run(scene())


def test_a_session_is_not_forgotten_while_it_decides() -> None:
    async def scene() -> None:
        clock = Clock()
        kept = SessionTable(limit=2, per_key=2, expiry_s=5.0, busy_s=20.0, clock=clock)
        name = await kept.create("ann", EPISODE)
        await kept.begin(name, "ann")
        clock.now += 6
        await kept.finish(name, "ok", TURN)
        clock.now += 4  # its time counts from the decision's end
        assert (await kept.info(name, "ann")).decisions == 1
        await kept.begin(name, "ann")
        clock.now += 21  # the replica died
        with pytest.raises(Problem) as gone:
            await kept.info(name, "ann")
        assert refusal(gone) == 404

    asyncio.run(scene())


def test_one_key_does_not_hold_all_sessions() -> None:
    async def scene() -> None:
        kept = SessionTable(limit=3, per_key=2, expiry_s=60.0, busy_s=20.0)
        for _ in range(2):
            await kept.create("ann", EPISODE)
        with pytest.raises(Problem, match="2 sessions of the key ann") as full:
            await kept.create("ann", EPISODE)
        assert refusal(full) == 429
        await kept.create("bob", EPISODE)
        nobodys = SessionTable(limit=3, per_key=2, expiry_s=60.0, busy_s=20.0)
        for _ in range(3):
            await nobodys.create("", EPISODE)

    asyncio.run(scene())


def test_a_session_and_a_refusal_cross_processes_whole() -> None:
    refused = pickle.loads(pickle.dumps(Problem(429, "later", {"Retry-After": "3"})))
    assert (refused.status, refused.detail, refused.headers) == (429, "later", {"Retry-After": "3"})
