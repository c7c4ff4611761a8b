"""The recording: content addresses, kills, exports."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.backends.types import Ask, Call, Message

ASK = Ask("actor", (Message("system", "s"), Message("user", "u")), "{}", "m")
CALL = Call('{"action": "wait"}', "m-1", 10, 5, 0.25, 0.001)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, purpose="manager"),
        replace(ASK, messages=(Message("system", "s"), Message("user", "u!"))),
        replace(ASK, messages=(Message("system", "s"), Message("assistant", "u"))),
        replace(ASK, schema='{"type": "object"}'),
        replace(ASK, model="m2"),
        replace(ASK, temperature=0.5),
        replace(ASK, max_tokens=7),
        replace(ASK, images=(b"png",)),
        replace(ASK, structure="none"),
    ],
)
def test_all_that_a_model_could_answer_to_enters_the_address(other: Ask) -> None:
    assert other.key != ASK.key
    assert replace(ASK).key == ASK.key


def test_the_first_answer_is_the_answer(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "calls.sqlite")
    assert recording.get(ASK.key) is None
    assert recording.add(ASK, CALL) == CALL
    assert recording.add(ASK, replace(CALL, text="other")) == CALL
    recording.close()
    again = Recording(tmp_path / "calls.sqlite")
    assert again.get(ASK.key) == CALL
    assert again.totals() == (1, 15, 0.001)


def test_each_run_is_charged_for_what_it_asked_itself(tmp_path: Path) -> None:
    file = tmp_path / "shared.sqlite"
    one, other = Recording(file, "one"), Recording(file, "other")
    one.add(ASK, CALL)
    other.add(ASK, CALL)  # known: nobody pays again
    other.add(replace(ASK, model="m2"), CALL)
    assert (other.totals("one").calls, other.totals("other").calls, other.totals().calls) == (1, 1, 2)
    one.export(tmp_path / "calls.jsonl")
    there = Recording(tmp_path / "there.sqlite", "one")
    there.load(tmp_path / "calls.jsonl")
    assert (there.totals().calls, there.totals("one").calls) == (2, 0)


def test_a_recording_of_before_runs_were_told_apart_is_opened(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "calls.sqlite", "run")
    recording.add(ASK, CALL)
    recording.close()
    base = sqlite3.connect(tmp_path / "calls.sqlite")
    base.execute("ALTER TABLE calls DROP COLUMN run")
    base.close()
    again = Recording(tmp_path / "calls.sqlite", "run")
    assert again.get(ASK.key) == CALL
    again.add(replace(ASK, model="m2"), CALL)
    assert again.totals("run").calls == 1


def test_an_export_replays_elsewhere(tmp_path: Path) -> None:
    here, there = Recording(tmp_path / "a.sqlite"), Recording(tmp_path / "b.sqlite")
    asks = [replace(ASK, model=f"m{i}", images=(bytes([i]),)) for i in range(5)]
    for ask in asks:
        here.add(ask, replace(CALL, text=ask.model))
    assert here.export(tmp_path / "calls.jsonl") == 5
    assert there.load(tmp_path / "calls.jsonl") == 5
    assert [there.get(ask.key) for ask in asks] == [here.get(ask.key) for ask in asks]
    assert there.by_purpose() == here.by_purpose()


def test_a_damaged_export_is_refused_whole(tmp_path: Path) -> None:
    here = Recording(tmp_path / "a.sqlite")
    here.add(ASK, CALL)
    here.export(tmp_path / "calls.jsonl")
    with (tmp_path / "calls.jsonl").open("a") as file:
        file.write('{"key": 1}\n')
    there = Recording(tmp_path / "b.sqlite")
    with pytest.raises(ValueError, match="line 2"):
        there.load(tmp_path / "calls.jsonl")
    assert there.totals().calls == 0


def test_a_file_that_is_no_recording_is_told(tmp_path: Path) -> None:
    (tmp_path / "calls.sqlite").write_bytes(b"not a database, " * 300)
    with pytest.raises(ValueError, match=r"teacher\.endpoint\.recording"):
        Recording(tmp_path / "calls.sqlite")


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    """A process is killed the moment it has said so."""
    program = f"""
import sys
from pathlib import Path
from teachers.backends.recording import Recording
from teachers.backends.types import Call
recording = Recording(Path({str(tmp_path / "calls.sqlite")!r}))
for i in range(10_000):
    recording.put(str(i), "actor", "{{}}", Call(str(i), "m", 1, 1, 0.0))
    print(i, flush=True)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    recording = Recording(tmp_path / "calls.sqlite")
    assert all(recording.get(str(i)) is not None for i in told)


def test_a_question_without_an_answer_is_known_to_a_replay_and_asked_again_in_earnest(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "calls.sqlite")
    recording.put_unanswered(ASK.key, ASK.purpose, ASK.told, "too long")
    recording.add(replace(ASK, model="m2"), CALL)
    recording.export(tmp_path / "calls.jsonl")
    there = Recording(tmp_path / "there.sqlite")
    assert there.load(tmp_path / "calls.jsonl") == 2
    assert there.totals().calls == 1
    replay = CallDesk(EndpointConfig(), there, replay=True)
    ticket = replay.open(ASK.key, 1)
    assert (ticket.kind, ticket.reason) == ("unanswered", "too long")
    assert replay.verdict() is None
    assert CallDesk(EndpointConfig(), there).open(ASK.key, 1).kind == "ask"
    there.add(ASK, CALL)
    assert replay.open(ASK.key, 1).kind == "recorded"


def test_a_line_whose_key_is_not_its_questions_is_not_loaded(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "calls.sqlite")
    recording.add(ASK, CALL)
    recording.export(tmp_path / "calls.jsonl")
    line = (tmp_path / "calls.jsonl").read_text()
    (tmp_path / "calls.jsonl").write_text(line.replace('"u"', '"v"'))
    there = Recording(tmp_path / "there.sqlite")
    with pytest.raises(ValueError, match="line 1: its key is not that of its question"):
        there.load(tmp_path / "calls.jsonl")
    assert there.totals().calls == 0


def test_an_export_is_no_recording_and_says_what_makes_one(tmp_path: Path) -> None:
    Recording(tmp_path / "a.sqlite").add(ASK, CALL)
    Recording(tmp_path / "a.sqlite").export(tmp_path / "calls.jsonl")
    with pytest.raises(ValueError, match=r"is an export of calls.*retort\.py calls calls\.sqlite --load"):
        Recording(tmp_path / "calls.jsonl")


def test_a_number_that_no_column_holds_is_told_with_its_line(tmp_path: Path) -> None:
    here = Recording(tmp_path / "a.sqlite")
    here.add(ASK, CALL)
    here.export(tmp_path / "calls.jsonl")
    text = (tmp_path / "calls.jsonl").read_text().replace('"tokens_in": ', f'"tokens_in": {10**19}')
    (tmp_path / "calls.jsonl").write_text(text)
    with pytest.raises(ValueError, match="line 1, is no recorded call"):
        here.load(tmp_path / "calls.jsonl")
