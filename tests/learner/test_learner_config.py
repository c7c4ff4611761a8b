"""Settings that cannot run are refused in a sentence that names the flag."""

from __future__ import annotations

import pytest

from learner.config import LearnerConfig
from learner.engine import learning_rate


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"algorithm": "ppo"}, "learner.algorithm"),
        ({"beta": 0.0}, "learner.beta"),
        ({"nll_weight": -1.0}, "learner.nll_weight"),
        ({"obs_weight": -0.1}, "learner.obs_weight"),
        ({"lr": 0.0}, "learner.lr"),
        ({"warmup_steps": 50, "cosine_steps": 50}, "learner.cosine_steps"),
        ({"batch": 10, "micro_batch": 4}, "learner.micro_batch"),
        ({"replay_fraction": 1.0}, "learner.replay_fraction"),
        ({"replay_weights": {"voxel/goal_name": -1.0}}, "learner.replay_weights"),
        ({"zero_stage": 4}, "learner.zero_stage"),
        ({"zero_stage": 1, "offload": True}, "learner.offload"),
        ({"zero_stage": 0, "bf16": "on"}, "learner.bf16"),
        ({"bf16": "yes"}, "learner.bf16"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, object], flag: str) -> None:
    with pytest.raises(ValueError, match=flag):
        LearnerConfig(**changes)  # type: ignore[arg-type]


def test_a_batch_that_the_ranks_cannot_share_is_refused() -> None:
    LearnerConfig(batch=32, micro_batch=8).check_ranks(4)
    with pytest.raises(ValueError, match=r"learner\.batch=32 .* 3 ranks"):
        LearnerConfig(batch=32).check_ranks(3)
    with pytest.raises(ValueError, match=r"learner\.micro_batch=16"):
        LearnerConfig(batch=32, micro_batch=16).check_ranks(4)


def test_the_rate_warms_up_and_falls_to_a_tenth() -> None:
    config = LearnerConfig(lr=1.0, warmup_steps=4, cosine_steps=104)
    assert [learning_rate(config, step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate(config, 54) == pytest.approx(0.55)
    assert learning_rate(config, 104) == learning_rate(config, 999) == pytest.approx(0.1)
    assert learning_rate(LearnerConfig(lr=1.0, warmup_steps=0), 10_000) == 1.0
