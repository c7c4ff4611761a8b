"""`retort serve` on a real Ray Serve: the same decisions as in this process, and a clean end."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import websockets.sync.client
from served import children, fronts, refuses, replicas, served, until
from serving import body, observations, self_signed
from tiny import ACTIONS, NOTES, tiny_student

from serve.client import Client, Refused
from serve.front import FOLDER, FOLDERS
from serve.images import encode_frame
from serve.keys import add_key
from serve.ports import free_port
from serve.sessions import SessionRequest
from serve.wire import WireGoal
from student.config import StudentConfig
from student.fingerprint import fingerprint
from student.prompts import build_prompt
from student.student import Student
from worlds.types import Observation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
RECORDED = 500


def test_recorded_observations_get_the_same_actions_as_in_process(folder: Path, tmp_path: Path) -> None:
    seen = observations(RECORDED)
    model = Student.load(StudentConfig(path=str(folder), dtype="float32", device="cpu"))
    own = [
        decision
        for start in range(0, RECORDED, 50)
        for decision in model.decide([build_prompt(o) for o in seen[start : start + 50]], 0.0, [0] * 50)
    ]
    key = add_key(tmp_path / "keys.json", "test", ["act"], 0)
    with served(folder, tmp_path / "log", f"keys={tmp_path / 'keys.json'}", "replicas=2") as (
        process,
        url,
    ):
        with pytest.raises(Refused) as closed, Client(url) as nobody:
            nobody.act(seen[0])
        assert closed.value.status == 401
        with Client(url, key) as client, ThreadPoolExecutor(16) as many:
            answers = list(many.map(client.act, seen[: RECORDED // 2]))
            answers += client.act_batch(seen[RECORDED // 2 :][:128])
            answers += client.act_batch(seen[RECORDED // 2 + 128 :])
        assert [(a.note, a.action) for a in answers] == [(d.note, d.action) for d in own]
        _a_session_is_shared_by_the_replicas(url, key, seen)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    output = (tmp_path / "log").read_text()
    assert process.returncode == 0, output
    assert "finishing what was taken" in output


def test_a_server_that_is_told_to_end_while_it_starts_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    command = [sys.executable, "-u", "retort.py", "serve", str(folder), f"port={port}", "cpus=0.5"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    until(lambda: process.poll() is not None or bool(children(process, "ServeController")))
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM, log.read_text()
    assert "Aborted" not in log.read_text()
    assert "*** SIGTERM" not in log.read_text()
    assert not psutil.wait_procs(started, timeout=30)[1]
    assert refuses(port)
    assert not list(FOLDERS.glob(f"{FOLDER}{process.pid}-*"))


def _a_session_is_shared_by_the_replicas(url: str, key: str, seen: list[Observation]) -> None:
    """Twelve decisions over as many connections reach both replicas, and none is forgotten."""
    headers = {"Authorization": f"Bearer {key}"}
    episode = SessionRequest(goal=WireGoal(text="red"), actions=ACTIONS, notes=NOTES)
    opened = httpx2.post(f"{url}/v1/sessions", headers=headers, json=episode.model_dump(mode="json"))
    name = opened.json()["id"]
    for one in seen[:12]:
        step = {"frame": encode_frame(one.frame)}
        answer = httpx2.post(f"{url}/v1/sessions/{name}/act", headers=headers, json=step, timeout=30)
        assert answer.status_code == 200, answer.text
    info = httpx2.get(f"{url}/v1/sessions/{name}", headers=headers).json()
    assert info["decisions"] == len(info["history"]) == 12
    assert httpx2.get(f"{url}/v1/sessions/nobodys", headers=headers).status_code == 404


def test_the_loop_on_the_page_plays_an_episode(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text("utf-8")
    code = re.findall(r"```python\n(.+?)```", page, re.DOTALL)[0]
    with served(Path("voxel"), tmp_path / "log") as (_, url):
        assert "http://127.0.0.1:8000" in code
        code = code.replace("http://127.0.0.1:8000", url)
        names: dict[str, Any] = {}
        exec(compile(code, "docs/serve.md", "exec"), names)
    world = names["world"]
    assert names["won"] or names["over"]
    assert len(world.observe().history) > 0


def test_the_playground_of_a_killed_server_ends() -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    code = (
        "import time\nfrom cluster.watching import playground\n"
        f"with playground(['student=http://127.0.0.1:1', 'port={port}']): time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        until(lambda: httpx2.get(page).status_code == 200)
        server.kill()
    until(lambda: refuses(port))


def test_nothing_but_the_served_address_is_open_and_a_kill_frees_it(folder: Path, tmp_path: Path) -> None:
    """Beside what Ray itself listens on everywhere, its token's care."""
    add_key(tmp_path / "keys.json", "test", ["act"], 0)
    with served(folder, tmp_path / "log", "host=0.0.0.0", f"keys={tmp_path / 'keys.json'}") as (process, url):
        port = int(url.rpartition(":")[2])
        proxies = fronts(process)
        open_ = {
            socket_.laddr.port
            for one in [*proxies, *children(process, "ServeReplica")]
            for socket_ in one.net_connections()
            if socket_.status == "LISTEN" and socket_.laddr.ip == "0.0.0.0"
        }
        assert open_ == {port}
        process.kill()
        process.wait()
    until(lambda: refuses(port))
    psutil.wait_procs(proxies, timeout=30)
    assert not any(front.is_running() for front in proxies)


def test_over_ipv6_with_a_playground_that_asks_it_and_ends_with_it(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    with served(folder, tmp_path / "log", "host=::1", "--watch", f"watch.port={port}") as (process, url):
        address = url.replace("127.0.0.1", "[::1]")
        assert f"{address}/v1/act" in (tmp_path / "log").read_text()
        with Client(address) as client:
            assert client.act(observations(1)[0]).action in ACTIONS
        until(lambda: httpx2.get(f"{page}/api/student").json()["model"] == folder.name)
        assert "Retort" in httpx2.get(page).text
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert process.returncode == 0, (tmp_path / "log").read_text()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(page)


def test_over_tls_ray_s_own_proxy_answers_under_the_certificates_name(folder: Path, tmp_path: Path) -> None:
    """A client, the page about the interface, and a playground beside it."""
    certificate, key = self_signed(tmp_path, "localhost")
    port, page = free_port(), free_port()
    secure, context = f"https://localhost:{port}", ssl.create_default_context(cafile=certificate)
    keys = [f"port={port}", f"tls_cert={certificate}", f"tls_key={key}"]
    beside = ["--watch", f"watch.port={page}", f"watch.student={secure}"]
    with served(folder, tmp_path / "log", *keys, *beside) as (process, _):
        assert not fronts(process)
        with Client(secure, transport=httpx2.HTTPTransport(verify=context)) as client:
            assert client.act(observations(1)[0]).action in ACTIONS
        for path, holds in (("", "swagger-ui-bundle.js"), ("/files/swagger-ui-bundle.js", "Swagger")):
            told = httpx2.get(f"{secure}/docs{path}", verify=context)
            assert told.status_code == 200
            assert holds in told.text
        until(lambda: httpx2.get(f"http://127.0.0.1:{page}/api/student").json().get("model") == folder.name)


def test_a_killed_front_comes_back_and_its_absence_is_no_refusal(folder: Path, tmp_path: Path) -> None:
    """Neither when it dies nor when all ends."""
    with served(folder, tmp_path / "log") as (process, url):
        with Client(url, retries=12) as client:
            (front,) = fronts(process)
            front.kill()
            assert client.act(observations(1)[0]).action in ACTIONS
        assert httpx2.get(f"{url}/readyz").status_code == 200
        assert len(fronts(process)) == 1
        _who_asks_while_it_ends_is_answered_or_told_to_ask_again(process, url)


def _who_asks_while_it_ends_is_answered_or_told_to_ask_again(
    process: subprocess.Popen[bytes], url: str
) -> None:
    seen = json.loads(body(observations(1)[0]))
    told: Counter[tuple[int, str]] = Counter()

    def ask() -> None:
        with httpx2.Client(base_url=url, timeout=30) as client:
            while process.poll() is None:
                with suppress(httpx2.TransportError):  # it has ended, or HAProxy has been replaced
                    answer = client.post("/v1/act", json=seen)
                    told[answer.status_code, answer.headers["content-type"]] += 1

    with ThreadPoolExecutor(4) as many:
        asking = [many.submit(ask) for _ in range(4)]
        until(lambda: told[200, "application/json"] > 20)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        for one in asking:
            one.result()
    assert set(told) <= {(200, "application/json"), (503, "application/problem+json")}


def test_a_port_in_use_is_said_and_nothing_is_left(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "retort.py", "serve", str(folder), f"port={taken.getsockname()[1]}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "choose another with port=" in done.stderr


def test_new_weights_and_a_killed_replica_lose_no_request(folder: Path, tmp_path: Path) -> None:
    tiny_student(seed=5).save(tmp_path / "next", {"title": "next"})
    old, new = fingerprint(folder), fingerprint(tmp_path / "next")
    seen = observations(40)
    with served(folder, tmp_path / "log", "replicas=2", f"models_under={tmp_path}", "deadline_s=3") as (
        process,
        url,
    ):
        stop, answers = threading.Event(), list[str]()

        def ask(number: int) -> None:
            with Client(url, retries=8) as client:
                while not stop.is_set():
                    answers.append(client.act(seen[(number + len(answers)) % len(seen)]).version)

        with ThreadPoolExecutor(4) as many, Client(url) as client:
            asking = [many.submit(ask, number) for number in range(4)]
            try:
                time.sleep(2)
                changed = client.offer(folder.name, "next")
                assert [one["revision"] for one in changed["replicas"].values()] == [2, 2]
                after = len(answers) + 8  # what was on its way may still be of the old one
                time.sleep(2)
                asked = replicas(process)
                assert len(asked) == 2
                asked[0].kill()
                time.sleep(15)
            finally:
                stop.set()
            for one in asking:
                one.result()  # raises where an answer did not come
        assert set(answers[:after]) == {old, new}
        assert set(answers[after:]) == {new}, (
            "the replica that came for the killed one serves the new weights"
        )
        assert len(answers) > after + 100
        _a_connection_outlives_the_deadline_of_a_request(url)
        _what_is_too_much_or_too_slow_is_ended(url)


def _a_connection_outlives_the_deadline_of_a_request(url: str) -> None:
    frame = encode_frame(observations(1)[0].frame)
    with websockets.sync.client.connect(url.replace("http", "ws") + "/v1/session") as socket_:
        socket_.send(json.dumps({"goal": {"text": "red"}, "actions": list(ACTIONS)}))
        assert json.loads(socket_.recv(timeout=20))["decisions"] == 0
        for _ in range(2):
            socket_.send(json.dumps({"frame": frame}))
            assert json.loads(socket_.recv(timeout=20))["action"] in ACTIONS
            time.sleep(8)  # a request has 3 s here


def _what_is_too_much_or_too_slow_is_ended(url: str) -> None:
    """100 MB are refused; a body that does not come on is given up, and meanwhile others are answered."""
    large = httpx2.post(f"{url}/v1/act", content=b"x" * 100_000_000, timeout=60)
    assert large.status_code == 413
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(
            b"POST /v1/act HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        with Client(url) as client:
            client.act(observations(1)[0])
        began = time.monotonic()
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 20
