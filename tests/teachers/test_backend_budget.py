"""A budget in tokens and money: over all who ask, over restarts, over a recording that is shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from desks import ASK, CALL, fails, made, numbered

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Halted, Unreachable


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"budget_tokens": 250}, r"250 tokens is spent \(300\).*budget_tokens"),
        ({"budget_money": 1.2, "price_in": 1.0}, r"1\.2 is spent \(1\.50\).*budget_money"),
    ],
)
def test_a_budget_ends_the_questions(tmp_path: Path, settings: dict[str, float], told: str) -> None:
    caller, chat, desk, _ = made(tmp_path, lambda _: CALL, **settings)
    for i in range(3):
        caller.ask(numbered(i), caller.patience())
    assert desk.verdict() is None
    with pytest.raises(Halted, match=told):
        caller.ask(numbered(3), caller.patience())
    assert chat.tries == 3
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "spent"
    assert caller.ask(numbered(0), caller.patience()) == CALL  # what is recorded costs nothing


def test_a_budget_outlives_the_process(tmp_path: Path) -> None:
    caller, _, _, _ = made(tmp_path, lambda _: CALL, budget_tokens=250)
    for i in range(3):
        caller.ask(numbered(i), caller.patience())
    caller, chat, _, _ = made(tmp_path, lambda _: CALL, budget_tokens=250)
    with pytest.raises(Halted):
        caller.ask(numbered(9), caller.patience())
    assert chat.tries == 0


def test_a_shared_recording_spends_no_budget_but_that_of_who_asked(tmp_path: Path) -> None:
    file = tmp_path / "shared.sqlite"
    config = EndpointConfig(budget_tokens=250)
    first = CallDesk(config, Recording(file, "first"))
    for i in range(3):
        assert first.open(str(i), 100).kind == "ask"
        first.close(str(i), "actor", "{}", CALL)
    assert first.open("more", 100).kind == "halted"
    second = CallDesk(config, Recording(file, "second"))
    assert second.open("0", 100).kind == "recorded"
    assert second.open("more", 100).kind == "ask"
    resumed = CallDesk(config, Recording(file, "first"))
    assert resumed.open("more", 100).kind == "halted"


def test_a_verdict_tells_how_many_questions_may_still_be_answered(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL, budget_tokens=100, timeout_s=30.0)
    for key in ("a", "b", "c"):
        assert desk.open(key, 1).kind == "ask"
    desk.close("a", "actor", "{}", CALL)
    assert desk.open("d", 1).kind == "halted"

    def in_flight() -> int:
        verdict = desk.verdict()
        assert verdict is not None
        return verdict.in_flight

    assert in_flight() == 2
    desk.close("b", "actor", "{}", CALL)
    assert in_flight() == 1
    clock.sleep(41.0)  # who asked has died
    assert in_flight() == 0
    assert desk.open("b", 1).kind == "recorded"


def test_an_account_without_money_pauses_the_run(tmp_path: Path) -> None:
    caller, chat, desk, _ = made(tmp_path, fails(Unreachable("402", "unpaid"), 9))
    with pytest.raises(Halted, match="put money into the account"):
        caller.ask(ASK, caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("spent", 1)
