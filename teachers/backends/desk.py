"""The desk: where every replica asks before it calls, so that what holds over all of them holds.

Invariants: a question that was answered is never asked again, and one that is in flight is not asked a second
time; rate limits, the number of calls under way and budgets hold over all who ask here (a budget is exceeded
by no more than what was in flight when it was spent), also for a desk that was started again; a call whose
asker died is under way until it counts as lost, and no longer; during an outage one question at a time tries
whether it is over; what cannot be written down is not gone on with.

Times are monotonic seconds of the desk's own clock.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from teachers.backends.config import EndpointConfig
from teachers.backends.flights import Flight, Flights
from teachers.backends.lines import Lines
from teachers.backends.pace import Pace
from teachers.backends.recording import Recording
from teachers.backends.types import Call, Ticket, Trouble, Verdict

log = logging.getLogger(__name__)

OUT_AFTER = 5
"""Failures in a row, over all who ask, that make an outage."""
REFUSED_AFTER = 3
"""Refusals in a row that are believed."""
PROBE_S, PROBE_MOST_S = 0.5, 15.0
"""Seconds until the first probe of an outage; doubled with each, up to the most."""
POLL_S = 0.05
"""How soon to come back for a question that another one is asking."""
NO_LINE = "all teacher.endpoint.in_flight calls were under way"
LOST_S = 10.0
"""A question counts as lost so long after its timeout: who asked has died."""


class Desk(Protocol):
    """The desk, in this process or another."""

    def open(self, key: str, tokens: int) -> Ticket:
        """Whether the question `key`, of about `tokens`, may be asked now. Who gets an "ask" must `close` it
        or `fail` it."""
        ...

    def close(self, key: str, purpose: str, told: str, call: Call) -> Call:
        """The answer to what was `told` (see `Ask.told`); returns the one that stands."""
        ...

    def fail(self, key: str, reason: str, trouble: Trouble, retry_after_s: float = 0.0) -> bool:
        """No answer came. Returns whether the endpoint is out, or busy, for everybody."""
        ...

    def give_up(self, key: str, purpose: str, told: str, reason: str) -> None:
        """The question gets no answer: a replay of this run will not look for one."""
        ...

    def verdict(self) -> Verdict | None:
        """Why questions were stopped (None: they were not)."""
        ...

    def news(self) -> list[str]:
        """Since this was last asked: that the endpoint is out, that it is back, in sentences."""
        ...


class CallDesk:
    """The one `Desk`. `replay` answers from the recording alone. `flights` are those of a desk before this
    one, where it died and its callers live on (`again`): their calls count, and no burst is granted anew."""

    def __init__(
        self,
        config: EndpointConfig,
        recording: Recording,
        replay: bool = False,
        clock: Callable[[], float] = time.monotonic,
        flights: Flights | None = None,
        again: bool = False,
    ) -> None:
        self._config = config
        self._recording = recording
        self._replay = replay
        self._clock = clock
        self._patience_s = config.timeout_s + LOST_S
        self._lock = threading.Lock()
        self._pace = Pace(config.requests_per_minute, config.tokens_per_minute)
        if again:
            self._pace.drain(clock())
        self._lines = Lines(config.in_flight)
        totals = recording.totals(recording.run)
        self._tokens, self._cost = totals.tokens, totals.cost
        self._flights = flights or Flights()
        self._failures = self._refusals = self._probes = 0
        self._refused_at_s = float("-inf")
        self._probe = ""
        """The question that tries whether an outage is over."""
        self._reason = ""
        self._paused_until_s = self._probe_at_s = self._out_at_s = 0.0
        self._news: list[str] = []
        self._verdict: Verdict | None = None

    def open(self, key: str, tokens: int) -> Ticket:
        """See `Desk.open`."""
        with self._lock:
            call = self._recording.get(key)
            if call is not None:
                return Ticket("recorded", call)
            if self._replay:
                if reason := self._recording.unanswered(key):
                    return Ticket("unanswered", reason=reason)
                self._stop("missed", self._missing(key))
            self._mind_budget()
            if self._verdict is not None:
                return Ticket("halted", reason=self._verdict.reason)
            now = self._clock()
            if self._flies(key, now):
                return Ticket("wait", wait_s=POLL_S, reason="the same question is being asked")
            opens_at_s = max(self._paused_until_s, self._probe_at_s)
            if self._out and self._flies(self._probe, now):
                opens_at_s = max(opens_at_s, now + PROBE_S)
            if now < opens_at_s:
                return Ticket("wait", wait_s=opens_at_s - now, reason=self._reason)
            # Before the rates: who has no line takes nothing of them.
            wait_s = self._lines.wait_s(key, self._flights.under_way(now), now)
            if wait_s > 0:
                return Ticket("line", wait_s=wait_s, reason=NO_LINE)
            wait_s = self._pace.take(tokens, now)
            if wait_s > 0:
                return Ticket("wait", wait_s=wait_s, reason="the rate limit over all replicas")
            if self._out:  # this one is the probe; the others wait for what becomes of it
                self._probe_at_s, self._probe = now + self._next_probe_s(), key
            self._lines.taken(key)
            try:
                self._flights.begin(key, Flight(now + self._patience_s, tokens))
            except OSError as error:
                return Ticket("halted", reason=self._stop_writing(error, "the answer"))
            return Ticket("ask")

    def close(self, key: str, purpose: str, told: str, call: Call) -> Call:
        """See `Desk.close`."""
        with self._lock:
            flight = self._ended(key)
            self._pace.correct(call.tokens - (flight.tokens if flight else call.tokens))
            self._tokens += call.tokens
            self._cost += call.cost
            if self._out:
                self._tell(
                    f"the teacher's endpoint answers again, after {self._clock() - self._out_at_s:.0f} s"
                )
            self._failures = self._refusals = self._probes = 0
            self._probe_at_s = 0.0
            try:
                return self._recording.put(key, purpose, told, call)
            except (sqlite3.Error, OverflowError) as error:  # a number that no column holds
                self._stop_writing(error, "an answer that is not recorded")
                return call

    def fail(self, key: str, reason: str, trouble: Trouble, retry_after_s: float = 0.0) -> bool:
        """See `Desk.fail`."""
        with self._lock:
            now = self._clock()
            flight = self._ended(key)
            asked_at_s = flight.lost_at_s - self._patience_s if flight else now
            match trouble:
                case "rejected":
                    return False
                case "unpaid":
                    self._stop("spent", f"{reason}: put money into the account")
                    return True
                case "busy":
                    self._reason = reason
                    self._paused_until_s = max(self._paused_until_s, now + retry_after_s)
                    return True
                case "refused" if asked_at_s >= self._refused_at_s:
                    # Those that were under way together are one refusal: a gateway that restarts.
                    self._refusals, self._refused_at_s = self._refusals + 1, now
                    if self._refusals >= REFUSED_AFTER:
                        self._stop("refused", reason)
            self._reason = reason
            self._failures += 1
            if self._failures == OUT_AFTER:
                self._out_at_s, self._probe_at_s = now, now + self._next_probe_s()
                self._tell(
                    f"the teacher's endpoint is out ({reason}): labels wait, and one question at a time "
                    f"tries whether it is back, every {PROBE_MOST_S:g} s at most"
                )
            return self._out

    def give_up(self, key: str, purpose: str, told: str, reason: str) -> None:
        """See `Desk.give_up`."""
        with self._lock:
            try:
                self._recording.put_unanswered(key, purpose, told, reason)
            except sqlite3.Error as error:
                self._stop_writing(error, "the next answer")

    def verdict(self) -> Verdict | None:
        """See `Desk.verdict`."""
        with self._lock:
            return self._verdict and replace(self._verdict, in_flight=self._flights.under_way(self._clock()))

    def news(self) -> list[str]:
        """See `Desk.news`."""
        with self._lock:
            news, self._news = self._news, []
            return news

    def _tell(self, line: str) -> None:
        log.warning("%s", line)
        self._news.append(line)

    def _ended(self, key: str) -> Flight | None:
        try:
            return self._flights.end(key)
        except OSError as error:
            self._stop_writing(error, "the next answer")
            return None

    def _flies(self, key: str, now_s: float) -> bool:
        """Whether the question is being asked, by somebody who lives."""
        flight = self._flights.get(key)
        return flight is not None and flight.lost_at_s > now_s

    @property
    def _out(self) -> bool:
        return self._failures >= OUT_AFTER

    def _next_probe_s(self) -> float:
        wait_s = min(PROBE_MOST_S, PROBE_S * 2.0 ** min(self._probes, 10))
        self._probes += 1
        return wait_s

    def _stop(self, kind: str, reason: str) -> None:
        """The first reason stands."""
        self._verdict = self._verdict or Verdict(kind, reason)  # type: ignore[arg-type]

    def _mind_budget(self) -> None:
        config = self._config
        if config.budget_tokens and self._tokens >= config.budget_tokens:
            self._stop(
                "spent",
                f"the teacher's budget of {config.budget_tokens:,} tokens is spent ({self._tokens:,}): raise "
                "teacher.endpoint.budget_tokens",
            )
        if config.budget_money and self._cost >= config.budget_money:
            self._stop(
                "spent",
                f"the teacher's budget of {config.budget_money:g} is spent ({self._cost:.2f}): raise "
                "teacher.endpoint.budget_money",
            )

    def _stop_writing(self, error: Exception, what: str) -> str:
        reason = (
            f"{self._recording.path} cannot be written ({error}), and {what} would be paid again: make room, "
            "then go on"
        )
        self._stop("unrecorded", reason)
        return reason

    def _missing(self, key: str) -> str:
        return (
            f"the replay came to a question that {self._recording.path.name} does not hold ({key[:12]}...): "
            "the config, the prompts or the seeds differ from those of the recording, or it was cut short. "
            "Replay with the recorded run's own config, or begin a run with teacher.backend=openai"
        )
