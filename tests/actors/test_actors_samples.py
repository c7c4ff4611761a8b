"""From a decision to a sample to the ledger and back: nothing is changed on the way, no pair is a tie."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from toy import ACTIONS, NOTES, SUITE

from actors.codec import CHUNK_BITS, POSITION_BITS, STEP_BITS, decode, encode, order_of
from actors.samples import Advice, Turn, sample_of
from actors.teacher import Given
from actors.types import PlaySettings, State
from ledger import Ledger
from student.types import Decision, Prompt, Sample
from teachers.types import Label
from worlds.base import split_reply
from worlds.types import EpisodeSpec, Frame, Goal, Observation, Outcome, Status

LETTERS = list("ab |;<>\n\"'ä日🙂\x00")


def text(rng: np.random.Generator, most: int = 12) -> str:
    return "".join(rng.choice(LETTERS, rng.integers(0, most)))


def frame(rng: np.random.Generator) -> Frame:
    return rng.integers(0, 256, (*rng.integers(1, 9, 2), 3), dtype=np.uint8)


def any_sample(rng: np.random.Generator, number: int) -> Sample:
    """Every field takes every kind of value that its type allows."""
    valid = bool(rng.random() < 0.8)
    return Sample(
        sample_id=f"s{number}",
        suite=text(rng),
        split=str(rng.choice(["train", "test"])),
        index=int(rng.integers(0, 2**40)),
        episode=text(rng),
        step=int(rng.integers(0, 99)),
        role=str(rng.choice(["actor", "conductor"])),
        prompt=Prompt(
            text(rng, 60),
            tuple(frame(rng) for _ in range(rng.integers(0, 4))),
            tuple(text(rng) for _ in range(rng.integers(0, 3))),
            tuple(text(rng) for _ in range(rng.integers(0, 3))),
        ),
        chosen=text(rng),
        rejected=text(rng),
        next_frame=frame(rng) if rng.random() < 0.5 else None,
        executed=str(rng.choice(["student", "teacher", "expert"])),
        policy_version=int(rng.integers(0, 1000)),
        teacher_version=text(rng),
        beta=float(rng.random()),
        valid=valid,
        reason="" if valid else text(rng),
    )


def assert_same(one: Sample, other: Sample) -> None:
    for name in (field.name for field in fields(Sample) if field.name not in ("prompt", "next_frame")):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine == theirs, name
        assert type(mine) is type(theirs), name
    for name in ("text", "notes", "actions"):
        assert getattr(one.prompt, name) == getattr(other.prompt, name), name
    pairs = list(zip(one.prompt.images, other.prompt.images, strict=True))
    assert (one.next_frame is None) == (other.next_frame is None)
    if one.next_frame is not None and other.next_frame is not None:
        pairs.append((one.next_frame, other.next_frame))
    for mine, theirs in pairs:
        assert (mine.shape, mine.dtype, mine.tobytes()) == (theirs.shape, theirs.dtype, theirs.tobytes())


@pytest.mark.parametrize("seed", range(3))
def test_any_sample_comes_back_from_the_disk_as_it_went(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [any_sample(rng, number) for number in range(60)]
    orders = rng.integers(0, 2**62, 60)
    with Ledger.open(tmp_path) as ledger:
        at = 0
        while at < len(samples):  # appends of all sizes: some hold no image, or no note, at all
            size = int(rng.integers(1, 9))
            part = list(zip(samples[at : at + size], orders[at : at + size].tolist(), strict=True))
            ledger.append([encode(sample, order) for sample, order in part])
            at += size
    with Ledger.open(tmp_path, writable=False) as ledger:
        found = ledger.read([sample.sample_id for sample in samples])
        assert [record.order for record in found] == orders.tolist()
        for sample, record in zip(samples, found, strict=True):
            assert_same(decode(record), sample)


def test_places_in_the_training_order_sort_as_chunk_position_and_step_do() -> None:
    rng = np.random.default_rng(0)
    most = 1 << np.array([CHUNK_BITS, POSITION_BITS, STEP_BITS])
    triples = (most * rng.random((400, 3)) ** 4).astype(int).tolist()  # mostly small, as in a run
    triples += [(most - 1).tolist(), [0, 0, 0], [1, 0, 0]]
    by_order = sorted(triples, key=lambda triple: order_of(*triple))
    assert by_order == sorted(triples)
    for chunk, position, step in triples:
        assert order_of(chunk) <= order_of(chunk, position, step) < 2**62
        assert chunk + 1 == most[0] or order_of(chunk, position, step) < order_of(chunk + 1)
    for beyond in np.diag(most).tolist():
        with pytest.raises(AssertionError):
            order_of(*beyond)


def test_a_pair_is_built_where_the_student_was_worse_and_nowhere_else() -> None:
    rng, spec = np.random.default_rng(1), EpisodeSpec(SUITE, "train", 7)
    seen = Observation(np.zeros((4, 4, 3), np.uint8), Goal("go"), Status(), (), (), ACTIONS, NOTES)
    state = State(SUITE, "actor", seen, None, Prompt("go", (), NOTES, ACTIONS))
    kinds = set()
    for step in range(400):
        valid, learns, asked = (bool(rng.random() < 0.7) for _ in range(3))
        best, own, moved = (str(action) for action in rng.choice(ACTIONS, 3))
        ties = (best, *rng.choice(ACTIONS, rng.integers(0, 3)).tolist())
        label = Label("actor", best, "see here", ties, valid=valid, reason="" if valid else "lost")
        other = Label("actor", "wait", "see left")  # somebody else's row of the same answer
        decision = Decision("see right", own, -1.0, ((own, -1.0),), 1.0, 3) if asked else None
        turn = Turn(state, step, decision, Advice(Given([other, label])), 1, executed="student", text=moved)
        retrieved = str(rng.choice(ACTIONS)) if rng.random() < 0.3 else None
        after = frame(rng)
        turn.happened(Outcome("ok", 1, retrieved), after)
        sample = sample_of(turn, spec, PlaySettings(version=3, mix=0.25), "t1", learns)
        worse = asked and learns and valid and own not in {best, *ties}
        assert split_reply(sample.rejected) == (("see right", own) if worse else ("", ""))
        assert split_reply(sample.chosen) == ("see here", best)
        assert sample.next_frame is (after if (retrieved or moved) == best else None)
        assert (sample.valid, sample.reason) == (valid, label.reason)
        assert (sample.policy_version, sample.beta, sample.step) == (3, 0.25, step)
        kinds.add((worse, sample.next_frame is None))
    assert len(kinds) == 4
