"""The batcher: idle means at once, busy means together, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from serve.batcher import Batcher
from serve.problems import Problem
from student.types import Decision, Prompt


def prompt(name: str) -> Prompt:
    return Prompt(name, (), (), ("go",))


class Model:
    """Answers with the prompt's text, one batch per `release`d permit."""

    def __init__(self, permits: int = 1000) -> None:
        self.batches: list[tuple[list[str], float]] = []
        self.permits = threading.Semaphore(permits)

    def __call__(self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        self.batches.append(([p.text for p in prompts], temperature))
        assert self.permits.acquire(timeout=20)
        if any(p.text == "bad" for p in prompts):
            raise RuntimeError("the model broke")
        return [Decision("", p.text, -1.0, (), 1.0, seed) for p, seed in zip(prompts, seeds, strict=True)]


def ask(batcher: Batcher, name: str, temperature: float = 0.0) -> Coroutine[Any, Any, list[Decision]]:
    return batcher.ask([prompt(name)], [temperature], [0])


def test_what_comes_while_the_model_is_busy_is_decided_together_and_each_gets_its_own() -> None:
    async def scene() -> None:
        model = Model(permits=0)
        batcher = Batcher(model, max_batch=3, max_queue=10, deadline_s=20)
        first = asyncio.create_task(ask(batcher, "a"))
        while not model.batches:
            await asyncio.sleep(0.001)
        later = [asyncio.create_task(ask(batcher, name)) for name in "bcde"]
        await asyncio.sleep(0.01)
        assert (model.batches, len(batcher)) == ([(["a"], 0.0)], 4)
        model.permits.release(3)
        answers = await asyncio.gather(first, *later)
        assert [answer[0].action for answer in answers] == list("abcde")
        assert [names for names, _ in model.batches] == [["a"], ["b", "c", "d"], ["e"]]
        await batcher.drain()
        batcher.close()

    asyncio.run(scene())


def test_batches_shrink_to_the_target_and_grow_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 10 ms an observation a target of 45 ms allows four; once the model is fast, eight again."""
    now_s, each_s = 0.0, 0.01
    monkeypatch.setattr("serve.batcher.time", SimpleNamespace(monotonic=lambda: now_s))

    def decide(prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int]) -> list[Decision]:
        nonlocal now_s
        sizes.append(len(prompts))
        now_s += each_s * len(prompts)
        return [Decision("", p.text, -1.0, (), 1.0, seed) for p, seed in zip(prompts, seeds, strict=True)]

    async def scene() -> None:
        nonlocal each_s
        batcher = Batcher(decide, max_batch=8, max_queue=200, deadline_s=20, target_s=0.045)
        await batcher.ask([prompt("a")] * 60, [0.0] * 60, [0] * 60)
        assert sizes[0] == 8
        assert max(sizes[1:]) == 5, "one more is tried, and taken back"
        assert min(sizes[1:-1]) == 4
        each_s = 0.0
        sizes.clear()
        await batcher.ask([prompt("a")] * 120, [0.0] * 120, [0] * 120)
        assert max(sizes) == 8
        await batcher.drain()
        batcher.close()

    sizes: list[int] = []
    asyncio.run(scene())


def test_a_batch_has_one_temperature_and_nobody_is_overtaken() -> None:
    async def scene() -> None:
        model = Model(permits=0)
        batcher = Batcher(model, max_batch=8, max_queue=10, deadline_s=20)
        tasks = [asyncio.create_task(ask(batcher, "a"))]
        while not model.batches:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(ask(batcher, n, t)) for n, t in (("b", 1.0), ("c", 0.0), ("d", 1.0))]
        await asyncio.sleep(0.01)
        model.permits.release(9)
        await asyncio.gather(*tasks)
        assert model.batches == [(["a"], 0.0), (["b", "d"], 1.0), (["c"], 0.0)]

    asyncio.run(scene())


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def scene() -> None:
        model = Model(permits=0)
        batcher = Batcher(model, max_batch=1, max_queue=2, deadline_s=20)
        tasks = [asyncio.create_task(ask(batcher, "a"))]
        while not model.batches:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(ask(batcher, name)) for name in "bc"]
        await asyncio.sleep(0.01)
        with pytest.raises(Problem) as refused:
            await ask(batcher, "d")
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        model.permits.release(9)
        assert [answer[0].action for answer in await asyncio.gather(*tasks)] == list("abc")

    asyncio.run(scene())


def test_past_the_deadline_it_costs_no_model_time() -> None:
    async def scene() -> None:
        model = Model(permits=0)
        batcher = Batcher(model, max_batch=1, max_queue=9, deadline_s=0.1)
        tasks = [asyncio.create_task(ask(batcher, name)) for name in "abc"]
        for task in tasks:
            with pytest.raises(Problem) as late:
                await task
            assert late.value.status == 504
        model.permits.release(9)
        await batcher.drain()
        assert [names for names, _ in model.batches] == [["a"]]
        assert (await ask(batcher, "d"))[0].action == "d"

    asyncio.run(scene())


def test_a_model_that_breaks_is_told_to_those_who_waited_and_to_nobody_else() -> None:
    async def scene() -> None:
        batcher = Batcher(Model(), max_batch=4, max_queue=9, deadline_s=20)
        with pytest.raises(RuntimeError, match="broke"):
            await ask(batcher, "bad")
        assert (await ask(batcher, "a"))[0].action == "a"

    asyncio.run(scene())


def test_a_request_that_breaks_the_model_fails_alone() -> None:
    async def scene() -> None:
        model = Model(permits=0)
        batcher = Batcher(model, max_batch=8, max_queue=10, deadline_s=20)
        first = asyncio.create_task(ask(batcher, "a"))
        while not model.batches:
            await asyncio.sleep(0.001)
        names = ["b", "bad", "c"]
        later = [asyncio.create_task(ask(batcher, name)) for name in names]
        await asyncio.sleep(0.01)
        model.permits.release(20)
        answers = await asyncio.gather(first, *later, return_exceptions=True)
        told = [one if isinstance(one, RuntimeError) else one[0].action for one in answers]  # type: ignore[index]
        assert (told[0], told[1], told[3]) == ("a", "b", "c")
        assert isinstance(told[2], RuntimeError)
        assert [sorted(texts) for texts, _ in model.batches] == [
            ["a"],
            ["b", "bad", "c"],
            ["b"],
            ["bad"],
            ["c"],
        ]
        await batcher.drain()
        batcher.close()

    asyncio.run(scene())
