"""One try at an OpenAI-compatible endpoint, through the `openai` package.

Invariant: whatever the endpoint does ends in a `Call` or in `Unreachable`, within the timeout (of the whole
answer, not of each read); the package's own retries are off, for the desk must know of every try.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from teachers.backends.config import EndpointConfig
from teachers.backends.types import EMBEDDING, Ask, Call, Message, Unreachable, embedding_ask

NO_KEY = "none"
"""What is sent to an endpoint that asks for no key."""
TROUBLED = (408, 409, 425)
"""Statuses below 500 that pass."""
REFUSALS = (401, 403, 404)
TRUNCATED = "[the answer was cut off at max_tokens]"
UNPAID = ("insufficient_quota", "billing_not_active")
"""Error codes of an account without money."""
MOST_TOKENS = 10**9
"""No call costs more: a usage that says so is not believed."""
PAUSE_MOST_S = 60.0
SMALL_TOKENS = 16
"""Of the answer to the question that is asked before a run begins."""


class OpenAIChat:
    """Safe to share between threads; `key` is the API key ("": none is asked for)."""

    def __init__(self, config: EndpointConfig, key: str = "") -> None:
        import openai

        self._config = config
        self._client = openai.OpenAI(
            base_url=config.url, api_key=key or NO_KEY, timeout=config.timeout_s, max_retries=0
        )

    def ask(self, ask: Ask) -> Call:
        """The answer, whatever it says ("" for a refusal or no choice). Raises Unreachable."""
        import openai

        url, began = self._config.url, time.monotonic()
        try:
            with self._send(ask) as response:
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if time.monotonic() - began > self._config.timeout_s:
                        raise Unreachable(f"{url} was not done in {self._config.timeout_s:g} s")
            return self._call(json.loads(body), ask, time.monotonic() - began)
        except openai.APITimeoutError as error:
            raise Unreachable(f"{url} gave no answer in {self._config.timeout_s:g} s") from error
        except openai.APIStatusError as error:
            raise self._told(error) from error
        except openai.APIConnectionError as error:
            raise Unreachable(f"{url} cannot be reached: {error.__cause__ or error}") from error
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            # a body that is no JSON, or not that of an answer
            lacking = "embeddings" if ask.purpose == EMBEDDING else "completion"
            raise Unreachable(f"{url} sent no {lacking}: {type(error).__name__}: {error}") from error
        except Unreachable:
            raise
        except Exception as error:
            raise Unreachable(f"{url} broke off: {type(error).__name__}: {error}") from error

    def _send(self, ask: Ask) -> Any:
        """The request, as a context in which the answer's body can be read."""
        if ask.purpose == EMBEDDING:
            texts = [message.text for message in ask.messages]
            return self._client.embeddings.with_streaming_response.create(
                model=ask.model, input=texts, encoding_format="float"
            )
        # All goes by `extra_body`: the typed arguments would be walked through twice (1 ms a call).
        return self._client.chat.completions.with_streaming_response.create(
            model=ask.model, messages=[], extra_body=self._body(ask)
        )

    def reach(self) -> None:
        """Raise Unreachable where nobody answers HTTP at the address, or where one small question to a model
        that the config names is refused (`trouble` says so). The list of models tells the first alone:
        gateways show it to anybody."""
        import openai

        with suppress(openai.OpenAIError):
            try:
                self._client.models.list()
            except openai.APIConnectionError as error:
                raise Unreachable(str(error.__cause__ or error)) from error
        config, question = self._config, (Message("user", "Say ok."),)
        self._probe(
            Ask("probe", question, "", config.model, config.temperature, SMALL_TOKENS, structure="none")
        )
        if config.embeddings:
            self._probe(embedding_ask(config.embeddings, ("ok",)))

    def _probe(self, ask: Ask) -> None:
        """Raise Unreachable where the question is refused, or a model that embeds nothing is asked to; other
        trouble may pass, and a chat model may reject just this question."""
        try:
            self.ask(ask)
        except Unreachable as error:
            if error.trouble == "refused" or (error.trouble == "rejected" and ask.purpose == EMBEDDING):
                raise Unreachable(f"{error} (asked of the model {ask.model!r})", "refused") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _body(self, ask: Ask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": ask.wire(),
            self._config.token_field: ask.max_tokens,
        }
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        match ask.structure:
            case "json_schema":
                schema = {"name": ask.purpose, "schema": json.loads(ask.schema), "strict": True}
                body["response_format"] = {"type": "json_schema", "json_schema": schema}
            case "json_object":
                body["response_format"] = {"type": "json_object"}
        return body

    def _call(self, reply: Any, ask: Ask, latency_s: float) -> Call:
        """Of a completion's JSON, or of embeddings'. Raises what its reading raises where it is none."""
        if (
            isinstance(reply, dict)
            and not {"choices", "data"} & reply.keys()
            and (told := reply.get("error"))
        ):
            said = told.get("message", told) if isinstance(told, dict) else told
            raise Unreachable(f"{self._config.url} sent no completion, but an error: {str(said)[:300]}")
        text = _vectors(reply, ask) if ask.purpose == EMBEDDING else _content(reply)
        tokens_in, tokens_out = _used(reply.get("usage"))
        if not tokens_in and not tokens_out:  # not told: a budget must hold all the same
            tokens_in = max(1, ask.tokens - ask.max_tokens // 2)
            tokens_out = 0 if ask.purpose == EMBEDDING else max(1, len(text) // 4)
        cost = self._config.cost(tokens_in, tokens_out)
        model = _writable(str(reply.get("model", "")))
        return Call(_writable(text), model, tokens_in, tokens_out, latency_s, cost)

    def _told(self, error: Any) -> Unreachable:
        """What a status that is no success means."""
        url, status, said = self._config.url, error.status_code, str(error.message)[:300]
        if status == 402 or getattr(error, "code", None) in UNPAID:
            return Unreachable(f"{url} wants money ({status}: {said})", "unpaid")
        if status == 429:
            return Unreachable(f"{url} is busy (429): {said}", "busy", _retry_after(error.response.headers))
        if status in TROUBLED or status >= 500:
            return Unreachable(f"{url} is in trouble ({status}): {said}")
        if status in REFUSALS:
            return Unreachable(
                f"{url} refuses requests ({status}: {said}); look at teacher.endpoint.url, model, "
                "embeddings, key_file",
                "refused",
            )
        return Unreachable(
            f"{url} does not take this question ({status}: {said}); if it takes none, look at "
            "teacher.endpoint.structure, token_field, temperature, images and max_tokens",
            "rejected",
        )


def _used(usage: Any) -> tuple[int, int]:
    """Tokens in and out; (0, 0) where they are not told, or cannot be: a budget is held by them."""
    if not isinstance(usage, dict):
        return 0, 0
    told = [usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int | float) and 0 <= count <= MOST_TOKENS for count in told):
        return 0, 0
    return int(told[0]), int(told[1])


def _content(reply: Any) -> str:
    """What a completion says."""
    if not (choices := reply["choices"]):
        return ""
    content = choices[0]["message"].get("content") or ""
    if isinstance(content, list):  # parts
        content = "".join(str(part.get("text", "")) for part in content)
    return str(content) + (TRUNCATED if choices[0].get("finish_reason") == "length" else "")


def _vectors(reply: Any, ask: Ask) -> str:
    """The vectors in the order of their texts, as JSON. Raises ValueError where they are not one each, of one
    length, of finite numbers."""
    told = sorted(reply["data"], key=lambda one: int(one["index"]))
    vectors = [[round(float(value), 6) for value in one["embedding"]] for one in told]
    lengths = {len(vector) for vector in vectors}
    if len(vectors) != len(ask.messages) or len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"{len(vectors)} vectors of {sorted(lengths)} numbers for {len(ask.messages)} texts")
    if not all(math.isfinite(value) for vector in vectors for value in vector):
        raise ValueError("a vector that is not finite")
    return json.dumps(vectors)


def _writable(text: str) -> str:
    """The text with half characters (JSON can escape a lone surrogate) replaced: they can be no file's."""
    return text.encode("utf-8", "replace").decode()


def _retry_after(headers: Any) -> float:
    """Seconds that a 429 asks to wait, at most a minute; 1 where it does not say."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            return min(PAUSE_MOST_S, max(0.0, unit_s * _number_or_date(headers[name])))
    return 1.0


def _number_or_date(told: str) -> float:
    """A number, or the seconds until an HTTP date. Raises ValueError for what is neither."""
    try:
        return float(told)
    except ValueError:
        return parsedate_to_datetime(told).timestamp() - time.time()


def read_key(config: EndpointConfig) -> str:
    """The API key. Raises ValueError for a file that is missing or holds none, or a variable that holds
    something else."""
    if not config.key_file:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if key and not _is_key(key):
            raise ValueError(
                "the environment variable OPENAI_API_KEY must hold the key and nothing else (letters, digits "
                "and signs of ASCII, no blanks)"
            )
        return key
    try:
        key = Path(config.key_file).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"teacher.endpoint.key_file={config.key_file!r} cannot be read ({error}); name a file that holds "
            "the key, or set OPENAI_API_KEY"
        ) from error
    if not _is_key(key):
        raise ValueError(
            f"teacher.endpoint.key_file={config.key_file!r} must hold one line with the key, and nothing else"
        )
    return key


def _is_key(text: str) -> bool:
    """Whether it can be sent in a header."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
