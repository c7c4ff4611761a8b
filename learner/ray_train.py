"""The learner under Ray Train: one `Learner` per rank of a TorchTrainer, steered from the driver.

Invariant: `RayLearner` gives what a `Learner` in the driver's own process would give, for the same calls.
The ranks hold no samples: every version is one command with each rank's share of the batches, kept in a
mailbox actor until a checkpoint covers it. When a rank dies, Ray Train starts the group anew; it restores
the last checkpoint, and the mailbox repeats the commands since then, so nothing is lost and nothing is
trained on twice.

Every wait has a deadline: ranks poll the mailbox, and the driver notices within `POLL_S` when the group
ended. The folder of the checkpoints must be visible to the driver and to all ranks (on a cluster: shared
storage).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from learner.config import LearnerConfig
from learner.mailbox import Command, Mailbox, Result
from learner.replay import ReplaySource, fresh_figures, rank_share, schedule
from student.config import StudentConfig
from student.types import Sample

if TYPE_CHECKING:
    from learner.learner import Learner
    from learner.publish import WeightSnapshot

POLL_S = 5.0
CALL_S = 120.0
"""Deadline of a call that only has to reach the mailbox: long, as a busy machine starts processes slowly."""


@dataclass(frozen=True)
class LearnerGroup:
    """The size of the group. `cpus` and `gpus` are reserved for each rank; `threads` are torch's."""

    ranks: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 1
    max_failures: int = 3
    start_deadline_s: float = 300.0
    version_deadline_s: float = 3600.0


def rank_loop(settings: dict[str, Any]) -> None:
    """What each rank runs (Ray Train has made the process group): restore, then obey until told to stop."""
    # Heavy imports stay in the ranks: the driver and the mailbox need none of them.
    import ray.train
    import ray.train.torch
    import torch

    from learner import checkpoint
    from learner.learner import Learner

    torch.set_num_threads(settings["group"].threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(ray.train.torch.get_device())
    mailbox, folder, config = settings["mailbox"], Path(settings["folder"]), settings["config"]
    try:
        learner = Learner.load(config, settings["student"], settings["reference"])
        whole = checkpoint.latest(folder)
        if whole is not None:
            learner.restore(whole)
        _post(learner, mailbox, {}, saved=False)
        while True:
            command = ray.get(mailbox.receive.remote(learner.version, POLL_S), timeout=CALL_S)
            if command == "stop":
                return
            if isinstance(command, Command):
                metrics = learner.train_shares(
                    _fetch(command.shares[learner.engine.rank], settings["group"].version_deadline_s)
                )
                if command.save:
                    learner.save(folder)
                _post(learner, mailbox, metrics, command.save)
                ray.train.report(metrics)
    except ValueError as error:
        # Input that the learner refuses is refused again by a restarted group: tell the driver instead.
        ray.get(mailbox.fail.remote(str(error)), timeout=CALL_S)
        raise


def _fetch(share: Any, deadline_s: float) -> list[list[Sample]]:
    """A rank's batches. What Ray hands out are views that pin its object store: two ranks' shares can fill
    it, and whatever hosts and teachers then send waits seconds for room. So they are copied out of it."""
    return copy.deepcopy(ray.get(share, timeout=deadline_s))


def _post(learner: Learner, mailbox: Any, metrics: Mapping[str, float], saved: bool) -> None:
    """Rank 0 hands over what came of a version (all ranks take part: gathering weights is collective)."""
    from learner.publish import snapshot

    weights = learner.weights()
    if learner.engine.rank == 0:
        sent = (ray.put(snapshot(learner.version, weights)),)
        result = Result(learner.version, learner.step, metrics, tuple(learner.losses), sent)
        ray.get(mailbox.post.remote(result, saved), timeout=CALL_S)


def _fit(settings: dict[str, Any], folder: str, group: LearnerGroup) -> None:
    """Run the group to its end (in a Ray task: `fit` wants a main thread)."""
    from ray import train
    from ray.train.torch import TorchConfig, TorchTrainer

    cuda = group.gpus > 0
    TorchTrainer(
        rank_loop,
        train_loop_config=settings,
        torch_config=TorchConfig(backend="nccl" if cuda else "gloo"),
        scaling_config=train.ScalingConfig(
            num_workers=group.ranks,
            use_gpu=cuda,
            resources_per_worker={"CPU": group.cpus, **({"GPU": group.gpus} if cuda else {})},
        ),
        run_config=train.RunConfig(
            name="learner",
            storage_path=folder,
            failure_config=train.FailureConfig(max_failures=group.max_failures),
        ),
    ).fit()


class RayLearner:
    """The driver's end of the group; the methods are those of `Learner`, and `start`/`poll` do not block.

    `checkpoints` is the folder of recovery checkpoints; the newest whole one there is restored. Raises
    RuntimeError when the group ended by itself, TimeoutError past a deadline, ValueError for refused input.
    """

    def __init__(
        self,
        config: LearnerConfig,
        student: StudentConfig,
        reference: StudentConfig | None,
        checkpoints: Path,
        group: LearnerGroup,
    ) -> None:
        config.check_ranks(group.ranks)
        self.config, self.group = config, group
        self.losses: list[float] = []
        self._mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
        settings = {
            "config": config,
            "student": student,
            "reference": reference,
            "folder": str(checkpoints.resolve()),
            "group": group,
            "mailbox": self._mailbox,
        }
        storage = str(checkpoints.resolve().parent / "ray_train")
        self._group = ray.remote(num_cpus=0, max_retries=0)(_fit).remote(settings, storage, group)
        self._waiting: dict[str, float] | None = None
        self._weights: WeightSnapshot
        self.step, self.version = 0, 0
        self._wait(0, group.start_deadline_s, "start")

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        """Send one version's work (see `Learner.train`) and return at once. One version at a time."""
        if self._waiting is not None:
            raise RuntimeError("A version is being trained; poll it to its end before the next start.")
        batches = schedule(fresh, pool, self.step, self.config, steps)
        shares = tuple(
            ray.put(rank_share(batches, rank, self.group.ranks)) for rank in range(self.group.ranks)
        )
        self._waiting = fresh_figures(fresh, self.version)
        ray.get(self._mailbox.send.remote(Command(self.version, shares, save)), timeout=CALL_S)

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        """The metrics of the version that was started, or None when it is not done after `wait_s` seconds."""
        if self._waiting is None:
            raise RuntimeError("No version is being trained; call start first.")
        result = self._take(self.version + 1, wait_s)
        if result is None:
            return None
        figures, self._waiting = self._waiting, None
        return {**result.metrics, **figures}

    def train(
        self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True
    ) -> dict[str, float]:
        """`start`, then wait to the end."""
        self.start(fresh, pool, steps, save)
        result = self._wait(
            self.version + 1, self.group.version_deadline_s, f"train version {self.version + 1}"
        )
        figures, self._waiting = self._waiting or {}, None
        return {**result.metrics, **figures}

    def snapshot(self) -> WeightSnapshot:
        """The weights of the present version."""
        return self._weights

    def close(self, deadline_s: float = 60.0) -> None:
        """Let the ranks end after their last command, then remove the group; by force past the deadline."""
        ray.get(self._mailbox.stop.remote(), timeout=CALL_S)
        ready, _ = ray.wait([self._group], timeout=deadline_s)
        if not ready:
            ray.cancel(self._group, force=True)
        ray.kill(self._mailbox)

    def _take(self, version: int, wait_s: float) -> Result | None:
        """The result that reached `version`, its weights fetched; None when there is none after `wait_s`."""
        result, failure = ray.get(self._mailbox.result.remote(version, wait_s), timeout=wait_s + CALL_S)
        if failure:
            raise ValueError(failure)
        if isinstance(result, Result):
            try:
                self._weights = ray.get(result.snapshot[0], timeout=CALL_S)
            except ray.exceptions.ObjectLostError:
                # Rank 0 died with its weights; the group that takes its place sends them anew.
                time.sleep(min(wait_s, 1.0))
                return None
            self.step, self.version, self.losses = result.step, result.version, list(result.losses)
            return result
        if ray.wait([self._group], timeout=0)[0]:
            try:
                ray.get(self._group)
            except ray.exceptions.RayError as error:
                raise RuntimeError(
                    f"The learner group ended before version {version} (it may start anew "
                    f"{self.group.max_failures} times); resume the run to go on from the last checkpoint. "
                    f"Its error: {error}"
                ) from error
            raise RuntimeError("The learner group was closed; no version can be trained any more.")
        return None

    def _wait(self, version: int, deadline_s: float, what: str) -> Result:
        end = time.monotonic() + deadline_s
        while (left := end - time.monotonic()) > 0:
            result = self._take(version, min(left, POLL_S))
            if result is not None:
                return result
        raise TimeoutError(
            f"The learner group did not {what} within {deadline_s:.0f} s. Look at the ranks' logs below "
            "ray_train/ in the run folder; give it more CPUs or a longer deadline."
        )
