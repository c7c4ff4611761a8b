"""The mailbox between the driver and the learner's ranks: commands one way, results the other.

Invariant: a command is kept until a checkpoint covers it, so ranks that start anew find what they have to do
again. Nothing here imports torch: the process that holds it stays small, and weights pass it by reference
only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """Train the version after `version`: `shares[r]` refers to rank r's batches; then save, if `save`."""

    version: int
    shares: tuple[Any, ...]
    save: bool


@dataclass(frozen=True)
class Result:
    """What came of a command; `snapshot` holds one reference to the `WeightSnapshot`, which rank 0 owns."""

    version: int
    step: int
    metrics: Mapping[str, float]
    losses: tuple[float, ...]
    snapshot: tuple[Any, ...]


class Mailbox:
    """Commands on their way to the ranks, results on their way back (an asyncio actor: waiting blocks
    nobody)."""

    def __init__(self) -> None:
        self._commands: dict[int, Command] = {}
        self._result: Result | None = None
        self._failure = ""
        self._stopped = False
        self._changed = asyncio.Condition()

    async def _wait(self, ready: Callable[[], bool], wait_s: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(ready), wait_s)
            except TimeoutError:
                return

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def send(self, command: Command) -> None:
        """Keep a command until it is done and saved."""
        self._commands[command.version] = command
        await self._tell()

    async def receive(self, version: int, wait_s: float) -> Command | str:
        """The command of a learner at `version`; "stop" once all is over, "wait" after `wait_s` seconds."""
        await self._wait(lambda: self._stopped or version in self._commands, wait_s)
        if version in self._commands and not self._failure:
            return self._commands[version]
        return "stop" if self._stopped else "wait"

    async def post(self, result: Result, saved: bool) -> None:
        """Take rank 0's result; a repeated one of an earlier version is not kept."""
        if self._result is None or result.version >= self._result.version:
            self._result = result
        if saved:
            self._commands = {v: command for v, command in self._commands.items() if v >= result.version}
        await self._tell()

    async def fail(self, reason: str) -> None:
        """A rank refused its input: the driver is to hear of it at once, and no rank is to try again."""
        self._failure, self._stopped = reason, True
        await self._tell()

    async def result(self, version: int, wait_s: float) -> tuple[Result | None, str]:
        """(the result that reached `version`, or None after `wait_s` seconds; the failure, or "")."""
        await self._wait(
            lambda: bool(self._failure) or (self._result is not None and self._result.version >= version),
            wait_s,
        )
        done = self._result is not None and self._result.version >= version
        return (self._result if done else None), self._failure

    async def stop(self) -> None:
        """Let the ranks end once they have done every command."""
        self._stopped = True
        await self._tell()
