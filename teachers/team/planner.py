"""The planner of one role: asks the model, and asks again, with the reason, until the answer will do.

Invariant: at most `repairs` further questions a plan; every one of them is a question of its own (it holds
the conversation so far), so a recording replays the repairs too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.types import Ask, Message
from teachers.team.prompting import prompt, schema
from teachers.team.skills import SkillModule

ReplyT = TypeVar("ReplyT", bound=BaseModel)
PlanT = TypeVar("PlanT")
QUOTED = 2000
"""Characters of a bad answer that are sent back."""
FAULTS = 5
"""What is wrong with an answer's shape is told up to so many."""
BRACES = 100
"""So many places of a text are tried as an object's beginning: each may be read to the end of the text."""


@dataclass(frozen=True)
class Talk:
    """One label's conversation: what was said so far, a line each, and when its answers must be there."""

    ends_s: float = float("inf")
    said: list[str] = field(default_factory=list)


class Complaint(Exception):
    """Why an answer will not do: a sentence for the model."""


def retrieved(skills: SkillModule, text: str, library: Sequence[str], kind: str, ends_s: float) -> str:
    """The `kind` of thing, out of the library, that a text names. Raises Complaint where it matches none."""
    found = skills.find(text, library, ends_s)
    if found is None:
        raise Complaint(f"{text!r} matches no {kind}: {', '.join(library)}")
    return found


class GaveUp(Exception):
    """No answer would do."""


class Planner(Generic[ReplyT]):
    """Asks for `reply` with the prompt `role`."""

    def __init__(self, role: str, reply: type[ReplyT], caller: Caller, config: EndpointConfig) -> None:
        self.role = role
        self._reply = reply
        self._caller = caller
        self._config = config

    def plan(
        self, text: str, judge: Callable[[ReplyT], PlanT], talk: Talk, images: tuple[bytes, ...] = ()
    ) -> PlanT:
        """What `judge` makes of the answer; it raises `Complaint` where that will not do. Raises GaveUp after
        the last repair, and what the caller raises."""
        messages: tuple[Message, ...] = (Message("system", self._told()), Message("user", text))
        complaint = ""
        for _ in range(self._config.repairs + 1):
            call = self._caller.ask(
                Ask(
                    self.role, messages, schema(self._reply), self._config.model, self._config.temperature,
                    self._config.max_tokens, images, self._config.structure,
                ),
                talk.ends_s,
            )  # fmt: skip
            try:
                reply = self._reply.model_validate_json(bare(call.text))
                talk.said.append(f"{self.role}: {_spoken(reply)}")
                return judge(reply)
            except ValidationError as error:
                complaint = _sentence(error) if call.text else "there was no answer"
            except Complaint as error:
                complaint = str(error)
            talk.said.append(f"critic to {self.role}: {complaint}")
            asked = prompt("repair").replace("{complaint}", complaint)
            messages = (
                *messages,
                Message("assistant", call.text[:QUOTED] or "(nothing)"),
                Message("user", asked),
            )
        raise GaveUp(f"the {self.role} had no answer that would do: {complaint}")

    def _told(self) -> str:
        """The role's prompt, with the shape of its answer where the endpoint is not told that."""
        told = prompt(self.role)
        if self._config.structure == "json_schema":
            return told
        return f"{told}\n\nThe answer is one JSON object that fits this JSON schema: {schema(self._reply)}"


def bare(text: str) -> str:
    """The last outermost object in the text, without the thoughts, the prose and the fence that many models
    put round it; where there is none, or the text begins with one that is broken, all but the fence."""
    inner = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    decoder, found, at = json.JSONDecoder(), inner, inner.find("{")
    for _ in range(BRACES):
        if at < 0:
            break
        try:
            value, ends = decoder.raw_decode(inner, at)
        except (ValueError, RecursionError):
            if at == 0:  # what is within it is not the answer
                return inner
            ends = at + 1
        else:
            found = inner[at:ends] if value else found
        at = inner.find("{", ends)
    return found


def _spoken(reply: BaseModel) -> str:
    """The answer in a line."""
    fields = reply.model_dump()
    thought = " ".join(str(fields.pop("thought", "")).split())
    told = ", ".join(f"{name} {_words(value)}" for name, value in fields.items() if value not in ("", []))
    return f"{told} ({thought})" if thought else told


def _words(value: Any) -> str:
    """A field's value without the marks of a program: a list's items and an object's values in a row."""
    if isinstance(value, list):
        return "; ".join(map(_words, value))
    if isinstance(value, dict):
        return " ".join(_words(one) for one in value.values() if one not in ("", []))
    return str(value)


def _sentence(error: ValidationError) -> str:
    told = []
    for one in error.errors(include_url=False, include_input=False)[:FAULTS]:
        where = ".".join(str(part) for part in one["loc"])[:QUOTED]
        told.append(f"{where}: {one['msg']}" if where else one["msg"])
    more = error.error_count() - len(told)
    return f"it does not fit the JSON schema ({'; '.join(told)}{f'; and {more} more' if more else ''})"
