"""OpenAI's own client: a conversation is an episode, and the answer is the student's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import HERE, JUNK, observations, problem, served_app
from starlette.testclient import TestClient
from tiny import ACTIONS, NOTES

from serve.images import encode_frame
from serve.wire import to_response
from student.config import StudentConfig
from student.prompts import build_prompt
from student.student import Student
from student.types import Decision
from worlds.types import Goal, Observation, Status, Turn

FRAMES = [one.frame for one in observations(3)]
OWN = {"actions": list(ACTIONS), "notes": list(NOTES)}


def shown(frame: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encode_frame(frame)}"}}


def talk() -> list[Any]:
    return [
        {"role": "system", "content": "You are a conductor."},
        {"role": "user", "content": [{"type": "text", "text": "red"}, shown(FRAMES[0])]},
        {"role": "assistant", "content": f"{NOTES[0]} | {ACTIONS[0]}"},
        {"role": "user", "content": [{"type": "text", "text": "stuck"}, shown(FRAMES[1])]},
        {"role": "assistant", "content": ACTIONS[1]},
        {"role": "user", "content": [shown(FRAMES[2])]},
    ]


SEEN = Observation(
    frame=FRAMES[2],
    goal=Goal("red"),
    status=Status(),
    sounds=(),
    history=(Turn(NOTES[0], ACTIONS[0], "stuck"), Turn("", ACTIONS[1], "ok")),
    actions=ACTIONS,
    notes=NOTES,
)


def with_openai(
    config: StudentConfig, scene: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, None]]
) -> None:
    app = served_app(config)

    async def run() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with openai.AsyncOpenAI(
            base_url=f"{HERE}/v1",
            api_key="none",
            http_client=httpx2.AsyncClient(transport=transport, base_url=HERE),
            max_retries=0,
        ) as ai:
            await scene(ai)

    asyncio.run(run())


def test_a_conversation_is_an_episode(student: StudentConfig) -> None:
    model = Student.load(student)
    (own,) = model.decide([build_prompt(SEEN, "conductor")], 0.0, [0])
    (other,) = model.decide([build_prompt(SEEN)], 0.0, [0])
    assert own.logprob != other.logprob, "the role must matter for this test to mean something"

    async def scene(ai: openai.AsyncOpenAI) -> None:
        assert [one.id async for one in ai.models.list()] == ["tiny"]
        answer = await ai.chat.completions.create(model="tiny", messages=talk(), extra_body=OWN)
        assert answer.choices[0].message.content == f"{own.note} | {own.action}"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        words = []
        stream = await ai.chat.completions.create(model="tiny", messages=talk(), extra_body=OWN, stream=True)
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content or "")
        assert "".join(words) == answer.choices[0].message.content
        assert len([word for word in words if word]) > 1
        stream = await ai.chat.completions.create(
            model="tiny", messages=talk(), extra_body=OWN, stream=True, stream_options={"include_usage": True}
        )
        *before, last = [chunk async for chunk in stream]
        assert (last.choices, last.usage) == ([], answer.usage)
        assert {chunk.usage for chunk in before} == {None}

    with_openai(student, scene)


def test_without_actions_it_writes_freely_and_the_same_for_the_same_seed(student: StudentConfig) -> None:
    async def scene(ai: openai.AsyncOpenAI) -> None:
        texts = [
            (await ai.chat.completions.create(model="tiny", messages=talk(), temperature=1.0, seed=seed))
            .choices[0].message.content
            for seed in (1, 1, 2)
        ]  # fmt: skip
        assert texts[0] == texts[1] != texts[2]

    with_openai(student, scene)


def test_instructions_may_be_long_and_of_many_lines(client: TestClient) -> None:
    long = "You are an actor.\n\n- Look.\n- Think.\t\n" + "x" * 5000
    asked = {"model": "tiny", "messages": [{"role": "system", "content": long}, *talk()[1:]], **OWN}
    assert client.post("/v1/chat/completions", json=asked).status_code == 200
    asked["messages"][0] = {"role": "developer", "content": [{"type": "text", "text": long}]}
    assert client.post("/v1/chat/completions", json=asked).status_code == 200


def test_a_reply_of_nothing_is_an_answer() -> None:
    nothing = Decision("", "", -1.0, (("", -1.0),), 1.0, 0)
    assert to_response(nothing, 1, "m", "v").skill.verb == ""


def test_what_is_no_episode_is_refused_as_openai_clients_expect(student: StudentConfig) -> None:
    first, last = talk()[1], talk()[-1]
    cases: list[tuple[type[openai.APIStatusError], str, list[Any]]] = [
        (openai.NotFoundError, "other", [first]),
        (openai.UnprocessableEntityError, "tiny", [{"role": "user", "content": "red"}]),
        (openai.UnprocessableEntityError, "tiny", [last]),
        (openai.UnprocessableEntityError, "tiny", talk()[:3]),
        (openai.UnprocessableEntityError, "tiny", [first, {"role": "assistant", "content": "a\nb"}, last]),
        (
            openai.UnprocessableEntityError,
            "tiny",
            [{"role": "user", "content": [{"type": "text", "text": "red"},
                {"type": "image_url", "image_url": {"url": "http://example.org/frame.png"}}]}],
        ),
    ]  # fmt: skip

    async def scene(ai: openai.AsyncOpenAI) -> None:
        for error, model, messages in cases:
            with pytest.raises(error) as refused:
                await ai.chat.completions.create(model=model, messages=messages, extra_body=OWN)
            assert re.search(r" - (model|(body\.)?messages)[\w.]*: ", str(refused.value)), (
                "it tells the reason"
            )

    with_openai(student, scene)


def test_a_picture_from_elsewhere_is_told_what_is_wrong_with_it(client: TestClient) -> None:
    """A message's content may be of two kinds: what is said is about the one that was sent."""
    elsewhere = {"type": "image_url", "image_url": {"url": "http://example.org/frame.png"}}
    asked = {"model": "tiny", "messages": [{"role": "user", "content": [elsewhere]}]}
    told = problem(client.post("/v1/chat/completions", json=asked))
    assert "image_url.url: String should match pattern '^data:image" in told["detail"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JUNK | st.builds(lambda c: {"role": "assistant", "content": c}, JUNK), max_size=3), JUNK)
def test_junk_in_a_conversation_breaks_nothing(client: TestClient, middle: list[Any], extra: Any) -> None:
    request = {"model": "tiny", "messages": [talk()[1], *middle, talk()[-1]], "status": extra, **OWN}
    response = client.post("/v1/chat/completions", json=request)
    assert response.status_code == 200 or 400 <= problem(response)["status"] < 500
