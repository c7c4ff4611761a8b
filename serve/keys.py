"""API keys: who may ask what, and how often.

Invariant: a key itself is printed once and never stored; the file holds its SHA-256 (a key has 256 random
bits, so nothing slower is needed), its scopes and its rate.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from serve.problems import Problem

SCOPES = ("act", "chat", "admin")
PREFIX = "retort_"


class _Bearer(SecurityBase):
    """The header as it came. The OpenAPI document names it as a key's: as a parameter, a reader of that
    document must not send it (OpenAPI 3.1, Parameter Object)."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An API key, where the server asks for one")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> str | None:
        return request.headers.get("authorization")


Authorization = Annotated[str | None, Security(_Bearer())]
"""The header that carries a key."""


@dataclass(frozen=True)
class Key:
    """One key's entry. `per_minute` 0 means no limit."""

    name: str
    sha256: str
    scopes: tuple[str, ...]
    per_minute: int = 0


def digest(key: str) -> str:
    """The key as the file holds it."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(file: Path) -> list[Key]:
    """Raises ValueError, naming the file, where it is not what `add_key` writes."""
    try:
        entries = json.loads(file.read_text("utf-8"))["keys"]
        return [Key(e["name"], e["sha256"], tuple(e["scopes"]), int(e["per_minute"])) for e in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is no file of API keys: make one with `python retort.py key NAME`"
        ) from error


def add_key(file: Path, name: str, scopes: Sequence[str], per_minute: int) -> str:
    """Make a key, write its entry into `file` (for its owner alone to read), return the key.

    Raises ValueError for an unknown scope, a name that is taken, or a folder that is not there."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ValueError(f"a key's scopes are among {', '.join(SCOPES)}, not {', '.join(unknown) or 'none'}")
    if per_minute < 0:
        raise ValueError("a key's rate is 0 (no limit) or more requests per minute")
    if not file.parent.is_dir():
        raise ValueError(f"{file.parent} is no folder: make it, or name another --file")
    known = read_keys(file) if file.exists() else []
    if any(entry.name == name for entry in known):
        raise ValueError(f"{file} has a key named {name} already: choose another name")
    key = PREFIX + secrets.token_urlsafe(32)
    entries = [asdict(entry) for entry in (*known, Key(name, digest(key), tuple(scopes), per_minute))]
    beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"keys": entries}, stream, indent=1)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return key


class KeyRing:
    """Checks keys and their rates; `keys` None asks for none (an empty list lets nobody in)."""

    def __init__(self, keys: Sequence[Key] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = None if keys is None else {key.sha256: key for key in keys}
        self._clock = clock
        self._allowance: dict[str, tuple[float, float]] = {}
        self._replicas = 1

    @property
    def asks(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    def share(self, replicas: int) -> None:
        """So many replicas share a key's rate from now on: each grants its part."""
        self._replicas = max(1, replicas)

    def check(self, authorization: str | None, *scopes: str) -> str:
        """The name of the key in an `Authorization: Bearer KEY` header ("" where none is asked for).

        Raises `Problem`: 401 without a known key, 403 without one of the scopes, 429 above its rate."""
        key = self._scoped(authorization, scopes)
        if key is None:
            return ""
        self._spend(key, 1, within=True)
        return key.name

    def let_in(self, authorization: str | None, *scopes: str) -> str:
        """`check` without a look at the rate."""
        key = self._scoped(authorization, scopes)
        return key.name if key else ""

    def _scoped(self, authorization: str | None, scopes: Sequence[str]) -> Key | None:
        key = self.known(authorization)
        if key is not None and not set(scopes) & set(key.scopes):
            wanted = " or ".join(scopes)
            raise Problem(403, f"the key {key.name} has no scope {wanted}: it has {', '.join(key.scopes)}")
        return key

    def charge(self, authorization: str | None, count: int) -> None:
        """Take `count` requests more from the key's rate, which may leave it in debt."""
        key = self.known(authorization)
        if key is not None:
            self._spend(key, count, within=False)

    def known(self, authorization: str | None) -> Key | None:
        """The key in the header (None where none is asked for). Raises `Problem` (401) for an unknown one."""
        if self._keys is None:
            return None
        kind, _, token = (authorization or "").partition(" ")
        # A look-up by digest: how long it takes says nothing about the keys themselves.
        key = self._keys.get(digest(token.strip())) if kind.lower() == "bearer" else None
        if key is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "send a known API key as `Authorization: Bearer KEY`", challenge)
        return key

    def _spend(self, key: Key, count: int, within: bool) -> None:
        """Take from the key's bucket, which fills at this replica's part of `per_minute` and holds a minute's
        worth; `within`: only where one is left (`Problem`, 429)."""
        if not key.per_minute:
            return
        now, rate = self._clock(), key.per_minute / self._replicas
        most = max(1.0, rate)
        left, then = self._allowance.get(key.sha256, (most, now))
        left = min(most, left + (now - then) * rate / 60)
        if within and left < 1:
            wait = max(1, round((1 - left) * 60 / rate))
            self._allowance[key.sha256] = (left, now)
            raise Problem(
                429, f"the key {key.name} has {key.per_minute} requests a minute", {"Retry-After": str(wait)}
            )
        self._allowance[key.sha256] = (left - count, now)
