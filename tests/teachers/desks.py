"""A desk, a caller and what answers it, over a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Message

ASK = Ask("actor", (Message("user", "u"),), "{}", "m")
CALL = Call("{}", "m", 60, 40, 0.1, 0.5)


class Clock:
    """Seconds that pass by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


class Chat:
    """Answers by `answer(number of the try)`."""

    def __init__(self, answer: Callable[[int], Call]) -> None:
        self._answer = answer
        self.tries = 0

    def ask(self, ask: Ask) -> Call:
        self.tries += 1
        return self._answer(self.tries)


def made(
    tmp_path: Path, answer: Callable[[int], Call], replay: bool = False, **settings: float
) -> tuple[Caller, Chat, CallDesk, Clock]:
    config, clock = EndpointConfig(**settings), Clock()  # type: ignore[arg-type]
    desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"), replay, clock)
    chat = Chat(answer)
    return Caller(config, desk, chat, clock.sleep, clock), chat, desk, clock


def numbered(i: int) -> Ask:
    return replace(ASK, model=f"m{i}")


def fails(error: Exception, times: int) -> Callable[[int], Call]:
    def answer(number: int) -> Call:
        if number <= times:
            raise error
        return CALL

    return answer
