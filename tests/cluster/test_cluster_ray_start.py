"""What is told and asked of Ray before a run's processes start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError

from actors.ray_desk import journal_of
from cluster import ray_mode, ray_start
from cluster.config import RunConfig, load_config
from cluster.ray_mode import RayMachinery
from cluster.run import RunFailed


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `ray.init` was last called with; nothing is started."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(ray, "init", lambda **settings: asked.update(settings))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return asked


def configured(*overrides: str) -> RunConfig:
    return load_config(Path("configs/demo.yaml"), overrides)


@pytest.mark.usefixtures("started")
def test_the_niceness_of_workers_is_ours_unless_somebody_chose_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (name,) = ray_start.NICENESS
    for own, settings, used in [("", {}, "5"), ("9", {}, "9"), ("9", {name: "0"}, "0")]:
        monkeypatch.setenv(name, own)
        if not own:
            monkeypatch.delenv(name)
        ray_start.start_ray(100, settings)
        assert os.environ[name] == used


def test_workers_find_what_is_on_the_users_pythonpath(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/their/world:/their/site")
    ray_start.start_ray(100)
    path = started["runtime_env"]["env_vars"]["PYTHONPATH"].split(os.pathsep)
    assert path == [str(ray_start.ROOT), "/their/world", "/their/site"]
    monkeypatch.delenv("PYTHONPATH")
    ray_start.start_ray(100)
    assert started["runtime_env"]["env_vars"]["PYTHONPATH"] == str(ray_start.ROOT)
    assert started["address"] == "local", "another cluster on this machine is joined only by its name"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["cluster.hosts=30"], r"reserves 5.* CPUs and Ray has 2: lower cluster\.hosts"),
        (["cluster.gpus_learner=1"], r"reserves 2 GPUs and Ray has 0: lower .* gpus_learner"),
        (["cluster.gpus_policy=0.25"], r"reserves 0.5 GPUs and Ray has 0: lower .* cluster\.gpus_policy"),
    ],
)
def test_what_ray_cannot_place_is_said_before_it_is_waited_for(
    started: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    overrides: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    ended: list[bool] = []
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(RunFailed, match=sentence):
        RayMachinery(configured(*overrides), tmp_path)
    assert ended


def test_what_a_desk_has_to_tell_is_logged_and_its_journal_goes_with_it(
    started: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    class Desk:
        def news(self) -> list[str]:
            return ["it is out"]

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 99.0})
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray_mode, "start_desk", lambda *_: Desk())
    machinery = RayMachinery(configured("teacher.backend=openai"), tmp_path)
    assert machinery.news() == ["it is out"]
    assert [record.getMessage() for record in caplog.records] == ["it is out"]
    journal = journal_of(tmp_path / "calls.sqlite", tmp_path.name)
    journal.write_text("")
    machinery.close()
    machinery.close()
    assert not journal.exists()


def test_a_process_that_does_not_answer_is_a_sentence_that_says_where_to_look() -> None:
    with (
        pytest.raises(RunFailed, match=r"the learner did not start: no process .* worker-\*\.err"),
        ray_start.told("the learner did not start"),
    ):
        raise GetTimeoutError("Get timed out: some object(s) not ready.")


@pytest.mark.parametrize(
    "error",
    [Exception("The current node timed out during startup."), TimeoutError("HTTP proxies not available.")],
)
def test_what_ray_raises_where_it_does_not_start_in_time_is_a_sentence(error: Exception) -> None:
    with pytest.raises(RunFailed, match=f"nothing runs: {error}"), ray_start.told("nothing runs"):
        raise error
    with pytest.raises(KeyError), ray_start.told("nothing runs"):
        raise KeyError("a mistake of our own keeps its traceback")
