"""Sessions: episodes whose history the server keeps.

Invariant: a session is one caller's; its history grows by one turn per decision, in order; one decision at a
time is made in it. A session that nobody touches for a while is forgotten, and no more than a bound are kept.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, Field

from serve.config import ServeConfig
from serve.problems import Problem
from serve.wire import (
    MAX_CANDIDATES,
    Candidates,
    Picture,
    Role,
    Text,
    Wire,
    WireGoal,
    WireObservation,
    WireSound,
    WireStatus,
    WireTurn,
)

HISTORY = 64
"""Turns that a session keeps; the student reads fewer."""


class SessionRequest(Wire):
    """What stays the same through an episode. `model` is MODEL or MODEL@VERSION, as in `ActRequest`; an
    episode keeps the version that it began with as long as that is served."""

    goal: WireGoal
    actions: Candidates = Field(min_length=1)
    notes: Candidates = ()
    model: Text = ""
    role: Role = "actor"
    order: Text = ""
    temperature: float | None = Field(default=None, ge=0, le=100)


class StepRequest(Wire):
    """One state of the episode: `outcome` is what became of the last action, `actions` the legal ones now
    (none: the session's)."""

    frame: Picture
    status: WireStatus = WireStatus()
    sounds: tuple[WireSound, ...] = Field(default=(), max_length=64)
    outcome: Text = "ok"
    actions: Candidates = ()
    seed: int = Field(default=0, ge=0, lt=2**63)
    alternatives: int = Field(default=5, ge=0, le=MAX_CANDIDATES)


class SessionInfo(BaseModel):
    """A session as it stands."""

    id: str
    model: str
    expires_in_s: float
    decisions: int
    history: list[WireTurn]


@dataclass
class Session:
    """The state of one: `last` is the decision whose outcome is not known yet."""

    owner: str
    request: SessionRequest
    history: list[WireTurn] = field(default_factory=list)
    last: WireTurn | None = None
    decisions: int = 0
    touched: float = 0.0
    busy_until: float = 0.0

    def observation(self, step: StepRequest) -> WireObservation:
        """What the student sees now: the episode so far and this state."""
        return WireObservation.model_construct(
            frame=step.frame,
            goal=self.request.goal,
            status=step.status,
            sounds=step.sounds,
            history=(*self.history, *self._settled(step.outcome)),
            actions=step.actions or self.request.actions,
            notes=self.request.notes,
        )

    def _settled(self, outcome: str) -> tuple[WireTurn, ...]:
        return () if self.last is None else (self.last.model_copy(update={"outcome": outcome}),)

    def advance(self, outcome: str, turn: WireTurn) -> None:
        """The last decision had `outcome`, and `turn` was decided now."""
        self.history = [*self.history, *self._settled(outcome)][-HISTORY:]
        self.last = turn
        self.decisions += 1


class Sessions(Protocol):
    """Where sessions are kept: in this process, or in one that all replicas share."""

    async def create(self, owner: str, request: SessionRequest) -> str:
        """A new session's id. Raises `Problem` (429) where too many are kept."""
        ...

    async def begin(self, name: str, owner: str) -> Session:
        """The session, for one decision. Raises `Problem`: 404 for an unknown one, 409 for a busy one."""
        ...

    async def finish(self, name: str, outcome: str, turn: WireTurn | None) -> None:
        """The decision was made (None: it failed, and nothing has changed)."""
        ...

    async def info(self, name: str, owner: str) -> SessionInfo:
        """How it stands. Raises `Problem` (404) for an unknown one."""
        ...

    async def close(self, name: str, owner: str) -> None:
        """Forget it. Raises `Problem` (404) for an unknown one."""
        ...


class SessionTable:
    """`Sessions` in this process: `limit` of them, `per_key` of one API key. `expiry_s` after its last use a
    session is forgotten, though not while it decides; `busy_s` after a decision began that nobody finished
    (its replica died), the next may begin."""

    def __init__(
        self,
        limit: int,
        per_key: int,
        expiry_s: float,
        busy_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._per_key = limit, per_key
        self._expiry_s, self._busy_s, self._clock = expiry_s, busy_s, clock
        self._sessions: dict[str, Session] = {}

    async def create(self, owner: str, request: SessionRequest) -> str:
        self._forget()
        mine = [session for session in self._sessions.values() if session.owner == owner]
        if owner and len(mine) >= self._per_key:
            raise self._full(f"{self._per_key} sessions of the key {owner}", mine)
        if len(self._sessions) >= self._limit:
            raise self._full(f"{self._limit} sessions", list(self._sessions.values()))
        name = secrets.token_urlsafe(16)
        self._sessions[name] = Session(owner, request, touched=self._clock())
        return name

    async def begin(self, name: str, owner: str) -> Session:
        session, now = self._own(name, owner), self._clock()
        if session.busy_until > now:
            raise Problem(409, "this session is deciding: send one request after the other")
        session.busy_until, session.touched = now + self._busy_s, now
        return session

    async def finish(self, name: str, outcome: str, turn: WireTurn | None) -> None:
        session = self._sessions.get(name)
        if session is None:  # closed meanwhile
            return
        session.busy_until, session.touched = 0.0, self._clock()
        if turn is not None:
            session.advance(outcome, turn)

    async def info(self, name: str, owner: str) -> SessionInfo:
        session = self._own(name, owner)
        left = session.touched + self._expiry_s - self._clock()
        history = [*session.history, *([session.last] if session.last else [])]
        return SessionInfo(
            id=name,
            model=session.request.model,
            expires_in_s=left,
            decisions=session.decisions,
            history=history,
        )

    async def close(self, name: str, owner: str) -> None:
        self._own(name, owner)
        del self._sessions[name]

    def _full(self, what: str, among: Sequence[Session]) -> Problem:
        oldest = min(session.touched for session in among)
        wait = max(1, round(oldest + self._expiry_s - self._clock()))
        return Problem(429, f"{what} are open: close some", {"Retry-After": str(wait)})

    def _own(self, name: str, owner: str) -> Session:
        self._forget()
        session = self._sessions.get(name)
        # Somebody else's is as unknown as none: its id is a secret.
        if session is None or session.owner != owner:
            raise Problem(404, "there is no such session: it expired, was closed, or is another key's")
        return session

    def _forget(self) -> None:
        now = self._clock()
        old = [
            name
            for name, one in self._sessions.items()
            if max(one.touched + self._expiry_s, one.busy_until) <= now
        ]
        for name in old:
            del self._sessions[name]


def table_of(config: ServeConfig) -> SessionTable:
    """The table that `config` asks for. A decision whose replica died is given up after two deadlines."""
    return SessionTable(
        config.max_sessions, config.max_sessions_per_key, config.session_expiry_s, 2 * config.deadline_s
    )
