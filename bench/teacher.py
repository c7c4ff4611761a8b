"""The team over an endpoint: how fast a replica host labels, and whether it says what the scripted team says.

A real endpoint runs beside it (another process, `LATENCY_S` per answer) and the host's `PROCESSES` Ray
teacher processes ask it, with `IN_FLIGHT` calls allowed at once, of all of them together. The endpoint's own
planning takes its share of the same cores. Labels are counted from the first answer on, and as long as there
are states left to be asked about: how long it takes to begin and to end is not a rate.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from actors.ray_desk import start_desk
from actors.ray_parts import Parts, TeacherServer
from actors.types import State
from bench.rows import row
from cluster.ray_start import start_ray
from student.prompts import build_prompt
from teachers.backends.config import EndpointConfig
from teachers.backends.recording import Recording
from teachers.config import TeacherConfig
from teachers.make import TeacherMaker, make_teacher
from teachers.team import critic
from teachers.types import Label
from teachers.voxel_situation import VoxelSituation
from worlds.base import join_reply
from worlds.make import make_world
from worlds.types import EpisodeSpec
from worlds.voxel.world import SUITES

LATENCY_S = 0.5
IN_FLIGHT = 64
PROCESSES = 2
"""With one, 0.83 of the calls were made (2026-11-27): its Python runs one thread at a time."""
BATCH = 16
"""States a question: what a host with so many worlds asks at once."""
STATES = 6400
WARM = 128
WAIT_S = 120.0


def run() -> list[dict[str, Any]]:
    """Rows `teacher_labels_per_s` (its peer is the ideal, `IN_FLIGHT` / `LATENCY_S`),
    `teacher_calls_per_s` (the same peer: manager and conductor are asked too, and repairs cost calls),
    `teacher_calls_per_label`, and per suite `teacher_agreement_SUITE`: the share of states where the label is
    one of the scripted team's equally good actions (its peer: the same where the copy of the world, on which
    the team over an endpoint tries its ways, tells it no more than the scripted one knows)."""
    reached = {suite: list(_states(suite, STATES // len(SUITES))) for suite in SUITES}
    states = [
        state for row_ in zip(*(found for found in reached.values()), strict=False) for state, _ in row_
    ]
    start_ray(256)
    try:
        with _endpoint() as url, tempfile.TemporaryDirectory() as folder:
            config = TeacherConfig(
                backend="openai",
                endpoint=EndpointConfig(url=url, replica_in_flight=IN_FLIGHT // PROCESSES, timeout_s=30.0),
            )
            desk = start_desk(config, Path(folder) / "calls.sqlite")
            parts = Parts(
                make_world,
                {"teacher": TeacherMaker(config, desk)},
                _no_student,
                teacher_threads=4 * IN_FLIGHT,
            )
            process = ray.remote(TeacherServer).options(max_concurrency=IN_FLIGHT)
            host = [process.remote(parts) for _ in range(PROCESSES)]
            _ask(host, states[:WARM])
            labels, rate = _ask(host, states[WARM:])
            agreed = {suite: _agreement(host, found) for suite, found in reached.items()}
            calls = Recording(Path(folder) / "calls.sqlite").totals().calls
    finally:
        ray.shutdown()
    each = calls / len(states)
    assert all(label.valid for label in labels), [label.reason for label in labels if not label.valid][:3]
    rows = [
        row("teacher_labels_per_s", rate, "labels/s", "in flight / latency", IN_FLIGHT / LATENCY_S),
        row("teacher_calls_per_s", rate * each, "calls/s", "in flight / latency", IN_FLIGHT / LATENCY_S),
        row("teacher_calls_per_label", each, "calls"),
    ]
    return rows + [
        row(f"teacher_agreement_{suite.split('/')[1]}", all_, "share", "where the copy told no more", alike)
        for suite, (all_, alike) in agreed.items()
    ]


def _states(suite: str, count: int) -> Iterator[tuple[State, Label]]:
    """States that the scripted team reaches on training worlds, with its labels."""
    teacher, world, index, found = make_teacher(suite), make_world(suite), 0, 0
    while True:
        world.reset(options={"episode": EpisodeSpec(suite, "train", index)})
        index, over = index + 1, False
        while not over:
            observation, mirror = world.observe(), world.mirror()
            label = teacher.label(observation, mirror)
            yield State(suite, "actor", observation, mirror, build_prompt(observation)), label
            found += 1
            if found == count:
                return
            _, _, won, out, _ = world.step(join_reply(label.note, label.action))
            over = won or out


def _ask(host: Sequence[Any], states: Sequence[State]) -> tuple[list[Label], float]:
    """All labels, in order, and how many came in a second, from the first on, while there was something left
    to ask; as many questions are open as the limit of calls needs, whichever ends first."""
    counted, began = 0, time.monotonic()
    answers: dict[Any, list[Label]] = {}
    asked, open_ = list[Any](), list[Any]()
    for number, start in enumerate(range(0, len(states), BATCH)):
        if len(open_) >= 3 * IN_FLIGHT // BATCH:
            ended, open_ = ray.wait(open_, timeout=WAIT_S)
            if answers:
                counted += len(ended)
            else:  # the first, from which on time counts
                began = time.monotonic()
            answers |= {one: ray.get(one) for one in ended}
        server = host[number % len(host)]
        open_.append(server.label_batch.remote("teacher", list(states[start : start + BATCH])))
        asked.append(open_[-1])
    rate = BATCH * counted / (time.monotonic() - began)
    answers |= {one: ray.get(one, timeout=WAIT_S) for one in open_}
    return [label for one in asked for label in answers[one]], rate


def _agreement(host: Sequence[Any], reached: Sequence[tuple[State, Label]]) -> tuple[float, float]:
    labels, _ = _ask(host, [state for state, _ in reached])
    same = [
        label.action in scripted.equally_good for label, (_, scripted) in zip(labels, reached, strict=True)
    ]
    alike = [agrees for agrees, (state, _) in zip(same, reached, strict=True) if not _told_more(state)]
    return sum(same) / len(same), sum(alike) / max(1, len(alike))


def _told_more(state: State) -> bool:
    assert state.mirror is not None
    return critic.knows_more(VoxelSituation.read(state.observation, state.mirror, TeacherConfig()))


@contextmanager
def _endpoint() -> Iterator[str]:
    """A local endpoint on a free port, in a process of its own."""
    command = [sys.executable, "retort.py", "endpoint", "--port", "0", "--latency", str(LATENCY_S)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split(": ", 1)[1].split(",")[0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def _no_student() -> Any:
    raise AssertionError("a teacher process holds no student")
