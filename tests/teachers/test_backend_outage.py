"""Tries that fail, outages, refusals: what is waited for, by whom, and what ends in a reason. Time is the
test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from desks import ASK, CALL, fails, made, numbered

from teachers.backends.desk import LOST_S, OUT_AFTER, REFUSED_AFTER
from teachers.backends.types import Halted, NoAnswer, Unanswered, Unreachable


@pytest.mark.parametrize("error", [Unreachable("500"), Unreachable("429", "busy", 3.0)])
def test_a_try_that_fails_is_made_again(tmp_path: Path, error: Unreachable) -> None:
    caller, chat, _, clock = made(tmp_path, fails(error, 3))
    assert caller.ask(ASK, caller.patience()) == CALL
    assert chat.tries == 4
    assert clock.slept >= (9.0 if error.trouble == "busy" else 0.25 + 0.5 + 1.0)


def test_a_pause_that_one_was_asked_for_holds_for_all(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    assert desk.open("a", 1).kind == "ask"
    assert desk.open("under way", 1).kind == "ask"
    assert desk.fail("a", "busy", "busy", 5.0)
    desk.close("under way", "actor", "{}", CALL)  # does not lift the pause
    assert desk.open("b", 1).wait_s == pytest.approx(5.0)
    clock.sleep(5.0)
    assert desk.open("b", 1).kind == "ask"


def test_tries_and_patience_end_in_a_reason(tmp_path: Path) -> None:
    caller, chat, _, _ = made(tmp_path, fails(Unreachable("it is on fire"), 1000), tries=3)
    with pytest.raises(NoAnswer, match="3 tries: it is on fire"):
        caller.ask(ASK, caller.patience())
    assert chat.tries == 3
    caller, chat, _, clock = made(tmp_path, fails(Unreachable("out"), 10**6), patience_s=60)
    with pytest.raises(Unanswered, match="60 s: out"):
        caller.ask(ASK, caller.patience())  # an outage is not the question's fault: its tries are not spent
    assert chat.tries > 8
    assert 59 < clock.slept <= 60.001


def test_an_outage_is_probed_by_one_and_ends_for_all(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    for i in range(OUT_AFTER):
        assert desk.open(str(i), 1).kind == "ask"
        desk.fail(str(i), "down", "down")
    clock.sleep(1.0)
    assert desk.open("probe", 1).kind == "ask"
    others = [desk.open(f"other {i}", 1) for i in range(20)]
    assert {ticket.kind for ticket in others} == {"wait"}
    assert others[0].reason == "down"
    desk.close("probe", "actor", "{}", CALL)
    assert {desk.open(f"other {i}", 1).kind for i in range(20)} == {"ask"}


def test_no_second_probe_while_one_is_under_way(tmp_path: Path) -> None:
    """A silent endpoint keeps a probe for a whole timeout."""
    _, _, desk, clock = made(tmp_path, lambda _: CALL, timeout_s=30.0)
    for i in range(OUT_AFTER):
        assert desk.open(str(i), 1).kind == "ask"
        desk.fail(str(i), "down", "down")
    asked, ends = [], clock.now + 29
    while clock.now < ends:
        ticket = desk.open(f"at {clock.now}", 1)
        asked += [clock.now] if ticket.kind == "ask" else []
        clock.sleep(ticket.wait_s or 0.01)
    assert len(asked) == 1
    clock.sleep(LOST_S + 3.0)  # who asked has died
    assert desk.open("next", 1).kind == "ask"


def test_refusals_of_questions_that_were_under_way_together_are_one(tmp_path: Path) -> None:
    """A gateway that restarts refuses all of them; a wrong key refuses those that come after too."""
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    for i in range(8):
        assert desk.open(str(i), 1).kind == "ask"
    for i in range(8):
        clock.sleep(0.01)
        desk.fail(str(i), "404", "refused")
    assert desk.verdict() is None
    for i in range(REFUSED_AFTER - 1):
        clock.sleep(20.0)
        assert desk.open(f"later {i}", 1).kind == "ask"
        desk.fail(f"later {i}", "404", "refused")
    verdict = desk.verdict()
    assert verdict is not None
    assert verdict.kind == "refused"


def test_probes_become_rarer(tmp_path: Path) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    probes, ends = 0, clock.now + 600
    while clock.now < ends:
        ticket = desk.open("q", 1)
        if ticket.kind == "ask":
            probes += 1
            desk.fail("q", "down", "down")
        clock.sleep(ticket.wait_s or 0.01)
    assert 600 / 15 <= probes <= 600 / 15 + 15


def test_an_endpoint_that_refuses_ends_the_questions(tmp_path: Path) -> None:
    refused = Unreachable("401: look at key_file", "refused")
    caller, chat, desk, _ = made(tmp_path, fails(refused, 9))
    for _ in range(2):
        with pytest.raises(Halted, match="key_file"):
            caller.ask(ASK, caller.patience())
    verdict = desk.verdict()
    assert verdict is not None
    assert (verdict.kind, chat.tries) == ("refused", 3)
    # A gateway that restarts refuses once or twice, and is believed to be well again.
    caller, _, desk, _ = made(tmp_path / "other", fails(refused, 2))
    assert caller.ask(ASK, caller.patience()) == CALL
    assert desk.verdict() is None


def test_a_question_that_is_not_taken_troubles_nobody_else(tmp_path: Path) -> None:
    caller, chat, desk, _ = made(tmp_path, fails(Unreachable("400: filtered", "rejected"), 1))
    with pytest.raises(NoAnswer, match="filtered"):
        caller.ask(ASK, caller.patience())
    assert desk.verdict() is None
    assert caller.ask(numbered(1), caller.patience()) == CALL
    assert chat.tries == 2


def test_a_busy_endpoint_is_waited_for_as_long_as_the_patience_lasts(tmp_path: Path) -> None:
    """However many tries that takes; the waits grow."""
    caller, chat, _, clock = made(tmp_path, fails(Unreachable("429", "busy", 1.0), 10**6), patience_s=70)
    with pytest.raises(Unanswered, match="429"):
        caller.ask(ASK, caller.patience())
    assert 8 < chat.tries < 16
    assert clock.slept == pytest.approx(70, abs=0.1)


def test_an_outage_is_told_once_and_its_end_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, _, desk, clock = made(tmp_path, lambda _: CALL)
    assert desk.news() == []
    for i in range(OUT_AFTER + 3):
        desk.fail(str(i), "nobody is there", "down")
    clock.sleep(42.0)
    for i in range(3):
        desk.close(f"back {i}", "actor", "{}", CALL)
    out, back = desk.news()
    assert "is out (nobody is there): labels wait, and one question" in out
    assert "answers again, after 42 s" in back
    assert desk.news() == []
    assert [record.getMessage() for record in caplog.records] == [out, back]
