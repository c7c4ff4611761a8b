"""Under Ray Train the learner gives what it gives in one process, also when a rank is killed on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
import torch
from tiny import tiny_config, tiny_samples, tiny_student

from learner.learner import Learner
from learner.ray_train import LearnerGroup, RayLearner
from learner.replay import ReplayPool
from student.config import StudentConfig
from student.student import Student
from student.types import Sample


def stream(version: int) -> list[Sample]:
    return tiny_samples(10, seed=10 + version)


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(
        "local", num_cpus=2, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False
    )
    yield
    ray.shutdown()


def kill_one_rank() -> None:
    """Kill one of this test's own Ray Train workers."""
    for process in psutil.Process().children(recursive=True):
        if "RayTrainWorker" in " ".join(process.cmdline()):
            process.kill()
            return
    pytest.fail("no rank was found to be killed")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_rank_changes_nothing_and_bad_input_is_told(tmp_path: Path, cluster: None) -> None:
    tiny_student().save(tmp_path / "student", {})
    student = StudentConfig(path=str(tmp_path / "student"), device="cpu")
    config = tiny_config(obs_weight=0.1)
    alone = Learner(config, Student.load(student), Student.load(student))
    pool = ReplayPool(samples=tiny_samples(20, seed=1))
    want = []
    for version in range(4):
        alone.train(stream(version), pool)
        want.append(alone.losses)
        pool.extend(stream(version))

    group = LearnerGroup(ranks=2, cpus=0.5)
    learner = RayLearner(config, student, student, tmp_path / "checkpoints", group)
    pool = ReplayPool(samples=tiny_samples(20, seed=1))
    for version in range(4):
        # Only the first version is saved: after the kill two have to be trained again.
        metrics = learner.train(stream(version), pool, save=version == 0)
        assert learner.losses == pytest.approx(want[version], abs=1e-5)
        assert metrics["lag_mean"] == version
        assert (learner.version, learner.step) == (version + 1, 3 * (version + 1))
        pool.extend(stream(version))
        if version == 2:
            kill_one_rank()
    sent = learner.snapshot()
    sent.verify()
    assert sent.version == 4
    for name, value in alone.weights().items():
        assert torch.allclose(sent.tensors[name], value, atol=1e-5), name

    learner.start([replace(stream(0)[0], valid=False, reason="no path")], pool)
    with pytest.raises(ValueError, match=r"invalid \(no path\)"):
        learner.poll(wait_s=120.0)
    learner.close()
    assert not list(Path("/dev/shm").glob("deepspeed*"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_ranks_train_on_does_not_keep_the_object_store_full(tmp_path: Path, cluster: None) -> None:
    tiny_student().save(tmp_path / "student", {})
    student = StudentConfig(path=str(tmp_path / "student"), device="cpu")
    settings = tiny_config(algorithm="bc", obs_weight=0.0, batch=32, micro_batch=0, steps_per_version=1)
    learner = RayLearner(settings, student, None, tmp_path / "checkpoints", LearnerGroup(ranks=2, cpus=0.5))
    frames = np.random.default_rng(0).integers(0, 256, (1600, 200, 200, 3), dtype=np.uint8)
    plain = [sample for sample in tiny_samples(40, seed=3) if len(sample.prompt.images) == 1]
    samples = [plain[index % len(plain)] for index in range(len(frames))]
    fresh = [
        replace(sample, sample_id=str(index), prompt=replace(sample.prompt, images=(frame,)), next_frame=None)
        for index, (sample, frame) in enumerate(zip(samples, frames, strict=True))
    ]
    learner.train(fresh, ReplayPool())  # 192 of the store's 200 MB
    began = time.monotonic()
    for _ in range(5):
        ray.get(ray.put(np.zeros(15_000_000, np.uint8)), timeout=60)
    # Ray waits 2 s for room before it makes some on the disk.
    assert time.monotonic() - began < 1.5
    learner.close()
