"""The HTTP interface over a real model in this process: the decisions are the model's own, and whatever else
comes is refused with a problem document."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import HERE, JSON, JUNK, body, observations, problem, served_app
from starlette.testclient import TestClient

from serve.client import Client, Refused
from serve.config import ServeConfig
from serve.images import encode_frame
from serve.keys import KeyRing, add_key, read_keys
from serve.service import PICTURES
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student


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


def test_a_form_with_pictures_is_the_same_request(client: TestClient) -> None:
    pictured = 0
    for one in observations(12):
        request = json.loads(body(one))
        plain = client.post("/v1/act", json=request).json()
        files = {"frame": base64.b64decode(request["observation"].pop("frame"))}
        image = request["observation"]["goal"].pop("image", None)
        if image is not None:
            pictured += 1
            files["goal_image"] = base64.b64decode(image)
        form = {"request": json.dumps(request)}
        assert client.post("/v1/act/form", data=form, files=files).json() == plain
    assert pictured
    for data in ({}, {"request": "{"}, {"request": "[]"}, {"request": '{"observation": {}}'}):
        assert problem(client.post("/v1/act/form", data=data, files=files))["status"] == 422
    files["frame"] = b"no picture"
    assert problem(client.post("/v1/act/form", data=form, files=files))["status"] == 422


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
        (415, client.post("/v1/act", data={"observation": good})),
        (415, client.post("/v1/act/form", content=good, headers=JSON)),
        (404, client.get("/v1/nothing")),
        (405, client.get("/v1/act")),
    ]
    for status, response in cases:
        assert problem(response)["status"] == status
    assert problem(client.get("/v1/nothing"))["detail"] == "there is no /v1/nothing here"
    wrong = client.get("/v1/act")
    assert problem(wrong)["detail"] == "GET is not for /v1/act: see Allow"
    assert wrong.headers["allow"] == "POST"
    assert client.post("/v1/act", content=good, headers=JSON).status_code == 200


PLACES = [(), ("observation",), ("role",), ("seed",), ("temperature",), ("alternatives",), ("order",)] + [
    ("observation", name)
    for name in ("frame", "goal", "status", "sounds", "history", "actions", "notes", "extra")
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    app = served_app(student, keys=KeyRing(read_keys(file)))
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


def test_the_pictures_of_one_request_are_bounded_together(student: StudentConfig) -> None:
    """Each small enough, and of few bytes."""
    one = json.loads(body(observations(1)[0]))
    one["observation"]["frame"] = encode_frame(np.zeros((64, 64, 3), np.uint8))
    one["observation"]["goal"]["image"] = None
    with TestClient(served_app(student, ServeConfig(max_pixels=64 * 64)), HERE) as client:
        assert client.post("/v1/act/batch", json={"requests": [one] * PICTURES}).status_code == 200
        refused = client.post("/v1/act/batch", json={"requests": [one] * (PICTURES + 1)})
        assert problem(refused)["status"] == 413


def test_a_batch_counts_as_its_requests(student: StudentConfig, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    header = {"Authorization": f"Bearer {add_key(file, 'ann', ['act'], 4)}"}
    one = json.loads(body(observations(1)[0]))
    with TestClient(served_app(student, keys=KeyRing(read_keys(file))), HERE) as client:
        batch = {"requests": [one] * 8}
        assert client.post("/v1/act/batch", json=batch, headers=header).status_code == 200
        refused = client.post("/v1/act", json=one, headers=header)
        assert problem(refused)["status"] == 429
        assert int(refused.headers["Retry-After"]) > 60


def test_meters_count_what_was_decided_and_refused(student: StudentConfig) -> None:
    config = ServeConfig(max_pixels=64, max_body_mib=0.25)
    with TestClient(served_app(student, config), HERE) as client:
        assert client.post("/v1/act", content=body(observations(1)[0]), headers=JSON).status_code == 413
        assert client.post("/v1/act", json={}).status_code == 422
        assert client.post("/v1/act", content="x" * 300_000, headers=JSON).status_code == 413
        parts = iter([b"x" * 100_000] * 4)  # of no declared length
        assert client.post("/v1/act", content=parts, headers=JSON).status_code == 413
        text = client.get("/metrics").text
    counted = re.findall(r'retort_refused_total{.*status="(\d+)".*} (\S+)', text)
    assert sorted(counted) == [("413", "3.0"), ("422", "1.0")]
    assert re.search(r"retort_queue{.*} 0.0", text)


def test_the_client_asks_again_for_what_got_lost_and_for_nothing_else(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy whose replica died, a full queue, a broken connection: asked again. A refusal: told at once."""
    (seen,) = observations(1)
    lost = [
        httpx2.Response(500, text="Internal Server Error"),
        httpx2.Response(429, headers={"Retry-After": "0"}),
        httpx2.Response(404, text="Path '/v1/act' not found."),
    ]
    failures: list[Any] = [*lost, httpx2.ConnectError("reset")]
    sent = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.url.path)
        if failures:
            failure = failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure  # type: ignore[no-any-return]
        passed = client.post(request.url.path, content=request.content, headers=JSON)
        return httpx2.Response(passed.status_code, content=passed.content, headers=passed.headers)

    monkeypatch.setattr("serve.client.BACKOFF_S", 0.001)
    with Client("http://test", transport=httpx2.MockTransport(answer)) as asking:
        assert asking.act(seen).model == "tiny"
        assert len(sent) == 5
        with pytest.raises(Refused, match="nobody"):
            asking.act(seen, model="nobody")
        assert len(sent) == 6
        failures.append(httpx2.Response(429, headers={"Retry-After": "3600"}))
        with pytest.raises(Refused, match="429"):
            asking.act(seen)
        assert len(sent) == 7
