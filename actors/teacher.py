"""The teachers of one process: a batch of states in, a label for each out.

Invariant: `label_batch` answers for every state: a teacher that raises yields an invalid label whose
`reason` says so, and no other state suffers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from actors.types import Answer, State
from teachers.types import UNANSWERED, Label, Teacher

TeacherMaker = Callable[[str], Teacher]
"""suite -> teacher, such as `functools.partial(teachers.make.make_teacher, config=...)`."""


@dataclass(frozen=True)
class Given:
    """Labels that are there."""

    labels: list[Label]

    def __call__(self) -> list[Label]:
        """See `types.Answer`."""
        return list(self.labels)

    def ready(self) -> bool:
        """See `types.Answer`."""
        return True


class TeacherReplica:
    """Teachers by suite, made when first asked for. `threads` > 1 asks that many at once, in one
    batch or in several: for teachers that wait for a model elsewhere."""

    def __init__(self, name: str, make_teacher: TeacherMaker, threads: int = 1) -> None:
        self.name = name
        self._make = make_teacher
        self._teachers: dict[str, Teacher] = {}
        self._making = threading.Lock()
        self.unanswered = ""
        """Why the last label that was not to be had was not (`teachers.types.UNANSWERED`; "": all were)."""
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def version(self, suite: str) -> str:
        """The version of this suite's teacher."""
        return self._teacher(suite).version

    def label_batch(self, states: Sequence[State]) -> list[Label]:
        """One label per state, in order."""
        for state in states:
            self._teacher(state.suite)
        if self._pool is None:
            return [self._label(state) for state in states]
        return list(self._pool.map(self._label, states))

    def ask(self, states: Sequence[State]) -> Answer:
        """In one process the answer is there at once (a mirror may be a view of a world that moves on)."""
        return Given(self.label_batch(states))

    def _teacher(self, suite: str) -> Teacher:
        with self._making:
            if suite not in self._teachers:
                self._teachers[suite] = self._make(suite)
            return self._teachers[suite]

    def _label(self, state: State) -> Label:
        assert state.mirror is not None
        try:
            label = self._teacher(state.suite).label(state.observation, state.mirror, state.role)
            if label.reason.startswith(UNANSWERED):
                self.unanswered = label.reason.removeprefix(UNANSWERED)
            return label
        except Exception as error:  # noqa: BLE001  (a border: recorded in the label, kept out of training)
            reason = f"the {self.name} raised {type(error).__name__}: {error}"
            return Label(state.role, "", valid=False, reason=reason)
