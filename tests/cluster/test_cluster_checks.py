"""What is refused before a run begins or goes on: every key that decides what is computed, every changed
prompt, every difficulty that the rounds will draw; and looking changes nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from cluster.checks import (
    MAY_CHANGE,
    await_endpoint,
    check_prompts,
    check_resumed,
    check_suites,
    check_teacher,
    check_unfinished,
)
from cluster.config import DistilConfig, RunConfig
from cluster.run import RunFolder
from evaluation.config import EvaluationConfig
from serve.ports import free_port
from teachers.backends.config import EndpointConfig
from teachers.config import TeacherConfig
from teachers.team.prompting import prompt_hashes


def leaves(part: Any, prefix: str = "") -> Iterator[tuple[str, Any, str, Any]]:
    """(key, the object that holds it, its name there, the type that it is declared with) of every setting."""
    hints = get_type_hints(type(part))
    for entry in fields(part):
        value = getattr(part, entry.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", part, entry.name, hints[entry.name]


def another(value: Any, declared: Any) -> Any:
    """A value of the same kind that is not `value`."""
    options = [option for option in get_args(declared) if isinstance(option, str)]
    if options:
        return next(option for option in options if option != value)
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case tuple():
            return (*value, "more")
        case dict():
            return {"voxel/goal_name": 2.0}
    return 0.5


def test_a_resumed_run_may_change_only_what_decides_where_and_how_long_it_computes() -> None:
    """Every key in turn, by the list that the page has; the key is the one that is named."""
    seen: set[str] = set()
    for key, _, name, _ in list(leaves(RunConfig())):
        before, now = RunConfig(), RunConfig()
        holder, declared = next((p, d) for k, p, _, d in leaves(now) if k == key)
        # Not through the constructors: whether the combination could run is not the question here.
        object.__setattr__(holder, name, another(getattr(holder, name), declared))
        assert asdict(before) != asdict(now), key
        if any(key.startswith(allowed) for allowed in MAY_CHANGE):
            check_resumed(before, now)
            seen |= {allowed for allowed in MAY_CHANGE if key.startswith(allowed)}
            continue
        with pytest.raises(ValueError, match="cannot change on --resume") as refused:
            check_resumed(before, now)
        assert str(refused.value).startswith(key)
    assert seen == set(MAY_CHANGE)  # no entry of the list has lost its key


def test_of_several_changes_the_same_is_named_whatever_the_hash_seed() -> None:
    now = RunConfig(name="b", seed=3, frame_size=32, suites=("babyai/GoToObj",))
    with pytest.raises(ValueError, match=r"^frame_size was 64"):
        check_resumed(RunConfig(), now)


def run_at(folder: Path) -> RunFolder:
    (folder / "config.yaml").write_text("name: tiny\n")
    return RunFolder.open(folder)


def test_a_changed_missing_or_new_prompt_is_named(tmp_path: Path) -> None:
    run, hashes = run_at(tmp_path), prompt_hashes()
    check_prompts(run)  # a run without a model's teacher has written none
    run.prompts_file.write_text(json.dumps(hashes))
    check_prompts(run)
    first, second, *_ = sorted(hashes)
    run.prompts_file.write_text(json.dumps({**hashes, second: "0" * 8, first: "0" * 8}))
    with pytest.raises(ValueError, match=rf"^{first}, {second} of teachers/team changed since"):
        check_prompts(run)
    run.prompts_file.write_text(json.dumps({n: h for n, h in hashes.items() if n != first} | {"gone.md": ""}))
    with pytest.raises(ValueError) as refused:
        check_prompts(run)
    assert str(refused.value).startswith(", ".join(sorted([first, "gone.md"])))


def test_more_rounds_are_refused_once_the_student_is_exported(tmp_path: Path) -> None:
    run, before = run_at(tmp_path), RunConfig(distil=DistilConfig(rounds=3))
    more = RunConfig(distil=DistilConfig(rounds=4))
    check_unfinished(run, before, more)
    run.export("student").mkdir(parents=True)
    check_unfinished(run, before, more)  # a folder that is not whole is no export
    (run.export("student") / "config.json").write_text("{}")
    check_unfinished(run, before, before)
    with pytest.raises(ValueError, match=r"finished its 3 rounds.*student\.path=.*export/student"):
        check_unfinished(run, before, more)


@pytest.mark.parametrize(
    ("distil", "impossible"),
    [
        (DistilConfig(rounds=1, curriculum=(1, 9)), False),  # the round that would draw 9 is not asked for
        (DistilConfig(rounds=2, curriculum=(1, 9)), True),
        (DistilConfig(rounds=1, curriculum=(1, 9), adaptive=True), True),
        (DistilConfig(rounds=0, curriculum=(1, 9), adaptive=True), False),
        (DistilConfig(rounds=0, curriculum=(9,)), True),  # the demonstrations are of it
    ],
)
def test_every_difficulty_that_a_round_may_draw_is_looked_at(distil: DistilConfig, impossible: bool) -> None:
    config = RunConfig(distil=distil, evaluation=EvaluationConfig(policies=()))
    if not impossible:
        check_suites(config)
        return
    with pytest.raises(ValueError, match="difficulty 9 is not one of"):
        check_suites(config)


def test_the_evaluations_own_suites_and_difficulty_are_looked_at_where_it_plays() -> None:
    for evaluation in (
        EvaluationConfig(suites=("voxel/levitation",)),
        EvaluationConfig(difficulty=9),
    ):
        with pytest.raises(ValueError, match=r"levitation|difficulty 9"):
            check_suites(RunConfig(evaluation=evaluation))
        check_suites(RunConfig(evaluation=replace(evaluation, policies=())))


def test_a_replay_without_its_recording_is_refused_and_none_is_made(tmp_path: Path) -> None:
    file = tmp_path / "calls.sqlite"
    teacher = TeacherConfig(backend="recorded", endpoint=EndpointConfig(recording=str(file)))
    with pytest.raises(ValueError, match=r"no recording .*teacher\.endpoint\.recording"):
        check_teacher(teacher)
    assert not list(tmp_path.iterdir())
    file.write_bytes(b"")
    check_teacher(teacher)


def test_an_endpoint_is_waited_for_only_so_long() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        await_endpoint("127.0.0.1", server.getsockname()[1], 0.0)
    with pytest.raises(ValueError, match=r"nobody listens at 127\.0\.0\.1:\d+ after 0\.1 s"):
        await_endpoint("127.0.0.1", free_port(), 0.1)
