"""What an endpoint tells beside its answers: usage, errors within a success, when to come back, refusals."""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bare import bare
from test_endpoint_client import ASK

from cluster.checks import check_teacher
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.openai_chat import MOST_TOKENS, OpenAIChat, _retry_after, read_key
from teachers.backends.recording import Recording
from teachers.backends.types import Call, Unreachable
from teachers.config import TeacherConfig


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -5000, "completion_tokens": -50},
        {"prompt_tokens": 10**19, "completion_tokens": 3},
        {"prompt_tokens": float("inf"), "completion_tokens": 3},
        {"prompt_tokens": float("nan"), "completion_tokens": 3},
        {"prompt_tokens": 3, "completion_tokens": MOST_TOKENS + 1},
        {"prompt_tokens": "many", "completion_tokens": 3},
        [1, 2],
        "much",
        None,
    ],
)
def test_a_usage_that_cannot_be_is_not_told(usage: object) -> None:
    chat = OpenAIChat(EndpointConfig())
    reply = {"choices": [{"message": {"content": "hi"}}], "usage": usage}
    untold = chat._call({**reply, "usage": {}}, ASK, 0.1)
    assert chat._call(reply, ASK, 0.1) == untold
    assert untold.tokens >= 100
    told = {"prompt_tokens": 7, "completion_tokens": 3}
    assert chat._call({**reply, "usage": told}, ASK, 0.1).tokens == 10


def test_a_number_that_cannot_be_recorded_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    desk = CallDesk(EndpointConfig(), Recording(tmp_path / "calls.sqlite"))
    assert desk.open(ASK.key, 1).kind == "ask"
    desk.close(ASK.key, ASK.purpose, ASK.told, Call("{}", "m", 10**19, 1, 0.1))
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "unrecorded"
    assert "cannot be written" in verdict.reason


@pytest.mark.parametrize("error", [{"message": "overloaded", "code": 503}, "overloaded"])
def test_an_error_within_a_success_is_told_in_its_own_words(error: object) -> None:
    said = pytest.raises(Unreachable, match="no completion, but an error: overloaded")
    with bare(json.dumps({"error": error}).encode()) as url, said as raised:
        OpenAIChat(EndpointConfig(url=url)).ask(ASK)
    assert raised.value.trouble == "down"


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"retry-after": "3"}, 3, 3),
        ({"retry-after-ms": "200", "retry-after": "3"}, 0.2, 0.2),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3, 3),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"retry-after": "Wed, 21 Oct 2065 07:28:00 GMT"}, 60, 60),
        ({"retry-after": "inf"}, 60, 60),
        ({"retry-after": "-5"}, 0, 0),
        ({"retry-after": "nonsense"}, 1, 1),
        ({}, 1, 1),
    ],
)
def test_when_to_come_back_is_read_in_every_form(
    headers: dict[str, str], least_s: float, most_s: float
) -> None:
    assert least_s <= _retry_after(headers) <= most_s


def test_a_date_to_come_back_at_is_so_many_seconds_away() -> None:
    header = email.utils.formatdate(time.time() + 40, usegmt=True)
    assert 10 <= _retry_after({"retry-after": header}) <= 40


@pytest.mark.parametrize("status", [401, 403, 404, 400, 429, 500])
def test_a_run_begins_where_one_small_question_is_not_refused(status: int) -> None:
    body = json.dumps({"error": {"message": "told so"}}).encode()
    with bare(body, status) as url:
        config = TeacherConfig(backend="openai", endpoint=EndpointConfig(url=url, model="gpt-nothing"))
        if status not in (401, 403, 404):
            check_teacher(config)
            return
        with pytest.raises(ValueError, match=r"told so.*url, model.*key_file.*gpt-nothing"):
            check_teacher(config)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_run_begins_where_the_model_for_embeddings_is_one(status: int) -> None:
    """A chat model that is asked for embeddings is refused with 400 by many, with 404 by others."""
    chat = json.dumps({"choices": [{"message": {"content": "ok"}}], "model": "m"}).encode()
    wrong = json.dumps({"error": {"message": "told so"}}).encode()
    with bare(chat, 200, {"/embeddings": (wrong, status)}) as url:
        endpoint = EndpointConfig(url=url, model="gpt", embeddings="gpt-chat")
        check_teacher(TeacherConfig(backend="openai", endpoint=replace(endpoint, embeddings="")))
        if status == 500:
            check_teacher(TeacherConfig(backend="openai", endpoint=endpoint))
            return
        with pytest.raises(ValueError, match=r"told so.*asked of the model 'gpt-chat'"):
            check_teacher(TeacherConfig(backend="openai", endpoint=endpoint))


@pytest.mark.parametrize("key", ["\u043a\u043b\u044e\u0447", "two words", "a\nb"])
def test_the_key_of_the_environment_is_one_that_can_be_sent(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ValueError, match="OPENAI_API_KEY must hold the key"):
        read_key(EndpointConfig())
    monkeypatch.setenv("OPENAI_API_KEY", " sesame\n")
    assert read_key(EndpointConfig()) == "sesame"
