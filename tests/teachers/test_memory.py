"""The team's memory: bounded, found by words and by frames, the same after JSON."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teachers.team.memory import KEPT, Memory, fingerprint, likeness, recall, remember

BLANK = np.zeros((64, 64, 3), np.uint8)


def memory(suite: str, about: str, text: str, state: str = "", frame: str = "") -> Memory:
    return Memory(suite, about, state, frame, "forward 8", "scan", "failed after 40 decisions", text)


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
    known = [
        memory("s", "find it", f"lesson {i}", frame=fingerprint(frame)) for i, frame in enumerate(frames)
    ]
    for i, frame in enumerate(frames):
        noisy = np.clip(frame + rng.integers(-9, 10, frame.shape), 0, 255).astype(np.uint8)
        assert texts(recall(known, "find it", noisy, 1)) == [f"lesson {i}"]
    blind = [one._replace(frame="") for one in known]
    assert texts(recall(blind, "find it", frames[0], 1)) == ["lesson 2"]


def test_fingerprints_are_small_and_their_likeness_is_between_0_and_1() -> None:
    white = fingerprint(np.full((64, 64, 3), 255, np.uint8))
    assert len(white) == 2 * 8 * 8 * 3
    assert likeness(white, white) == 1.0
    assert likeness(white, fingerprint(BLANK)) == 0.0
    assert likeness(white, "") == 0.0
    assert fingerprint(np.full((20, 36, 3), 255, np.uint8)) == white


def test_a_lesson_is_told_once_and_a_memory_comes_back_from_json_as_it_was() -> None:
    one = memory("s", "find it", "look round", "see left far", fingerprint(BLANK))
    twin = one._replace(did="turn around")
    assert recall([one, twin], "find it", BLANK, 5) == [twin]
    assert Memory(*json.loads(json.dumps(list(one)))) == one
    piece = "failed after 40 decisions where the describer said 'see left far': did forward 8, better scan"
    assert one.told == f"look round [{piece}]"
