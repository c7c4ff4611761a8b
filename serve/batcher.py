"""Requests that come together are decided together.

Invariant: a request waits for a running batch and for nothing else: with an idle model it is decided at once.
A batch that takes longer than the target makes the next ones smaller, full ones that do not let them grow. A
request on which the model breaks fails alone. No queue grows without bound, and a request whose deadline has
passed, or whose sender has gone, costs no model time.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serve.problems import Problem
from student.types import Decision, Prompt

Decide = Callable[[Sequence[Prompt], float, Sequence[int]], list[Decision]]
"""(prompts, temperature, seeds) -> decisions, as `student.Student.decide`."""


@dataclass
class _Waiting:
    prompt: Prompt
    temperature: float
    seed: int
    deadline: float
    answer: asyncio.Future[Decision]

    @property
    def kind(self) -> tuple[float, bool]:
        """Requests of one kind are decided together."""
        return self.temperature, bool(self.prompt.actions)


class Batcher:
    """One model, asked by many. Everything but the model itself runs in the event loop's thread. `target_s`
    is how long a batch should take at most (infinite: batches are as large as `max_batch`)."""

    def __init__(
        self, decide: Decide, max_batch: int, max_queue: int, deadline_s: float, target_s: float = math.inf
    ) -> None:
        self._decide = decide
        self._target_s, self._size = target_s, float(max_batch)
        self._max_batch, self._max_queue, self._deadline_s = max_batch, max_queue, deadline_s
        self._waiting: deque[_Waiting] = deque()
        self._alone: list[_Waiting] = []
        self._thread = ThreadPoolExecutor(1, "model")
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    async def ask(
        self, prompts: Sequence[Prompt], temperature: Sequence[float], seeds: Sequence[int]
    ) -> list[Decision]:
        """One decision per prompt, in order.

        Raises `Problem`: 429 where the queue is full, 504 where the deadline passes first."""
        self.mind_room(len(prompts))
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + self._deadline_s
        asked = [
            _Waiting(prompt, warmth, seed, deadline, loop.create_future())
            for prompt, warmth, seed in zip(prompts, temperature, seeds, strict=True)
        ]
        self._waiting.extend(asked)
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        try:
            async with asyncio.timeout_at(loop.time() + self._deadline_s):
                return [await one.answer for one in asked]
        except TimeoutError as error:
            raise Problem(
                504, f"no decision within {self._deadline_s:g} s: send less, or serve with more replicas"
            ) from error
        finally:
            for one in asked:
                one.answer.cancel()

    def mind_room(self, count: int) -> None:
        """Raise `Problem` (429) where so many more would be too many."""
        # One large request is as good as many small ones, so it is let in where nothing waits.
        room = self._max_queue if self._waiting else max(self._max_queue, count)
        if len(self._waiting) + count > room:
            raise Problem(429, "too many requests wait here: ask again in a second", {"Retry-After": "1"})

    async def drain(self) -> None:
        """Wait until nothing is left to decide, which is within the deadline of what was taken last."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=self._deadline_s)

    def close(self) -> None:
        """Let go of the model's thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while self._waiting or self._alone:
            batch = self._next()
            if not batch:
                continue
            loop = asyncio.get_running_loop()
            prompts, seeds = [one.prompt for one in batch], [one.seed for one in batch]
            began = time.monotonic()
            try:
                decisions = await loop.run_in_executor(
                    self._thread, self._decide, prompts, batch[0].temperature, seeds
                )
            except Exception as error:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
                if len(batch) > 1:
                    self._alone = [*batch, *self._alone]
                    continue
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            self._resize(len(batch), time.monotonic() - began)
            for one, decision in zip(batch, decisions, strict=True):
                if not one.answer.done():
                    one.answer.set_result(decision)

    def _resize(self, count: int, took_s: float) -> None:
        """Learn from a batch of `count` that took `took_s`."""
        if took_s > self._target_s:
            # From the batch as it was: it may have been smaller than it could have been.
            self._size = max(1.0, min(self._size, count * self._target_s / took_s))
        elif count >= int(self._size):
            self._size = min(float(self._max_batch), self._size + 1.0)

    def _next(self) -> list[_Waiting]:
        """The oldest request and, up to the limit, those of its kind; the others keep their places."""
        now = time.monotonic()
        while self._alone:  # one of them broke a batch: each by itself shows which
            one = self._alone.pop(0)
            if not one.answer.done() and one.deadline >= now:
                return [one]
        batch: list[_Waiting] = []
        kept: list[_Waiting] = []
        while self._waiting and len(batch) < int(self._size):
            one = self._waiting.popleft()
            if one.answer.done() or one.deadline < now:
                continue
            if batch and one.kind != batch[0].kind:
                kept.append(one)
            else:
                batch.append(one)
        self._waiting.extendleft(reversed(kept))
        return batch
