"""DeepSpeed around one module: the same engine for one rank in this process and for many under Ray.

Invariant: the loss that is descended is the mean over the global batch of the per-sample losses, for every
ZeRO stage, number of ranks and size of micro-batch; and `state()` is the same flat dict of full fp32
tensors for all of them, so that a checkpoint fits any other stage and number of ranks.

On a CPU nothing is compiled and nothing is left in /dev/shm: torch's AdamW is used, and DeepSpeed's
shared-memory all-reduce (which leaves 69 MB per rank behind) is switched off before it can be built.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from learner.config import LearnerConfig
from learner.precision import bf16_weights

MOMENTS = ("exp_avg", "exp_avg_sq")
COLLECTIVE_TIMEOUT_S = 600.0


def import_deepspeed(device: torch.device) -> Any:
    """The deepspeed module, set up for `device` (the first call's: it keeps one per process) and so that a
    CPU compiles nothing and leaves nothing in /dev/shm."""
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    import deepspeed
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    return deepspeed


def join_process_group(device: torch.device) -> tuple[int, int]:
    """(rank, world size) of the process group, after making one of a single rank on `device` if there is
    none.

    The single rank's group lives in this process: it opens no port. Python's end ends it: gloo's threads, if
    left to the interpreter's teardown, now and then abort a process that has done all its work. A group of
    many ranks belongs to who made it, to end too."""
    if not dist.is_initialized():
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=dist.HashStore(),  # type: ignore[attr-defined]
            rank=0,
            world_size=1,
            timeout=timedelta(seconds=COLLECTIVE_TIMEOUT_S),
        )
        atexit.register(leave_process_group)
    rank, world_size = dist.get_rank(), dist.get_world_size()
    # DeepSpeed reads these even when a process group exists already.
    os.environ.setdefault("RANK", str(rank))
    os.environ.setdefault("WORLD_SIZE", str(world_size))
    os.environ.setdefault("LOCAL_RANK", "0")
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    return rank, world_size


def leave_process_group() -> None:
    """End this process's group, if it is still in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def learning_rate(config: LearnerConfig, step: int) -> float:
    """The rate of optimiser step `step` (0-based): linear warm-up, then constant or a cosine to a tenth."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if not config.cosine_steps:
        return config.lr
    done = min(1.0, (step - config.warmup_steps) / (config.cosine_steps - config.warmup_steps))
    return config.lr * (0.1 + 0.45 * (1.0 + math.cos(math.pi * done)))


class Engine:
    """A module under DeepSpeed, on the device that it is on. `module` is taken over: with ZeRO-3 its
    parameters are partitioned."""

    def __init__(self, module: nn.Module, config: LearnerConfig) -> None:
        self.config = config
        device = next(module.parameters()).device
        cuda = device.type == "cuda"
        self.rank, self.world_size = join_process_group(device)
        config.check_ranks(self.world_size)
        deepspeed = import_deepspeed(device)
        self.bf16 = bf16_weights(config, device)
        self.micro_batch = config.rank_micro_batch(self.world_size)
        self.accumulation = config.batch // self.world_size // self.micro_batch
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in module.parameters() if parameter.requires_grad],
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=cuda and not config.offload,
        )
        self._shapes = {n: tuple(p.shape) for n, p in module.named_parameters() if p.requires_grad}
        elements = sum(parameter.numel() for parameter in module.parameters())
        zero: dict[str, Any] = {
            "stage": config.zero_stage,
            # DeepSpeed's defaults reserve gigabytes, however small the model is.
            "reduce_bucket_size": min(500_000_000, elements),
            "allgather_bucket_size": min(500_000_000, elements),
        }
        if config.offload:
            zero["offload_optimizer"] = {"device": "cpu", "pin_memory": cuda}
        self._fragments: Any = deepspeed.utils
        self._engine, *_ = deepspeed.initialize(
            model=module,
            optimizer=self.optimizer,
            dist_init_required=False if deepspeed.comm.is_initialized() else None,
            config={
                "train_micro_batch_size_per_gpu": self.micro_batch,
                "gradient_accumulation_steps": self.accumulation,
                "zero_optimization": zero,
                "zero_force_ds_cpu_optimizer": False,
                "gradient_clipping": config.grad_clip,
                "bf16": {"enabled": self.bf16},
                "steps_per_print": 2**31 - 1,
            },
        )
        self.module: nn.Module = self._engine.module
        self.device: torch.device = torch.device(self._engine.device)
        self.dtype = torch.bfloat16 if self.bf16 else torch.float32

    def __call__(self, *args: Any) -> Any:
        """The module's forward pass."""
        return self._engine(*args)

    def backward(self, loss: Tensor) -> None:
        """Gradients of one micro-batch's mean loss, averaged over ranks and micro-batches at the boundary."""
        self._engine.backward(loss)

    def step(self, step: int) -> None:
        """Count one micro-batch; at the batch's last one, take optimiser step `step` (it sets the rate)."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self._engine.step()

    def grad_norm(self) -> float:
        """Global gradient norm before clipping at the last step (0.0 before the first)."""
        return float(self._engine.get_global_grad_norm() or 0.0)

    def mean(self, sums: Tensor) -> Tensor:
        """Sum over the ranks, then divide by their number: the same tensor on every rank."""
        if self.world_size > 1:
            dist.all_reduce(sums)
        return sums / self.world_size

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """(name, parameter) of everything that is trained, in the module's order."""
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                yield name, parameter

    def weights(self) -> dict[str, Tensor]:
        """Full fp32 copies on the CPU of all trained parameters. A collective call: every rank makes it."""
        return {name: self._full(parameter, None) for name, parameter in self.trainable()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """(weights, Adam's moments as "exp_avg.NAME" and "exp_avg_sq.NAME", Adam's step count), full tensors.

        A collective call. Before the first step there are no moments, and the count is 0."""
        counts = [float(entry["step"]) for entry in self.optimizer.state.values() if "step" in entry]
        moments: dict[str, Tensor] = {}
        if counts:
            for key in MOMENTS:
                for name, parameter in self.trainable():
                    moments[f"{key}.{name}"] = self._full(parameter, key)
        return self.weights(), moments, max(counts, default=0.0)

    def load_state(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor], count: float) -> None:
        """Set what `state` returned, possibly under another ZeRO stage or number of ranks.

        Raises ValueError when the names or shapes are those of another model."""
        names = self._shapes
        if names != {name: tuple(value.shape) for name, value in weights.items()}:
            odd = sorted(set(names) ^ set(weights)) or [
                n for n in names if names[n] != tuple(weights[n].shape)
            ]
            raise ValueError(
                f"The checkpoint holds another model: {len(odd)} parameters differ in name or shape, "
                f"the first is {odd[0]!r}. Resume with the student and the learner.obs_weight that the run "
                "was started with."
            )
        for name, parameter in self.trainable():
            self._set(parameter, None, weights[name])
        self._masters_to_module()
        if count:
            self._allocate_moments(count)
            for key in MOMENTS:
                for name, parameter in self.trainable():
                    self._set(parameter, key, moments[f"{key}.{name}"])

    def _full(self, parameter: nn.Parameter, key: str | None) -> Tensor:
        """A parameter's fp32 master (key None) or one of its moments, whole, on the CPU."""
        if self.config.zero_stage == 0:
            value = parameter if key is None else self.optimizer.state[parameter][key]
        elif key is None:
            value = self._fragments.safe_get_full_fp32_param(parameter)
        else:
            value = self._fragments.safe_get_full_optimizer_state(parameter, key)
        return value.detach().to("cpu", torch.float32, copy=True)

    def _set(self, parameter: nn.Parameter, key: str | None, value: Tensor) -> None:
        """The inverse of `_full`, on every rank."""
        value = value.to(self.device)
        if self.config.zero_stage == 0:
            (parameter.data if key is None else self.optimizer.state[parameter][key]).copy_(value)
        elif self.config.zero_stage < 3:
            if key is None:
                self._fragments.safe_set_full_fp32_param(parameter, value)
            else:
                self._fragments.safe_set_full_optimizer_state(parameter, value, key)
        else:
            # A rank owns one of `world_size` equal parts of the flat parameter, the last one padded.
            size = -(-value.numel() // self.world_size)
            padded = nn.functional.pad(value.flatten(), (0, size * self.world_size - value.numel()))
            part = padded[self.rank * size : (self.rank + 1) * size]
            if key is None:
                self._fragments.safe_set_local_fp32_param(parameter, part)
            else:
                self._fragments.safe_set_local_optimizer_state(parameter, part, key)

    def _flat_masters(self) -> list[Tensor]:
        """The tensors that the inner AdamW keeps its state for."""
        zero = self._engine.optimizer
        if self.config.zero_stage == 0:
            return [parameter for _, parameter in self.trainable()]
        if self.config.zero_stage < 3:
            return list(zero.single_partition_of_fp32_groups)
        return list(zero.fp32_partitioned_groups_flat)

    def _allocate_moments(self, count: float) -> None:
        """Give the inner AdamW the state it would have after `count` steps, its moments still 0."""
        for master in self._flat_masters():
            on = master.device if self.optimizer.defaults["fused"] else torch.device("cpu")
            self.optimizer.state[master] = {
                "step": torch.tensor(count, dtype=torch.float32, device=on),
                **{key: torch.zeros_like(master) for key in MOMENTS},
            }
        if self.config.zero_stage in (1, 2):
            self._engine.optimizer._hp_optimizer_states_linked = False
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def _masters_to_module(self) -> None:
        """Bring the module's own (bf16 or partitioned) parameters in line with the masters just set."""
        zero = self._engine.optimizer
        if self.config.zero_stage in (1, 2):
            zero.update_lp_params()
        elif self.config.zero_stage == 3:
            zero.checkpoint_event_prologue()
            for group in range(len(zero.fp16_groups)):
                zero._reassign_or_swap_out_partitioned_parameters(group)
            zero.checkpoint_event_epilogue()

    def close(self) -> None:
        """Let go of DeepSpeed's hooks and buffers; the process group stays."""
        self._engine.destroy()
