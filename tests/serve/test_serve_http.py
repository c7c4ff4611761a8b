"""The HTTP interface over a real model in this process: the decisions are the model's own, and whatever else
comes is refused with a problem document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny import ACTIONS, NOTES, tiny_student

from serve.config import ServeConfig
from serve.http import make_app
from serve.keys import KeyRing, add_key, read_keys
from serve.service import Service
from serve.sessions import SessionTable
from serve.wire import ActRequest, from_observation
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from worlds.types import Goal, Observation, Sound, Status, Turn

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("served") / "tiny"
    tiny_student().save(target, {"title": "tiny"})
    return target


@pytest.fixture(scope="module")
def student(folder: Path) -> StudentConfig:
    return StudentConfig(path=str(folder), dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def client(student: StudentConfig) -> Iterator[TestClient]:
    config = ServeConfig(max_body_mib=0.25, max_pixels=64 * 64)
    app = make_app(Service(config, student, "tiny"), KeyRing(None), table())
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def table() -> SessionTable:
    return SessionTable(limit=3, expiry_s=60.0, busy_s=20.0)


def observations(count: int) -> list[Observation]:
    rng = np.random.default_rng(7)

    def frame() -> Any:
        return rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)

    return [
        Observation(
            frame=frame(),
            goal=Goal("red", frame() if rng.random() < 0.3 else None, "moo" if rng.random() < 0.3 else None),
            status=Status(float(rng.uniform(0, 360)), (1.0, 2.0, float(rng.uniform(0, 50))), {"red": 2}),
            sounds=(Sound("moo", float(rng.uniform(-180, 180)), float(rng.random())),),
            history=tuple(
                Turn(NOTES[0], ACTIONS[int(a)], "ok", 45.0) for a in rng.integers(0, 4, rng.integers(4))
            ),
            actions=ACTIONS[: int(rng.integers(2, 5))],
            notes=NOTES if rng.random() < 0.8 else (),
        )
        for _ in range(count)
    ]


def body(observation: Observation, **settings: Any) -> str:
    return ActRequest(observation=from_observation(observation), **settings).model_dump_json()


def test_the_decision_over_http_is_the_models_own(client: TestClient, student: StudentConfig) -> None:
    seen = observations(40)
    prompts = [build_prompt(one) for one in seen]
    model = Student.load(student)
    for temperature in (0.0, 0.7):
        seeds = list(range(len(seen)))
        own = model.decide(prompts, temperature, seeds)
        requests = [
            json.loads(body(o, temperature=temperature, seed=s)) for o, s in zip(seen, seeds, strict=True)
        ]
        single = [client.post("/v1/act", json=request).json() for request in requests]
        batch = client.post("/v1/act/batch", json={"requests": requests}).json()["responses"]
        for answer, again, decision in zip(single, batch, own, strict=True):
            assert (answer["note"], answer["action"]) == (decision.note, decision.action)
            assert (again["note"], again["action"]) == (decision.note, decision.action)
            assert answer["logprob"] == pytest.approx(decision.logprob, abs=1e-4)
            assert [a["action"] for a in answer["alternatives"]] == [a for a, _ in decision.alternatives]
            assert answer["skill"]["verb"] == decision.action.split()[0]
            assert answer["version"] == client.get("/readyz").json()["version"]


def problem(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["detail"]
    return document


def test_bad_requests_end_in_problem_documents(client: TestClient) -> None:
    good = body(observations(1)[0])
    damaged = json.loads(good)
    damaged["observation"]["frame"] = damaged["observation"]["frame"][:60]
    cases: list[tuple[int, Any]] = [
        (422, client.post("/v1/act", content="{", headers=JSON)),
        (422, client.post("/v1/act", content='{"observation": NaN}', headers=JSON)),
        (400, client.post("/v1/act", content="[" * 100_000, headers=JSON)),
        (422, client.post("/v1/act", json=damaged)),
        (422, client.post("/v1/act/batch", json={"requests": []})),
        (413, client.post("/v1/act", content="x" * 300_000, headers=JSON)),
        (413, client.post("/v1/act", content=iter([b"x" * 100_000] * 4), headers=JSON)),
        (415, client.post("/v1/act", content=good, headers={"Content-Type": "text/plain"})),
        (404, client.get("/v1/nothing")),
        (405, client.get("/v1/act")),
    ]
    for status, response in cases:
        assert problem(response)["status"] == status
    assert client.post("/v1/act", content=good, headers=JSON).status_code == 200


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = [(), ("observation",), ("role",), ("seed",), ("temperature",), ("alternatives",), ("order",)] + [
    ("observation", name)
    for name in ("frame", "goal", "status", "sounds", "history", "actions", "notes", "extra")
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(PLACES), JUNK)
def test_junk_anywhere_is_refused_or_answered_but_breaks_nothing(
    client: TestClient, place: tuple[str, ...], junk: Any
) -> None:
    request: Any = json.loads(body(observations(1)[0]))
    if place:
        inner = request
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = junk
    else:
        request = junk
    response = client.post("/v1/act", json=request)
    assert response.status_code == 200 or 400 <= problem(response)["status"] < 500


def test_keys_open_what_they_are_for(student: StudentConfig, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    act, other = add_key(file, "ann", ["act"], 2), add_key(file, "root", ["admin"], 0)
    app = make_app(Service(ServeConfig(), student, "tiny"), KeyRing(read_keys(file)), table())
    good = body(observations(1)[0])
    with TestClient(app) as closed:

        def ask(key: str) -> Any:
            return closed.post("/v1/act", content=good, headers=JSON | {"Authorization": f"Bearer {key}"})

        assert problem(closed.post("/v1/act", content=good, headers=JSON))["status"] == 401
        assert problem(ask("retort_guess"))["status"] == 401
        assert problem(ask(other))["status"] == 403
        assert [ask(act).status_code for _ in range(3)] == [200, 200, 429]
        assert closed.get("/healthz").status_code == 200
        assert closed.get("/metrics").status_code == 401


def test_meters_count_what_was_decided_and_refused(student: StudentConfig) -> None:
    with TestClient(
        make_app(Service(ServeConfig(max_pixels=64), student, "tiny"), KeyRing(None), table())
    ) as client:
        assert client.post("/v1/act", content=body(observations(1)[0]), headers=JSON).status_code == 413
        text = client.get("/metrics").text
    assert 'retort_refused_total{model="tiny",status="413"' in text.replace(", ", ",")
    assert "retort_queue" in text
