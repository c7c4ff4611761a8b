"""Several models and versions: who answers whom, and changing it without losing a request."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import (
    HERE,
    JSON,
    answered_by,
    body,
    catalogue,
    observations,
    problem,
    served_app,
    settings,
    student_of,
    table,
)
from starlette.testclient import TestClient
from tiny import ACTIONS, NOTES

from serve.catalogue import first_catalogue
from serve.catalogues import CatalogueTable
from serve.fleet import Fleet
from serve.http import make_app
from serve.keys import KeyRing, add_key, read_keys
from serve.meters import Meters, merged
from serve.problems import Problem
from serve.service import Service
from student.config import USAGE, StudentConfig, write_usage
from student.fingerprint import fingerprint


@pytest.fixture
def client(folders: Path) -> Iterator[TestClient]:
    with TestClient(served_app(student_of(folders, "a"), settings(folders)), HERE) as opened:
        yield opened


CHANGE = st.tuples(
    st.sampled_from(["offer", "retire", "drop"]), st.sampled_from("xyz"), st.sampled_from("12345"),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)  # fmt: skip


@given(st.lists(CHANGE, max_size=20))
def test_shares_add_up_to_one_whatever_is_changed(changes: list[tuple[str, str, str, float]]) -> None:
    student = StudentConfig()
    now = first_catalogue([("x", student, "1")])
    for kind, name, version, share in changes:
        before = now
        try:
            match kind:
                case "offer":
                    now = now.offering(name, version, student, share)
                    found = now.model(name)
                    assert found is not None
                    offered = found.version(version)
                    assert offered is not None
                    assert offered.share == share
                case "retire":
                    now = now.without(name, version)
                case _:
                    now = now.without(name)
        except Problem:
            assert now is before
            continue
        assert now.revision == before.revision + 1
        assert now.models
        assert len({model.name for model in now.models}) == len(now.models)
        for model in now.models:
            assert sum(one.share for one in model.versions) == pytest.approx(1.0)
            assert model.drawn(0.9999999).share > 0


def test_a_draw_falls_to_a_version_by_its_share() -> None:
    student = StudentConfig()
    now = first_catalogue([("x", student, "1")]).offering("x", "2", student, 0.25)
    drawn = Counter(now.choose("", (i + 0.5) / 1000)[1].name for i in range(1000))
    assert drawn == {"1": 750, "2": 250}
    assert now.choose("x@2", 0.0)[1].name == "2"
    for unset in ("x@", "@"):
        with pytest.raises(Problem, match="has no version ''"):
            now.choose(unset, 0.0)


def test_a_request_goes_to_the_model_that_it_names_or_to_its_roles(folders: Path) -> None:
    first = catalogue(a=student_of(folders, "a"), b=student_of(folders, "b"))
    fleet = Fleet(settings(folders, roles={"manager": "b"}), first)
    with TestClient(make_app(fleet, KeyRing(None), table(), CatalogueTable(first)), HERE) as client:
        assert answered_by(client).startswith("a@")
        assert answered_by(client, role="manager").startswith("b@")
        assert answered_by(client, role="manager", model="a").startswith("a@")
        both = [json.loads(body(observations(1)[0], model=name)) for name in ("b", "a", "b")]
        answers = client.post("/v1/act/batch", json={"requests": both}).json()["responses"]
        assert [answer["model"] for answer in answers] == ["b", "a", "b"]
        assert (
            "'nobody'"
            in problem(
                client.post("/v1/act", content=body(observations(1)[0], model="nobody"), headers=JSON)
            )["detail"]
        )
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["a", "b"]


def test_a_canary_gets_its_share_then_takes_over(client: TestClient, folders: Path) -> None:
    old = fingerprint(folders / "a")
    offered = client.put("/v1/models/tiny", json={"folder": "b", "share": 0.3})
    assert offered.status_code == 200, offered.text
    assert [one.pop("trouble") for one in offered.json()["replicas"].values()] == [""]
    new = fingerprint(folders / "b")
    shares = {one["version"]: one["share"] for one in offered.json()["data"][0]["versions"]}
    assert shares == {old: pytest.approx(0.7), new: 0.3}
    asked = Counter(answered_by(client) for _ in range(200))
    assert 30 <= asked[f"tiny@{new}"] <= 90  # 60 +- 4.6 standard deviations
    assert answered_by(client, model=f"tiny@{new}") == f"tiny@{new}"
    metrics = client.get("/metrics").text
    counted = dict(
        re.findall(r'retort_decisions_total\{model="tiny",replica="\w+",version="(\w+)"\} (\d+)', metrics)
    )
    assert int(counted[old]) == asked[f"tiny@{old}"]
    assert int(counted[new]) == asked[f"tiny@{new}"] + 1

    assert client.put("/v1/models/tiny", json={"folder": "b"}).status_code == 200
    assert {answered_by(client) for _ in range(20)} == {f"tiny@{new}"}
    gone = client.post("/v1/act", content=body(observations(1)[0], model=f"tiny@{old}"), headers=JSON)
    assert old in problem(gone)["detail"]


def test_a_canary_is_taken_back(client: TestClient, folders: Path) -> None:
    client.put("/v1/models/tiny", json={"folder": "b", "share": 0.5})
    left = client.delete("/v1/models/tiny", params={"version": fingerprint(folders / "b")}).json()
    assert left["data"][0]["versions"] == [{"version": fingerprint(folders / "a"), "share": 1.0}]
    assert client.put("/v1/models/more", json={"folder": "c"}).status_code == 200
    assert client.delete("/v1/models/tiny").status_code == 200
    assert answered_by(client).startswith("more@")
    assert problem(client.delete("/v1/models/more"))["status"] == 409


def test_an_episode_keeps_its_version(client: TestClient, folders: Path) -> None:
    old, new = (f"tiny@{fingerprint(folders / name)}" for name in "ab")
    client.put("/v1/models/tiny", json={"folder": "b", "share": 0.5})
    frame = json.loads(body(observations(1)[0]))["observation"]["frame"]
    opening = {"goal": {"text": "red"}, "actions": list(ACTIONS), "notes": list(NOTES)}

    def episode(**more: Any) -> tuple[str, str]:
        opened = client.post("/v1/sessions", json=opening | more).json()
        return opened["id"], opened["model"]

    def step(name: str) -> str:
        answer = client.post(f"/v1/sessions/{name}/act", json={"frame": frame}).json()
        return f"{answer['model']}@{answer['version']}"

    kept, began = episode(model=old)
    assert began == old
    assert {step(kept) for _ in range(12)} == {old}
    assert client.put("/v1/models/tiny", json={"folder": "b"}).status_code == 200
    assert {step(kept) for _ in range(3)} == {new}, "its version is gone: the present one goes on with it"
    assert len(client.get(f"/v1/sessions/{kept}").json()["history"]) == 15


def test_what_cannot_be_served_changes_nothing(client: TestClient, folders: Path, tmp_path: Path) -> None:
    foreign = {"Host": "evil.example"}
    refused = client.put("/v1/models/tiny", json={"folder": "b"}, headers=foreign)
    assert problem(refused)["status"] == 403
    (folders / "empty").mkdir(exist_ok=True)
    broken = folders / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "config.json").write_text('{"model_type": "retort"}')
    (broken / "model.safetensors").write_bytes(b"no tensors")
    before = client.get("/v1/models").json()
    cases: list[tuple[int, str, Any]] = [
        (422, "not within", client.put("/v1/models/tiny", json={"folder": "../elsewhere"})),
        (422, "not within", client.put("/v1/models/tiny", json={"folder": str(tmp_path)})),
        (422, "no weights", client.put("/v1/models/tiny", json={"folder": "empty"})),
        (422, "cannot be served", client.put("/v1/models/tiny", json={"folder": "broken"})),
        (422, "share", client.put("/v1/models/new", json={"folder": "b", "share": 0.5})),
        (422, "share", client.put("/v1/models/tiny", json={"folder": "b", "share": 2})),
        (422, "name", client.put("/v1/models/a@b", json={"folder": "b"})),
        (404, "nobody", client.delete("/v1/models/nobody")),
        (404, "no version", client.delete("/v1/models/tiny", params={"version": "none"})),
    ]
    for status, words, response in cases:
        told = problem(response)
        assert (told["status"], words in told["detail"]) == (status, True), told
    assert client.get("/v1/models").json() == before
    for name in ("b", "c"):
        assert client.put(f"/v1/models/{name}", json={"folder": name}).status_code == 200
    assert "max_versions" in problem(client.put("/v1/models/d", json={"folder": "d"}))["detail"]


def test_an_offered_student_is_asked_as_it_was_trained_to_be(folders: Path) -> None:
    first = catalogue(tiny=student_of(folders, "a"))
    fleet = Fleet(settings(folders), first)
    offered, _ = fleet.student_at("b", "tiny")
    assert offered.memory_notes
    shutil.copytree(folders / "b", folders / "own")
    write_usage(replace(offered, memory_notes=False, decode="generate"), folders / "own")
    offered, version = fleet.student_at("own", "tiny")
    assert (offered.memory_notes, offered.decode) == (False, "generate")
    assert version != fingerprint(folders / "b")
    (folders / "own" / USAGE).write_text("{")
    with pytest.raises(Problem, match="does not say how"):
        fleet.student_at("own", "tiny")
    shutil.rmtree(folders / "own")


def test_only_an_administrator_changes_what_is_served(folders: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    bearer = {name: f"Bearer {add_key(file, name, [name], 0)}" for name in ("act", "admin")}
    app = served_app(student_of(folders, "a"), settings(folders), KeyRing(read_keys(file)))
    with TestClient(app, HERE) as client:
        for name, status in (("act", 403), ("admin", 200)):
            offered = client.put(
                "/v1/models/tiny", json={"folder": "b"}, headers={"Authorization": bearer[name]}
            )
            assert offered.status_code == status
        assert client.delete("/v1/models/tiny").status_code == 401


def test_no_request_is_lost_while_versions_change(folders: Path) -> None:
    """Many ask all the while; every answer is of a version that was served when it was asked for."""
    app = served_app(student_of(folders, "a"), settings(folders))
    seen = [body(one) for one in observations(20)]
    versions = {fingerprint(folders / name) for name in "abcd"}
    answers: Counter[tuple[int, str]] = Counter()

    async def run() -> None:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=HERE) as client:
            stop = asyncio.Event()

            async def ask(number: int) -> None:
                while not stop.is_set():
                    answer = await client.post("/v1/act", content=seen[number], headers=JSON)
                    answers[answer.status_code, answer.json().get("version", "")] += 1

            asking = [asyncio.create_task(ask(number)) for number in range(8)]
            for name in "bcdab":
                changed = await client.put("/v1/models/tiny", json={"folder": name})
                assert changed.status_code == 200, changed.text
                await asyncio.sleep(0.3)
            stop.set()
            await asyncio.gather(*asking)

    asyncio.run(run())
    assert {status for status, _ in answers} == {200}, answers
    assert {version for _, version in answers} == versions


def test_a_version_is_kept_until_who_chose_it_has_asked(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that take long to decode: the version is taken out meanwhile, and answers all the same."""
    app = served_app(student_of(folders, "a"), settings(folders))
    requests = {"requests": [json.loads(body(one)) for one in observations(8)]}
    decode = Service.prompts

    def slowly(self: Service, asked: Any) -> Any:
        if self.version == fingerprint(folders / "a"):
            time.sleep(2.0)
        return decode(self, asked)

    monkeypatch.setattr(Service, "prompts", slowly)

    async def run() -> tuple[httpx2.Response, httpx2.Response]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=HERE, timeout=30) as client:
            asking = asyncio.create_task(client.post("/v1/act/batch", json=requests))
            await asyncio.sleep(0.2)
            changed = await client.put("/v1/models/tiny", json={"folder": "b"})
            return changed, await asking

    changed, answered = asyncio.run(run())
    assert (changed.status_code, answered.status_code) == (200, 200)
    assert {one["version"] for one in answered.json()["responses"]} == {fingerprint(folders / "a")}


def test_the_meters_of_all_replicas_are_told_apart(folders: Path) -> None:
    fleet = Fleet(settings(folders), catalogue(tiny=student_of(folders, "a")))
    one, two = Meters(fleet), Meters(fleet)
    one.decided(fleet.services[0], 3, 0.004)
    two.decided(fleet.services[0], 5, 0.3)
    two.refused(429)
    text = merged({"x": one.text(), "y": two.text()}).decode()
    version = fingerprint(folders / "a")
    labels = f'model="tiny",replica="{{}}",version="{version}"'
    for replica, count, fast in (("x", 3, 1), ("y", 5, 0)):
        told = labels.format(replica)
        assert f"retort_decisions_total{{{told}}} {count}.0" in text
        assert f'retort_request_seconds_bucket{{le="0.005",{told}}} {fast}.0' in text
    assert 'retort_refused_total{replica="y",status="429"} 1.0' in text
    assert text.count("# TYPE retort_decisions_total counter") == 1


def test_what_cannot_decide_is_not_served(client: TestClient, folders: Path) -> None:
    """Weights that are no numbers, and an architecture that cannot be built."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders / "b", folders / "nan")
    tensors = load_file(folders / "nan" / "model.safetensors")
    save_file(
        {name: one * float("nan") for name, one in tensors.items()}, folders / "nan" / "model.safetensors"
    )
    shutil.copytree(folders / "b", folders / "headless")
    config = folders / "headless" / "config.json"
    config.write_text(config.read_text().replace('"num_attention_heads": 2', '"num_attention_heads": 0'))
    for name in ("nan", "headless"):
        assert "cannot be served" in problem(client.put("/v1/models/tiny", json={"folder": name}))["detail"]
    assert problem(client.put("/v1/models/tiny", json={"folder": "a" * 299}))["status"] == 422
    assert problem(client.delete("/v1/models/tiny@x"))["status"] == 422
    assert answered_by(client) == f"tiny@{fingerprint(folders / 'a')}"
    long = [f"{'x' * 290} {number}" for number in range(20)]
    request = json.loads(body(observations(1)[0]))
    request["observation"]["actions"] = long
    assert "characters" in problem(client.post("/v1/act", json=request))["detail"]


def test_another_tokenizer_is_another_version(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "b", tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(folders / "b")
    file = tmp_path / "copy" / "tokenizer.json"
    file.write_text(file.read_text() + "\n")
    assert fingerprint(tmp_path / "copy") != fingerprint(folders / "b")
