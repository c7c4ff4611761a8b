"""What is refused before a run begins or goes on, in sentences for the person at the command line.

Invariant: nothing here starts or writes anything.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cluster.config import RunConfig
from cluster.doctor import ray_token
from cluster.run import RunFolder
from teachers.config import TeacherConfig
from teachers.make import key_of, make_teacher
from teachers.team.prompting import prompt_hashes
from worlds.adapters.own import own_errors_told
from worlds.make import make_world
from worlds.types import EpisodeSpec


def check_suites(config: RunConfig) -> None:
    """Raise ValueError for a suite, a difficulty or a frame size that no world or teacher has."""
    distil = config.distil
    levels = {distil.difficulty(index) for index in range(max(1, distil.rounds))}
    if distil.adaptive and distil.rounds:
        levels |= set(distil.curriculum)  # every round draws from all of them
    asked = {(suite, level) for suite in config.suites for level in levels}
    if config.evaluation.policies:
        suites = config.evaluation.suites or config.suites
        asked |= {(suite, config.evaluation.difficulty) for suite in suites}
    for suite, level in sorted(asked):
        with own_errors_told(suite):
            if config.teacher.backend == "scripted":
                make_teacher(suite, config.teacher)
            world = make_world(suite, config.frame_size)
            world.reset(options={"episode": EpisodeSpec(suite, "train", 0, level)})
            world.close()


def check_start(config: RunConfig) -> None:
    """Say what is missing before anything is started or written."""
    from student.student import Student

    if config.cluster.mode == "ray" and (finding := ray_token()).verdict == "fail":
        raise ValueError(f"Ray cannot be started or joined: {finding.value}. {finding.advice}")
    Student.load(config.student)
    check_suites(config)
    check_teacher(config.teacher)


REACH_S = 10.0
"""For each of the two requests that look whether the endpoint is the one that is meant."""


def check_teacher(teacher: TeacherConfig) -> None:
    """Raise ValueError where nobody answers at the teacher's endpoint, where it refuses a small question (a
    wrong model, address or key), or where there is nothing to replay."""
    key = key_of(teacher)
    if teacher.backend == "recorded" and not Path(teacher.endpoint.recording).is_file():
        raise ValueError(
            f"there is no recording {teacher.endpoint.recording!r} to replay; name one in "
            "teacher.endpoint.recording"
        )
    if teacher.backend != "openai":
        return
    from teachers.backends.openai_chat import OpenAIChat
    from teachers.backends.types import Unreachable

    quick = replace(teacher.endpoint, timeout_s=min(REACH_S, teacher.endpoint.timeout_s))
    try:
        OpenAIChat(quick, key).reach()
    except Unreachable as error:
        if error.trouble == "refused":
            raise ValueError(str(error)) from error
        raise ValueError(
            f"nobody answers at teacher.endpoint.url={teacher.endpoint.url} ({error}): start it "
            "(`python retort.py endpoint` is one to try), or name another"
        ) from error


def await_endpoint(host: str, port: int, patience_s: float = 60.0) -> None:
    """Wait until somebody listens there. Raises ValueError where nobody does in time."""
    ends_s = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection((host, port), timeout=5.0).close()
            return
        except OSError as error:
            if time.monotonic() > ends_s:
                raise ValueError(f"nobody listens at {host}:{port} after {patience_s:g} s") from error
        time.sleep(0.2)


MAY_CHANGE = (
    "cluster.",
    "evaluation.",
    "distil.rounds",
    "distil.staleness",
    "learner.zero_stage",
    "learner.offload",
    "learner.micro_batch",
    "learner.feature_cache_mib",
    "learner.replay_cache_mib",
    "student.device",
    "teacher.endpoint.url",
    "teacher.endpoint.key_file",
    "teacher.endpoint.timeout_s",
    "teacher.endpoint.tries",
    "teacher.endpoint.patience_s",
    "teacher.endpoint.in_flight",
    "teacher.endpoint.requests_per_minute",
    "teacher.endpoint.tokens_per_minute",
    "teacher.endpoint.replica_",
    "teacher.endpoint.budget_",
    "teacher.endpoint.price_",
    "runs_dir",
)
"""The keys that decide where and how long a run computes, not what."""


def check_resumed(before: RunConfig, now: RunConfig) -> None:
    """Raise ValueError where the run's samples or weights would not be those of the config that it is resumed
    with: what is done already was done with the old one."""
    old, new = _flat(asdict(before)), _flat(asdict(now))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and not key.startswith(MAY_CHANGE):
            raise ValueError(
                f"{key} was {old.get(key)!r} when the run began and cannot change on --resume: leave it out, "
                "or start a new run (docs/cluster.md, under Resume, lists the keys that can change)"
            )


def check_prompts(folder: RunFolder) -> None:
    """Raise ValueError where a prompt or a reply schema of the team is not the one that the run began with:
    its labels would be of two teachers."""
    if not folder.prompts_file.is_file():
        return
    old, new = json.loads(folder.prompts_file.read_text("utf-8")), prompt_hashes()
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        raise ValueError(
            f"{', '.join(changed)} of teachers/team changed since {folder.path} began, and cannot on "
            "--resume: put the text back as it was, or start a new run"
        )


def check_unfinished(folder: RunFolder, before: RunConfig, now: RunConfig) -> None:
    """Raise ValueError where more rounds are asked of a run that has exported its student."""
    if before.distil.rounds != now.distil.rounds and (folder.export("student") / "config.json").is_file():
        raise ValueError(
            f"{folder.path} has finished its {before.distil.rounds} rounds: for more, start a new run with "
            f"student.path={folder.export('student')}"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as "a.b"."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
