"""Worlds that break anywhere, hosts that die at any time: what is owed leaves once, the guilty alone pay."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from toy import ToyStudent, ToyTeacher, ToyWorld, specs

from actors.codec import encode
from actors.policies import StudentPolicy
from actors.rollout import Rollout
from actors.supervise import Batch, DataBudget, InfraBudget, RolloutsFailed, Supervisor
from actors.teacher import Given, TeacherReplica
from actors.types import (
    Answer,
    Assignment,
    EpisodeFailure,
    EpisodeOutcome,
    EpisodeResult,
    PlaySettings,
    State,
)
from worlds.base import View
from worlds.types import EpisodeSpec, Goal, Mirror, Outcome

PLACES = ("reset", "observe", "mirror", "step")


class Fragile(ToyWorld):
    """Raises where `faults` says for the episode (place, how often yet); tells of every use after that."""

    def __init__(self, faults: dict[int, list[str]], misused: list[str]) -> None:
        super().__init__()
        self.faults, self.misused, self.raised = faults, misused, False

    def _at_place(self, place: str, index: int) -> None:
        if self.raised:
            self.misused.append(place)
        due = self.faults.get(index, [])
        if due and due[0] == place and (place == "reset" or self.iteration == index % 3):
            due.pop(0)
            self.raised = True
            raise OSError(f"no more {place}")

    def _begin(self, episode: EpisodeSpec) -> Goal:
        self._at_place("reset", episode.index)
        return super()._begin(episode)

    def _observe_now(self) -> View:
        self._at_place("observe", self.episode.index)
        return super()._observe_now()

    def mirror(self) -> Mirror:
        self._at_place("mirror", self.episode.index)
        return super().mirror()

    def _apply(self, action: str) -> Outcome:
        self._at_place("step", self.episode.index)
        return super()._apply(action)


class Slow:
    """A teacher whose labels are there at some questions and are waited for at others."""

    name = "teacher"

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._near = rng, TeacherReplica("teacher", lambda _: ToyTeacher())

    def version(self, suite: str) -> str:
        return self._near.version(suite)

    def ask(self, states: list[State]) -> Answer:
        rng, given = self._rng, self._near.label_batch(states)

        class Later(Given):
            def ready(self) -> bool:
                return bool(rng.random() < 0.3)

        return Later(given)


def told(outcome: EpisodeOutcome) -> object:
    assert isinstance(outcome, EpisodeResult)
    return [encode(sample) for sample in outcome.samples], outcome.success, outcome.metric, outcome.ticks


@pytest.mark.parametrize("seed", range(8))
def test_a_world_that_breaks_anywhere_costs_its_own_episode_alone(seed: int) -> None:
    rng, misused, settings = np.random.default_rng(seed), list[str](), PlaySettings(mix=0.4, temperature=2.0)
    policy, attempts = StudentPolicy(ToyStudent(1.0)), int(rng.integers(1, 4))
    faults = {
        int(index): [str(place) for place in rng.choice(PLACES, rng.integers(1, 4))]
        for index in rng.choice(30, 10, replace=False)
    }
    times = {index: len(due) for index, due in faults.items()}
    cuts = np.sort(rng.choice(np.arange(1, 30), 2, replace=False))
    parts = [tuple(specs(30)[low:high]) for low, high in zip([0, *cuts], [*cuts, 30], strict=True)]
    waiting = [
        Assignment(number, number % 2, part, policy, Slow(rng), settings)  # type: ignore[arg-type]
        for number, part in enumerate(parts)
    ]

    def more() -> list[Assignment]:
        return [waiting.pop(0)] if waiting and (len(waiting) == 3 or rng.random() < 0.3) else []

    player = Rollout(lambda _: Fragile(faults, misused), int(rng.integers(1, 7)), 5, attempts=attempts)
    left = []
    while waiting:  # it ends where nothing is left, though more may come
        left += list(player.serve(more))
    player.close()
    assert not misused
    assert sorted((number, outcome.spec.index) for number, outcome in left) == [
        (number, spec.index) for number, part in enumerate(parts) for spec in part
    ]
    sound = Rollout(lambda _: ToyWorld(), 4, 5).collect(
        specs(30),
        policy,
        Slow(rng),  # type: ignore[arg-type]
        settings,
    )
    broken = 0
    for outcome in (outcome for _, outcome in left):
        index = outcome.spec.index
        unreached = len(faults.get(index, []))
        if isinstance(outcome, EpisodeFailure):
            broken += 1
            assert "raised OSError: no more" in outcome.reason
            assert times[index] - unreached == attempts
        else:
            assert times.get(index, 0) - unreached < attempts
            assert told(outcome) == told(sound[index])
    assert broken or attempts > 1


@pytest.mark.parametrize("seed", range(20))
def test_the_books_blame_nobody_who_was_not_alone_and_was_not_seen_to_hang(seed: int) -> None:
    """Each strike is counted by hand; so are the failures of machinery in a row."""
    rng, attempts = np.random.default_rng(seed), int(np.random.default_rng(seed).integers(1, 4))
    books: Supervisor[str] = Supervisor(InfraBudget(consecutive=10**6), DataBudget(attempts, 10**6))
    for job, count in (("a", 20), ("b", 15), ("a", 5), ("c", 10)):
        books.submit(job, specs(count))
    hosts: list[list[Batch[str]]] = [[], [], []]
    strikes: defaultdict[tuple[str, EpisodeSpec], list[str]] = defaultdict(list)
    in_a_row, left, deaths = 0, Counter[tuple[str, EpisodeSpec]](), 0
    for event in range(10**4):
        if not books.owed:
            break
        held = hosts[rng.integers(3)]
        if len(held) < 3 and (batch := books.next_batch(int(rng.integers(1, 6)), 3, held)):
            held.append(batch)
        playing = [(batch.job, spec) for batch in held for spec in books.held(batch)]
        assert len(set(playing)) == len(playing), "an episode is played by one at a time"
        if not playing:
            continue
        job, spec = playing[rng.integers(len(playing))]
        failure = None
        happens = rng.choice(["finish", "fail", "die", "hang", "cut"], p=[0.3, 0.2, 0.3, 0.1, 0.1])
        match happens if event < 300 else "finish":
            case "finish":
                assert books.finished(job, spec)
                left[job, spec] += 1
                in_a_row = 0
            case "fail":
                strikes[job, spec].append(f"broke at {event}")
                failure = books.episode_failed(job, spec, f"broke at {event}")
            case "cut":
                books.give_back(held)
                held.clear()
            case how:
                guilty = (job, spec) if how == "hang" or len(playing) == 1 else None
                culprit = guilty if how == "hang" else None
                condemned = books.host_died(held, f"died at {event}", culprit)
                if guilty is None:
                    in_a_row, deaths = in_a_row + 1, deaths + 1
                else:
                    job, spec = guilty
                    strikes[guilty].append(f"died at {event}")
                failure = None if condemned is None else condemned[1]
                assert condemned is None or condemned[0] == job
                held.clear()
        assert (failure is not None) == (len(strikes[job, spec]) == attempts and not left[job, spec])
        if failure is not None:
            left[job, failure.spec] += 1
            assert failure == EpisodeFailure(
                spec, f"failed {attempts} times: {'; '.join(strikes[job, spec])}"
            )
        assert books.failures_in_a_row == in_a_row
        held[:] = [batch for batch in held if books.held(batch)]
    assert not books.owed
    assert left == Counter(
        {(job, s): 1 for job, count in (("a", 20), ("b", 15), ("c", 10)) for s in specs(count)}
    )
    assert deaths


def test_of_two_jobs_with_the_same_episode_the_one_in_which_it_hung_is_blamed() -> None:
    """The reference's states are relabelled in the teacher's first round: the same episodes, at one time."""
    books: Supervisor[str] = Supervisor(InfraBudget(), DataBudget(attempts=2))
    books.submit("a", specs(2))
    books.submit("b", specs(2))
    first, second = books.next_batch(2, 1), books.next_batch(2, 1)
    assert first is not None
    assert second is not None
    assert books.host_died([first, second], "hung", ("b", specs(1)[0])) is None
    suspect = books.next_batch(2, 1)
    assert suspect is not None
    assert (suspect.job, suspect.specs, suspect.suspect) == ("b", tuple(specs(1)), True)


def test_a_random_kill_now_and_then_ends_a_run_by_the_budget_for_machinery_alone() -> None:
    """Hosts that die whatever they play, always with company: nobody is in quarantine when it is given up."""
    books: Supervisor[int] = Supervisor(InfraBudget(consecutive=5), DataBudget(attempts=1, quarantined=0))
    books.submit(0, specs(64))
    for kill in range(6):
        batch = books.next_batch(64, hosts=1)
        assert batch is not None
        if kill < 5:
            assert books.host_died([batch], f"kill {kill}") is None
    with pytest.raises(RolloutsFailed, match=r"6 failures in a row .*consecutive=5\); the last: kill 5"):
        books.host_died([batch], "kill 5")
    assert (books.quarantined, books.owed) == (0, 64)
