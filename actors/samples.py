"""From a decision to a training sample.

Invariants: `rejected` is never as good as `chosen` (no pair within a tie, none without a student's reply,
none against an invalid label); `next_frame` is there only where the chosen action is what moved the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.types import Answer, PlaySettings, State, episode_name
from ledger.records import sample_id
from student.types import Decision, Sample
from teachers.types import Label
from worlds.base import join_reply
from worlds.types import EpisodeSpec, Frame, Outcome


class Advice:
    """The labels of one batch of states, waited for when they are first needed."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._labels: list[Label] | None = None

    @property
    def labels(self) -> list[Label]:
        """One label per state that was asked about."""
        if self._labels is None:
            self._labels = self._answer()
        return self._labels

    @property
    def ready(self) -> bool:
        """Whether nobody has to wait for them."""
        return self._labels is not None or self._answer.ready()


@dataclass
class Turn:
    """One role's decision in one step. `decision` is the policy's (None: it was not asked), the teacher's is
    row `row` of `advice`; `reply` is the one that counted, `text` its action, `executed` whose it was."""

    state: State
    step: int
    decision: Decision | None
    advice: Advice | None
    row: int
    executed: str = ""
    text: str = ""
    reply: str = ""
    outcome: Outcome = field(default_factory=lambda: Outcome(""))
    next_frame: Frame | None = None

    @property
    def label(self) -> Label | None:
        """What the teacher says about this state (waits for it)."""
        return None if self.advice is None else self.advice.labels[self.row]

    def happened(self, outcome: Outcome, next_frame: Frame) -> None:
        """Record what the reply did to the world."""
        self.outcome, self.next_frame = outcome, next_frame

    @property
    def moved(self) -> str:
        """The action that moved the world: the text, or the legal action it was retrieved to."""
        return self.outcome.retrieved or self.text


def sample_of(
    turn: Turn, spec: EpisodeSpec, settings: PlaySettings, teacher_version: str, learns: bool
) -> Sample:
    """The sample of a labelled turn; `learns` says whether the decision is the student's."""
    label = turn.label
    assert label is not None
    episode = episode_name(spec, settings.version)
    rejected = ""
    if learns and label.valid and turn.decision is not None:
        student = turn.decision
        if student.action != label.action and student.action not in label.equally_good:
            rejected = join_reply(student.note, student.action)
    return Sample(
        sample_id=sample_id(spec.suite, spec.seed, episode, turn.step, turn.state.role, teacher_version),
        suite=spec.suite,
        split=spec.split,
        index=spec.index,
        episode=episode,
        step=turn.step,
        role=turn.state.role,
        prompt=turn.state.prompt,
        chosen=join_reply(label.note, label.action),
        rejected=rejected,
        next_frame=turn.next_frame if turn.moved == label.action else None,
        executed=turn.executed,
        policy_version=settings.version,
        teacher_version=teacher_version,
        beta=settings.mix,
        valid=label.valid,
        reason=label.reason,
    )
