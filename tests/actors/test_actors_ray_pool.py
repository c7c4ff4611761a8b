"""The pool on Ray: the same episodes as in one process, and what it does about every way to die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import ray
import torch
import toy
from toy import ToyStudent, specs

from actors.codec import encode
from actors.policies import StudentPolicy
from actors.ray_parts import Parts
from actors.ray_pool import PoolConfig, RayRollouts
from actors.rollout import Rollout
from actors.supervise import DataBudget, InfraBudget, RolloutsFailed
from actors.teacher import TeacherReplica
from actors.types import EpisodeFailure, EpisodeOutcome, EpisodeResult, PlaySettings
from learner.publish import snapshot
from worlds.types import EpisodeSpec

pytestmark = pytest.mark.slow
PLAY = PlaySettings(mix=0.3, temperature=1.0)
LIMIT_S = 150.0


@dataclass(frozen=True)
class Job:
    chunk: int
    specs: tuple[EpisodeSpec, ...]
    reached_by: str = "student"
    labelled_by: str = "teacher"
    settings: PlaySettings = PLAY


def parts(mischief: dict[int, str] | None = None, student: Callable[[], ToyStudent] | None = None) -> Parts:
    world = partial(toy.make_world, mischief=mischief, child=True, pause_s=0.02)
    teachers = {"teacher": toy.make_teacher, "expert": toy.make_teacher}
    return Parts(world, teachers, student or partial(ToyStudent, 1.0))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    tests = Path(toy.__file__).parent
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=256 * 2**20,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{tests.parent}:{tests}"}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def pool(cluster: None) -> Iterator[RayRollouts]:
    """One pool for all: each test plays its own range of episodes."""
    mischief = {205: "hang", 303: "die", 305: "raise", 309: "raise once"}
    config = PoolConfig(hosts=2, worlds_per_host=4, step_s=4.0, call_s=60.0)
    rollouts = RayRollouts(parts(mischief), config, 7, InfraBudget(8, 0.1, 1.0), DataBudget(attempts=2))
    yield rollouts
    processes = [psutil.Process(pid) for pid in rollouts.processes().values()]
    processes += [child for process in processes for child in process.children(recursive=True)]
    assert len(processes) > 2, "worlds have children"
    rollouts.close()
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not [process for process in alive if running(process)], "no process outlives the pool"


def running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def gather(rollouts: RayRollouts, count: int) -> dict[tuple[int, int], EpisodeOutcome]:
    found: dict[tuple[int, int], EpisodeOutcome] = {}
    end = time.monotonic() + LIMIT_S
    while len(found) < count:
        assert time.monotonic() < end, f"only {len(found)} of {count} came back"
        for chunk, outcome in rollouts.results(1.0):
            assert (chunk, outcome.spec.index) not in found, "an episode came back twice"
            found[chunk, outcome.spec.index] = outcome
    assert rollouts.results(0.0) == []
    return found


def records(outcome: EpisodeOutcome) -> list[object]:
    assert isinstance(outcome, EpisodeResult)
    return [encode(sample) for sample in outcome.samples]


def alone(count: int, skill: float = 1.0, settings: PlaySettings = PLAY) -> list[EpisodeOutcome]:
    rollout = Rollout(toy.make_world, 3, 7)
    policy = StudentPolicy(ToyStudent(skill), settings.version)
    return rollout.collect(specs(count), policy, TeacherReplica("teacher", toy.make_teacher), settings)


def test_the_same_samples_as_in_one_process_with_two_versions_at_once(pool: RayRollouts) -> None:
    pool.submit(Job(0, tuple(specs(12))))
    pool.publish(snapshot(1, {"skill": torch.tensor([4.0])}))
    later = PlaySettings(version=1, mix=0.3, temperature=1.0)
    pool.submit(Job(1, tuple(specs(12)), settings=later))
    pool.submit(Job(2, tuple(specs(6)), reached_by="expert"))
    found = gather(pool, 30)
    for outcome in alone(12):
        assert records(found[0, outcome.spec.index]) == records(outcome)
    for outcome in alone(12, skill=4.0, settings=later):
        assert records(found[1, outcome.spec.index]) == records(outcome)
    for index in range(6):
        shown = found[2, index]
        assert isinstance(shown, EpisodeResult)
        assert shown.success
        images = [sample.prompt.images[0] for sample in shown.samples]
        assert all(image.flags.owndata for image in images), "a view would pin Ray's object store"
    pool.results(1.5)
    assert set(pool.seconds()) >= {"simulator", "policy", "teacher"}


def test_one_host_plays_more_versions_at_once_than_a_policy_keeps_and_its_policy_dies(cluster: None) -> None:
    config = PoolConfig(hosts=1, worlds_per_host=12, step_s=4.0, call_s=60.0)
    rollouts = RayRollouts(replace(parts(), versions=2), config, 7, InfraBudget(8, 0.1, 1.0))
    plays = {v: PlaySettings(version=v, mix=0.3, temperature=1.0) for v in (1, 2, 3)}
    found: dict[tuple[int, int], EpisodeOutcome] = {}
    came: list[int] = []
    try:
        for version, play in plays.items():
            rollouts.publish(snapshot(version, {"skill": torch.tensor([float(version)])}))
            rollouts.submit(Job(version, tuple(specs(8)), settings=play))
        end = time.monotonic() + LIMIT_S
        while len(found) < 24:
            assert time.monotonic() < end, f"only {len(found)} came back"
            for chunk, outcome in rollouts.results(0.1):
                if not found:
                    ray.kill(rollouts._policies[0].handle)
                found[chunk, outcome.spec.index] = outcome
                came.append(chunk)
    finally:
        rollouts.close()
    assert came != sorted(came), "a job began before the one before it had ended"
    for version, play in plays.items():
        for outcome in alone(8, skill=float(version), settings=play):
            assert records(found[version, outcome.spec.index]) == records(outcome)


def test_a_killed_host_is_named_and_replaced_and_its_children_end(
    pool: RayRollouts, caplog: pytest.LogCaptureFixture
) -> None:
    pool.submit(Job(0, tuple(specs(40, 100))))
    early: list[tuple[int, EpisodeOutcome]] = []
    while not early or len(pool.processes()) < 2:
        early += pool.results(0.01)
    victim, survivor = pool.processes()[0], pool.processes()[1]
    children = psutil.Process(victim).children(recursive=True)
    assert children
    killed = time.time()
    os.kill(victim, signal.SIGKILL)
    found = gather(pool, 40 - len(early))
    named = [record for record in caplog.records if f"host 0 (process {victim}) died" in record.getMessage()]
    assert len(named) == 1
    assert named[0].created - killed < 30
    outcomes = [*found.values(), *(outcome for _, outcome in early)]
    assert all(isinstance(outcome, EpisodeResult) for outcome in outcomes), "a random kill condemns nobody"
    assert {outcome.spec for outcome in outcomes} == set(specs(40, 100))
    assert pool.processes()[1] == survivor, "the others go on"
    assert not [child for child in children if running(child)]


def test_a_hung_world_is_killed_its_neighbours_finish_and_it_ends_in_quarantine(
    pool: RayRollouts, caplog: pytest.LogCaptureFixture
) -> None:
    pool.submit(Job(0, tuple(specs(8, 200)), settings=PlaySettings(mix=1.0)))
    began = time.monotonic()
    found = gather(pool, 8)
    failure = found[0, 205]
    assert isinstance(failure, EpisodeFailure)
    assert "failed 2 times" in failure.reason
    assert "hung: its world was busy with" in failure.reason
    assert all(isinstance(outcome, EpisodeResult) for (_, index), outcome in found.items() if index != 205)
    assert time.monotonic() - began < LIMIT_S
    assert "is in quarantine" in caplog.text


def test_a_deadly_and_a_raising_seed_are_quarantined_and_the_rest_finishes(pool: RayRollouts) -> None:
    pool.submit(Job(0, tuple(specs(12, 300)), settings=PlaySettings(mix=1.0)))
    found = gather(pool, 12)
    failed = {key[1]: outcome.reason for key, outcome in found.items() if isinstance(outcome, EpisodeFailure)}
    assert set(failed) - {309} == {303, 305}, "what raised once per process may or may not have met two"
    assert "died" in failed[303]
    assert "raised RuntimeError: the corridor collapsed" in failed[305]


def test_a_killed_policy_is_replaced_and_loads_the_same_version(
    pool: RayRollouts, caplog: pytest.LogCaptureFixture
) -> None:
    pool.publish(snapshot(2, {"skill": torch.tensor([3.0])}))
    settings = PlaySettings(version=2, mix=0.3, temperature=1.0)
    ray.kill(pool._policies[0].handle)
    pool.submit(Job(0, tuple(specs(16)), settings=settings))
    found = gather(pool, 16)
    for outcome in alone(16, skill=3.0, settings=settings):
        assert records(found[0, outcome.spec.index]) == records(outcome)
    assert "policy 0 died" in caplog.text


def test_a_student_that_cannot_be_loaded_ends_the_run_in_a_sentence(cluster: None) -> None:
    budget = InfraBudget(consecutive=1, backoff_s=0.1)
    rollouts = RayRollouts(parts(student=toy.broken_student), PoolConfig(hosts=1), 7, budget)
    try:
        rollouts.submit(Job(0, tuple(specs(2))))
        with pytest.raises(RolloutsFailed, match=r"2 failures in a row.*student\.path=nowhere is no"):
            gather(rollouts, 2)
    finally:
        rollouts.close()


def test_the_questions_of_one_host_to_a_far_teacher_overlap(cluster: None) -> None:
    far = replace(parts(), teachers={"teacher": toy.make_counting_teacher}, teacher_threads=8)
    config = PoolConfig(hosts=1, worlds_per_host=1, step_s=4.0, call_s=60.0)
    rollouts = RayRollouts(far, config, 7, InfraBudget(8, 0.1, 1.0), DataBudget(attempts=2))
    try:
        rollouts.submit(Job(0, tuple(specs(3)), settings=PlaySettings(temperature=1.0)))
        played = gather(rollouts, 3)
    finally:
        rollouts.close()
    opened = [int(s.reason) for o in played.values() if isinstance(o, EpisodeResult) for s in o.samples]
    assert 2 < max(opened) <= 8
