"""A config that cannot run is refused with the key to change named, whichever part it is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.config import (
    REACHERS,
    ClusterConfig,
    DistilConfig,
    ReferenceConfig,
    RunConfig,
    load_config,
)
from evaluation.config import EvaluationConfig
from learner.config import LearnerConfig
from student.config import StudentConfig
from teachers.backends.config import EndpointConfig
from teachers.config import TeacherConfig

IMPOSSIBLE: list[tuple[type, dict[str, Any], str]] = [
    (ReferenceConfig, {"epochs": 0.0}, "reference.epochs"),
    (ReferenceConfig, {"lr": 0.0}, "reference.lr"),
    (DistilConfig, {"mix_start": -0.1}, "distil.mix_start"),
    (DistilConfig, {"mix_decay": 1.1}, "distil.mix_decay"),
    (DistilConfig, {"rounds": -1}, "distil.rounds"),
    (DistilConfig, {"relabel_epochs": -1.0}, "distil.relabel_epochs"),
    (DistilConfig, {"staleness": -1}, "distil.staleness"),
    (DistilConfig, {"curriculum": ()}, "distil.curriculum"),
    (DistilConfig, {"temperature": -0.5}, "distil.temperature"),
    (DistilConfig, {"roles": ()}, "distil.roles"),
    (DistilConfig, {"roles": ("actor", "actor")}, "distil.roles"),
    (ClusterConfig, {"worlds_per_host": 0}, "worlds_per_host"),
    (ClusterConfig, {"teachers": 0}, "teachers"),
    (ClusterConfig, {"policies": 0}, "policies"),
    (ClusterConfig, {"learners": 0}, "learners"),
    (ClusterConfig, {"cpus_policy": -0.1}, "cluster.cpus_"),
    (ClusterConfig, {"gpus_learner": -1.0}, "cluster.gpus_"),
    (ClusterConfig, {"object_store_mb": 79}, "cluster.object_store_mb"),
    (ClusterConfig, {"call_deadline_s": 0.0}, "cluster.call_deadline_s"),
    (EvaluationConfig, {"traced": -1}, "evaluation.traced"),
    (EvaluationConfig, {"difficulty": 0}, "evaluation.difficulty"),
    (EvaluationConfig, {"temperature": -1.0}, "evaluation.temperature"),
    (EvaluationConfig, {"workers": -1}, "evaluation.workers"),
    (EvaluationConfig, {"bodies": (2, 0)}, "evaluation.bodies"),
    (EvaluationConfig, {"episodes": 0}, "evaluation.episodes"),
    (EvaluationConfig, {"batch": 0}, "evaluation.batch"),
    (StudentConfig, {"max_reply_tokens": 0}, "student.max_reply_tokens"),
    (TeacherConfig, {"tie_decisions": 1.0}, "teacher.tie_decisions"),
    (EndpointConfig, {"model": ""}, "teacher.endpoint.model"),
    (EndpointConfig, {"timeout_s": 0.0}, "teacher.endpoint.timeout_s"),
    (EndpointConfig, {"embeddings_floor": 1.5}, "teacher.endpoint.embeddings_floor"),
    (EndpointConfig, {"temperature": -0.1}, "temperature"),
    (RunConfig, {"name": "..", "seed": 0}, "name="),
    (RunConfig, {"seed": 2**31}, "seed="),
    (RunConfig, {"frame_size": 60}, "frame_size="),
    (RunConfig, {"learner": LearnerConfig(batch=6, micro_batch=3), "cluster": ClusterConfig(learners=3)},
     "learner.micro_batch"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "named"), IMPOSSIBLE, ids=lambda value: str(value)[:40])
def test_every_impossible_setting_is_refused_by_name(kind: type, values: dict[str, Any], named: str) -> None:
    kind()  # else the refusal would not be of the values
    with pytest.raises(ValueError) as refused:
        kind(**values)
    assert named in str(refused.value)


def test_the_edge_of_what_is_refused_is_taken() -> None:
    for reached_by in REACHERS:
        DistilConfig(reached_by=reached_by, mix_start=1.0, mix_decay=0.0, rounds=0, temperature=0.0)
    ClusterConfig(object_store_mb=80, cpus_host=0.0)
    EvaluationConfig(traced=0, workers=0, temperature=0.0, bodies=(1,), policies=())
    RunConfig(seed=2**31 - 1, frame_size=16, name=".hidden")
    RunConfig(teacher=TeacherConfig(backend="openai"), cluster=ClusterConfig(call_deadline_s=115.0))
    with pytest.raises(ValueError, match=r"cluster\.call_deadline_s to 115 or more"):
        RunConfig(teacher=TeacherConfig(backend="openai"), cluster=ClusterConfig(call_deadline_s=114.0))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("learner.replay_weights={voxel/goal_name: .nan}", "learner.replay_weights.voxel/goal_name"),
        ("learner.betas=[.nan, 0.9]", "learner.betas"),
        ("evaluation.suites=[[voxel/goal_name]]", "evaluation.suites"),
        ("distil.curriculum=[[1, 2]]", "distil.curriculum"),
        ("suites=[{voxel: goal_name}]", "suites"),
        ("distil.roles={actor: 1}", "'distil.roles'"),
        ("learner.betas=[0.9]", "'learner.betas'"),
        ("student=voxel", "'student'"),
        ("teacher.endpoint=[]", "'teacher.endpoint'"),
        ("learner.lr=${nothing}", "learner.lr"),
        ("frame_size=${", "'frame_size'"),
        ("learner.replay_weights={voxel/goal_name: [1]}", "learner.replay_weights"),
        ("learner.replay_weights.voxel.b=1", "learner.replay_weights"),
        ("distil=null", "distil"),
    ],
)
def test_what_is_no_value_of_its_key_is_refused_by_the_key(override: str, key: str) -> None:
    with pytest.raises(ValueError) as refused:
        load_config(None, ["seed=1", override, "frame_size=64"])
    assert key in str(refused.value)


def test_a_preset_is_held_to_the_same(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    for text, told in (
        ("learner: {lr: .inf}", r"learner\.lr=inf"),
        ("evaluation: {suites: [[a]]}", r"evaluation\.suites holds .*'a'"),
        ("distil: {round: 3}", r"distil\.round"),
        ("seed: 1\nlearner: 3", "'learner'"),
        ("suites: {a: 1}", "'suites'"),
        ("distil: {roles: {a: 1}}", "'distil'"),
        ("- seed", "must hold key: value pairs"),
    ):
        preset.write_text(text)
        with pytest.raises(ValueError, match=told):
            load_config(preset)


def test_later_overrides_win_and_the_refused_layer_is_the_whole(tmp_path: Path) -> None:
    """A value that a later override mends was never asked for."""
    preset = tmp_path / "preset.yaml"
    preset.write_text("seed: 5\ncluster: {mode: serial}\ndistil: {staleness: 1, rounds: 9}\n")
    config = load_config(preset, ["distil.staleness=0", "distil.rounds=4", "distil.rounds=7"])
    assert (config.seed, config.distil.rounds, config.cluster.mode) == (5, 7, "serial")
    assert load_config(preset, ["learner.lr=.nan", "learner.lr=1e-3", "cluster.mode=ray"]).learner.lr == 1e-3
