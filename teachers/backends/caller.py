"""Asking until there is an answer: the desk's leave, the tries, the waits between them.

Invariant: `ask` ends by the time it is given (and one more timeout) with a call that the desk has recorded,
or with `NoAnswer` or `Halted`, each with a reason.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Semaphore
from typing import Protocol

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import Desk
from teachers.backends.pace import Pace
from teachers.backends.types import Ask, Call, Halted, NoAnswer, Refused, Unreachable

BACKOFF_S, BACKOFF_MOST_S = 0.25, 10.0
"""After the first try without an answer; doubled with each."""
SHORTEST_S = 0.01


class Chat(Protocol):
    """One try: see `openai_chat.OpenAIChat`."""

    def ask(self, ask: Ask) -> Call: ...


class Caller:
    """Safe to share between threads: at most `config.in_flight` of them are at the endpoint."""

    def __init__(
        self,
        config: EndpointConfig,
        desk: Desk,
        chat: Chat,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._desk = desk
        self._chat = chat
        self._sleep = sleep
        self._clock = clock
        self._room = Semaphore(config.in_flight)
        self._pace = Pace(config.replica_requests_per_minute, config.replica_tokens_per_minute)
        self._jitter = random.Random()

    def patience(self) -> float:
        """When a label that is begun now must have its answers, on the caller's clock."""
        return self._clock() + self._config.patience_s

    def ask(self, ask: Ask, ends_s: float) -> Call:
        """The answer, waited for until `ends_s` (see `patience`). Raises NoAnswer or Halted."""
        if not self._room.acquire(timeout=max(0.0, ends_s - self._clock())):
            raise self._no_answer("all teacher.endpoint.in_flight questions were waiting")
        try:
            return self._ask(ask, ends_s)
        finally:
            self._room.release()

    def _ask(self, ask: Ask, ends_s: float) -> Call:
        key, tokens, tries, reason = ask.key, ask.tokens, 0, ""
        while True:
            if wait_s := self._pace.take(tokens, self._clock()):
                self._wait(wait_s, ends_s, "the rate limit of this replica")
                continue
            ticket = self._desk.open(key, tokens)
            if ticket.kind != "ask":
                self._pace.give_back(tokens)
            if ticket.kind == "recorded":
                assert ticket.call is not None
                return ticket.call
            if ticket.kind == "halted":
                raise Halted(ticket.reason)
            if ticket.kind == "wait":
                reason = ticket.reason or reason
                self._wait(ticket.wait_s, ends_s, reason)
                continue
            try:
                call = self._chat.ask(ask)
            except Unreachable as error:
                tries, reason = tries + 1, str(error)
                self._desk.fail(key, reason, error.busy, error.retry_after_s)
                if tries >= self._config.tries:
                    raise NoAnswer(f"no answer in {tries} tries: {reason}") from error
                self._wait(error.retry_after_s or self._backoff_s(tries), ends_s, reason)
            except Refused as error:
                self._desk.halt("refused", str(error))
                raise Halted(str(error)) from error
            except BaseException:
                self._desk.fail(key, "the thread that asked was ended", False, 0.0)
                raise
            else:
                self._pace.correct(call.tokens - tokens)
                return self._desk.close(key, ask.purpose, ask.told(), call)

    def _wait(self, wait_s: float, ends_s: float, reason: str) -> None:
        """Wait a little longer than asked for (by chance, so that not all come back at once), but not beyond
        the patience."""
        left_s = ends_s - self._clock()
        if left_s <= 0:
            raise self._no_answer(reason)
        self._sleep(min(max(wait_s, SHORTEST_S) * self._jitter.uniform(1.0, 1.25), left_s))

    def _no_answer(self, reason: str) -> NoAnswer:
        return NoAnswer(f"no answer in {self._config.patience_s:g} s: {reason}")

    def _backoff_s(self, tries: int) -> float:
        return min(BACKOFF_MOST_S, BACKOFF_S * 2.0 ** (tries - 1))
