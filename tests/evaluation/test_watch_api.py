"""The playground over HTTP, before a real student: what it plays is what an evaluation plays, the student
hears of nothing privileged, and whatever goes wrong is a sentence."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image
from serving import HERE, JSON, JUNK, problem
from starlette.testclient import TestClient
from watching import STUDENT, Remembering, app_of, playground_of

from actors.policies import StudentPolicy
from actors.rollout import Rollout
from actors.types import EpisodeResult, PlaySettings
from evaluation.watch import playground as hosting
from evaluation.watch.config import WatchConfig
from evaluation.watch.playground import Playground
from serve.images import encode_frame
from serve.keys import KeyRing, add_key, read_keys
from serve.wire import from_observation
from student.fingerprint import fingerprint
from student.student import Student
from teachers.make import make_teacher
from teachers.types import Label
from worlds.base import World, join_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec, Mirror, Observation
from worlds.voxel.world import SUITES

EPISODE = {"suite": "voxel/goal_name", "split": "validation", "index": 5, "difficulty": 2}
CANARY = "canaryfinch"


@pytest.fixture
def playground(student_url: str) -> Playground:
    return playground_of(student_url, max_body_mib=1.0, max_pixels=256 * 256, max_episodes=3)


@pytest.fixture
def client(playground: Playground) -> Iterator[TestClient]:
    with TestClient(app_of(playground), HERE, raise_server_exceptions=False) as opened:
        yield opened


def begin(client: TestClient, **changes: Any) -> dict[str, Any]:
    response = client.post("/api/episodes", json=EPISODE | changes)
    assert response.status_code == 200, response.text
    scene: dict[str, Any] = response.json()
    return scene


def step(client: TestClient, scene: dict[str, Any], action: str | None = None) -> Any:
    body = {"decisions": scene["decisions"], "action": action}
    return client.post(f"/api/episodes/{scene['id']}/step", json=body)


def picture(width: int = 40, height: int = 30, kind: str = "PNG") -> str:
    stream = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format=kind)
    return base64.b64encode(stream.getvalue()).decode()


def test_every_task_of_the_voxel_world_can_be_begun_at_every_level(client: TestClient) -> None:
    known = {suite["name"]: suite["difficulties"] for suite in client.get("/api/catalogue").json()["suites"]}
    assert all(known[suite] == [1, 2, 3] for suite in SUITES)
    assert known["babyai/GoToObj"] == [2]
    for suite in SUITES:
        for level in known[suite]:
            scene = begin(client, suite=suite, difficulty=level, split="test", index=1)
            assert scene["frame"].startswith("data:image/png;base64,")
            assert (scene["goal_image"] is not None) == (suite == "voxel/goal_image")
            assert (scene["goal_sound"] is not None) == (suite == "voxel/goal_sound")


def test_what_is_watched_is_what_an_evaluation_with_that_seed_plays(client: TestClient) -> None:
    spec = EpisodeSpec("voxel/goal_name", "validation", 5, 2)
    rollout = Rollout(partial(make_world, frame_size=64), 1, run_seed=0)
    (own,) = rollout.collect(
        [spec], StudentPolicy(Student.load(STUDENT)), None, PlaySettings(temperature=0.5, trace=True)
    )
    assert isinstance(own, EpisodeResult)
    scene = begin(client)
    while not scene["over"]:
        scene = step(client, scene).json()
    played = [(turn["note"], turn["action"], turn["outcome"]) for turn in scene["turns"]]
    assert played == [(*t.reply.split(" | "), t.outcome.text) for t in own.trace]
    assert (scene["success"], scene["metric"]) == (own.success, own.metric)
    assert len(scene["path_xy"]) == len(played) + 1
    assert problem(step(client, scene))["status"] == 409


class PlantedTeacher:
    """A teacher whose every word carries the canary, but its action."""

    version = "planted"

    def label(self, observation: Observation, mirror: Mirror, role: Any = "actor") -> Label:
        label = make_teacher("voxel/goal_name").label(observation, mirror)
        return replace(label, note=CANARY, reason=CANARY, said=(CANARY,), values={CANARY: 1.0})


def test_the_student_is_asked_about_the_observation_and_about_nothing_else(
    client: TestClient, student: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person follows the teacher and lets the student move in turns; mirror and teacher are planted."""

    def make(suite: str, frame_size: int = 64) -> World:
        world = make_world(suite, frame_size)
        honest = world.mirror

        def planted() -> Mirror:
            true = honest()
            return replace(true, facts={**true.facts, CANARY: CANARY}, text=f"{true.text} {CANARY}")

        world.mirror = planted  # type: ignore[method-assign]
        return world

    monkeypatch.setattr(hosting, "make_world", make)
    monkeypatch.setattr(hosting, "make_teacher", lambda suite: PlantedTeacher())
    student.bodies.clear()
    scene = begin(client, teacher=True)
    assert scene["opinion"]["note"] == scene["opinion"]["said"][0] == CANARY
    for move in range(6):
        scene = client.post(f"/api/episodes/{scene['id']}/ask").json()
        scene = step(client, scene, scene["opinion"]["action"] if move % 2 else None).json()
    assert CANARY in json.dumps(scene)

    asked = student.asked()
    assert len(asked) == 6
    assert CANARY not in json.dumps(asked)
    world = make_world("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "validation", 5, 2)})
    for request, turn in zip(asked, scene["turns"], strict=True):
        fields = {"observation", "model", "role", "order", "temperature", "seed", "alternatives"}
        assert set(request) == fields
        assert request["observation"] == from_observation(world.observe()).model_dump(mode="json")
        assert (request["role"], request["order"]) == ("actor", "")
        assert request["model"] in ("", f"voxel@{fingerprint(STUDENT.folder())}")
        world.step(join_reply(turn["note"], turn["action"]))


def test_asking_twice_asks_once_and_an_old_click_does_nothing(
    client: TestClient, student: Remembering
) -> None:
    scene = begin(client, suite="babyai/GoToObj")
    student.bodies.clear()
    first, second = (client.post(f"/api/episodes/{scene['id']}/ask").json() for _ in range(2))
    assert first["decision"] == second["decision"]
    assert len(student.asked()) == 1
    shares = [np.exp(entry["logprob"]) for entry in first["decision"]["alternatives"]]
    assert len(shares) == len(scene["actions"])
    assert step(client, scene).status_code == 200
    assert problem(step(client, scene))["status"] == 409
    assert client.get(f"/api/episodes/{scene['id']}").json()["decisions"] == 1


def test_a_person_may_act_and_the_teacher_is_compared_with_what_was_done(client: TestClient) -> None:
    scene = begin(client, suite="babyai/GoToObj", teacher=True)
    assert "is not legal here" in problem(step(client, scene, "fly"))["detail"]
    advised = scene["opinion"]["action"]
    assert scene["opinion"]["valid"]
    other = next(a for a in scene["actions"] if a not in (advised, *scene["opinion"]["equally_good"]))
    scene = step(client, scene, other).json()
    scene = step(client, scene, scene["opinion"]["action"]).json()
    assert [turn["agreement"] for turn in scene["turns"]] == ["differs", "agrees"]
    assert scene["turns"][0]["teacher"] == advised
    assert [turn["by"] for turn in scene["turns"]] == ["hand", "hand"]
    while not scene["over"]:
        scene = step(client, scene, scene["opinion"]["action"]).json()
    assert scene["success"]
    assert scene["opinion"] is None


def test_episodes_are_bounded_and_the_one_left_alone_makes_room(
    client: TestClient, playground: Playground
) -> None:
    names = [begin(client, suite="babyai/GoToObj", index=index)["id"] for index in range(3)]
    assert client.get(f"/api/episodes/{names[0]}").status_code == 200
    begin(client, suite="babyai/GoToObj")
    assert len(playground.table) == 3
    assert [client.get(f"/api/episodes/{name}").status_code for name in names] == [200, 404, 200]
    with playground.table.use(names[0], ""):
        assert problem(client.post(f"/api/episodes/{names[0]}/ask"))["status"] == 409
    assert client.delete(f"/api/episodes/{names[0]}").status_code == 204
    assert "expired, was closed" in problem(client.get(f"/api/episodes/{names[0]}"))["detail"]
    assert problem(client.delete(f"/api/episodes/{names[0]}"))["status"] == 404


def test_a_picture_of_ones_own_is_cut_to_a_square_and_decided_on(
    client: TestClient, student: Remembering
) -> None:
    ask = {"goal": "find pumpkin", "suite": "voxel/goal_name"}
    for kind in ("PNG", "JPEG"):
        student.bodies.clear()
        answer = client.post("/api/look", json=ask | {"frame": picture(kind=kind)}).json()
        (asked,) = student.asked()
        assert answer["frame"].startswith("data:image/png;base64,")
        assert asked["observation"]["goal"]["text"] == "find pumpkin"
        assert answer["decision"]["action"] in asked["observation"]["actions"]
    cases = {
        413: [{"frame": picture(400, 400)}, {"frame": "A" * 2**21}],
        422: [{"frame": "no picture"}, {"frame": picture(4, 4)}, {"suite": "own/os"}, {"goal": "a <image>"},
              {"goal": "two\nlines"}, {"suite": "babyai/Nowhere"}],
    }  # fmt: skip
    for status, bad in cases.items():
        for change in bad:
            refused = client.post("/api/look", json={**ask, "frame": picture(), **change})
            assert problem(refused)["status"] == status, change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"suite": "own/os"}, "suite"),
        ({"suite": "voxel/nothing"}, "suite"),
        ({"difficulty": 4}, "difficulty"),
        ({"index": -1}, "index"),
        ({"index": 2**30}, "index"),
        ({"split": "pretrain"}, "split"),
        ({"frame": "x"}, "frame"),
    ],
)
def test_what_cannot_be_begun_is_refused_by_name(
    client: TestClient, change: dict[str, Any], named: str
) -> None:
    refused = problem(client.post("/api/episodes", json=EPISODE | change))
    assert refused["status"] == 422
    assert named in refused["detail"]


@given(JUNK)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_no_junk_ends_in_a_500(client: TestClient, junk: Any) -> None:
    for path in ("/api/episodes", "/api/look", "/api/episodes/x/step", "/api/episodes/x/ask"):
        assert 400 <= client.post(path, json=junk).status_code < 500


def test_a_world_that_breaks_ends_its_own_episode_with_a_sentence(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = begin(client, suite="babyai/GoToObj")
    broken = begin(client, suite="babyai/GoToObj", index=6)
    name = "worlds.babyai.world.BabyAIWorld"
    with monkeypatch.context() as patch:
        patch.setattr(f"{name}._apply", lambda self, action: 1 / 0)
        refused = problem(step(client, broken, broken["actions"][0]))
    assert refused["status"] == 410
    assert "division by zero" in refused["detail"]
    assert problem(step(client, broken))["status"] == 404
    assert step(client, whole, whole["actions"][0]).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(f"{name}._begin", lambda self, episode: 1 / 0)
        refused = problem(client.post("/api/episodes", json=EPISODE | {"suite": "babyai/GoToObj"}))
    assert refused["status"] == 422
    assert "cannot begin" in refused["detail"]


def test_a_teacher_may_be_switched_off(student_url: str) -> None:
    with TestClient(app_of(playground_of(student_url, teacher=False)), HERE) as client:
        assert client.get("/api/catalogue").json()["teacher"] is False
        refused = problem(client.post("/api/episodes", json=EPISODE | {"teacher": True}))
    assert refused["status"] == 403
    assert "teacher=false" in refused["detail"]


def test_with_keys_an_episode_is_one_callers_alone(student_url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ann, bob = ({"Authorization": f"Bearer {add_key(file, name, ['act'], 0)}"} for name in ("ann", "bob"))
    keys = KeyRing(read_keys(file))
    with TestClient(app_of(playground_of(student_url), keys)) as client:
        assert client.get("/").status_code == 200
        assert problem(client.get("/api/catalogue"))["status"] == 401
        body = EPISODE | {"suite": "babyai/GoToObj"}
        name = client.post("/api/episodes", json=body, headers=ann).json()["id"]
        assert client.get(f"/api/episodes/{name}", headers=ann).status_code == 200
        assert problem(client.get(f"/api/episodes/{name}", headers=bob))["status"] == 404


def test_without_keys_no_page_of_elsewhere_is_answered(client: TestClient) -> None:
    assert client.get("/api/catalogue", headers={"Origin": HERE}).status_code == 200
    for header in ({"Host": "rebound.example"}, {"Origin": "https://elsewhere.example"}):
        assert problem(client.get("/api/catalogue", headers=header))["status"] == 403


def test_a_world_that_does_not_close_is_left_all_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = begin(client, suite="babyai/GoToObj")
    monkeypatch.setattr("worlds.babyai.world.BabyAIWorld.close", lambda self: 1 / 0)
    assert client.delete(f"/api/episodes/{opened['id']}").status_code == 204
    assert problem(client.get(f"/api/episodes/{opened['id']}"))["status"] == 404


def test_the_page_loads_its_own_files_and_holds_no_code(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|https?://", page.text)
    for name in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        for module in re.findall(r'from "\./(.+?)"', answer.text):
            assert "javascript" in client.get(f"/{module}").headers["content-type"]
    assert client.get("/api/catalogue").headers["cache-control"] == "no-store"
    assert problem(client.get("/../config.py"))["status"] == 404
    assert problem(client.get("/docs"))["status"] == 404
    plain = client.post("/api/episodes", content="{}", headers={"Content-Type": "text/plain"})
    assert problem(plain)["status"] == 415
    assert problem(client.post("/api/episodes", content="x" * 2**21, headers=JSON))["status"] == 413


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"student": "127.0.0.1:8000"}, "watch.student"),
        ({"student": "http://[::1"}, "watch.student"),
        ({"student": "http://here:port"}, "watch.student"),
        ({"port": 0}, "watch.port"),
        ({"temperature": -1.0}, "watch.temperature"),
        ({"frame_size": 60}, "watch.frame_size"),
        ({"max_episodes": 0}, "watch.max_episodes"),
        ({"expiry_s": 0.0}, "watch.expiry_s"),
        ({"tls_cert": "x.pem"}, "watch.tls_cert"),
        ({"keys": "nowhere.json"}, "watch.keys"),
        ({"host": "0.0.0.0"}, "watch.host"),
    ],
)
def test_what_cannot_be_hosted_is_said_by_its_key(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        WatchConfig(**setting)


def test_the_frame_that_is_shown_is_the_one_that_the_student_sees(
    client: TestClient, student: Remembering
) -> None:
    scene = begin(client)
    student.bodies.clear()
    client.post(f"/api/episodes/{scene['id']}/ask")
    (asked,) = student.asked()
    world = make_world("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "validation", 5, 2)})
    assert asked["observation"]["frame"] == encode_frame(world.observe().frame)
    shown = Image.open(io.BytesIO(base64.b64decode(scene["frame"].partition(",")[2])))
    assert np.array_equal(np.asarray(shown), world.observe().frame)
