"""The messages of one WebSocket: read as they come, answered one at a time.

Whatever stands before a replica reads what a client sends, taken or not, and would pile it up without end.
Invariant: so everything is taken at once, and what waits here for its answer is at most `UNANSWERED`
messages, with no more characters than one may have; a client that sends more is let go, and what it still
sends is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect
from starlette.types import Message

from serve.problems import Problem

UNANSWERED = 8
FLOODED = "too much waits for its answer: send a message after the answer to the one before"


class Inbox:
    """What came and waits. A message that is no text, or has more than `limit` characters, waits as the
    `Problem` that answers it."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._waiting: asyncio.Queue[str | Problem | None] = asyncio.Queue()
        self.flooded = False

    async def fill(self, receive: Callable[[], Awaitable[Message]]) -> None:
        """Until the client has left."""
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if not self.flooded:
                    self._take(self._text(message))
        finally:
            self._waiting.put_nowait(None)

    async def next(self) -> str | Problem | None:
        """The next message; None where the client has left or sent too much."""
        message = None if self.flooded else await self._waiting.get()
        self._held -= len(message) if isinstance(message, str) else 0
        return None if self.flooded else message

    def _text(self, message: Message) -> str | Problem:
        text = message.get("text")
        if text is None:
            return Problem(422, "send text messages")
        if len(text) > self._limit:
            return Problem(413, f"a message has at most {self._limit} characters here")
        return str(text)

    def _take(self, message: str | Problem) -> None:
        self._held += len(message) if isinstance(message, str) else 0
        if self._waiting.qsize() >= UNANSWERED or self._held > self._limit:
            self.flooded = True
            self._waiting = asyncio.Queue()
        else:
            self._waiting.put_nowait(message)


async def converse(
    socket: WebSocket,
    answer: Callable[[str | Problem], Awaitable[str]],
    limit: int,
    idle_s: float,
    within_s: float,
    count: Callable[[int], None],
) -> None:
    """Answer the messages of an accepted connection, until it ends or brings none for `idle_s`; an answer is
    taken `within_s`. `count` hears the status of a client that is let go."""
    inbox = Inbox(limit)
    reading = asyncio.create_task(inbox.fill(socket.receive))
    try:
        while True:
            try:
                message = await asyncio.wait_for(inbox.next(), idle_s)
            except TimeoutError:
                await _close(socket, 1001, f"nothing came for {idle_s:g} s", within_s)
                return
            if message is None:
                break
            told = await answer(message)
            try:
                await asyncio.wait_for(socket.send_text(told), within_s)
            except TimeoutError:  # it does not read, so it would not read why either
                return
        if inbox.flooded:
            count(429)
            await _close(socket, 1008, FLOODED, within_s)
    except WebSocketDisconnect:
        return  # the caller left while its answer was made
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _close(socket: WebSocket, code: int, reason: str, within_s: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(socket.close(code, reason), within_s)
