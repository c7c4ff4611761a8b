"""The team's memory: bounded, found by words and by frames, the same after JSON."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teachers.team.frames import packed, png, unpacked
from teachers.team.memory import KEPT, Memory, colours, likeness, recall, remember, show
from worlds.types import EpisodeSpec
from worlds.voxel.world import VoxelWorld

BLANK = np.zeros((64, 64, 3), np.uint8)


def memory(suite: str, about: str, text: str, state: str = "", frame: str = "") -> Memory:
    return Memory(suite, about, state, frame, "scan (not forward 8)", "failed after 40 decisions", text)


def texts(found: list[Memory]) -> list[str]:
    return [one.text for one in found]


memories_of = st.lists(
    st.builds(memory, st.sampled_from(["a", "b"]), st.just("find it"), st.integers(0, 200).map(str))
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(memories_of, memories_of)
def test_what_is_remembered_is_bounded_and_the_newest(known: list[Memory], new: list[Memory]) -> None:
    kept = remember(known, new)
    assert len(kept) == len(set(kept))
    for suite in ("a", "b"):
        mine = [one for one in kept if one.suite == suite]
        latest = list(dict.fromkeys(one for one in reversed([*known, *new]) if one.suite == suite))
        assert mine == list(reversed(latest[:KEPT]))


def test_the_memories_nearest_to_a_state_are_recalled() -> None:
    known = [
        memory("s", "find pumpkin", "look round before walking"),
        memory("s", "find pumpkin", "when stuck turn left"),
        memory("s", "mine diamond_ore", "dig with the pickaxe"),
    ]
    assert texts(recall(known, "mine diamond_ore", BLANK, 1)) == ["dig with the pickaxe"]
    assert texts(recall(known, "find pumpkin stuck", BLANK, 1)) == ["when stuck turn left"]
    assert len(recall(known, "find pumpkin", BLANK, 9)) == 3
    assert recall(known, "find pumpkin", BLANK, 0) == []


def test_where_words_are_alike_the_frame_decides_and_else_the_newest() -> None:
    rng = np.random.default_rng(0)
    frames = [
        np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(3)
    ]
    known = [memory("s", "find it", f"lesson {i}", frame=packed(frame)) for i, frame in enumerate(frames)]
    for i, frame in enumerate(frames):
        noisy = np.clip(frame + rng.integers(-9, 10, frame.shape), 0, 255).astype(np.uint8)
        assert texts(recall(known, "find it", noisy, 1)) == [f"lesson {i}"]
    blind = [one._replace(frame="") for one in known]
    assert texts(recall(blind, "find it", frames[0], 1)) == ["lesson 2"]


def test_likeness_is_between_0_and_1_for_frames_of_any_size() -> None:
    white = colours(np.full((64, 64, 3), 255, np.uint8))
    assert white.shape == (8, 8, 3)
    assert likeness(white, white) == 1.0
    assert likeness(white, colours(BLANK)) == 0.0
    assert likeness(colours(np.full((20, 36, 3), 255, np.uint8)), white) == 1.0


def test_a_packed_frame_is_small_and_comes_back_as_it_looked() -> None:
    world = VoxelWorld("voxel/goal_name")
    world.reset(options={"episode": EpisodeSpec("voxel/goal_name", "train", 3)})
    frame = world.observe().frame
    text = packed(frame)
    assert text == packed(frame.copy())
    assert len(text) < 4096
    assert np.abs(unpacked(text).astype(float) - frame).mean() < 8.0
    assert likeness(colours(unpacked(text)), colours(frame)) > 0.98


def test_a_lesson_is_told_once_and_a_memory_comes_back_from_json_as_it_was() -> None:
    one = memory("s", "find it", "look round", "see left far", packed(BLANK))
    twin = one._replace(path="scan, forward 8")
    assert recall([one, twin], "find it", BLANK, 5) == [twin]
    assert Memory(*json.loads(json.dumps(list(one)))) == one
    where = "failed after 40 decisions where the describer said 'see left far'"
    assert one.told == f"look round [{where}; from there: scan (not forward 8)]"


def test_a_line_names_its_picture_and_no_more_are_shown_than_asked_for() -> None:
    white = packed(np.full((64, 64, 3), 255, np.uint8))
    known = [
        memory("s", "find it", "blind"),
        memory("s", "find it", "dark", frame=packed(BLANK)),
        memory("s", "find it", "bright", frame=white),
    ]
    lines, frames = show(known, 1)
    assert [line.endswith("[picture 2]") for line in lines] == [False, True, False]
    assert frames == (png(unpacked(packed(BLANK))),)
    lines, frames = show(known, 2)
    assert lines[2].endswith("[picture 3]")
    assert len(frames) == 2
    assert show(known, 0) == ([one.told for one in known], ())
