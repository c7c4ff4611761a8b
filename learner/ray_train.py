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

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer

from learner import checkpoint
from learner.config import LearnerConfig
from learner.learner import Learner, fresh_figures
from learner.publish import WeightSnapshot, snapshot
from learner.replay import ReplaySource, rank_share, schedule
from student.config import StudentConfig
from student.student import Student
from student.types import Sample

POLL_S = 5.0


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


@dataclass(frozen=True)
class Command:
    """Train the version after `version`: `shares[r]` refers to rank r's batches; then save, if `save`."""

    version: int
    shares: tuple[Any, ...]
    save: bool


@dataclass(frozen=True)
class Result:
    """What came of a command; `snapshot` holds a reference to the `WeightSnapshot`, set by the mailbox."""

    version: int
    step: int
    metrics: Mapping[str, float]
    losses: tuple[float, ...]
    snapshot: tuple[Any, ...] = ()


class Mailbox:
    """Commands on their way to the ranks, results on their way back (an asyncio actor: waiting blocks
    nobody)."""

    def __init__(self) -> None:
        self._commands: dict[int, Command] = {}
        self._result: Result | None = None
        self._failure = ""
        self._stopped = False
        self._changed = asyncio.Condition()

    async def _wait(self, ready: Callable[[], bool], wait_s: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(ready), wait_s)
            except TimeoutError:
                return

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def send(self, command: Command) -> None:
        """Keep a command until it is done and saved."""
        self._commands[command.version] = command
        await self._tell()

    async def receive(self, version: int, wait_s: float) -> Command | str:
        """The command of a learner at `version`; "stop" once all is over, "wait" after `wait_s` seconds."""
        await self._wait(lambda: self._stopped or version in self._commands, wait_s)
        if version in self._commands:
            return self._commands[version]
        return "stop" if self._stopped else "wait"

    async def post(self, result: Result, weights: WeightSnapshot, saved: bool) -> None:
        """Take rank 0's result; a repeated one of an earlier version is not kept. The weights are put anew,
        so that this actor owns them and they outlive the rank."""
        if self._result is None or result.version >= self._result.version:
            self._result = replace(result, snapshot=(ray.put(weights),))
        if saved:
            self._commands = {v: command for v, command in self._commands.items() if v >= result.version}
        await self._tell()

    async def fail(self, reason: str) -> None:
        """A rank refused its input: the driver is to hear of it at once."""
        self._failure = reason
        await self._tell()

    async def result(self, version: int, wait_s: float) -> tuple[Result | None, str]:
        """(the result that reached `version`, or None after `wait_s` seconds; the failure, or "")."""
        await self._wait(
            lambda: bool(self._failure) or (self._result is not None and self._result.version >= version),
            wait_s,
        )
        done = self._result is not None and self._result.version >= version
        return (self._result if done else None), self._failure

    async def stop(self) -> None:
        """Let the ranks end once they have done every command."""
        self._stopped = True
        await self._tell()


def rank_loop(settings: dict[str, Any]) -> None:
    """What each rank runs (Ray Train has made the process group): restore, then obey until told to stop."""
    torch.set_num_threads(settings["group"].threads)
    mailbox, folder, config = settings["mailbox"], Path(settings["folder"]), settings["config"]
    reference = settings["reference"]
    try:
        learner = Learner(
            config, Student.load(settings["student"]), None if reference is None else Student.load(reference)
        )
        whole = checkpoint.latest(folder)
        if whole is not None:
            learner.restore(whole)
        _post(learner, mailbox, {}, saved=False)
        while True:
            command = ray.get(mailbox.receive.remote(learner.version, POLL_S), timeout=6 * POLL_S)
            if command == "stop":
                return
            if isinstance(command, Command):
                share = ray.get(
                    command.shares[learner.engine.rank], timeout=settings["group"].version_deadline_s
                )
                metrics = learner.train_shares(share)
                if command.save:
                    learner.save(folder)
                _post(learner, mailbox, metrics, command.save)
                ray.train.report(metrics)
    except ValueError as error:
        # Input that the learner refuses is refused again by a restarted group: tell the driver instead.
        ray.get(mailbox.fail.remote(str(error)), timeout=6 * POLL_S)
        raise


def _post(learner: Learner, mailbox: Any, metrics: Mapping[str, float], saved: bool) -> None:
    """Rank 0 hands over what came of a version (all ranks take part: gathering weights is collective)."""
    weights = learner.weights()
    if learner.engine.rank == 0:
        result = Result(learner.version, learner.step, metrics, tuple(learner.losses))
        ray.get(mailbox.post.remote(result, snapshot(learner.version, weights), saved), timeout=6 * POLL_S)


def _fit(settings: dict[str, Any], folder: str, group: LearnerGroup) -> None:
    """Run the group to its end (in a Ray task: `fit` wants a main thread)."""
    cuda = group.gpus > 0
    TorchTrainer(
        rank_loop,
        train_loop_config=settings,
        torch_config=TorchConfig(backend="nccl" if cuda else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=group.ranks,
            use_gpu=cuda,
            resources_per_worker={"CPU": group.cpus, **({"GPU": group.gpus} if cuda else {})},
        ),
        run_config=ray.train.RunConfig(
            name="learner",
            storage_path=folder,
            failure_config=ray.train.FailureConfig(max_failures=group.max_failures),
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
        self._result = self._wait(0, group.start_deadline_s, "start")
        self.step, self.version = self._result.step, self._result.version

    def start(self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True) -> None:
        """Send one version's work (see `Learner.train`) and return at once. One version at a time."""
        if self._waiting is not None:
            raise RuntimeError("A version is being trained; poll it to its end before the next start.")
        batches = schedule(fresh, pool, self.step, self.config, steps)
        shares = tuple(
            ray.put(rank_share(batches, rank, self.group.ranks)) for rank in range(self.group.ranks)
        )
        self._waiting = fresh_figures(fresh, self.version)
        ray.get(self._mailbox.send.remote(Command(self.version, shares, save)), timeout=6 * POLL_S)

    def poll(self, wait_s: float = 0.0) -> dict[str, float] | None:
        """The metrics of the version that was started, or None when it is not done after `wait_s` seconds."""
        if self._waiting is None:
            raise RuntimeError("No version is being trained; call start first.")
        result = self._look(self.version + 1, wait_s)
        if result is None:
            return None
        figures, self._waiting, self._result = self._waiting, None, result
        self.step, self.version, self.losses = result.step, result.version, list(result.losses)
        return {**result.metrics, **figures}

    def train(
        self, fresh: Sequence[Sample], pool: ReplaySource, steps: int = 0, save: bool = True
    ) -> dict[str, float]:
        """`start`, then `poll` to the end."""
        self.start(fresh, pool, steps, save)
        self._wait(self.version + 1, self.group.version_deadline_s, f"train version {self.version + 1}")
        metrics = self.poll()
        assert metrics is not None
        return metrics

    def snapshot(self) -> WeightSnapshot:
        """The weights of the present version."""
        weights = ray.get(self._result.snapshot[0], timeout=self.group.version_deadline_s)
        assert isinstance(weights, WeightSnapshot)
        return weights

    def snapshot_ref(self) -> Any:
        """The same as a Ray object reference, for actors to fetch without a detour through the driver."""
        return self._result.snapshot[0]

    def close(self, deadline_s: float = 60.0) -> None:
        """Let the ranks end after their last command, then remove the group; by force past the deadline."""
        ray.get(self._mailbox.stop.remote(), timeout=6 * POLL_S)
        ready, _ = ray.wait([self._group], timeout=deadline_s)
        if not ready:
            ray.cancel(self._group, force=True)
        ray.kill(self._mailbox)

    def _look(self, version: int, wait_s: float) -> Result | None:
        result, failure = ray.get(self._mailbox.result.remote(version, wait_s), timeout=wait_s + 6 * POLL_S)
        if failure:
            raise ValueError(failure)
        if result is None and ray.wait([self._group], timeout=0)[0]:
            try:
                ray.get(self._group)
            except ray.exceptions.RayError as error:
                raise RuntimeError(
                    f"The learner group ended before version {version} (it may start anew "
                    f"{self.group.max_failures} times); resume the run to go on from the last checkpoint. "
                    f"Its error: {error}"
                ) from error
            raise RuntimeError("The learner group was closed; no version can be trained any more.")
        return result if isinstance(result, Result) else None

    def _wait(self, version: int, deadline_s: float, what: str) -> Result:
        end = time.monotonic() + deadline_s
        while (left := end - time.monotonic()) > 0:
            result = self._look(version, min(left, POLL_S))
            if result is not None:
                return result
        raise TimeoutError(
            f"The learner group did not {what} within {deadline_s:.0f} s. Look at the ranks' logs below "
            "ray_train/ in the run folder; give it more CPUs or a longer deadline."
        )
