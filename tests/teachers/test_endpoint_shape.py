"""The shape of an answer: who is told of it, what is found in the prose of a model, what a repair names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from chats import Scripted, ordering, over
from endpoints import states

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.desk import CallDesk
from teachers.backends.recording import Recording
from teachers.team.planner import BRACES, FAULTS, Planner, Talk, bare
from teachers.team.prompting import prompt, schema
from teachers.team.replies import ManagerReply
from worlds.types import Turn

GOOD = ordering("find pumpkin")
ACT = json.dumps({"thought": "", "action": "turn right 90", "also_good": []})


def planner(chat: Scripted, folder: Path, **settings: object) -> Planner[ManagerReply]:
    config = EndpointConfig(**settings)  # type: ignore[arg-type]
    caller = Caller(config, CallDesk(config, Recording(folder / "calls.sqlite")), chat)
    return Planner("manager", ManagerReply, caller, config)


@pytest.mark.parametrize("structure", ["json_schema", "json_object", "none"])
def test_the_shape_is_told_once_however_it_is_told(structure: str, tmp_path: Path) -> None:
    chat = Scripted("{}", GOOD)
    planner(chat, tmp_path, structure=structure).plan("u", lambda reply: reply, Talk())
    for ask in chat.asked:
        told = ask.messages[0].text
        if structure == "json_schema":
            assert told == prompt("manager")  # recorded questions stay what they were
        else:
            assert told.startswith(prompt("manager"))
            assert told.endswith(schema(ManagerReply))
    first = chat.asked[0]
    bare_messages = (replace(first.messages[0], text=prompt("manager")), *first.messages[1:])
    assert (replace(first, messages=bare_messages).key == first.key) == (structure == "json_schema")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"<think>I want to {{go}} or {{}} or {ACT}</think>\n{GOOD}",
        f"Here is the JSON:\n```json\n{GOOD}\n```\nHope it {{helps}}",
        f"{ACT}\nWait. Rather:\n{GOOD}",
    ],
)
def test_the_answer_is_found_in_what_stands_round_it(text: str) -> None:
    assert json.loads(bare(text)) == json.loads(GOOD)


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", GOOD[:-3], "[1]", "{" * 10 * BRACES, '{"a":' * 20_000, "x" + '{"a":' * 20_000],
)
def test_what_holds_no_answer_is_left_as_it_stands(text: str) -> None:
    assert bare(text) == text


def test_a_repair_names_all_that_is_wrong_up_to_a_bound(tmp_path: Path) -> None:
    many = {f"extra{number}": 1 for number in range(FAULTS + 2)}
    chat = Scripted('{"action": "up"}', json.dumps({"thought": "", "subtasks": [], **many}), GOOD)
    planner(chat, tmp_path).plan("u", lambda reply: reply, Talk())
    first, second = (ask.messages[-1].text for ask in chat.asked[1:])
    for field in ("thought: Field required", "subtasks: Field required", "action: Extra inputs"):
        assert field in first
    assert second.count("extra") == FAULTS - 1
    assert "and 3 more" in second


def test_what_the_critic_says_of_a_failure_stands_with_what_was_said(tmp_path: Path) -> None:
    observation, mirror, _ = states("voxel/goal_name", 1, 1)[0]
    failed = Turn("", "forward 8", "stuck", observation.status.heading_deg)
    observation = replace(observation, history=(*observation.history, failed))
    chat = Scripted(ACT)
    label = over(chat, tmp_path, repairs=0, team_calls=False).label(observation, mirror)
    told = "the last action, forward 8, ended 'stuck' (the way in that heading is shut at this spot)"
    assert f"critic: {told}" in label.said
    assert f"Critic: {told}" in chat.asked[0].messages[1].text
