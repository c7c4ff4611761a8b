"""The books of a pool: nothing is lost, nobody is blamed for another's death."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import specs

from actors.supervise import Batch, DataBudget, InfraBudget, RolloutsFailed, Supervisor
from worlds.types import EpisodeSpec

PLENTY = InfraBudget(consecutive=10_000)


@settings(max_examples=200)
@given(st.data())
def test_every_episode_leaves_exactly_once_whatever_dies(data: st.DataObject) -> None:
    """Two hosts, each with up to a few batches at a time."""
    books: Supervisor[str] = Supervisor(PLENTY, DataBudget(attempts=2, quarantined=10_000))
    left: list[tuple[str, EpisodeSpec]] = []
    submitted = {("a", spec) for spec in specs(9)} | {("b", spec) for spec in specs(5)}
    books.submit("a", specs(9))
    books.submit("b", specs(5))
    books.submit("a", specs(3))
    hosts: list[list[Batch[str]]] = [[], []]
    events = 0
    while books.owed:
        held = hosts[data.draw(st.integers(0, 1)) if events < 60 else events % 2]
        events += 1
        if len(held) < 3 and (batch := books.next_batch(data.draw(st.integers(1, 5)), 2, held)):
            held.append(batch)
        assert len(held) == 1 or not any(batch.suspect for batch in held), "a suspect is alone"
        playing = [(batch, spec) for batch in held for spec in books.held(batch)]
        if not playing:
            continue
        batch, spec = data.draw(st.sampled_from(playing))
        happens = ["finish", "finish", "finish", "fail", "die", "hang", "cut"] if events < 60 else ["finish"]
        match data.draw(st.sampled_from(happens)):
            case "finish":
                assert books.finished(batch.job, spec)
                left.append((batch.job, spec))
                assert not books.finished(batch.job, spec)
            case "fail":
                if failure := books.episode_failed(batch.job, spec, "it broke"):
                    left.append((batch.job, failure.spec))
            case "cut":
                books.give_back(held)
                held.clear()
            case what:
                culprit = (batch.job, spec) if what == "hang" else None
                if condemned := books.host_died(held, "it died", culprit):
                    left.append((condemned[0], condemned[1].spec))
                held.clear()
        held[:] = [batch for batch in held if books.held(batch)]
    assert sorted(left, key=str) == sorted(submitted, key=str)


def test_of_two_batches_neither_is_blamed_for_the_host_and_suspects_go_first_and_alone() -> None:
    books: Supervisor[str] = Supervisor(PLENTY)
    books.submit("a", specs(1))
    books.submit("b", specs(2))
    first = books.next_batch(4, hosts=1)
    assert first is not None
    second = books.next_batch(4, 1, [first])
    assert second is not None
    assert books.host_died([first, second], "died") is None
    books.submit("c", specs(3))
    suspects = []
    for _ in range(3):
        batch = books.next_batch(4, hosts=1)
        assert batch is not None
        suspects.append((batch.job, len(batch.specs), batch.suspect))
        assert books.next_batch(4, 1, [batch]) is None
    assert suspects == [("a", 1, True), ("b", 1, True), ("b", 1, True)]
    rest = books.next_batch(4, hosts=1)
    assert rest is not None
    assert (rest.job, rest.suspect) == ("c", False)


def test_a_deadly_episode_is_found_among_its_neighbours_and_they_are_not_blamed() -> None:
    books: Supervisor[str] = Supervisor(InfraBudget(consecutive=4), DataBudget(attempts=2))
    books.submit("job", specs(16))
    finished, failures, deaths = [], [], 0
    while batch := books.next_batch(16, hosts=1):
        for spec in batch.specs:
            if spec.index == 11:
                deaths += 1
                failures.append(books.host_died([batch], f"death {deaths}"))
                break
            assert books.finished("job", spec)
            finished.append(spec.index)
    condemned = [failure[1] for failure in failures if failure is not None]
    assert [failure.spec.index for failure in condemned] == [11]
    assert condemned[0].reason == f"failed 2 times: death {deaths - 1}; death {deaths}"
    assert sorted(finished) == [index for index in range(16) if index != 11]
    assert deaths <= 6


def test_after_a_death_each_job_is_halved_and_what_is_given_back_stays_suspect() -> None:
    books: Supervisor[str] = Supervisor(PLENTY)
    books.submit("a", specs(9))
    held = [batch for limit in (4, 3, 2) if (batch := books.next_batch(limit, 1))]
    assert [len(batch.specs) for batch in held] == [4, 3, 2]
    assert books.host_died(held, "died") is None
    first = books.next_batch(9, hosts=1)
    assert first is not None
    assert (len(first.specs), first.suspect) == (5, True)
    assert books.finished("a", first.specs[0])
    books.give_back([first])
    again = books.next_batch(9, hosts=1)
    assert again is not None
    assert (again.specs, again.suspect) == (first.specs[1:], True)


def test_a_hang_is_blamed_on_the_episode_that_hung() -> None:
    books: Supervisor[str] = Supervisor(InfraBudget(consecutive=0), DataBudget(attempts=2))
    books.submit("job", specs(4))
    batch = books.next_batch(4, hosts=1)
    assert batch is not None
    assert books.host_died([batch], "hung", ("job", specs(4)[2])) is None
    alone = books.next_batch(4, hosts=1)
    assert alone is not None
    assert alone.specs == (specs(4)[2],), "the suspect is tried alone, and first"
    condemned = books.host_died([alone], "hung again")
    assert condemned is not None
    assert condemned[1].reason == "failed 2 times: hung; hung again"
    rest = books.next_batch(4, hosts=1)
    assert rest is not None
    assert [spec.index for spec in rest.specs] == [0, 1, 3]


def test_a_struck_episode_is_not_played_twice_when_its_host_dies_too() -> None:
    books: Supervisor[str] = Supervisor(PLENTY, DataBudget(attempts=2))
    books.submit("job", specs(4))
    batch = books.next_batch(4, hosts=1)
    assert batch is not None
    assert books.episode_failed("job", specs(4)[1], "broke") is None
    assert books.host_died([batch], "died") is None
    played = []
    while again := books.next_batch(4, hosts=1):
        played += [spec.index for spec in again.specs]
    assert sorted(played) == [0, 1, 2, 3]


def test_the_budgets_are_separate_and_say_what_to_change() -> None:
    books: Supervisor[str] = Supervisor(InfraBudget(consecutive=2), DataBudget(attempts=1, quarantined=1))
    books.submit("job", specs(6))
    assert books.infra_failed("host 0 died") < books.infra_failed("host 1 died")
    assert books.finished("job", specs(6)[0]), "one finished episode, and the row begins anew"
    books.infra_failed("a")
    books.infra_failed("b")
    with pytest.raises(RolloutsFailed, match=r"3 failures in a row .* the last: policy 0 died"):
        books.infra_failed("policy 0 died")
    assert books.episode_failed("job", specs(6)[1], "broke") is not None
    with pytest.raises(RolloutsFailed, match="2 episodes are in quarantine"):
        books.episode_failed("job", specs(6)[2], "broke")


def test_the_wait_before_a_restart_doubles_up_to_its_bound() -> None:
    budget = InfraBudget(backoff_s=1.0, backoff_max_s=5.0)
    assert [budget.delay_s(failures) for failures in range(5)] == [1.0, 1.0, 2.0, 4.0, 5.0]


def test_a_job_is_shared_evenly_and_jobs_do_not_mix() -> None:
    books: Supervisor[str] = Supervisor()
    books.submit("a", specs(5))
    books.submit("b", specs(2))
    batches = []
    while batch := books.next_batch(4, hosts=2):
        batches.append((batch.job, len(batch.specs)))
    assert batches == [("a", 3), ("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert books.owed == 7
