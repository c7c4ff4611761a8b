"""What a prompt says, and what it cannot say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from student.prompts import build_prompt, prefix_text, sound_text, turn_text
from student.tokenizer import BASE_WORDS, UNKNOWN, build_tokenizer
from worlds.directions import BEARINGS, COMPASS, octant
from worlds.types import Goal, Observation, Sound, Status, Turn

FRAME = np.zeros((64, 64, 3), np.uint8)
SEEN = Observation(
    frame=FRAME,
    goal=Goal("find pumpkin"),
    status=Status(91.0, (17.0, 5.0, -3.0), {"oak_log": 2, "stick": 4}, "in water"),
    sounds=(Sound("cow", -100.0, 0.7), Sound("bee", 10.0, 0.05)),
    history=tuple(Turn("see none", f"forward {i}", "ok") for i in range(12)),
    actions=("forward 2",),
    notes=("see none",),
)


def test_the_whole_prompt_is_this() -> None:
    prompt = build_prompt(dataclasses.replace(SEEN, history=SEEN.history[-1:]), "conductor", "take north")
    assert prompt.text == (
        "<image> conductor left see none forward 11 ; east at 4 -1 carrying 4 stick 2 oak_log in water ; "
        "order take north goal find pumpkin :"
    )
    assert prompt.images == (FRAME,)
    assert (prompt.notes, prompt.actions) == (SEEN.notes, SEEN.actions)


def test_a_goal_picture_stands_within_the_goal() -> None:
    prompt = build_prompt(dataclasses.replace(SEEN, goal=Goal("find this", FRAME)))
    assert prompt.text.count("<image>") == len(prompt.images) == 2
    assert prompt.text.endswith(" goal <image> find this :")


def test_of_the_sounds_the_goals_own_is_told_however_faint() -> None:
    goal = Goal("find the bee you hear", sound="bee")
    sounds = (*SEEN.sounds, Sound("bee", 90.0, 0.02))
    prompt = build_prompt(dataclasses.replace(SEEN, goal=goal, sounds=sounds))
    assert prompt.text.endswith("; hear bee ahead faint goal find the bee you hear :")
    silent = build_prompt(dataclasses.replace(SEEN, goal=goal, sounds=SEEN.sounds[:1]))
    assert "hear cow" not in silent.text
    assert silent.text.endswith("in water goal find the bee you hear :")


def test_the_last_eight_turns_are_told() -> None:
    text = build_prompt(SEEN).text
    assert "forward 4" in text
    assert "forward 3 " not in text


def test_memory_notes_can_be_left_out() -> None:
    assert turn_text(Turn("see none", "forward 2", "stuck", 90.0), 0.0) == "right see none forward 2 stuck"
    assert turn_text(Turn("see none", "forward 2", "ok", 45.0), 45.0, memory_notes=False) == "ahead forward 2"
    remembering = dataclasses.replace(
        SEEN, status=dataclasses.replace(SEEN.status, recalled="target left far")
    )
    assert " oak_log target left far, in water goal" in build_prompt(remembering).text
    assert build_prompt(remembering, memory_notes=False) == build_prompt(SEEN, memory_notes=False)
    assert "see none" not in build_prompt(SEEN, memory_notes=False).text


def test_prompts_extend_their_prefix() -> None:
    assert build_prompt(SEEN).text.startswith(prefix_text(SEEN))


@pytest.mark.parametrize("index", range(8))
def test_directions_are_the_nearest_of_eight(index: int) -> None:
    assert all(octant(45.0 * index + off) == index for off in (-22.0, 0.0, 22.0, 360.0, -360.0))
    assert sound_text(Sound("cow", 45.0 * index, 0.3)) == f"cow {BEARINGS[index]} soft"
    assert (
        COMPASS[index]
        in build_prompt(dataclasses.replace(SEEN, status=Status(heading_deg=45.0 * index))).text
    )


def test_known_words_and_phrases_are_one_token_and_others_are_spelled() -> None:
    tokenizer = build_tokenizer(["zombie spawner"], ["turn left 45", "turn left"])
    for word in ("zombie", "spawner", "far-left", "-7", "200", *BASE_WORDS[:50]):
        assert len(tokenizer(" " + word)["input_ids"]) == 1, word
    assert len(tokenizer(" turn left 45")["input_ids"]) == 1
    assert len(tokenizer(" turn left 90")["input_ids"]) == 2
    assert len(tokenizer(" turn leftmost")["input_ids"]) > 1
    pieces = tokenizer("gloomstone Oak_Log 4711")["input_ids"]
    assert tokenizer.unk_token_id not in pieces
    assert tokenizer.decode(pieces).replace(" ", "") == "gloomstoneoaklog4711"
    assert tokenizer.unk_token == UNKNOWN
    assert len(tokenizer) >= 1024


def test_a_full_prompt_is_short() -> None:
    tokenizer = build_tokenizer(phrases=["see none", *(f"forward {i}" for i in range(12))])
    assert len(tokenizer(build_prompt(SEEN).text)["input_ids"]) <= 60
