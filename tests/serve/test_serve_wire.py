"""What is sent is what arrives, and nothing gets in that could be mistaken for something else."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from serve.images import decode_image, encode_frame
from serve.problems import Problem
from serve.wire import ActRequest, WireObservation, from_observation, to_observation
from worlds.types import Frame, Goal, Observation, Sound, Status, Turn

PIXELS = 2**16
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12).filter(
    lambda text: "<image>" not in text
)
ANGLES = st.floats(-180, 180)
FRAMES = arrays(np.uint8, st.tuples(st.integers(8, 24), st.integers(8, 24), st.just(3)))
OBSERVATIONS = st.builds(
    Observation,
    frame=FRAMES,
    goal=st.builds(Goal, WORDS, st.none() | FRAMES, st.none() | WORDS),
    status=st.builds(
        Status,
        st.floats(0, 360),
        st.tuples(*[st.floats(-1e6, 1e6)] * 3),
        st.dictionaries(WORDS, st.integers(0, 64), max_size=3),
        st.just("") | WORDS,
    ),
    sounds=st.lists(st.builds(Sound, WORDS, ANGLES, st.floats(0, 1)), max_size=3).map(tuple),
    history=st.lists(st.builds(Turn, st.just("") | WORDS, WORDS, WORDS, ANGLES), max_size=3).map(tuple),
    actions=st.lists(WORDS, min_size=1, max_size=4, unique=True).map(tuple),
    notes=st.lists(WORDS, max_size=3, unique=True).map(tuple),
)


def plain(observation: Observation) -> dict[str, Any]:
    """Comparable: pictures as shape and bytes."""

    def picture(frame: Frame | None) -> Any:
        return None if frame is None else (frame.shape, frame.tobytes())

    values = dict(vars(observation))
    values |= {"frame": picture(observation.frame), "goal": (
        observation.goal.text, picture(observation.goal.image), observation.goal.sound
    )}  # fmt: skip
    return values


@settings(suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(OBSERVATIONS)
def test_an_observation_survives_the_wire_to_the_bit(seen: Observation) -> None:
    sent = from_observation(seen).model_dump_json()
    assert plain(to_observation(WireObservation.model_validate_json(sent), PIXELS)) == plain(seen)


def request(**changes: Any) -> dict[str, Any]:
    observation = {
        "frame": encode_frame(np.zeros((16, 16, 3), np.uint8)),
        "goal": {"text": "find red"},
        "actions": ["go", "stop"],
    }
    return {"observation": observation | changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"actions": []},
        {"actions": ["go", "go"]},
        {"actions": [" go"]},
        {"actions": ["g" * 301]},
        {"goal": {"text": "find <image>"}},
        {"goal": {"text": "find\nred"}},
        {"goal": {"text": ""}},
        {"history": [{"action": "go", "outcome": "<image>"}]},
        {"sounds": [{"name": "moo", "bearing_deg": 0, "loudness": 2}]},
        {"status": {"position": [0, 0]}},
        {"status": {"heading_deg": "north"}},
        {"status": {"inventory": {"dirt": -1}}},
        {"mirror": {"target": [1, 2]}},
    ],
)
def test_what_could_not_be_asked_is_refused(changes: dict[str, Any]) -> None:
    ActRequest.model_validate(request())
    with pytest.raises(ValidationError):
        ActRequest.model_validate(request(**changes))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    body = ActRequest.model_validate(request()).model_dump_json()
    for field in ('"heading_deg":0.0', '"position":[0.0'):
        assert field in body
        with pytest.raises(ValidationError):
            ActRequest.model_validate_json(body.replace(field, field[:-3] + number))


@pytest.mark.parametrize(
    "make",
    [
        lambda png: png[: len(png) // 2],
        lambda png: b"GIF89a" + png,
        lambda png: b"",
        lambda png: png[:40] + b"\x00" * 40 + png[80:],
    ],
)
def test_a_damaged_picture_is_a_problem_and_not_a_crash(make: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    png = base64.b64decode(encode_frame(noise))
    assert (decode_image(png, PIXELS) == noise).all()
    with pytest.raises(Problem) as refused:
        decode_image(make(png), PIXELS)
    assert refused.value.status == 422


def test_a_pictures_size_is_refused_before_it_is_decoded() -> None:
    wide = base64.b64decode(encode_frame(np.zeros((9, 300, 3), np.uint8)))
    with pytest.raises(Problem, match="too large") as refused:
        decode_image(wide, 9 * 299)
    assert refused.value.status == 413
    head = b"IHDR" + (65_535).to_bytes(4, "big") * 2 + wide[24:29]  # more than PIL would open
    huge = wide[:12] + head + zlib.crc32(head).to_bytes(4, "big") + wide[33:]
    with pytest.raises(Problem, match="too large") as refused:
        decode_image(huge, PIXELS)
    assert refused.value.status == 413
    small = base64.b64decode(encode_frame(np.zeros((4, 16, 3), np.uint8)))
    with pytest.raises(Problem, match="too small"):
        decode_image(small, PIXELS)
