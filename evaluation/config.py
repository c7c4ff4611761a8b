"""What an evaluation plays."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("teacher", "expert", "base", "reference", "student", "blank", "random")
"""`expert` is the rule-based one, `reference` the student cloned from it ("w/o KD"), `base` the model
before any demonstration, `blank` the student with its frames blanked."""


@dataclass
class EvaluationConfig:
    """`episodes` per suite, all on `split`; `suites` empty means the run's training suites.
    Policies sample their actions at `temperature`: in a world that must be searched, the likeliest action
    over and over walks in circles (0 is that: always the best). `traced` episodes per suite are kept with
    their frames for the report. `workers` processes share the policies out (0: one per core).
    `bodies` (such as [1, 2, 4, 8]): the teacher's team also plays with so many bodies in one world, in the
    suites that bodies can share; with `talk`, bodies may tell each other what they see by the world's message
    skill, a decision for each message."""

    episodes: int = 200
    split: str = "test"
    suites: tuple[str, ...] = ()
    policies: tuple[str, ...] = POLICIES
    difficulty: int = 2
    temperature: float = 0.5
    batch: int = 50
    traced: int = 4
    workers: int = 0
    bodies: tuple[int, ...] = ()
    talk: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.policies if name not in POLICIES]
        if unknown:
            raise ValueError(
                f"evaluation.policies has {', '.join(unknown)}; the policies are {', '.join(POLICIES)}"
            )
        if len(set(self.policies)) < len(self.policies):
            raise ValueError("evaluation.policies names one twice: name each once")
        if self.traced < 0 or self.difficulty < 1:
            raise ValueError("evaluation.traced is 0 or more, and evaluation.difficulty at least 1")
        if self.split not in ("validation", "test"):
            raise ValueError("evaluation.split is validation or test: what was trained on measures nothing")
        if self.temperature < 0:
            raise ValueError("evaluation.temperature is 0 (always the best action) or more")
        if self.workers < 0:
            raise ValueError("evaluation.workers is 0 (one process per core) or more")
        if any(bodies < 1 for bodies in self.bodies):
            raise ValueError("evaluation.bodies holds numbers of bodies, each at least 1")
        if self.episodes < 1 or self.batch < 1:
            raise ValueError("evaluation.episodes and evaluation.batch are at least 1")
