"""The learner's settings; importing this costs nothing (no torch).

Invariant: a `LearnerConfig` that exists can be run: every combination that cannot is refused on
construction, in a sentence that names the flag to change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AlgorithmName = Literal["bc", "dagger_dpo", "dagger_ce"]


@dataclass
class LearnerConfig:
    """How the student is trained.

    Loss: `beta` is DPO's temperature (EMMA, arXiv 2311.16714, table 1), `nll_weight` the weight of
    -log pi(chosen) beside it (EMMA's code, `mix_ratio` 0.5; the paper's equation 2 has none: set 0
    for pure DPO), `obs_weight` the k of the next-observation term (JAT, arXiv 2402.09844: 0.005
    best). With `length_average` every log-probability is divided by its number of reply tokens,
    as EMMA's code does, whose `beta` and `nll_weight` are the defaults here; the paper's equation
    2, and TRL's default, sum over tokens: set it to false for those.

    Optimiser: AdamW at `lr` after `warmup_steps` of linear warm-up; `cosine_steps` > 0 lets the rate fall
    along a cosine to a tenth of `lr` at that step, and stay there. `grad_clip` is a global norm (0: off).

    Batches: `batch` samples make one optimiser step, over all ranks; a rank takes `batch / ranks` of them,
    `micro_batch` at a time (0: all at once). A version is `steps_per_version` steps, more when the fresh
    samples need more. `replay_fraction` of every batch (to the nearest sample), or more where the fresh ones
    do not fill it, comes from older samples once there are any; `replay_weights` maps a suite name to its
    relative weight in those draws (JAT's sampling weights; absent: 1); older samples are read from the
    ledger, and `replay_cache_mib` of them kept decoded.

    DeepSpeed: `zero_stage` 0..3; `offload` keeps the optimiser's state in host memory (stages 2 and 3).
    `bf16` is "auto" (on CUDA from stage 1 on), "on", "off", or "mixed": fp32 weights, products in bf16 and
    attention in fp32 where the processor has bf16 instructions (1.4 times the speed), else fp32 throughout.
    `feature_cache_mib` bounds the host memory for the frozen encoder's features.
    """

    algorithm: AlgorithmName = "dagger_dpo"
    beta: float = 0.1
    nll_weight: float = 0.5
    obs_weight: float = 0.005
    length_average: bool = True
    lr: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup_steps: int = 20
    cosine_steps: int = 0
    grad_clip: float = 1.0
    batch: int = 32
    micro_batch: int = 0
    steps_per_version: int = 50
    replay_fraction: float = 0.5
    replay_weights: dict[str, float] = field(default_factory=dict)
    replay_cache_mib: int = 1024
    seed: int = 0
    zero_stage: int = 1
    offload: bool = False
    bf16: Literal["auto", "on", "off", "mixed"] = "auto"
    feature_cache_mib: int = 512

    def __post_init__(self) -> None:
        """Raise ValueError for a combination that cannot run."""
        if self.algorithm not in ("bc", "dagger_dpo", "dagger_ce"):
            raise ValueError(
                f"learner.algorithm={self.algorithm!r} is unknown; choose bc, dagger_dpo or dagger_ce."
            )
        if self.algorithm == "dagger_dpo" and self.beta <= 0:
            raise ValueError(
                f"learner.beta={self.beta} leaves no preference term; make it positive, "
                "or set learner.algorithm=dagger_ce."
            )
        if self.nll_weight < 0 or self.obs_weight < 0:
            raise ValueError("learner.nll_weight and learner.obs_weight must be 0 or more.")
        if self.lr <= 0 or self.grad_clip < 0 or self.warmup_steps < 0 or self.cosine_steps < 0:
            raise ValueError(
                "learner.lr must be positive, and learner.grad_clip, learner.warmup_steps and "
                "learner.cosine_steps must be 0 or more."
            )
        if 0 < self.cosine_steps <= self.warmup_steps:
            raise ValueError(
                f"learner.cosine_steps={self.cosine_steps} ends before learner.warmup_steps="
                f"{self.warmup_steps}; raise the first or lower the second."
            )
        if self.weight_decay < 0 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                "learner.weight_decay must be 0 or more, and learner.betas two numbers in [0, 1)."
            )
        if self.batch < 1 or self.steps_per_version < 1 or self.feature_cache_mib < 1:
            raise ValueError(
                "learner.batch, learner.steps_per_version and learner.feature_cache_mib must be at least 1."
            )
        if self.micro_batch < 0 or (self.micro_batch and self.batch % self.micro_batch):
            raise ValueError(
                f"learner.micro_batch={self.micro_batch} does not divide learner.batch={self.batch}; "
                "choose a divisor, or 0 for one pass."
            )
        if not 0 <= self.replay_fraction < 1:
            raise ValueError(
                f"learner.replay_fraction={self.replay_fraction} must be in [0, 1): at 1 no fresh sample "
                "would ever be trained on."
            )
        if self.replay_cache_mib < 0:
            raise ValueError("learner.replay_cache_mib must be 0 or more.")
        weights = self.replay_weights.values()
        if not all(isinstance(weight, (int, float)) and weight >= 0 for weight in weights):
            raise ValueError("learner.replay_weights must be a number, 0 or more, for every suite.")
        if self.zero_stage not in (0, 1, 2, 3):
            raise ValueError(f"learner.zero_stage={self.zero_stage} must be 0, 1, 2 or 3.")
        if self.offload and self.zero_stage < 2:
            raise ValueError(
                f"learner.offload needs learner.zero_stage 2 or 3 (it is {self.zero_stage}): DeepSpeed "
                "moves only a partitioned optimiser to host memory."
            )
        if self.bf16 not in ("auto", "on", "off", "mixed"):
            raise ValueError(f"learner.bf16={self.bf16!r} must be auto, on, off or mixed.")
        if self.bf16 == "on" and self.zero_stage == 0:
            raise ValueError(
                "learner.bf16=on needs learner.zero_stage 1, 2 or 3: DeepSpeed's unpartitioned bf16 "
                "optimiser takes an empty first step, so its losses differ from every other stage's."
            )

    def check_ranks(self, world_size: int) -> None:
        """Raise ValueError when a batch cannot be shared out evenly among `world_size` ranks."""
        if self.batch % world_size or (self.micro_batch and (self.batch // world_size) % self.micro_batch):
            raise ValueError(
                f"learner.batch={self.batch} does not divide into {world_size} ranks of whole micro-batches "
                f"(learner.micro_batch={self.micro_batch}); change one of the two, or the number of ranks."
            )

    def rank_micro_batch(self, world_size: int) -> int:
        """Samples in one forward pass of one rank."""
        return self.micro_batch or self.batch // world_size
