"""The client: what it sends, what it makes of odd completions, of each status and of the time they take."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import endpoints
import pytest
from bare import bare
from endpoints import Endpoint, states, teacher_config, team

from teachers.backends.config import EndpointConfig
from teachers.backends.openai_chat import OpenAIChat, read_key
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Message, Unreachable
from teachers.team import replies
from teachers.team.prompting import schema
from teachers.types import UNANSWERED

ASK = Ask("actor", (Message("system", "s"), Message("user", "u" * 400)), "{}", "m")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with endpoints.serving() as server:
        yield server


def test_a_refused_request_says_what_to_look_at(endpoint: Endpoint, tmp_path: Path) -> None:
    teacher, desk = team(teacher_config(endpoint.url, model="gpt-nothing"), tmp_path)
    observation, mirror, _ = states("voxel/goal_name", 1, 1)[0]
    label = teacher.label(observation, mirror)
    assert "404" in label.reason
    assert "teacher.endpoint.url, model" in label.reason
    assert label.reason.startswith(UNANSWERED)
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "refused"


def test_the_image_goes_along_once_and_the_key_is_sent(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = states("voxel/goal_name", 1, 1)[0]
    seen: list[Ask] = []
    usual = OpenAIChat.ask

    def listening(self: OpenAIChat, asked: Ask) -> Call:
        seen.append(asked)
        assert self._client.api_key == "sesame"
        return usual(self, asked)

    monkeypatch.setattr(OpenAIChat, "ask", listening)
    (tmp_path / "key").write_text("sesame\n")
    teacher, _ = team(teacher_config(endpoint.url, key_file=str(tmp_path / "key")), tmp_path)
    assert teacher.label(ask[0], ask[1]).valid
    assert [len(asked.images) for asked in seen] == [0, 0, 1]
    content = seen[-1].wire()[1]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    with pytest.raises(ValueError, match="key_file"):
        read_key(EndpointConfig(key_file=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"choices": [{"message": {"content": "hi"}}]}, "hi"),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "hi"}]}}], "usage": {}}, "hi"),
        ({"choices": [{"message": {"content": None}}], "usage": {"completion_tokens": None}}, ""),
        ({"choices": []}, ""),
        ({"choices": None}, ""),
        ({"choices": [{}]}, None),
        ({"choices": [None]}, None),
        ({"error": "none"}, None),
        ([1, 2], None),
    ],
)
def test_odd_completions_are_answers_or_tries_and_are_always_counted(reply: object, text: str | None) -> None:
    with bare(json.dumps(reply).encode()) as url:
        chat = OpenAIChat(EndpointConfig(url=url))
        if text is None:
            with pytest.raises(Unreachable, match="no completion"):
                chat.ask(ASK)
            return
        call = chat.ask(ASK)
    assert call.text == text
    assert call.tokens >= 100  # about what was asked, where the endpoint does not say


@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [
        (400, "content_filter", "rejected"),
        (413, None, "rejected"),
        (422, None, "rejected"),
        (401, None, "refused"),
        (404, None, "refused"),
        (402, None, "unpaid"),
        (429, "insufficient_quota", "unpaid"),
        (429, "rate_limit_exceeded", "busy"),
        (500, None, "down"),
        (529, None, "down"),
    ],
)
def test_a_status_is_told_by_whose_trouble_it_is(status: int, code: str | None, trouble: str) -> None:
    body = json.dumps({"error": {"message": "told so", "code": code}}).encode()
    with bare(body, status) as url, pytest.raises(Unreachable, match=r"told so|wants money") as raised:
        OpenAIChat(EndpointConfig(url=url)).ask(ASK)
    assert raised.value.trouble == trouble


def test_the_timeout_is_of_the_whole_answer() -> None:
    """A server that sends a blank every now and then would else hold a call for ever."""
    with bare([b" "] * 40, pause_s=0.1) as url:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"not done in 0\.5 s"):
            OpenAIChat(EndpointConfig(url=url, timeout_s=0.5)).ask(ASK)
        assert time.monotonic() - began < 1.5


def test_half_a_character_in_an_answer_can_be_recorded(tmp_path: Path) -> None:
    reply = json.loads('{"choices": [{"message": {"content": "\\ud83d"}}], "usage": {"prompt_tokens": 1}}')
    call = OpenAIChat(EndpointConfig())._call(reply, ASK, 0.1)
    assert Recording(tmp_path / "calls.sqlite").add(ASK, call).text == "?"


def test_what_a_model_does_not_take_is_not_sent() -> None:
    plain_body = OpenAIChat(EndpointConfig())._body(ASK)
    assert plain_body["max_tokens"] == 1024
    assert plain_body["temperature"] == 0.0
    assert plain_body["response_format"]["json_schema"]["strict"] is True
    config = EndpointConfig(token_field="max_completion_tokens", structure="json_object", temperature=None)
    body = OpenAIChat(config)._body(replace(ASK, temperature=None, structure="json_object"))
    assert "temperature" not in body
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 1024
    assert body["response_format"] == {"type": "json_object"}
    bare_config = EndpointConfig(structure="none")
    assert "response_format" not in OpenAIChat(bare_config)._body(replace(ASK, structure="none"))


def test_schemas_keep_to_what_strict_outputs_take() -> None:
    """No bounds on lengths, every field required, no others allowed, and the thought before the decision."""
    for reply in replies.ALL:
        told = json.loads(schema(reply))
        assert next(iter(told["properties"])) == "thought"
        for tree in (told, *told.get("$defs", {}).values()):
            assert tree["additionalProperties"] is False
            assert tree["required"] == list(tree["properties"])
        assert not {"maxLength", "minLength", "maxItems", "minItems"} & set(
            re.findall(r'"(\w+)":', schema(reply))
        )
        assert '""' not in schema(reply)


@pytest.mark.parametrize("text", ["", "two lines\nof it", "with blank", "schlüssel"])
def test_a_key_file_holds_one_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(ValueError, match="one line with the key"):
        read_key(EndpointConfig(key_file=str(tmp_path / "key")))
