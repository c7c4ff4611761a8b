"""A supervised pool on Ray: hosts that play, with teachers and policies that they call.

Invariants: a process that is dead, hung or silent is ended with its whole process group, named in the log
with the reason, and replaced, while the others go on; every episode that was submitted comes back once, as a
result or as a failure with its reasons; nothing here waits beyond a deadline.

Deadlines are watched while `results` is called: call it often.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.policies import LabelPolicy, StudentPolicy
from actors.policy import Snapshot
from actors.ray_parts import (
    Host,
    PartDown,
    Parts,
    PolicyProcess,
    Pulse,
    Remote,
    RemoteDecider,
    RemoteLabeler,
    TeacherServer,
    Weights,
    kill_group,
    told,
)
from actors.supervise import Batch, DataBudget, InfraBudget, Supervisor
from actors.types import Assignment, EpisodeFailure, EpisodeOutcome, PlaySettings, Policy
from worlds.types import EpisodeSpec

log = logging.getLogger(__name__)

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Torch with two threads beside other busy processes was 15 times slower than with one."""

PULSE_S = 1.0
SHORT_S = 5.0
"""For calls that return something that is there already."""

LEAVE_S = 0.3
"""A process that ends by itself in this time leaves no alarm in Ray's log."""


@dataclass(frozen=True)
class PoolConfig:
    """How many processes of each kind, and the cores that Ray reserves for each. `start_s` is the deadline of
    a process's start and of a suite's first step in it, `step_s` that of any later reset or step of a
    world, `call_s` that of a call to a teacher or policy; `silent_s` is how long a host may not answer."""

    hosts: int = 2
    worlds_per_host: int = 16
    teachers: int = 1
    policies: int = 1
    cpus_host: float = 0.3
    cpus_teacher: float = 0.2
    cpus_policy: float = 0.3
    gpus_policy: float = 0.0
    start_s: float = 180.0
    step_s: float = 20.0
    call_s: float = 120.0
    silent_s: float = 20.0


class JobLike(Protocol):
    """Episodes to play: who reaches the states ("student", or a teacher's name), who labels them, and a
    number that comes back with each outcome."""

    @property
    def chunk(self) -> int: ...
    @property
    def specs(self) -> tuple[EpisodeSpec, ...]: ...
    @property
    def reached_by(self) -> str: ...
    @property
    def labelled_by(self) -> str: ...
    @property
    def settings(self) -> PlaySettings: ...


@dataclass(frozen=True, eq=False)
class _Job:
    """How episodes are played: a submitted job without its episodes, with the weights of its time."""

    number: int
    chunk: int
    reached_by: str
    labelled_by: str
    settings: PlaySettings
    weights: Weights | None


@dataclass
class _Server:
    """A policy or teacher process."""

    part: str
    number: int
    incarnation: int = 0
    handle: Any = None


@dataclass
class _Slot:
    """The place of a host; `handle` is None while it waits to be started (again) at `start_at_s`, `pulse`
    until it is up; `beat` is the call for the next pulse. `batches` are what it was assigned and has not
    ended, by the numbers of their assignments; `stream` plays them from number `first` on."""

    number: int
    handle: Any = None
    start_at_s: float = 0.0
    pulse: Pulse | None = None
    beat: Any = None
    beat_at_s: float = 0.0
    batches: dict[int, Batch[_Job]] = field(default_factory=dict)
    stream: Any = None
    first: int = 0


class RayRollouts:
    """The pool; `ray.init` comes first. Raises `RolloutsFailed` from `results` when a budget is spent."""

    def __init__(
        self,
        parts: Parts,
        config: PoolConfig,
        run_seed: int,
        infra: InfraBudget | None = None,
        data: DataBudget | None = None,
    ) -> None:
        self._parts = parts
        self._config = config
        self._run_seed = run_seed
        self._books: Supervisor[_Job] = Supervisor(infra or InfraBudget(), data or DataBudget())
        self._weights: Weights | None = None
        self._jobs, self._assignments = count(), count()
        self._done: list[tuple[int, EpisodeOutcome]] = []
        self._spent: dict[str, float] = {}
        self._slots = [_Slot(number) for number in range(config.hosts)]
        self._teachers = [_Server("teacher", number) for number in range(config.teachers)]
        self._policies = [_Server("policy", number) for number in range(config.policies)]
        for server in (*self._teachers, *self._policies):
            self._start_server(server)

    # -- what a driver calls ------------------------------------------------------------------

    def publish(self, weights: Snapshot) -> None:
        """Let the student act with these weights in the jobs that are submitted from now on."""
        self._weights = Weights(weights.version, (ray.put(weights),))

    def submit(self, job: JobLike) -> None:
        """Queue a job; it is played while `results` is called."""
        weights = self._weights if job.reached_by == "student" else None
        how = _Job(next(self._jobs), job.chunk, job.reached_by, job.labelled_by, job.settings, weights)
        self._books.submit(how, job.specs)

    def results(self, wait_s: float) -> list[tuple[int, EpisodeOutcome]]:
        """(chunk, outcome) of the episodes that have ended since the last call; waits up to `wait_s` for the
        first one. An `EpisodeFailure` is an episode in quarantine."""
        end_s = time.monotonic() + wait_s
        while True:
            self._tick(max(0.0, min(PULSE_S, end_s - time.monotonic())))
            if self._done or not self._books.owed or time.monotonic() >= end_s:
                done, self._done = self._done, []
                return done

    def seconds(self) -> dict[str, float]:
        """Seconds spent in "simulator", "policy" and "teacher" so far, over all hosts."""
        total = dict(self._spent)
        for slot in self._slots:
            _add(total, slot.pulse)
        return total

    def processes(self) -> dict[int, int]:
        """Process ids of the hosts that are up, by number."""
        return {slot.number: slot.pulse.pid for slot in self._slots if slot.pulse is not None}

    def close(self) -> None:
        """End all processes, with the worlds' children."""
        for slot in self._slots:
            if slot.handle is not None:
                ray.kill(slot.handle)
        time.sleep(LEAVE_S)
        for slot in self._slots:
            self._end_host(slot)
        for server in (*self._teachers, *self._policies):
            ray.kill(server.handle)

    # -- one round ----------------------------------------------------------------------------

    def _tick(self, wait_s: float) -> None:
        for slot in self._slots:
            self._drive(slot)
        watched = [ref for slot in self._slots for ref in (slot.stream, slot.beat) if ref is not None]
        if not watched:
            time.sleep(min(wait_s, 0.05))
            return
        ray.wait(watched, num_returns=1, timeout=wait_s)
        ready, _ = ray.wait(watched, num_returns=len(watched), timeout=0)
        for slot in self._slots:
            for kind, ref in (("stream", slot.stream), ("beat", slot.beat)):
                # An earlier event of this round may have ended the host.
                if ref is not None and getattr(slot, kind) is ref and any(ref is other for other in ready):
                    self._hear(slot, kind)

    def _drive(self, slot: _Slot) -> None:
        """Start what is to be started, hand out work, ask for a pulse, enforce the deadlines."""
        now = time.monotonic()
        if slot.handle is None:
            if now >= slot.start_at_s and self._books.owed:
                self._start_host(slot)
            return
        limit_s = self._config.start_s if slot.pulse is None else self._config.silent_s
        if slot.beat is not None and now - slot.beat_at_s > limit_s:
            share = f" (does `ray status` show {self._config.cpus_host:g} of a core free for it?)"
            self._host_down(slot, f"did not answer for {limit_s:g} s{'' if slot.pulse else share}")
            return
        if slot.beat is None and now - slot.beat_at_s > PULSE_S:
            slot.beat, slot.beat_at_s = slot.handle.pulse.remote(), now
        if slot.pulse is None:
            return
        self._assign(slot)
        if slot.stream is None and slot.batches:
            slot.first = min(slot.batches)
            slot.stream = slot.handle.play.options(num_returns="streaming").remote(slot.first)

    def _assign(self, slot: _Slot) -> None:
        """Keep a host in work: as many episodes in store as it plays at a time, filled up when half are
        used up. (Some that a host holds have ended, and wait for their labels.)"""
        width, held = self._config.worlds_per_host, list(slot.batches.values())
        room = 2 * width - sum(len(self._books.held(batch)) for batch in held)
        if 2 * room < width:
            return
        batch = self._books.next_batch(room, self._config.hosts, held)
        if batch is None:
            return
        job, number = batch.job, next(self._assignments)
        slot.batches[number] = batch
        slot.handle.assign.remote(
            Assignment(
                number,
                job.number,
                batch.specs,
                self._policy(slot, job),
                self._labeler(slot, job.labelled_by),
                job.settings,
            )
        )

    def _hear(self, slot: _Slot, kind: str) -> None:
        try:
            if kind == "beat":
                slot.pulse, slot.beat = ray.get(slot.beat, timeout=SHORT_S), None
                self._judge(slot, slot.pulse)
            else:
                self._take(slot)
        except RayActorError as error:
            self._host_down(slot, f"died: {told(error)}")
        except RayTaskError as error:
            self._call_failed(slot, error)
        except RayError as error:
            self._host_down(slot, f"was lost: {told(error)}")

    def _take(self, slot: _Slot) -> None:
        """Take what is there off a host's stream: outcomes, or its end."""
        while slot.stream is not None and ray.wait([slot.stream], timeout=0)[0]:
            try:
                self._take_one(slot, next(slot.stream))
            except StopIteration:
                slot.stream = None
                # It has ended those that it found; one that came too late for it is the next call's first.
                if slot.first in slot.batches:
                    self._books.give_back([slot.batches.pop(slot.first)])

    def _take_one(self, slot: _Slot, reference: Any) -> None:
        # What Ray hands out are views that pin its object store; samples live long.
        number, outcome = copy.deepcopy(ray.get(reference, timeout=SHORT_S))
        batch = slot.batches.get(number)
        if batch is None:
            return  # given back: whoever plays it now tells
        if isinstance(outcome, EpisodeFailure):
            log.warning("%s broke its world in host %d: %s", outcome.spec, slot.number, outcome.reason)
            failure = self._books.episode_failed(batch.job, outcome.spec, outcome.reason)
            if failure is not None:
                self._quarantine(batch.job, failure)
        elif self._books.finished(batch.job, outcome.spec):
            self._done.append((batch.job.chunk, outcome))
        if not self._books.held(batch):
            del slot.batches[number]

    def _judge(self, slot: _Slot, pulse: Pulse) -> None:
        limit_s = {"start": self._config.start_s, "simulator": self._config.step_s}.get(pulse.stage)
        if limit_s is not None and pulse.for_s > limit_s:
            reason = (
                f"hung: its world was busy with {pulse.spec} for {pulse.for_s:.0f} s (limit {limit_s:g} s)"
            )
            batch = slot.batches.get(pulse.number)
            self._host_down(slot, reason, (batch.job, pulse.spec) if batch and pulse.spec else None)

    # -- what goes wrong ----------------------------------------------------------------------

    def _host_down(self, slot: _Slot, reason: str, culprit: tuple[_Job, EpisodeSpec] | None = None) -> None:
        process = f" (process {slot.pulse.pid})" if slot.pulse else ""
        sentence = f"host {slot.number}{process} {reason}"
        log.warning("%s; it is ended with its process group, and a new one takes its place", sentence)
        batches = list(slot.batches.values())
        self._end_host(slot)
        condemned = self._books.host_died(batches, sentence, culprit)
        if condemned is not None:
            self._quarantine(*condemned)
        delay_s = self._books.infra.delay_s(self._books.failures_in_a_row)
        slot.start_at_s = time.monotonic() + delay_s

    def _call_failed(self, slot: _Slot, error: RayTaskError) -> None:
        """A host is well, but its call raised: because of a process that it called, or of a bug."""
        self._books.give_back(list(slot.batches.values()))
        slot.batches, slot.stream = {}, None
        cause = error.cause
        if isinstance(cause, PartDown):
            servers = self._policies if cause.part == "policy" else self._teachers
            server = servers[cause.number]
            if server.incarnation == cause.incarnation:
                log.warning("%s; it is ended, and a new one takes its place", cause)
                ray.kill(server.handle)
                self._start_server(server)
                self._books.infra_failed(str(cause))
        else:
            sentence = f"host {slot.number}: {type(cause).__name__}: {cause}"
            log.warning("%s", sentence)
            self._books.infra_failed(sentence)

    def _quarantine(self, job: _Job, failure: EpisodeFailure) -> None:
        log.error("%s is in quarantine: it %s", failure.spec, failure.reason)
        self._done.append((job.chunk, failure))

    # -- processes ----------------------------------------------------------------------------

    def _start_host(self, slot: _Slot) -> None:
        make = ray.remote(concurrency_groups={"watch": 1})(Host)
        slot.handle = make.options(
            num_cpus=self._config.cpus_host, max_restarts=0, runtime_env={"env_vars": ONE_THREAD}
        ).remote(self._parts, self._config.worlds_per_host, self._run_seed)
        slot.beat, slot.beat_at_s = slot.handle.pulse.remote(), time.monotonic()

    def _end_host(self, slot: _Slot) -> None:
        _add(self._spent, slot.pulse)
        if slot.pulse is not None:
            self._kill_group(slot.pulse)
        if slot.handle is not None:
            ray.kill(slot.handle)
        slot.handle = slot.pulse = slot.beat = slot.stream = None
        slot.batches = {}

    @staticmethod
    def _kill_group(host: Pulse) -> None:
        if host.node == ray.get_runtime_context().get_node_id():
            kill_group(host.pid)
            return
        there = NodeAffinitySchedulingStrategy(host.node, soft=False)
        task = ray.remote(num_cpus=0, max_retries=0)(kill_group).options(scheduling_strategy=there)
        try:
            ray.get(task.remote(host.pid), timeout=SHORT_S)
        except RayError as error:
            # With the node gone, its processes are too.
            log.warning("no process can be ended on node %s: %s", host.node, told(error))

    def _start_server(self, server: _Server) -> None:
        options = {"max_restarts": 0, "runtime_env": {"env_vars": ONE_THREAD}}
        if server.part == "policy":
            made = ray.remote(PolicyProcess).options(
                num_cpus=self._config.cpus_policy, num_gpus=self._config.gpus_policy, **options
            )
            server.handle = made.remote(self._parts.student, self._parts.versions)
        else:
            # A far teacher's questions overlap: each thread waits for one answer, whoever asked.
            made = ray.remote(TeacherServer).options(
                num_cpus=self._config.cpus_teacher, max_concurrency=self._parts.teacher_threads, **options
            )
            server.handle = made.remote(self._parts)
        server.incarnation += 1

    def _remote(self, servers: Sequence[_Server], slot: _Slot) -> Remote:
        server = servers[slot.number % len(servers)]
        return Remote(server.part, server.number, server.incarnation, server.handle, self._config.call_s)

    def _labeler(self, slot: _Slot, name: str) -> RemoteLabeler:
        return RemoteLabeler(name, self._remote(self._teachers, slot))

    def _policy(self, slot: _Slot, job: _Job) -> Policy:
        if job.reached_by == "student":
            decider = RemoteDecider(self._remote(self._policies, slot), job.weights)
            return StudentPolicy(decider, job.settings.version)
        return LabelPolicy(self._labeler(slot, job.reached_by))


def _add(total: dict[str, float], pulse: Pulse | None) -> None:
    """Add a host's seconds by stage to `total`."""
    for stage, value in pulse.seconds.items() if pulse else ():
        total[stage] = total.get(stage, 0.0) + value
