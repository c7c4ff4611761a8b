"""A question to a chat model, its answer, and what can come between.

Invariant: two asks with equal `key` are the same question: everything that a model could answer to enters the
key, and nothing else does.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Ask:
    """A question: the conversation so far, `images` (PNG bytes) that go with its first user message, and the
    JSON schema (as canonical text, under the name `purpose`) that the answer must fit; `structure` is how the
    model is told so (`EndpointConfig.structure`)."""

    purpose: str
    messages: tuple[Message, ...]
    schema: str
    model: str
    temperature: float | None = 0.0
    max_tokens: int = 1024
    images: tuple[bytes, ...] = ()
    structure: str = "json_schema"

    @cached_property
    def key(self) -> str:
        """The content address."""
        return address(self.told)

    @cached_property
    def told(self) -> str:
        """What the key is made of, as JSON text, each image by its hash."""
        values = {
            "purpose": self.purpose,
            "messages": [[message.role, message.text] for message in self.messages],
            "schema": self.schema,
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "structure": self.structure,
            "images": [hashlib.sha256(image).hexdigest() for image in self.images],
        }
        return canonical(values)

    @property
    def tokens(self) -> int:
        """About how many tokens it will cost: four characters each, an image as 256, and half of the longest
        answer."""
        told = sum(len(message.text) for message in self.messages) + len(self.schema)
        return told // 4 + 256 * len(self.images) + self.max_tokens // 2

    def wire(self) -> list[dict[str, Any]]:
        """The messages as the chat-completions API takes them."""
        wired: list[dict[str, Any]] = [{"role": m.role, "content": m.text} for m in self.messages]
        for message in wired:
            if message["role"] == "user" and self.images:
                shown = [{"type": "image_url", "image_url": {"url": data_url(png)}} for png in self.images]
                message["content"] = [*shown, {"type": "text", "text": message["content"]}]
                break
        return wired


EMBEDDING = "embedding"
"""The purpose of a question for vectors: one message a text, and an answer that is a JSON list of them."""


def embedding_ask(model: str, texts: tuple[str, ...]) -> Ask:
    """The question for the vectors of `texts`."""
    messages = tuple(Message("user", text) for text in texts)
    return Ask(EMBEDDING, messages, "", model, None, 0, structure="none")


def canonical(values: Mapping[str, Any]) -> str:
    """One text for equal JSON values."""
    return json.dumps(values, sort_keys=True)


def address(told: str) -> str:
    """The key of a question that is `told` (see `Ask.told`)."""
    return hashlib.sha256(told.encode()).hexdigest()


def data_url(png: bytes) -> str:
    """A PNG as a data: URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@dataclass(frozen=True)
class Call:
    """An answered question. `text` may be anything, or "" where the model refused; `latency_s` is that of the
    successful try, `cost` in the currency of the configured prices."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int
    latency_s: float
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out


Trouble = Literal["down", "busy", "refused", "rejected", "unpaid"]
"""Why a try got no answer. "down": no connection, a timeout, a broken answer, 5xx. "busy": 429, with a time
to come back. "refused": 401, 403, 404, which a wrong key, model or address gives, and a gateway that
restarts. "rejected": this one question is not taken (too long, filtered). "unpaid": the account is empty."""


class Unreachable(Exception):
    """A try that got no answer; `retry_after_s` is what a busy endpoint asked for."""

    def __init__(self, reason: str, trouble: Trouble = "down", retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.trouble, self.retry_after_s = trouble, retry_after_s


class NoAnswer(Exception):
    """This question gets no answer, though others do."""


class Unanswered(Exception):
    """No answer within the patience of one label: an outage, or limits too low. Later it may come."""


class Halted(Exception):
    """No more questions may be asked in this run; the desk's `Verdict` says why."""


@dataclass(frozen=True)
class Verdict:
    """Why a desk stopped all questions: "spent" (a budget or an account: the run ends well), "missed" (a
    replay came to a question that was never recorded), "refused" (the endpoint takes no such requests) or
    "unrecorded" (answers cannot be written down). `in_flight` questions were asked before and may be answered
    still."""

    kind: Literal["spent", "missed", "refused", "unrecorded"]
    reason: str
    in_flight: int = 0


@dataclass(frozen=True)
class Ticket:
    """What a desk says to a question: "recorded" (`call` is the answer), "unanswered" (a replay: the recorded
    run got none, because of `reason`), "ask" (go and ask), "line" (all lines are in use: come back after
    `wait_s`, with few others), "wait" (`wait_s`, because of `reason`) or "halted"."""

    kind: Literal["recorded", "unanswered", "ask", "line", "wait", "halted"]
    call: Call | None = None
    wait_s: float = 0.0
    reason: str = ""
