"""The learner: takes samples, descends the algorithm's loss, gives versioned weights.

Invariant: the learner's state after version v is a function of the initial student, the config and the
samples of the versions up to v, in order; with one rank on a CPU, to the bit, with or without a stop and a
resume in between.

The same object serves one process (serial mode) and each rank of a group (`ray_train`); every public method
but `snapshot` on other ranks than 0 is a collective call when there are several ranks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from learner import checkpoint, publish
from learner.algorithms import Scored, make_algorithm
from learner.batching import Batcher, MicroBatch
from learner.config import LearnerConfig
from learner.engine import Engine
from learner.losses import observation_loss, reply_logprob
from learner.obs_head import ObservationHead
from learner.packing import score
from learner.precision import FLOAT32_ATTENTION, bf16_weights, mixed_precision
from learner.reference import Reference
from learner.replay import ReplaySource, fresh_figures, rank_share, schedule
from student.config import Precision, StudentConfig
from student.policy import PolicyModule
from student.student import Student, placement
from student.types import Sample

TERMS = ("dpo", "nll", "obs")
POLICY = "policy."


class TrainedModule(nn.Module):
    """Everything that is trained, as one module: the policy and, where the algorithm uses it, the
    observation head."""

    def __init__(self, policy: PolicyModule, head: ObservationHead | None, mixed: bool = False) -> None:
        super().__init__()
        self.policy = policy
        self.head = head
        self.mixed = mixed

    def forward(self, packed: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """(log-probability (N,), predicted observation (B, F) or None) of what `packing.pack` packed."""
        with torch.autocast(packed["input_ids"].device.type, torch.bfloat16, enabled=self.mixed):
            logprob, hidden = score(self.policy, packed)
            return logprob, self.head(hidden) if self.head is not None else None


class Learner:
    """Trains `student` (which it takes over: let actors use another one, and `Student.load_weights`).

    `reference` is pi_ref, frozen from here on; `dagger_dpo` needs it. With ZeRO-3 it also lends its vision
    tower, so it is needed then for every algorithm. `step` counts optimiser steps, `version` published
    versions.
    """

    def __init__(self, config: LearnerConfig, student: Student, reference: Student | None = None) -> None:
        self.config = config
        self.algorithm = make_algorithm(config)
        if reference is None and (self.algorithm.prefers or config.zero_stage == 3):
            raise ValueError(
                f"learner.algorithm={config.algorithm} with learner.zero_stage={config.zero_stage} needs a "
                "reference student; hand one to the learner, or choose dagger_ce or bc below stage 3."
            )
        if reference is not None:
            _check_same_vision(student, reference)
        both = [student] if reference is None else [student, reference]
        for one in both:
            one.policy.to(torch.bfloat16 if bf16_weights(config, student.device) else torch.float32)
        mixed = mixed_precision(config.bf16 == "mixed", student.device)
        if mixed:
            # On a CPU the backward pass of attention is 6 times slower in bf16 than in fp32.
            for one in both:
                one.policy.model.model.language_model.config._attn_implementation = FLOAT32_ATTENTION
        eyes = reference if reference is not None and config.zero_stage == 3 else student
        self.batcher = Batcher(student, eyes, config.feature_cache_mib)
        self.reference = (
            Reference(reference, mixed) if reference is not None and self.algorithm.prefers else None
        )
        head = None
        if self.algorithm.predicts and config.obs_weight > 0:
            with torch.random.fork_rng():
                torch.manual_seed(config.seed)
                head = ObservationHead(student.policy.width, self.batcher.feature_width).to(student.device)
        student.policy.train()
        self.engine = Engine(TrainedModule(student.policy, head, mixed), config)
        self.predicts = head is not None
        self.step = 0
        self.version = 0
        self.losses: list[float] = []
        """The loss of each step of the last `train`."""

    @classmethod
    def load(cls, config: LearnerConfig, student: StudentConfig, reference: StudentConfig | None) -> Learner:
        """A learner of the students in these folders, in the precision that it trains in (whatever
        precision the students act in)."""
        dtype: Precision = "bfloat16" if bf16_weights(config, placement(student)[0]) else "float32"
        return cls(
            config,
            Student.load(replace(student, dtype=dtype)),
            None if reference is None else Student.load(replace(reference, dtype=dtype)),
        )

    def train(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0) -> dict[str, float]:
        """Train one version: every fresh sample once, and replays from `pool` (older samples, without the
        fresh ones).

        Every rank passes the same arguments. Returns the metrics of `train_shares`; `version` is one higher
        then. Raises ValueError when there is nothing to train on, or for an invalid sample."""
        batches = schedule(fresh, pool, self.step, self.config, steps)
        figures = fresh_figures(fresh, self.version)
        return self.train_shares(rank_share(batches, self.engine.rank, self.engine.world_size)) | figures

    def train_shares(self, shares: Sequence[Sequence[Sample]]) -> dict[str, float]:
        """Train one version on this rank's parts of the batches (`replay.rank_share`), one optimiser step
        each.

        Metrics are means over the version and all ranks: `loss` and its terms `loss_dpo`, `loss_nll`,
        `loss_obs` (weighted, as summed), `health_chosen_logprob` (sum over tokens),
        `health_rejected_logprob`, `grad_norm`, `learning_steps`, `seconds`, `samples_per_s`.
        `diagnostic_pair_accuracy` is no health figure: it looks as well while a policy without NLL term
        collapses (facts in docs/learner.md)."""
        started = time.perf_counter()
        totals = torch.zeros(len(TERMS) + 5, dtype=torch.float64)
        step_losses = torch.zeros(len(shares), dtype=torch.float64)
        grad_norm = 0.0
        with torch.random.fork_rng():
            # Dropout, where a student has any, repeats after a resume: it depends on (seed, step, rank).
            torch.manual_seed(self.config.seed * 1_000_003 + self.step * 1_009 + self.engine.rank)
            for index, share in enumerate(shares):
                size = self.engine.micro_batch
                if len(share) != size * self.engine.accumulation:
                    raise ValueError(
                        f"A rank's share of a batch must hold {size * self.engine.accumulation} samples, "
                        f"not {len(share)}; make it with replay.rank_share."
                    )
                for start in range(0, len(share), size):
                    batch = self.batcher.micro_batch(
                        share[start : start + size], self.algorithm.prefers, self.predicts
                    )
                    loss, figures = self._loss(batch)
                    self.engine.backward(loss)
                    self.engine.step(self.step)
                    totals += figures
                    step_losses[index] += float(loss.detach()) / self.engine.accumulation
                self.step += 1
                grad_norm += self.engine.grad_norm()
        self.version += 1
        reduced = (
            self.engine.mean(torch.cat([totals, step_losses]).to(self.engine.device, torch.float32))
            .double()
            .cpu()
        )
        self.losses = reduced[len(totals) :].tolist()
        samples = max(1, len(shares)) * self.config.batch / self.engine.world_size
        pairs = max(float(reduced[len(TERMS) + 1]), 1e-9)
        seconds = time.perf_counter() - started
        metrics = {f"loss_{name}": float(reduced[i]) / samples for i, name in enumerate(TERMS)}
        return metrics | {
            "loss": sum(metrics.values()),
            "health_chosen_logprob": float(reduced[len(TERMS)]) / samples,
            "health_rejected_logprob": float(reduced[len(TERMS) + 2]) / pairs,
            "diagnostic_pair_accuracy": float(reduced[len(TERMS) + 3]) / pairs,
            "diagnostic_margin": float(reduced[len(TERMS) + 4]) / pairs,
            "pair_share": float(reduced[len(TERMS) + 1]) / samples,
            "grad_norm": grad_norm / max(1, len(shares)),
            "learning_steps": float(len(shares)),
            "seconds": seconds,
            "samples_per_s": len(shares) * self.config.batch / seconds,
        }

    def weights(self) -> dict[str, Tensor]:
        """Full fp32 copies of the trained parameters by their names in `Student.policy`."""
        return {
            name.removeprefix(POLICY): value
            for name, value in self.engine.weights().items()
            if name.startswith(POLICY)
        }

    def snapshot(self) -> publish.WeightSnapshot:
        """The weights of the present version, ready to be sent to actors."""
        return publish.snapshot(self.version, self.weights())

    def save(self, parent: Path, keep: int = 2) -> Path:
        """Write a recovery checkpoint below `parent` (rank 0 writes; the others wait). Returns its folder."""
        weights, moments, count = self.engine.state()
        values = self.reference.values if self.reference is not None else {}
        if self.engine.world_size > 1:
            gathered: list[dict[str, tuple[float, float]]] = [{} for _ in range(self.engine.world_size)]
            dist.all_gather_object(gathered, values)
            values = {key: value for part in reversed(gathered) for key, value in part.items()}
        folder = parent / f"{checkpoint.PREFIX}{self.step:08d}"
        if self.engine.rank == 0:
            about = {"ranks": self.engine.world_size, "config": asdict(self.config)}
            state = checkpoint.LearnerState(self.step, self.version, count, weights, moments, values, about)
            checkpoint.save(parent, state, keep)
        if self.engine.world_size > 1:
            dist.barrier()
        return folder

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint, whatever ZeRO stage or number of ranks wrote it.

        Raises ValueError when it is not whole, or of another model."""
        state = checkpoint.load(folder)
        self.engine.load_state(state.weights, state.moments, state.adam_count)
        if self.reference is not None:
            self.reference.restore(state.reference)
        self.step, self.version = state.step, state.version

    def close(self) -> None:
        """Let go of DeepSpeed's hooks and buffers."""
        self.engine.close()

    def _loss(self, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        """(the mean loss of a micro-batch, sums of the figures behind the metrics)."""
        count = len(batch.samples)
        logprob, predicted = self.engine(batch.packed)
        tokens = batch.packed["lengths"]
        scaled = reply_logprob(logprob, tokens, self.config.length_average)
        reference = scaled.new_zeros(2, len(batch.pairs))
        if self.reference is not None:
            paired = [batch.samples[i] for i in batch.pairs.tolist()]
            sums = torch.stack(self.reference.logprobs(paired, self.batcher)).to(scaled.device)
            lengths = torch.stack([tokens[:count][batch.pairs], tokens[count:]])
            reference = reply_logprob(sums, lengths, self.config.length_average)
        observation = scaled.new_zeros(count)
        if predicted is not None and batch.target is not None:
            observation = observation_loss(predicted, batch.target, batch.present)
        scored = Scored(scaled[:count], scaled[count:], reference[0], reference[1], batch.pairs, observation)
        terms = self.algorithm.terms(scored, self.config)
        loss = torch.stack(list(terms.values())).sum(0).mean()
        with torch.no_grad():
            margin = (scored.chosen[batch.pairs] - reference[0]) - (scored.rejected - reference[1])
            figures = [terms[name].sum() if name in terms else loss.new_zeros(()) for name in TERMS]
            figures += [
                logprob[:count].sum(),
                loss.new_tensor(float(len(batch.pairs))),
                logprob[count:].sum(),
            ]
            figures += [(margin > 0).sum(), margin.sum()]
        return loss, torch.stack([figure.detach().double().cpu() for figure in figures])


def _check_same_vision(student: Student, reference: Student) -> None:
    """Raise ValueError when features of one frozen vision tower would not stand for the other's."""
    if not student.config.freeze_vision:
        return
    own, other = (one.policy.model.model.vision_tower.state_dict() for one in (student, reference))
    if own.keys() != other.keys() or any(not torch.equal(own[name], other[name]) for name in own):
        raise ValueError(
            "The reference student's vision tower differs from the student's, but frozen features are "
            "shared; start both from one checkpoint, or set student.freeze_vision=false."
        )
