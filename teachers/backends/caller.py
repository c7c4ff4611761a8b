"""Asking until there is an answer: the desk's leave, the tries, the waits between them.

Invariant: `ask` ends by the time it is given (and one more timeout) with a call that the desk has seen, or
with `NoAnswer`, `Unanswered` or `Halted`, each with a reason; who waits keeps nobody from the endpoint.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import Desk
from teachers.backends.pace import Pace
from teachers.backends.types import Ask, Call, Halted, NoAnswer, Ticket, Unanswered, Unreachable

BACKOFF_S, BACKOFF_MOST_S = 0.25, 10.0
"""After the first try without an answer; doubled with each."""
SHORTEST_S = 0.01
DESK_PART = 8
"""One more than `lines` in so many may be at the desk. So whoever has its leave waits for a line for an
eighth of a call's time on average, which is within what the desk grants (`desk.LOST_S`)."""
KNOWN = 4096
"""Answers that are kept in this process."""


RECORDED = "recorded"


class Chat(Protocol):
    """One try: see `openai_chat.OpenAIChat`."""

    def ask(self, ask: Ask) -> Call: ...


class Caller:
    """Safe to share between threads: at most `config.lines` of them are at the endpoint, and a few more at
    the desk, so that its answers (it may be a process away) keep no line to the endpoint idle. `paced`:
    an answer that was recorded before takes the time that it took then, for who measures a team."""

    def __init__(
        self,
        config: EndpointConfig,
        desk: Desk,
        chat: Chat,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        paced: bool = False,
    ) -> None:
        self._config = config
        self._paced = paced
        self._desk = desk
        self._chat = chat
        self._sleep = sleep
        self._clock = clock
        self._room = threading.Semaphore(config.lines + -(-config.lines // DESK_PART))
        self._lines = threading.Semaphore(config.lines)
        self._pace = Pace(config.replica_requests_per_minute, config.replica_tokens_per_minute)
        self._pacing = threading.Lock()
        self._jitter = random.Random()
        self._known: OrderedDict[str, Call] = OrderedDict()

    def patience(self) -> float:
        """When a label that is begun now must have its answers, on the caller's clock."""
        return self._clock() + self._config.patience_s

    def ask(self, ask: Ask, ends_s: float) -> Call:
        """The answer, waited for until `ends_s` (see `patience`). Raises NoAnswer, Unanswered or Halted."""
        known = self._known.get(ask.key)
        return known if known is not None else self._remember(ask.key, self._ask(ask, ends_s))

    def _remember(self, key: str, call: Call) -> Call:
        """Keep the newest answers here: while a body walks, its manager and conductor answer the same again
        and again, and the desk may be a process away."""
        self._known[key] = call
        if len(self._known) > KNOWN:
            with contextlib.suppress(KeyError):  # another thread may have made room
                self._known.popitem(last=False)
        return call

    def _ask(self, ask: Ask, ends_s: float) -> Call:
        tries, fails, waited = 0, 0, False
        while True:
            if not self._room.acquire(timeout=max(0.0, ends_s - self._clock())):
                raise self._unanswered("all calls that this replica may make at once were under way")
            try:
                call, wait_s, reason = self._try(ask, ends_s)
            except Unreachable as error:
                fails += 1
                wide = self._desk.fail(ask.key, str(error), error.trouble, error.retry_after_s)
                tries += not wide  # what everybody suffers is not this question's fault
                if error.trouble == "rejected" or tries >= self._config.tries:
                    times = "" if error.trouble == "rejected" else f"no answer in {tries} tries: "
                    why = f"{times}{error}"
                    self._desk.give_up(ask.key, ask.purpose, ask.told, why)
                    raise NoAnswer(why) from error
                backoff_s = min(BACKOFF_MOST_S, BACKOFF_S * 2.0 ** min(fails - 1, 10))
                call, wait_s, reason = None, max(error.retry_after_s, backoff_s), str(error)
            finally:
                self._room.release()
            if call is not None:
                if self._paced and not waited and reason == RECORDED:
                    self._sleep(max(0.0, min(call.latency_s, ends_s - self._clock())))
                return call
            waited = True  # for the one that asks the same: that took its time
            self._wait(wait_s, ends_s, reason)

    def _try(self, ask: Ask, ends_s: float) -> tuple[Call | None, float, str]:
        """The answer; or the seconds to wait and why. Raises Unreachable, NoAnswer, Unanswered or Halted."""
        key, tokens = ask.key, ask.tokens
        with self._pacing:
            wait_s = self._pace.take(tokens, self._clock())
        if wait_s:
            return None, wait_s, "the rate limit of this replica"
        try:
            ticket = self._open(key, tokens, ends_s)
        except Unanswered:
            self._give_back(tokens)
            raise
        if ticket.kind != "ask":
            self._give_back(tokens)
        if ticket.kind == "halted":
            raise Halted(ticket.reason)
        if ticket.kind == "unanswered":
            raise NoAnswer(ticket.reason)
        if ticket.kind == "ask":
            if not self._lines.acquire(timeout=max(0.0, ends_s - self._clock())):
                self._desk.fail(key, "no line to the endpoint was free", "rejected")
                raise self._unanswered("no line to the endpoint was free")
            try:
                call = self._chat.ask(ask)
            except Unreachable:
                raise
            except BaseException:
                self._desk.fail(key, "the thread that asked was ended", "rejected")
                raise
            finally:
                self._lines.release()
            with self._pacing:
                self._pace.correct(call.tokens - tokens)
            return self._desk.close(key, ask.purpose, ask.told, call), 0.0, ""
        return ticket.call, ticket.wait_s, RECORDED if ticket.kind == "recorded" else ticket.reason

    def _open(self, key: str, tokens: int, ends_s: float) -> Ticket:
        """What the desk says, once it is not that all lines over all replicas are in use: who waits for one
        keeps its place in the room, so that few of a replica's threads ask the desk again and again."""
        ticket = self._desk.open(key, tokens)
        while ticket.kind == "line":
            self._wait(ticket.wait_s, ends_s, ticket.reason)
            ticket = self._desk.open(key, tokens)
        return ticket

    def _give_back(self, tokens: int) -> None:
        with self._pacing:
            self._pace.give_back(tokens)

    def _wait(self, wait_s: float, ends_s: float, reason: str) -> None:
        """Wait a little longer than asked for (by chance, so that not all come back at once), but not beyond
        the patience."""
        left_s = ends_s - self._clock()
        if left_s <= 0:
            raise self._unanswered(reason)
        self._sleep(min(max(wait_s, SHORTEST_S) * self._jitter.uniform(1.0, 1.25), left_s))

    def _unanswered(self, reason: str) -> Unanswered:
        return Unanswered(f"no answer in {self._config.patience_s:g} s: {reason}")
