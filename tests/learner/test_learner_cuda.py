"""The learner on a GPU: what it promises on a CPU, and bf16. Skipped where torch finds no CUDA device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_config, tiny_samples, tiny_student

from learner.learner import Learner
from learner.replay import ReplayPool
from student.config import StudentConfig

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")


def losses(learner: Learner, first: int, last: int) -> list[float]:
    told = []
    for version in range(first, last):
        learner.train(tiny_samples(10, seed=100 + version), ReplayPool(samples=tiny_samples(10, seed=1)))
        told += learner.losses
    return told


def make(device: str = "cuda", **changes: Any) -> Learner:
    settings = tiny_config(**{"obs_weight": 0.1, "bf16": "off", **changes})
    return Learner(settings, tiny_student(device=device), tiny_student(device=device))


def test_every_zero_stage_learns_what_the_first_one_learns() -> None:
    want = losses(make(zero_stage=0), 0, 3)
    for stage, offload in ((1, False), (2, False), (2, True), (3, False), (3, True)):
        learner = make(zero_stage=stage, offload=offload)
        assert learner.engine.device.type == "cuda"
        assert losses(learner, 0, 3) == pytest.approx(want, abs=2e-4), (stage, offload)
        learner.close()


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_bf16_is_what_auto_means_and_stays_near_float32(stage: int, tmp_path: Path) -> None:
    want = losses(make(zero_stage=0), 0, 3)
    learner = make(zero_stage=stage, bf16="auto")
    assert learner.engine.bf16
    assert learner.engine.dtype == torch.bfloat16
    told = losses(learner, 0, 3)
    assert told == pytest.approx(want, rel=0.1, abs=0.1)
    assert all(value.dtype == torch.float32 for value in learner.weights().values())
    folder = learner.save(tmp_path)
    other = make(zero_stage=1, bf16="auto")
    other.restore(folder)
    assert losses(other, 3, 4) == pytest.approx(losses(learner, 3, 4), rel=0.05, abs=0.05)


def test_mixed_precision_stays_near_float32() -> None:
    assert losses(make(bf16="mixed"), 0, 3) == pytest.approx(losses(make(), 0, 3), rel=0.1, abs=0.1)


def test_without_bf16_the_masters_are_the_folder_s_float32_weights(tmp_path: Path) -> None:
    saved = tiny_student()
    saved.save(tmp_path / "student", {"title": "tiny"})
    config = StudentConfig(path=str(tmp_path / "student"))
    learner = Learner.load(tiny_config(zero_stage=1, bf16="off", obs_weight=0.0), config, config)
    kept = {name.removeprefix("policy."): value for name, value in learner.weights().items()}
    for name, value in saved.weights().items():
        assert torch.equal(kept[name], value.cpu()), name


def test_a_checkpoint_fits_another_zero_stage(tmp_path: Path) -> None:
    first = make(zero_stage=2)
    losses(first, 0, 2)
    folder = first.save(tmp_path)
    want = losses(first, 2, 3)
    again = make(zero_stage=3)
    again.restore(folder)
    assert losses(again, 2, 3) == pytest.approx(want, abs=2e-4)


def test_scores_on_the_gpu_are_those_of_the_cpu() -> None:
    prompts = [sample.prompt for sample in tiny_samples(8, seed=3)]
    with torch.inference_mode():
        here, there = (
            [d.logprob for d in tiny_student(device=device).decide(prompts, 0.0, [0] * 8)]
            for device in ("cuda", "cpu")
        )
    assert here == pytest.approx(there, abs=2e-3)
