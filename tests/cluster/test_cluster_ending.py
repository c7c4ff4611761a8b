"""What SIGINT and SIGTERM do to a server: while it starts they end it, once it waits they end the wait."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from cluster.ending import Ending

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def soon(number: int, after_s: float = 0.05) -> threading.Thread:
    """Send this process the signal while its main thread does something else."""

    def send() -> None:
        time.sleep(after_s)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", SIGNALS)
def test_while_it_starts_a_signal_ends_it_and_what_it_started(number: int) -> None:
    ending, ended = Ending(), list[str]()
    ending.mind()
    with pytest.raises(SystemExit) as exited:  # noqa: PT012
        try:
            sender = soon(number)
            time.sleep(5.0)
            ended.append("it went on starting")
        finally:
            ended.append("what was started was stopped")
    sender.join()
    assert exited.value.code == ending.status == 128 + number
    assert ended == ["what was started was stopped"]


@pytest.mark.parametrize("number", SIGNALS)
def test_once_it_waits_a_signal_ends_the_wait_alone(number: int) -> None:
    ending = Ending()
    ending.mind()
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # as a library might that was started meanwhile
    sender, late = soon(number), threading.Timer(3.0, ending._told.set)
    late.start()  # else a signal that is not minded would hang this test
    ending.wait()
    assert late.is_alive()
    late.cancel()
    sender.join()
    assert ending.status == 128 + number
    os.kill(os.getpid(), number)  # an impatient second one does not tear the stopping apart
    assert ending.status == 128 + number
