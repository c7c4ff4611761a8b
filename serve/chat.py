"""OpenAI's chat completions, as a way to ask the student.

The conversation is the episode: the first user message tells the goal, every user message carries the frame
of its state and, from the second on, what became of the action before; every assistant message is a past
reply (`note | action`). The system message names the role. `actions`, `notes`, `status` and `sounds` are
fields of our own (`extra_body` of the OpenAI client); without `actions` the student writes freely.

Invariant: what a conversation says reaches the model as an `Observation` and in no other way.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve.problems import Problem, where_and_why
from serve.wire import (
    ActResponse,
    Candidates,
    Picture,
    Role,
    Text,
    WireGoal,
    WireObservation,
    WireSound,
    WireStatus,
    WireTurn,
    Word,
)
from worlds.base import join_reply, split_reply

Instructions = Annotated[str, Field(max_length=2**16)]
ROLES: tuple[Role, ...] = ("manager", "conductor", "actor")


class Lenient(BaseModel):
    """OpenAI's clients send more fields than a server needs: they are passed over."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


class ImageUrl(Lenient):
    """A picture as a data URI; nothing is fetched from elsewhere."""

    url: str = Field(pattern=r"^data:image/(png|jpeg);base64,")


class ImagePart(Lenient):
    """A picture within a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


class TextPart(Lenient):
    """A text within a message."""

    type: Literal["text"]
    text: Text


class Message(Lenient):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Text | Annotated[tuple[TextPart | ImagePart, ...], Field(max_length=8)]

    @property
    def text(self) -> str:
        """All its text."""
        if isinstance(self.content, str):
            return self.content.strip()
        return " ".join(part.text.strip() for part in self.content if isinstance(part, TextPart))

    @property
    def pictures(self) -> list[Picture]:
        """Its pictures, in order."""
        if isinstance(self.content, str):
            return []
        return [part.image_url.url for part in self.content if isinstance(part, ImagePart)]


class LongPart(Lenient):
    """A text of instructions."""

    type: Literal["text"]
    text: Instructions


class SystemMessage(Lenient):
    """Instructions, of which the role is read and nothing else: they may be of any kind."""

    role: Literal["system", "developer"]
    content: Instructions | Annotated[tuple[LongPart, ...], Field(max_length=8)]
    pictures: ClassVar[list[Picture]] = []

    @property
    def text(self) -> str:
        """All its text."""
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content)


class StreamOptions(Lenient):
    """`include_usage`: the tokens are told in a last chunk of their own."""

    include_usage: bool = False


class ChatRequest(Lenient):
    """See the module's docstring."""

    model: Word
    messages: tuple[Annotated[SystemMessage | Message, Field(discriminator="role")], ...] = Field(
        min_length=1, max_length=200
    )
    temperature: float | None = Field(default=None, ge=0, le=100)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] = 1
    actions: Candidates = ()
    notes: Candidates = ()
    status: WireStatus = WireStatus()
    sounds: tuple[WireSound, ...] = Field(default=(), max_length=64)


def role_of(request: ChatRequest) -> Role:
    """The role that the system message names first; "actor" where it names none."""
    said = " ".join(m.text for m in request.messages if m.role in ("system", "developer")).lower()
    named = [role for role in ROLES if role in said]
    return min(named, key=said.index) if named else "actor"


def to_wire(request: ChatRequest) -> WireObservation:
    """The observation that the conversation ends in. Raises `Problem` where it tells of none."""
    talk = [message for message in request.messages if message.role in ("user", "assistant")]
    if not talk or talk[-1].role != "user" or not talk[-1].pictures:
        raise Problem(422, "messages: the last one must be the user's, with the frame as an image_url")
    if not talk[0].text or talk[0].role != "user":
        raise Problem(422, "messages: the first user message must tell the goal")
    try:
        return _observation(request, talk)
    except ValidationError as error:
        raise Problem(422, f"messages: {where_and_why(error)}") from error


def _observation(request: ChatRequest, talk: Sequence[Message]) -> WireObservation:
    frame, *others = talk[-1].pictures
    history: list[WireTurn] = []
    for index, message in enumerate(talk[:-1]):
        if message.role == "assistant":
            note, action = split_reply(message.text)
            after = talk[index + 1]
            outcome = after.text if after.role == "user" else ""
            history.append(WireTurn(note=note, action=action or "none", outcome=outcome or "ok"))
    return WireObservation.model_construct(
        frame=frame,
        goal=WireGoal(text=talk[0].text, image=others[0] if others else None),
        status=request.status,
        sounds=request.sounds,
        history=tuple(history),
        actions=request.actions,
        notes=request.notes if request.actions else (),
    )


def usage_of(prompt_tokens: int, reply_tokens: int) -> dict[str, int]:
    """The tokens as OpenAI's API tells them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": reply_tokens,
        "total_tokens": prompt_tokens + reply_tokens,
    }


def completion(answer: ActResponse, usage: dict[str, int]) -> dict[str, Any]:
    """The answer as a chat completion."""
    message = {"role": "assistant", "content": join_reply(answer.note, answer.action)}
    return _envelope(answer, "chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage,
    }


def chunks(answer: ActResponse, usage: dict[str, int] | None) -> Iterator[str]:
    """The answer as server-sent events, a word at a time, and `usage` where it was asked for. (It is decided
    whole: note and action are scored against all candidates before the first word is known.)"""
    head = _envelope(answer, "chat.completion.chunk")
    if usage is not None:
        head["usage"] = None  # until the last chunk tells it
    words = join_reply(answer.note, answer.action).split(" ")
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word if index == 0 else f" {word}"} for index, word in enumerate(words)]
    for delta in deltas:
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage is not None:
        yield _event(head | {"choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _envelope(answer: ActResponse, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": answer.model,
        "system_fingerprint": answer.version,
    }


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
