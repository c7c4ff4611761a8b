"""The states of a record, and that each is trained on exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Ledger, LedgerError, Record, sample_id
from ledger.records import STATES, TRANSITIONS


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(number: int, order: int = 0) -> Record:
    name = sample_id("toy", number, "episode", 0, "actor", "t1")
    return Record(
        name, {"number": number, "text": f"state {number}", "blobs": [bytes([number % 256]) * 50]}, order
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger", clock=clock) as opened:
        yield opened


def test_appending_twice_is_harmless(ledger: Ledger) -> None:
    assert ledger.append([record(1), record(2), record(2)]) == 2
    assert ledger.append([record(2), record(3)]) == 1
    ledger.flush()
    assert ledger.append([record(1), record(3)]) == 0
    assert ledger.counts()["produced"] == 3
    claimed = ledger.claim(3, 60, "learner")
    ledger.settle(claimed, "trained")
    assert ledger.append([record(1)]) == 0
    assert ledger.counts() == {"produced": 0, "claimed": 0, "trained": 3, "filtered": 0, "failed": 0}


def test_a_sample_id_names_its_six_facts() -> None:
    facts = ("voxel/goal_name", 4, "a", 2, "actor", "t1")
    others = [
        ("babyai", *facts[1:]),
        (facts[0], 5, *facts[2:]),
        (*facts[:3], 3, *facts[4:]),
        (*facts[:5], "t2"),
    ]
    assert sample_id(*facts) == sample_id(*facts)
    assert len({sample_id(*facts), *(sample_id(*other) for other in others)}) == 5  # type: ignore[arg-type]


def test_claims_come_in_training_order_whatever_the_order_of_arrival(ledger: Ledger) -> None:
    arrivals = [5, 3, 4, 1, 2]
    for number in arrivals:
        ledger.append([record(number, order=number)])
    assert ledger.claim(2, 60, "a", before=3) == [record(1).sample_id, record(2).sample_id]
    assert ledger.claim(9, 60, "a", before=3) == []
    assert ledger.claim(9, 60, "b") == [record(n).sample_id for n in (3, 4, 5)]
    assert [r.columns["number"] for batch in ledger.scan(batch=2) for r in batch] == [1, 2, 3, 4, 5]
    assert ledger.counts(before=3)["claimed"] == 2


def test_what_was_trained_in_vain_is_produced_again_and_nothing_else(ledger: Ledger) -> None:
    ledger.append([record(number, order=number) for number in range(1, 6)])
    ledger.settle(ledger.claim(3, 60, "a"), "trained")
    (refused,) = ledger.claim(1, 60, "a")
    ledger.settle([refused], "filtered", "no label")
    assert ledger.reopen(2) == 2
    assert ledger.reopen(2) == 0
    assert ledger.counts() == {"produced": 3, "claimed": 0, "trained": 1, "filtered": 1, "failed": 0}
    assert ledger.claim(9, 60, "b") == [record(n).sample_id for n in (2, 3, 5)]


def test_an_expired_lease_returns_and_its_late_owner_cannot_settle(ledger: Ledger, clock: Clock) -> None:
    ledger.append([record(1)])
    (name,) = ledger.claim(1, lease_s=10, owner="slow")
    clock.now += 9
    assert ledger.claim(1, 10, "quick") == []
    clock.now += 2
    assert ledger.claim(1, 10, "quick") == [name]
    with pytest.raises(LedgerError, match="not claimed by slow"):
        ledger.settle([name], "trained", owner="slow")
    ledger.settle([name], "trained", owner="quick")
    with pytest.raises(LedgerError, match="settled before"):
        ledger.settle([name], "trained")
    assert ledger.states([name]) == ["trained"]


def test_settling_is_all_or_nothing_with_its_metadata(ledger: Ledger) -> None:
    ledger.append([record(1), record(2)])
    (first,) = ledger.claim(1, 60, "learner")
    with pytest.raises(LedgerError):
        ledger.settle([first, record(2).sample_id], "trained", metadata={"version": 9})
    assert ledger.states([first]) == ["claimed"]
    assert ledger.metadata("version") is None
    ledger.settle([first], "trained", metadata={"version": 1, "rng": [1, 2]})
    assert (ledger.metadata("version"), ledger.metadata("rng")) == (1, [1, 2])
    ledger.put_metadata({"version": 2})
    assert ledger.metadata("version") == 2


def test_only_the_transitions_of_the_table_exist(ledger: Ledger) -> None:
    assert set(TRANSITIONS) == set(STATES)
    ledger.append([record(n) for n in range(4)])
    with pytest.raises(LedgerError):
        ledger.settle([record(0).sample_id], "trained")
    ids = ledger.claim(4, 60, "learner")
    with pytest.raises(LedgerError, match="needs a reason"):
        ledger.settle(ids[:1], "filtered")
    with pytest.raises(LedgerError, match="cannot become 'claimed'"):
        ledger.settle(ids[:1], "claimed")
    for state, name in zip(("trained", "filtered", "failed", "produced"), ids, strict=True):
        ledger.settle([name], state, reason="" if state in ("trained", "produced") else "no label")  # type: ignore[arg-type]
    assert ledger.states(ids) == ["trained", "filtered", "failed", "produced"]
    assert ledger.reasons() == {("filtered", "no label"): 1, ("failed", "no label"): 1}
    for name in ids[:3]:
        with pytest.raises(LedgerError):
            ledger.settle([name], "produced")


def test_a_draw_is_a_function_of_seed_step_and_records(tmp_path: Path) -> None:
    numbers = list(range(60))
    drawn = []
    for folder, arrivals in (("a", numbers), ("b", numbers[::-1])):
        with Ledger.open(tmp_path / folder) as ledger:
            for number in arrivals:
                ledger.append([record(number, order=number)])
            drawn.append([ledger.draw(5, step, 16) for step in range(3)])
            assert ledger.draw(5, 0, 16) == drawn[-1][0] != ledger.draw(6, 0, 16)
            assert len(set(drawn[-1][0])) == 16
            early = ledger.draw(5, 0, 100, before=20)
            ledger.append([record(99, order=99)])
            assert ledger.draw(5, 0, 100, before=20) == early
            assert set(early) == {record(n).sample_id for n in range(20)}
    assert drawn[0] == drawn[1]


def test_what_was_filtered_is_never_drawn(ledger: Ledger) -> None:
    ledger.append([record(n) for n in range(10)])
    bad = ledger.claim(4, 60, "learner")
    assert len(ledger.draw(0, 0, 100)) == 10
    ledger.settle(bad, "filtered", "a tie")
    assert not set(ledger.draw(0, 0, 100)) & set(bad)
    assert len(ledger.draw(0, 0, 100)) == 6


def test_payloads_come_back_as_they_went_in(ledger: Ledger) -> None:
    frame = np.arange(48, dtype=np.uint8).tobytes()
    columns = {
        "i": 3,
        "f": 0.25,
        "s": "häuser",
        "b": frame,
        "yes": True,
        "texts": ["a", ""],
        "none": [],
        "frames": [frame],
    }
    ledger.append([Record(f"r{n}", dict(columns, i=n)) for n in range(200)])
    ids = ["r7", "r150", "r7", "r64"]
    assert [dict(r.columns) for r in ledger.read(ids)] == [dict(columns, i=n) for n in (7, 150, 7, 64)]
    assert [dict(r.columns) for r in ledger.read(["r9"], columns=["s", "i"])] == [{"s": "häuser", "i": 9}]
    with pytest.raises(LedgerError, match="no record nobody"):
        ledger.read(["nobody"])
    with pytest.raises(ValueError, match="one type"):
        ledger.append([Record("x", {"i": 1}), Record("y", {"i": "one"})])
    ledger.append([Record("x", {"i": 1})])
    ledger.append([Record("y", {"i": "one"}), Record("z", {"i": None, "more": 2})])
    assert [r.columns["i"] for r in ledger.read(["x", "y", "z"])] == [1, "one", None]


def test_one_writes_and_others_read(ledger: Ledger) -> None:
    ledger.append([record(1)])
    ledger.flush()
    with pytest.raises(LedgerError, match="another process is writing"):
        Ledger.open(ledger.folder)
    with Ledger.open(ledger.folder, writable=False) as reader:
        assert reader.read([record(1).sample_id])[0].columns["number"] == 1
        with pytest.raises(LedgerError, match="opened for reading"):
            reader.claim(1, 60, "reader")
        ledger.append([record(2)])
        ledger.flush()
        assert reader.counts()["produced"] == 2
        assert len(reader.draw(0, 0, 9)) == 2
    with pytest.raises(LedgerError, match="holds no ledger"):
        Ledger.open(ledger.folder / "elsewhere", writable=False)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "claim", "settle", "expire"]), st.integers(0, 12)), max_size=30
    )
)
def test_every_record_is_trained_on_at_most_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    clock, trained, held, appended = Clock(), list[str](), dict[int, list[str]](), set[str]()
    with Ledger.open(tmp_path_factory.mktemp("ledger"), clock=clock) as ledger:
        for what, number in steps:
            if what == "append":
                ledger.append([record(number), record(number + 1)])
                appended |= {record(number).sample_id, record(number + 1).sample_id}
            elif what == "claim":
                held[number] = ledger.claim(2, 10, f"learner {number}")
            elif what == "expire":
                clock.now += 11
            elif number in held:
                try:
                    ledger.settle(held[number], "trained", owner=f"learner {number}")
                    trained += held.pop(number)
                except LedgerError:
                    del held[number]
        assert len(trained) == len(set(trained)) == ledger.counts()["trained"]
        assert sum(ledger.counts().values()) == len(appended)
