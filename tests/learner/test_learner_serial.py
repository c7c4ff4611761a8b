"""The learner in one process: it learns, it resumes bit for bit, it computes nothing twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_samples, tiny_student

from learner import checkpoint
from learner.batching import FeatureCache
from learner.learner import Learner
from learner.precision import mixed_precision
from learner.replay import ReplayPool
from student.types import Sample

SHM = Path("/dev/shm")


def versions(learner: Learner, first: int, last: int) -> list[float]:
    """Train versions first..last-1 on the stream that version number names; the losses of all steps."""
    losses = []
    for version in range(first, last):
        pool = ReplayPool(samples=[s for v in range(version) for s in stream(v)])
        learner.train(stream(version), pool)
        losses += learner.losses
    return losses


def stream(version: int) -> list[Sample]:
    return tiny_samples(10, seed=100 + version)


@pytest.mark.parametrize(
    ("algorithm", "stage"), [("dagger_dpo", 0), ("dagger_dpo", 1), ("dagger_ce", 2), ("bc", 1)]
)
def test_a_resumed_run_goes_on_bit_for_bit(algorithm: str, stage: int, tmp_path: Path) -> None:
    settings = tiny_config(algorithm=algorithm, zero_stage=stage, obs_weight=0.1)
    through = Learner(settings, tiny_student(), tiny_student())
    want = versions(through, 0, 4)
    stopped = Learner(settings, tiny_student(), tiny_student())
    assert versions(stopped, 0, 2) == want[: len(want) // 2]
    stopped.save(tmp_path)
    resumed = Learner(settings, tiny_student(), tiny_student())
    whole = checkpoint.latest(tmp_path)
    assert whole is not None
    resumed.restore(whole)
    assert (resumed.step, resumed.version) == (stopped.step, 2)
    assert versions(resumed, 2, 4) == want[len(want) // 2 :]
    assert resumed.snapshot().checksum == through.snapshot().checksum


def test_a_checkpoint_fits_another_zero_stage(tmp_path: Path) -> None:
    first = Learner(tiny_config(zero_stage=2, obs_weight=0.1), tiny_student(), tiny_student())
    versions(first, 0, 2)
    folder = first.save(tmp_path)
    want = versions(first, 2, 3)
    for stage in (0, 1, 3):
        other = Learner(tiny_config(zero_stage=stage, obs_weight=0.1), tiny_student(), tiny_student())
        other.restore(folder)
        assert versions(other, 2, 3) == pytest.approx(want, abs=1e-5)


def test_a_checkpoint_of_another_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = Learner(tiny_config(obs_weight=0.1), tiny_student(), tiny_student()).save(tmp_path)
    with pytest.raises(ValueError, match=r"another model: 2 parameters .* learner\.obs_weight"):
        Learner(tiny_config(obs_weight=0.0), tiny_student(), tiny_student()).restore(folder)


def test_the_student_learns_what_it_is_taught_and_the_weights_carry_it() -> None:
    samples = [replace(sample, rejected="") for sample in tiny_samples(6, seed=5)]
    learner = Learner(tiny_config(algorithm="bc", lr=3e-2, micro_batch=0), tiny_student())
    before = learner.train(samples, ReplayPool(), steps=1)["health_chosen_logprob"]
    metrics = learner.train(samples, ReplayPool(), steps=90)
    assert metrics["learning_steps"] == 90
    after = learner.train(samples, ReplayPool(), steps=1)["health_chosen_logprob"]
    assert before < -10
    assert after > -2
    actor = tiny_student()
    actor.load_weights(learner.snapshot().tensors)
    decisions = actor.decide([s.prompt for s in samples], 0.0, [0] * len(samples))
    told = [f"{d.note} | {d.action}" for d in decisions]
    assert sum(a == s.chosen for a, s in zip(told, samples, strict=True)) >= 5


def test_dpo_moves_the_pair_apart_and_reports_it() -> None:
    samples = tiny_samples(8, seed=6, pairs=1.0)
    settings = tiny_config(obs_weight=0.0, micro_batch=0, length_average=False)
    learner = Learner(settings, tiny_student(), tiny_student())
    first = learner.train(samples, ReplayPool(), steps=1)
    assert first["diagnostic_margin"] == pytest.approx(0.0, abs=1e-5)
    assert first["loss_dpo"] == pytest.approx(np.log(2), abs=1e-6)
    learner.train(samples, ReplayPool(), steps=70)
    last = learner.train(samples, ReplayPool(), steps=1)
    assert last["diagnostic_pair_accuracy"] > 0.9
    assert last["pair_share"] == 1.0
    assert last["lag_max"] == 2.0
    assert last["loss"] == pytest.approx(last["loss_dpo"] + last["loss_nll"])


def test_the_reference_is_asked_once_per_sample_even_after_a_resume(tmp_path: Path) -> None:
    learner = Learner(tiny_config(), tiny_student(), tiny_student())
    versions(learner, 0, 2)
    folder = learner.save(tmp_path)
    resumed = Learner(tiny_config(), tiny_student(), tiny_student())
    resumed.restore(folder)
    assert resumed.reference is not None
    asked = []
    resumed.reference.student.policy.model.model.language_model.register_forward_hook(
        lambda *_: asked.append(1)
    )
    old = [s for v in range(2) for s in stream(v)]
    resumed.train([], ReplayPool(samples=old))
    assert not asked
    resumed.train(tiny_samples(8, seed=55, pairs=1.0), ReplayPool(samples=old), steps=1)
    assert asked


def test_the_head_alone_learns_from_k_and_never_leaves_home() -> None:
    with_head = Learner(tiny_config(algorithm="dagger_ce", obs_weight=0.1), tiny_student())
    without = Learner(tiny_config(algorithm="dagger_ce", obs_weight=0.0), tiny_student())
    samples = tiny_samples(16, seed=7, nexts=1.0)
    figures = [learner.train(samples, ReplayPool(), steps=4) for learner in (with_head, without)]
    assert figures[0]["loss_obs"] > 0
    assert figures[1]["loss_obs"] == 0
    assert set(with_head.snapshot().tensors) == set(without.snapshot().tensors)
    assert not any("vision_tower" in name or "head.out" in name for name in with_head.weights())


def test_micro_batches_do_not_change_the_loss() -> None:
    whole, cut = (Learner(tiny_config(micro_batch=size), tiny_student(), tiny_student()) for size in (0, 2))
    assert versions(whole, 0, 2) == pytest.approx(versions(cut, 0, 2), abs=1e-4)


def test_mixed_precision_keeps_fp32_weights_and_nearly_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    # A processor without bf16 instructions emulates them: slowly, with the same results.
    monkeypatch.setattr("learner.learner.mixed_precision", lambda asked, device: asked)
    plain, mixed = (
        Learner(tiny_config(bf16=kind), tiny_student(), tiny_student()) for kind in ("off", "mixed")
    )
    want, got = versions(plain, 0, 2), versions(mixed, 0, 2)
    assert got != want
    assert got == pytest.approx(want, rel=0.02)
    assert {value.dtype for value in mixed.snapshot().tensors.values()} == {torch.float32}


def test_without_bf16_instructions_mixed_precision_is_fp32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("learner.precision.has_bf16", lambda device: False)
    mixed_precision.cache_clear()
    with caplog.at_level("INFO"):
        plain, mixed = (
            Learner(tiny_config(bf16=kind), tiny_student(), tiny_student()) for kind in ("off", "mixed")
        )
    assert versions(plain, 0, 1) == versions(mixed, 0, 1)
    assert "no bf16 instructions" in caplog.text
    mixed_precision.cache_clear()


def test_pixels_and_cached_features_give_the_same_losses() -> None:
    frozen = Learner(tiny_config(algorithm="bc"), tiny_student())
    free = Learner(tiny_config(algorithm="bc"), tiny_student(freeze_vision=False))
    samples = tiny_samples(8, seed=8)
    assert frozen.train(samples, ReplayPool(), 1)["loss"] == pytest.approx(
        free.train(samples, ReplayPool(), 1)["loss"], abs=1e-5
    )
    assert any("vision_tower" in name for name in free.weights())


def test_features_do_not_depend_on_company_and_the_cache_is_bounded() -> None:
    student = tiny_student()
    frames = list(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))
    cache = FeatureCache(student, 1)
    together = cache.features(frames)
    for index in (0, 7, 39):
        assert torch.equal(FeatureCache(student, 1).features([frames[index]])[0], together[index])
    entry = together[0].numel() * 4
    small = FeatureCache(student, 1)
    small._limit_bytes = 5 * entry
    assert torch.equal(small.features(frames), together)
    assert len(small) == 5
    assert torch.equal(small.features(frames[:3]), together[:3])


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="needs a reference student"):
        Learner(tiny_config(), tiny_student())
    with pytest.raises(ValueError, match="vision tower differs"):
        Learner(tiny_config(), tiny_student(0), tiny_student(1))
    learner = Learner(tiny_config(algorithm="bc"), tiny_student())
    with pytest.raises(ValueError, match=r"invalid \(no path\)"):
        learner.train([replace(tiny_samples(1)[0], valid=False, reason="no path")], ReplayPool())


def test_nothing_is_left_in_shared_memory() -> None:
    before = set(SHM.glob("deepspeed*"))
    learner = Learner(tiny_config(zero_stage=3), tiny_student(), tiny_student())
    versions(learner, 0, 1)
    learner.close()
    assert set(SHM.glob("deepspeed*")) <= before
