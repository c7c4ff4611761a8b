"""The one config of a run: composed from the dataclasses beside the classes they configure.

Invariant: this module imports neither torch nor Ray, and a `RunConfig` that exists is possible: every
combination that cannot run is refused here, in a sentence that names the key to change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from cluster.overrides import compose, switches
from evaluation.config import EvaluationConfig
from learner.config import LearnerConfig
from student.config import StudentConfig
from teachers.config import TeacherConfig
from teachers.types import ROLES

REACHERS = ("student", "teacher", "expert")
"""Who reaches the states that the teacher labels: the student (DAgger), or a cloned demonstrator."""


@dataclass
class ReferenceConfig:
    """The reference policy: the base model after cloning the rule-based expert ("w/o KD").

    `episodes` of the expert in all (shared among the suites), `epochs` over their samples.
    """

    episodes: int = 600
    epochs: float = 3.0
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError("reference.episodes is at least 1: the reference policy is cloned from them")
        if self.epochs <= 0 or self.lr <= 0:
            raise ValueError("reference.epochs and reference.lr are positive")


@dataclass
class DistilConfig:
    """The distillation: the reference's states relabelled by the teacher, then `rounds` chunks of
    fresh states, one per policy version.

    In round r (from 0) the teacher acts with probability `mix_start * mix_decay**r` per decision
    (DAgger's beta schedule), else the student, sampling at `temperature`. `curriculum` gives the
    difficulty of each round, its last entry for all later ones; with `adaptive`, every round is of all suites
    at all of these difficulties, most of those that succeed about half of the time (teachers/curriculum.py).
    `staleness` is S: a chunk may be produced by weights at most S versions older than the ones it trains.
    `reached_by` is "student" for DAgger; "teacher" gives plain cloning on the same label budget.
    """

    reached_by: str = "student"
    relabel_epochs: float = 2.0
    rounds: int = 3
    episodes_per_round: int = 200
    mix_start: float = 0.0
    mix_decay: float = 0.5
    temperature: float = 0.7
    staleness: int = 0
    curriculum: tuple[int, ...] = (2,)
    adaptive: bool = False
    roles: tuple[str, ...] = ("actor",)

    def __post_init__(self) -> None:
        if self.reached_by not in REACHERS:
            raise ValueError(f"distil.reached_by is one of {', '.join(REACHERS)}, not {self.reached_by!r}")
        if not 0 <= self.mix_start <= 1 or not 0 <= self.mix_decay <= 1:
            raise ValueError("distil.mix_start and distil.mix_decay are probabilities: between 0 and 1")
        if self.staleness < 0 or self.rounds < 0 or self.relabel_epochs < 0:
            raise ValueError("distil.staleness, distil.rounds and distil.relabel_epochs are 0 or more")
        if self.episodes_per_round < 1:
            raise ValueError("distil.episodes_per_round is at least 1; distil.rounds=0 leaves the rounds out")
        if not self.curriculum:
            raise ValueError("distil.curriculum needs at least one difficulty, such as [2]")
        if self.temperature < 0:
            raise ValueError("distil.temperature is 0 (always the best action) or more")
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown or not self.roles:
            raise ValueError(
                f"distil.roles has {', '.join(unknown) or 'no role'}; name some of {', '.join(ROLES)}, "
                "from the top down"
            )
        if list(self.roles) != [role for role in ROLES if role in self.roles]:
            raise ValueError(f"distil.roles names each role once, from the top down: {', '.join(ROLES)}")

    def mix(self, round_index: int) -> float:
        """The probability that the teacher acts in a decision of this round."""
        return self.mix_start * self.mix_decay**round_index

    def difficulty(self, round_index: int) -> int:
        """The difficulty of this round's episodes."""
        return self.curriculum[min(round_index, len(self.curriculum) - 1)]


@dataclass
class ClusterConfig:
    """Where the parts run. `serial` is one process without Ray; `ray` is a cluster (the one named by
    RAY_ADDRESS, else one started here). `cpus_*` are the fractions of a core that Ray reserves."""

    mode: str = "ray"
    hosts: int = 2
    worlds_per_host: int = 16
    teachers: int = 1
    policies: int = 1
    learners: int = 1
    cpus_host: float = 0.15
    cpus_teacher: float = 0.1
    cpus_policy: float = 0.15
    cpus_learner: float = 0.5
    gpus_policy: float = 0.0
    gpus_learner: float = 0.0
    object_store_mb: int = 512
    call_deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.mode not in ("serial", "ray"):
            raise ValueError(f"cluster.mode is serial or ray, not {self.mode!r}")
        if min(self.hosts, self.worlds_per_host, self.teachers, self.policies, self.learners) < 1:
            raise ValueError("cluster.hosts, worlds_per_host, teachers, policies and learners are at least 1")
        reserved = (self.cpus_host, self.cpus_teacher, self.cpus_policy, self.cpus_learner)
        if min(*reserved, self.gpus_policy, self.gpus_learner) < 0 or self.object_store_mb < 80:
            raise ValueError(
                "cluster.cpus_* and cluster.gpus_* are 0 or more, and cluster.object_store_mb at least 80"
            )
        if self.call_deadline_s <= 0:
            raise ValueError("cluster.call_deadline_s must be positive: no call waits without a deadline")

    @property
    def cpus_reserved(self) -> float:
        """Cores that all processes of a run reserve together."""
        return (
            self.hosts * self.cpus_host
            + self.teachers * self.cpus_teacher
            + self.policies * self.cpus_policy
            + self.learners * self.cpus_learner
        )

    @property
    def gpus_reserved(self) -> float:
        """GPUs, likewise."""
        return self.policies * self.gpus_policy + self.learners * self.gpus_learner


@dataclass
class RunConfig:
    """Everything that a run depends on; `train` writes the resolved one into its run folder."""

    name: str = "run"
    seed: int = 0
    suites: tuple[str, ...] = ("voxel/goal_name",)
    frame_size: int = 64
    runs_dir: str = "runs"
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    distil: DistilConfig = field(default_factory=DistilConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name) or not self.name.strip("."):
            raise ValueError(f"name={self.name!r} becomes part of a folder's name: use a-z, A-Z, 0-9, . _ -")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed={self.seed} must be between 0 and 2147483647")
        if self.frame_size < 16 or self.frame_size % 8:
            raise ValueError(f"frame_size={self.frame_size} must be a multiple of 8, and at least 16")
        unknown = [suite for suite in self.learner.replay_weights if suite not in self.suites]
        if unknown:
            raise ValueError(f"learner.replay_weights names {unknown[0]!r}, which is not among suites")
        if not self.suites:
            raise ValueError("suites is empty: name at least one, such as suites=[voxel/goal_name]")
        if len(set(self.suites)) < len(self.suites):
            raise ValueError(
                "suites names one twice: name each once, and weigh them with learner.replay_weights"
            )
        if self.cluster.mode == "serial" and self.distil.staleness > 0:
            raise ValueError(
                "serial mode runs the parts in turn, so nothing can be stale: set distil.staleness=0 "
                "or cluster.mode=ray"
            )
        if self.cluster.mode == "serial" and self.cluster.learners > 1:
            raise ValueError("serial mode has one learner: set cluster.learners=1 or cluster.mode=ray")
        endpoint = self.teacher.endpoint
        longest_s = endpoint.patience_s + endpoint.timeout_s
        if self.teacher.backend != "scripted" and self.cluster.call_deadline_s < longest_s + 10:
            raise ValueError(
                f"a label may take teacher.endpoint.patience_s + timeout_s = {longest_s:g} s: set "
                f"cluster.call_deadline_s to {longest_s + 10:g} or more, or lower them"
            )
        self.learner.check_ranks(self.cluster.learners)


_ALL_KEYS = " (`python retort.py train configs/demo.yaml --dry-run` prints all keys)"


def load_config(preset: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Compose defaults, a YAML preset and `key=value` overrides, in this order.

    Raises ValueError, with a sentence that names the key, for anything that cannot be composed.
    """
    layers = [] if preset is None else [_read(preset)]
    return compose(RunConfig, layers, overrides, _ALL_KEYS)


def dump_config(config: RunConfig) -> str:
    """The resolved config as YAML; `load_config` of it gives the same config."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def _read(preset: Path) -> DictConfig:
    if not preset.is_file():
        known = ", ".join(sorted(str(p) for p in Path("configs").glob("*.yaml")))
        raise ValueError(f"there is no config file {preset}; the presets are {known or 'in configs/'}")
    try:
        loaded = OmegaConf.load(preset)
    except Exception as error:
        raise ValueError(f"{preset} is not readable as YAML: {error}") from error
    if not isinstance(loaded, DictConfig):
        raise ValueError(f"{preset} must hold key: value pairs")
    return switches(loaded)
