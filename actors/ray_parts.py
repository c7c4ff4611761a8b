"""The processes of a pool: hosts that play, teachers that label, policies that decide, and how a host
calls the other two.

Invariants: no call to another process waits without a deadline, and one that fails says whose fault it was
(`PartDown`); a host leads its own process group, so that a world's children can be ended with it.
"""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numba.core.event
import ray
from ray.exceptions import GetTimeoutError, RayActorError

from actors.policy import KEPT, PolicyServer, ServedStudent
from actors.rollout import Rollout
from actors.teacher import TeacherMaker, TeacherReplica
from actors.types import Answer, Assignment, EpisodeOutcome, Progress, State
from student.types import Decision, Prompt
from teachers.types import Label
from worlds.base import World
from worlds.types import EpisodeSpec

AHEAD = 8
"""Questions (of a batch of states each) that a host may have open at its teacher; labels come in while the
episodes go on."""

FETCH_S = 60.0
"""Seconds that fetching a version's weights may take."""

ASSIGN_S = 60.0
"""Seconds that an assignment may be under way to its host."""

YIELD = 14
"""By how much the processes of the pool are nicer than Ray made them. Where a learner shares their cores it
goes first: if it is what a run waits for, they are ahead of it anyway; if they are, it sleeps."""


def give_way() -> None:
    """Let a learner on this machine go first."""
    os.nice(YIELD)


@dataclass(frozen=True)
class Parts:
    """How each process makes what it holds (all picklable): worlds by suite, teachers by name ("teacher",
    "expert") and suite, the student. `teacher_threads` > 1 is for teachers that wait for a model far away;
    `versions` is how many of the student's a policy keeps at hand."""

    world: Callable[[str], World]
    teachers: Mapping[str, TeacherMaker]
    student: Callable[[], ServedStudent]
    memory_notes: bool = True
    teacher_threads: int = 1
    versions: int = KEPT


class PartDown(RuntimeError):
    """A process that a host called is dead or silent: `part` ("policy", "teacher"), its number, and which
    incarnation of it."""

    def __init__(self, part: str, number: int, incarnation: int, reason: str) -> None:
        super().__init__(part, number, incarnation, reason)
        self.part, self.number, self.incarnation, self.reason = part, number, incarnation, reason

    def __str__(self) -> str:
        return f"{self.part} {self.number} {self.reason}"


@dataclass(frozen=True)
class Remote:
    """A process to call, which one it is, and how long a call may take."""

    part: str
    number: int
    incarnation: int
    handle: Any
    deadline_s: float

    def get(self, reference: Any) -> Any:
        """The result of a call. Raises PartDown when there is none in time."""
        try:
            return ray.get(reference, timeout=self.deadline_s)
        except GetTimeoutError as error:
            raise self._down(f"did not answer within {self.deadline_s:g} s") from error
        except RayActorError as error:
            raise self._down(f"died: {told(error)}") from error

    def _down(self, reason: str) -> PartDown:
        return PartDown(self.part, self.number, self.incarnation, reason)


@dataclass(frozen=True)
class Weights:
    """A published version, and where to fetch it: `box` holds the reference, so that only a server that
    lacks the version moves the tensors."""

    version: int
    box: tuple[Any, ...]


@dataclass(frozen=True)
class RemoteDecider:
    """A student in a policy process, with published weights (None: those that it was loaded with)."""

    remote: Remote
    weights: Weights | None

    def decide(
        self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int], version: int = 0
    ) -> list[Decision]:
        """See `student.Student.decide`."""
        call = self.remote.handle.decide_with.remote(
            self.weights, list(prompts), temperature, list(seeds), version
        )
        decisions: list[Decision] = self.remote.get(call)
        return decisions


@dataclass(frozen=True)
class RemoteAnswer:
    """Labels that another process makes."""

    remote: Remote
    call: Any

    def __call__(self) -> list[Label]:
        """See `types.Answer`. Raises PartDown where there are none in time."""
        labels: list[Label] = self.remote.get(self.call)
        return labels

    def ready(self) -> bool:
        """See `types.Answer`."""
        return bool(ray.wait([self.call], timeout=0)[0])


@dataclass
class RemoteLabeler:
    """A teacher in another process. Questions are answered while the host goes on, up to `AHEAD` of those in
    `opened`, which all labelers of a host share."""

    name: str
    remote: Remote
    opened: deque[RemoteAnswer] = field(default_factory=deque)
    _versions: dict[str, str] = field(default_factory=dict)

    def ask(self, states: Sequence[State]) -> Answer:
        """See `types.Labeler`."""
        while len(self.opened) >= AHEAD:
            self.opened.popleft()()
        answer = RemoteAnswer(self.remote, self.remote.handle.label_batch.remote(self.name, list(states)))
        self.opened.append(answer)
        return answer

    def version(self, suite: str) -> str:
        """See `types.Labeler`."""
        if suite not in self._versions:
            self._versions[suite] = self.remote.get(self.remote.handle.version.remote(self.name, suite))
        return self._versions[suite]


class PolicyProcess(PolicyServer):
    """A `PolicyServer` that fetches the versions it lacks."""

    def __init__(self, load_student: Callable[[], ServedStudent], kept: int) -> None:
        give_way()
        super().__init__(load_student, kept)

    def decide_with(
        self,
        weights: Weights | None,
        prompts: Sequence[Prompt],
        temperature: float,
        seeds: Sequence[int],
        version: int,
    ) -> list[Decision]:
        """See `PolicyServer.decide`."""
        if weights is not None and not self.has(weights.version):
            self.load(ray.get(weights.box[0], timeout=FETCH_S))
        number = None if weights is None else weights.version
        return self.decide(number, prompts, temperature, seeds, version)


class TeacherServer:
    """All teachers of one process, by name."""

    def __init__(self, parts: Parts) -> None:
        give_way()
        self._replicas = {
            name: TeacherReplica(name, make, parts.teacher_threads) for name, make in parts.teachers.items()
        }

    def label_batch(self, name: str, states: Sequence[State]) -> list[Label]:
        """See `TeacherReplica.label_batch`."""
        return self._replicas[name].label_batch(states)

    def version(self, name: str, suite: str) -> str:
        """See `TeacherReplica.version`."""
        return self._replicas[name].version(suite)


@dataclass(frozen=True)
class Pulse:
    """Where a host lives and what it is doing: the stage, for how many seconds, on which episode of which
    assignment, and its totals so far. While code is being compiled the stage is "start"."""

    pid: int
    node: str
    stage: str
    for_s: float
    spec: EpisodeSpec | None
    number: int
    seconds: Mapping[str, float]


class Compiling(numba.core.event.Listener):
    """Knows whether code is being compiled: a world that waits for its compiler does not hang."""

    def __init__(self, rollout: Rollout) -> None:
        self.depth = 0
        self._rollout = rollout

    def on_start(self, event: object) -> None:
        self.depth += 1

    def on_end(self, event: object) -> None:
        self.depth -= 1
        now = self._rollout.progress
        self._rollout.enter(now.stage, now.spec, now.number)  # what comes after has its whole time


class Host:
    """A process with a `Rollout`. `play` runs in one thread (some worlds are bound to the one that made
    them); `pulse` and `assign` answer from another."""

    def __init__(self, parts: Parts, width: int, run_seed: int) -> None:
        give_way()
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
        self._assigned: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        self._opened: deque[RemoteAnswer] = deque()
        self._rollout = Rollout(parts.world, width, run_seed, parts.memory_notes, attempts=1)
        self._compiling = Compiling(self._rollout)
        numba.core.event.register("numba:compile", self._compiling)

    @ray.method(concurrency_group="watch")
    def pulse(self) -> Pulse:
        """What it is doing now; the first answer says that the process is up."""
        now: Progress = self._rollout.progress
        for_s = time.monotonic() - now.since_s if now.since_s else 0.0
        stage = "start" if self._compiling.depth else now.stage
        node = ray.get_runtime_context().get_node_id()
        return Pulse(os.getpid(), node, stage, for_s, now.spec, now.number, dict(now.seconds))

    @ray.method(concurrency_group="watch")
    def assign(self, assignment: Assignment) -> None:
        """Hand over episodes, for the call of `play` that is under way or the next one."""
        self._assigned.put(assignment)

    def play(self, first: int) -> Iterator[tuple[int, EpisodeOutcome]]:
        """Stream (assignment's number, outcome), each as it ends, of the assignments from number `first` on
        that are there or come meanwhile. Those before it are passed over: the pool took them back when an
        earlier call raised.

        Raises TimeoutError where none comes."""
        self._opened.clear()
        opening = [self._wait_for(first)]

        def more() -> list[Assignment]:
            given = opening.copy()
            opening.clear()
            while not self._assigned.empty():
                given.append(self._assigned.get_nowait())
            return [self._taken_up(assignment) for assignment in given if assignment.number >= first]

        yield from self._rollout.serve(more)

    def _wait_for(self, first: int) -> Assignment:
        end_s = time.monotonic() + ASSIGN_S
        while True:
            try:
                assignment = self._assigned.get(timeout=max(0.0, end_s - time.monotonic()))
            except queue.Empty as error:
                raise TimeoutError(
                    f"assignment {first} did not reach its host within {ASSIGN_S:g} s"
                ) from error
            if assignment.number >= first:
                return assignment

    def _taken_up(self, assignment: Assignment) -> Assignment:
        """The assignment; its questions count together with those of the host's others."""
        if isinstance(assignment.labeler, RemoteLabeler):
            assignment.labeler.opened = self._opened
        return assignment


def told(error: BaseException) -> str:
    """One line about an error of Ray's: for a process that could not start, what its start raised."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if "creation task" in lines[0] else lines[0]


def kill_group(pid: int) -> None:
    """End a host's process group on this node: the host and all that its worlds started."""
    import signal
    from contextlib import suppress

    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
