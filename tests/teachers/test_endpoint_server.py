"""The local endpoint: every fault costs tries and nothing else, is a matter of the seed, ends when told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import endpoints
import pytest
from endpoints import Endpoint, agreement, states, teacher_config, team
from typer.testing import CliRunner

import retort
from cluster.checks import await_endpoint
from teachers import backends
from teachers.endpoint.faults import FAULTS, Fate, Fault, FaultConfig

QUICK = {"timeout_s": 2.0, "patience_s": 20.0, "tries": 12}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with endpoints.serving() as server:
        yield server


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_costs_tries_and_nothing_else(
    kind: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second request fails in this way: the labels are those of a sound endpoint. (A question fails for
    good once in 2**15: with 8 repairs, once in 2**9, one of the many did after a change of wording.)"""
    monkeypatch.setattr(backends.caller, "BACKOFF_S", 0.02)  # the same waits, a tenth as long
    monkeypatch.setattr(backends.desk, "PROBE_S", 0.05)
    faults = FaultConfig(seed=3, share=0.5, kinds=(kind,), silence_s=30.0, retry_after_s=0.05)
    settings = {**QUICK, "timeout_s": 0.6 if kind == "silence" else 2.0, "repairs": 14}
    reached = states("voxel/goal_name", 4, 12)  # so many questions that some fail, whatever the prompts say
    with endpoints.serving(faults) as server:
        teacher, _ = team(teacher_config(server.url, **settings), tmp_path)
        labels = [teacher.label(observation, mirror) for observation, mirror, _ in reached]
        assert server.app.state.failed >= 1
    assert [label.reason for label in labels if not label.valid] == []
    assert agreement(labels, reached) >= 0.8


@pytest.mark.parametrize("kind", FAULTS)
def test_an_endpoint_that_only_fails_gives_invalid_labels_with_the_reason(
    kind: Fault, tmp_path: Path
) -> None:
    faults = FaultConfig(share=1.0, kinds=(kind,), silence_s=30.0, retry_after_s=0.05)
    observation, mirror, _ = states("voxel/goal_name", 1, 1)[0]
    with endpoints.serving(faults) as server:
        timeout_s = 0.3 if kind == "silence" else 2.0
        config = teacher_config(server.url, timeout_s=timeout_s, patience_s=5.0, tries=3, repairs=2)
        teacher, _ = team(config, tmp_path)
        began = time.monotonic()
        label = teacher.label(observation, mirror)
        assert time.monotonic() - began < 6.0
        if kind != "busy":  # which is waited for as long as the patience lasts
            assert server.asked == 3  # the tries, or the first answer and its repairs
    assert not label.valid
    assert label.action == ""
    assert len(label.reason) > 10


def test_an_endpoint_that_is_told_to_end_does_so_while_it_is_silent() -> None:
    code = (
        "from teachers.endpoint.faults import FaultConfig; from teachers.endpoint.server import run_endpoint;"
        "run_endpoint(FaultConfig(share=1.0, kinds=('silence',)), '127.0.0.1', 0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split(": ", 1)[1].split(",")[0]
        body = json.dumps({"model": "retort-scripted", "messages": []}).encode()
        await_endpoint("127.0.0.1", urllib.parse.urlsplit(url).port or 0)
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{url}/chat/completions", body, timeout=1.0)
        process.terminate()
        process.wait(timeout=60)  # of the 600 s of silence
    finally:
        process.kill()


def test_faults_are_a_matter_of_the_seed() -> None:
    bodies = [str(i % 50).encode() for i in range(200)]

    def fates(seed: int) -> list[Fault | None]:
        fate = Fate(FaultConfig(seed=seed, share=0.3))
        return [fate.of(body)[0] for body in bodies]

    assert fates(1) == fates(1) != fates(2)
    assert 0.2 < sum(fault is not None for fault in fates(1)) / 200 < 0.4
    with pytest.raises(ValueError, match="between 0 and 1"):
        FaultConfig(share=2)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"model": "retort-scripted"}, 400, "Field required"),
        ({"model": "gpt", "messages": [], "input": "x"}, 404, "by 'gpt' here, only by"),
        (["not", "an", "object"], 400, "should be an object"),
    ],
)
@pytest.mark.parametrize("route", ["chat/completions", "embeddings"])
def test_what_is_no_request_is_told_so(
    route: str, body: object, status: int, sentence: str, endpoint: Endpoint
) -> None:
    request = urllib.request.Request(
        f"{endpoint.url}/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    error = json.loads(refused.value.read())["error"]
    assert (refused.value.code, error["code"]) == (status, status)
    assert sentence in error["message"]


@pytest.mark.parametrize("port", ["70000", "-5"])
def test_a_port_that_cannot_be_is_refused_in_a_sentence(port: str) -> None:
    ended = CliRunner().invoke(retort.app, ["endpoint", "--port", port])
    assert ended.exit_code == 2
    assert "--port" in ended.output


def test_the_help_names_the_kinds_of_fault_and_the_wait() -> None:
    told = CliRunner().invoke(retort.app, ["endpoint", "--help"], env={"COLUMNS": "1000"}).output
    assert all(kind in told for kind in FAULTS)
    assert "60 s" in told


def test_another_world_s_prompt_is_refused_with_the_reason(endpoint: Endpoint) -> None:
    messages = [{"role": "user", "content": "You see a red ball.\nLegal actions: left | right"}]
    body = json.dumps({"model": "retort-scripted", "messages": messages}).encode()
    before = endpoint.asked
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{endpoint.url}/chat/completions", body, timeout=10)
    assert refused.value.code == 400
    assert "not those of BabyAI" in json.loads(refused.value.read())["error"]["message"]
    assert endpoint.asked == before
