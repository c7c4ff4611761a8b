"""Whole small runs whose teacher is asked over an endpoint: replay, budget, outage."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import endpoints
import pytest
from endpoints import Endpoint
from small import save_knowing

from actors.codec import decode
from cluster.config import RunConfig, dump_config, load_config
from cluster.metrics import read_metrics
from cluster.run import RunFailed
from cluster.train import run_training
from ledger import Ledger
from serve.ports import free_port
from student.types import Sample
from teachers.backends.recording import Recording
from teachers.endpoint.faults import FaultConfig
from teachers.team.memory import Memory

SUITE = "voxel/goal_name"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random student that knows the suite's phrases."""
    return save_knowing(SUITE, tmp_path_factory.mktemp("base") / "student")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with endpoints.serving() as server:
        yield server


def config_of(base: Path, runs: Path, url: str, **more: Any) -> RunConfig:
    values = {
        "name": "tiny",
        "suites": f"[{SUITE}]",
        "runs_dir": runs,
        "student.path": base,
        "student.device": "cpu",
        "reference.episodes": 3,
        "reference.epochs": 1,
        "distil.rounds": 1,
        "distil.episodes_per_round": 3,
        "distil.mix_start": 0.5,
        "distil.curriculum": "[1]",
        "learner.steps_per_version": 2,
        "learner.batch": 8,
        "cluster.mode": "serial",
        "evaluation.policies": "[]",
        "teacher.backend": "openai",
        "teacher.endpoint.url": url,
        **more,
    }
    return load_config(None, [f"{key}={value}" for key, value in values.items()])


def only_run(runs: Path) -> Path:
    (run,) = runs.iterdir()
    return run


def samples_of(run: Path) -> list[Sample]:
    with Ledger.open(run / "ledger", writable=False) as ledger:
        return [decode(record) for batch in ledger.scan() for record in batch]


def told(run: Path) -> list[tuple[str, str, str, str, bool]]:
    rows = [(s.sample_id, s.prompt.text, s.chosen, s.rejected, s.valid) for s in samples_of(run)]
    return sorted(rows)


def losses_of(run: Path) -> list[float]:
    return [record["loss"] for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "learn"]


def trained(run: Path) -> bool:
    with Ledger.open(run / "ledger", writable=False) as ledger:
        counts = ledger.counts()
        return 0 < counts["trained"] == sum(counts.values())


@pytest.mark.timeout(300)
def test_a_run_is_replayed_without_a_network(base: Path, tmp_path: Path, endpoint: Endpoint) -> None:
    run_training(config_of(base, tmp_path / "asked", endpoint.url))
    asked = only_run(tmp_path / "asked")
    assert trained(asked)
    assert any("retort-scripted-team-4" in sample.teacher_version for sample in samples_of(asked))
    calls = Recording(asked / "calls.sqlite").by_purpose()
    assert set(calls) == {"manager", "conductor", "actor"}
    assert sum(sums["calls"] for sums in calls.values()) == endpoint.asked
    endpoint.stop()
    recorded = {"teacher.backend": "recorded", "teacher.endpoint.recording": asked / "calls.sqlite"}
    run_training(config_of(base, tmp_path / "replayed", endpoint.url, **recorded))
    replayed = only_run(tmp_path / "replayed")
    assert told(replayed) == told(asked)
    assert losses_of(replayed) == losses_of(asked)
    with pytest.raises(RunFailed, match="does not hold"):
        run_training(config_of(base, tmp_path / "else", endpoint.url, seed=5, **recorded))


@pytest.mark.timeout(300)
def test_the_critic_looks_back_at_each_round_and_later_rounds_are_told(
    base: Path, tmp_path: Path, endpoint: Endpoint
) -> None:
    more = {"teacher.endpoint.reflections": 2, "distil.rounds": 2, "distil.mix_start": 0.0}
    run_training(config_of(base, tmp_path / "asked", endpoint.url, **more))
    run = only_run(tmp_path / "asked")
    recording = Recording(run / "calls.sqlite")
    assert 1 <= recording.by_purpose()["critic"]["calls"] <= 4
    with Ledger.open(run / "ledger", writable=False) as ledger:
        memories = [Memory(*entry) for entry in ledger.metadata("lessons/2")]
    lessons = [memory.text for memory in memories]
    assert all(memory.suite == SUITE and " (better " in memory.path for memory in memories)
    assert any(memory.state.startswith("see ") and memory.frame for memory in memories)
    recording.export(tmp_path / "calls.jsonl")
    asked = (tmp_path / "calls.jsonl").read_text()
    assert lessons
    calls = [json.loads(line)["ask"] for line in asked.splitlines()]
    shown = [len(ask["images"]) for ask in calls if "[picture 2]" in str(ask["messages"])]
    assert shown
    assert set(shown) == {2}
    assert any(f"Lessons: {lesson}" in asked for lesson in lessons)
    assert not any(lesson in sample.prompt.text for sample in samples_of(run) for lesson in lessons)
    recorded = {"teacher.backend": "recorded", "teacher.endpoint.recording": run / "calls.sqlite"}
    run_training(config_of(base, tmp_path / "replayed", endpoint.url, **more, **recorded))
    assert told(only_run(tmp_path / "replayed")) == told(run)


@pytest.mark.timeout(300)
def test_a_spent_budget_pauses_the_run_and_a_larger_one_goes_on(
    base: Path, tmp_path: Path, endpoint: Endpoint
) -> None:
    config = config_of(base, tmp_path / "runs", endpoint.url, **{"teacher.endpoint.budget_tokens": 30_000})
    (tmp_path / "preset.yaml").write_text(dump_config(config))
    command = [sys.executable, "retort.py", "train", str(tmp_path / "preset.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    run, said = only_run(tmp_path / "runs"), ended.stdout
    assert "paused: the teacher's budget of 30,000 tokens is spent" in said
    assert f"--resume {run}" in said
    before = endpoint.asked
    assert not (run / "export" / "student").exists()
    assert all(sample.valid for sample in samples_of(run))
    resumed = load_config(run / "config.yaml", ["teacher.endpoint.budget_tokens=0"])
    hashes = (run / "prompts.json").read_text()
    (run / "prompts.json").write_text(hashes.replace('"actor.md": "', '"actor.md": "0'))
    with pytest.raises(ValueError, match=r"actor\.md of teachers/team changed since .* start a new run"):
        run_training(resumed, resume=run)
    (run / "prompts.json").write_text(hashes)
    run_training(resumed, resume=run)
    assert trained(run)
    assert (run / "export" / "student" / "config.json").is_file()
    assert endpoint.asked > before
    assert len(losses_of(run)) == 3
    # Nothing was asked twice, before or after.
    assert Recording(run / "calls.sqlite").totals().calls == endpoint.asked


def test_where_nobody_listens_nothing_is_begun(base: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ValueError, match=r"nobody answers at teacher\.endpoint\.url"):
        run_training(config_of(base, tmp_path / "runs", url))
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ValueError, match="there is no recording"):
        run_training(config_of(base, tmp_path / "runs", url, **{"teacher.backend": "recorded"}))


def test_where_the_model_is_refused_nothing_is_begun(base: Path, tmp_path: Path, endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match=r"404.*teacher\.endpoint\.url, model.*gpt-nothing"):
        run_training(
            config_of(base, tmp_path / "runs", endpoint.url, **{"teacher.endpoint.model": "gpt-nothing"})
        )
    assert not (tmp_path / "runs").exists()


def test_lessons_that_nobody_is_told_are_refused() -> None:
    with pytest.raises(ValueError, match="nobody is told"):
        load_config(None, ["teacher.endpoint.reflections=2", "teacher.endpoint.lessons=0"])


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("teacher.backend=oracle", "openai.*recorded"),
        ("teacher.endpoint.url=localhost:8000", "http://"),
        ("teacher.endpoint.tries=0", "tries"),
        ("teacher.endpoint.budget_money=3", "price_in"),
        ("teacher.endpoint.patience_s=20", "less than timeout_s"),
        ("teacher.endpoint.requests_per_minute=-1", "0 .none. or more"),
    ],
)
def test_what_cannot_be_is_refused(override: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_config(None, [override])


def test_a_label_must_fit_into_the_deadline() -> None:
    with pytest.raises(ValueError, match=r"cluster\.call_deadline_s"):
        load_config(None, ["teacher.backend=openai", "teacher.endpoint.patience_s=300"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_on_ray_survives_faults_and_an_outage(base: Path, tmp_path: Path) -> None:
    """A tenth of the requests fails in every way, and in the midst of it the endpoint is gone for some
    seconds: every sample is valid and trained on once."""
    faults = FaultConfig(seed=1, share=0.1, latency_s=0.02, silence_s=20.0, retry_after_s=0.1)
    first = endpoints.start(faults)
    port = int(first.url.rsplit(":", 1)[1].split("/")[0])
    ends: list[Endpoint] = [first]

    def outage() -> None:
        while first.asked < 40:
            time.sleep(0.05)
        first.stop()
        time.sleep(3.0)
        ends.append(endpoints.start(faults, port))

    breaker = threading.Thread(target=outage, daemon=True)
    breaker.start()
    settings = {
        "cluster.mode": "ray",
        "cluster.hosts": 1,
        "cluster.worlds_per_host": 4,
        "teacher.endpoint.timeout_s": 2,
        "teacher.endpoint.tries": 30,
        "distil.episodes_per_round": 6,
    }
    try:
        run_training(config_of(base, tmp_path, first.url, **settings))
    finally:
        breaker.join(60)
        for server in ends:
            server.stop()
    assert len(ends) == 2
    assert ends[1].asked > 0
    run = only_run(tmp_path)
    assert [sample.reason for sample in samples_of(run) if not sample.valid] == []
    assert trained(run)
