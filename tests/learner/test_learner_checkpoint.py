"""A half-written or damaged checkpoint is never chosen, and a failed save leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from learner import checkpoint
from learner.checkpoint import LearnerState
from learner.publish import snapshot


def state(step: int) -> LearnerState:
    value = torch.arange(6.0).reshape(2, 3) + step
    return LearnerState(
        step, step // 10, float(step), {"a": value}, {"exp_avg.a": -value}, {"s": (-1.25, -0.1)}, {"ranks": 1}
    )


def test_a_checkpoint_comes_back_as_it_went(tmp_path: Path) -> None:
    loaded = checkpoint.load(checkpoint.save(tmp_path, state(30)))
    assert (loaded.step, loaded.version, loaded.adam_count) == (30, 3, 30.0)
    assert torch.equal(loaded.weights["a"], state(30).weights["a"])
    assert torch.equal(loaded.moments["exp_avg.a"], state(30).moments["exp_avg.a"])
    assert loaded.reference == {"s": (-1.25, -0.1)}


def test_the_newest_are_kept_and_the_newest_is_chosen(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "nowhere") is None
    for step in (10, 100, 20, 30):
        checkpoint.save(tmp_path, state(step), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000030", "step-00000100"]
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert checkpoint.load(newest).step == 100


@pytest.mark.parametrize(
    "victim", ["weights.safetensors", "moments.safetensors", "reference.json", "state.json"]
)
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, victim: str, damage: str) -> None:
    good = checkpoint.save(tmp_path, state(10))
    file = checkpoint.save(tmp_path, state(20)) / victim
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[0 if victim == "state.json" else -1] ^= 1
        file.write_bytes(content)
    assert checkpoint.latest(tmp_path) == good
    with pytest.raises(ValueError, match="no whole checkpoint"):
        checkpoint.load(file.parent)


def test_a_save_that_fails_leaves_the_old_one_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = checkpoint.save(tmp_path, state(10))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, state(20))
    assert list(tmp_path.iterdir()) == [good]
    assert checkpoint.latest(tmp_path) == good


def test_a_process_killed_while_saving_leaves_nothing_to_choose(tmp_path: Path) -> None:
    good = checkpoint.save(tmp_path, state(10))
    part = tmp_path / ".part-step-00000020"
    part.mkdir()
    (part / "weights.safetensors").write_bytes(b"half")
    assert checkpoint.latest(tmp_path) == good
    assert checkpoint.load(checkpoint.save(tmp_path, state(20))).step == 20
    assert not part.exists()


def test_a_snapshot_tells_what_changed_and_what_was_damaged() -> None:
    weights = {"a": torch.randn(3), "b": torch.randn(2, 2)}
    first = snapshot(1, weights)
    weights["a"] += 1
    second = snapshot(2, weights)
    assert set(second.changed_since(first.digests)) == {"a"}
    assert set(second.changed_since({})) == {"a", "b"}
    assert first.checksum != second.checksum
    assert snapshot(3, weights).checksum == second.checksum
    assert snapshot(3, weights, torch.bfloat16).tensors["b"].dtype == torch.bfloat16
    second.verify()
    second.tensors["b"][0, 0] += 1e-3
    with pytest.raises(ValueError, match=r"version 2 .* checksum"):
        second.verify()
