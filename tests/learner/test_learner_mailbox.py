"""The mailbox: commands are kept until a checkpoint covers them, results are never older than known ones."""

from __future__ import annotations

import asyncio

from learner.mailbox import Command, Mailbox, Result


def result(version: int) -> Result:
    return Result(version, 10 * version, {"loss": float(version)}, (1.0,), (f"weights {version}",))


def test_a_command_stays_until_a_checkpoint_covers_it() -> None:
    async def scene() -> None:
        mailbox = Mailbox()
        for version in range(3):
            await mailbox.send(Command(version, ("share",), save=version == 1))
        await mailbox.post(result(1), saved=False)
        assert (await mailbox.receive(0, 0.0)) == Command(0, ("share",), False)
        await mailbox.post(result(2), saved=True)
        assert await mailbox.receive(0, 0.0) == "wait"
        assert await mailbox.receive(1, 0.0) == "wait"
        assert (await mailbox.receive(2, 0.0)) == Command(2, ("share",), False)

    asyncio.run(scene())


def test_a_repeated_result_does_not_take_the_driver_back() -> None:
    async def scene() -> None:
        mailbox = Mailbox()
        assert await mailbox.result(1, 0.01) == (None, "")
        await mailbox.post(result(2), saved=True)
        await mailbox.post(result(1), saved=False)
        assert await mailbox.result(2, 0.0) == (result(2), "")
        assert await mailbox.result(3, 0.01) == (None, "")

    asyncio.run(scene())


def test_whoever_waits_hears_at_once() -> None:
    async def scene() -> None:
        mailbox = Mailbox()
        waiting = asyncio.create_task(mailbox.receive(0, 60.0))
        answer = asyncio.create_task(mailbox.result(1, 60.0))
        await asyncio.sleep(0)
        await mailbox.send(Command(0, (), True))
        assert isinstance(await asyncio.wait_for(waiting, 5.0), Command)
        await mailbox.post(result(1), saved=True)
        assert (await asyncio.wait_for(answer, 5.0))[0] == result(1)

    asyncio.run(scene())


def test_ranks_do_what_was_sent_before_they_stop_but_nothing_after_a_refusal() -> None:
    async def scene() -> None:
        mailbox = Mailbox()
        await mailbox.send(Command(0, (), True))
        await mailbox.stop()
        assert isinstance(await mailbox.receive(0, 0.0), Command)
        assert await mailbox.receive(1, 60.0) == "stop"
        await mailbox.fail("Sample s is invalid.")
        assert await mailbox.receive(0, 0.0) == "stop"
        assert await mailbox.result(1, 60.0) == (None, "Sample s is invalid.")

    asyncio.run(scene())
