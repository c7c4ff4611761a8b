"""One try at an OpenAI-compatible endpoint, through the `openai` package.

Invariant: whatever the endpoint does ends in a `Call` or in one of the two exceptions, within the timeout;
the package's own retries are off, for the desk must know of every try.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from teachers.backends.config import EndpointConfig
from teachers.backends.types import Ask, Call, Refused, Unreachable

NO_KEY = "none"
"""What is sent to an endpoint that asks for no key."""
TROUBLED = (408, 409, 425, 500, 502, 503, 504, 529)
"""Statuses that pass."""
TRUNCATED = "[the answer was cut off at max_tokens]"


class OpenAIChat:
    """Safe to share between threads. Raises ValueError for a key file that is missing."""

    def __init__(self, config: EndpointConfig) -> None:
        import openai

        self._config = config
        self._client = openai.OpenAI(
            base_url=config.url, api_key=_key(config), timeout=config.timeout_s, max_retries=0
        )

    def ask(self, ask: Ask) -> Call:
        """The answer, whatever it says ("" for a refusal or no choice). Raises Unreachable or Refused."""
        import openai
        from openai.types.chat import ChatCompletion

        began = time.monotonic()
        try:
            reply = self._client.post("/chat/completions", cast_to=ChatCompletion, body=self._body(ask))
        except openai.APITimeoutError as error:
            raise Unreachable(f"{self._config.url} gave no answer in {self._config.timeout_s:g} s") from error
        except openai.APIStatusError as error:
            raise self._told(error) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise Unreachable(f"{self._config.url} cannot be reached: {cause}") from error
        except (openai.APIError, ValueError) as error:  # a body that is no JSON, or not that of a completion
            raise Unreachable(f"{self._config.url} sent no completion: {error}") from error
        return self._call(reply, time.monotonic() - began)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @staticmethod
    def _body(ask: Ask) -> dict[str, Any]:
        """The request as it goes over the wire: what `chat.completions.create` would make of the same
        arguments, at half the time (it walks through all of their types)."""
        return {
            "model": ask.model,
            "messages": ask.wire(),
            "temperature": ask.temperature,
            "max_tokens": ask.max_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": ask.purpose, "schema": json.loads(ask.schema), "strict": True},
            },
        }

    def _call(self, reply: Any, latency_s: float) -> Call:
        choices, usage = getattr(reply, "choices", None), getattr(reply, "usage", None)
        if not isinstance(choices, list):
            raise Unreachable(f"{self._config.url} sent no completion: it has no choices")
        text = ""
        if choices:
            text = choices[0].message.content or ""
            text += TRUNCATED if choices[0].finish_reason == "length" else ""
        tokens_in = usage.prompt_tokens if usage else 0
        tokens_out = usage.completion_tokens if usage else 0
        cost = self._config.cost(tokens_in, tokens_out)
        return Call(text, str(reply.model), tokens_in, tokens_out, latency_s, cost)

    def _told(self, error: Any) -> Exception:
        """The exception for a status that is no success."""
        status, said = error.status_code, str(error.message)[:300]
        if status == 429:
            return Unreachable(f"{self._config.url} is busy (429): {said}", True, _retry_after(error))
        if status in TROUBLED or status >= 500:
            return Unreachable(f"{self._config.url} is in trouble ({status}): {said}")
        return Refused(
            f"{self._config.url} refuses the request ({status}: {said}); look at teacher.endpoint.url, model "
            "and key_file"
        )


def _retry_after(error: Any) -> float:
    """Seconds that a 429 asks to wait, at most a minute; 1 where it does not say."""
    try:
        return min(60.0, max(0.0, float(error.response.headers.get("retry-after", "1"))))
    except ValueError:
        return 1.0


def _key(config: EndpointConfig) -> str:
    if not config.key_file:
        return os.environ.get("OPENAI_API_KEY") or NO_KEY
    try:
        return Path(config.key_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"teacher.endpoint.key_file={config.key_file!r} cannot be read ({error.strerror}); name a file "
            "that holds the key, or set OPENAI_API_KEY"
        ) from error
