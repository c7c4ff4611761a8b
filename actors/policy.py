"""A student that others ask for decisions, at the version that each asks for.

Invariants: one call is answered by one version's weights throughout; weights are loaded only when their
checksum is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from student.types import Decision, Prompt

if TYPE_CHECKING:  # hosts import this module, and need no torch
    from torch import Tensor

KEPT = 3
"""Versions that a server holds at least: under bounded staleness S, S + 1 are asked for at the same time."""


class ServedStudent(Protocol):
    """What is asked of a student here; `student.Student` is one."""

    def weights(self) -> dict[str, Tensor]:
        """The trainable weights."""
        ...

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace weights by name."""
        ...

    def decide(
        self, prompts: Sequence[Prompt], temperature: float, seeds: Sequence[int], version: int = 0
    ) -> list[Decision]:
        """One decision per prompt."""
        ...


class Snapshot(Protocol):
    """Weights of one version, as the learner publishes them (`learner.publish.WeightSnapshot`)."""

    @property
    def version(self) -> int:
        """The version."""
        ...

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The weights by name."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """A hash of each."""
        ...

    def changed_since(self, digests: Mapping[str, str]) -> dict[str, Tensor]:
        """Those that differ from the ones with these hashes."""
        ...

    def verify(self) -> None:
        """Raise ValueError when they are damaged."""
        ...


class PolicyServer:
    """Holds one student. `None` names the weights that it was loaded with, a version those that were
    published as it."""

    def __init__(self, load_student: Callable[[], ServedStudent], kept: int = KEPT) -> None:
        self._student = load_student()
        self._kept = max(1, kept)
        self._first = {name: value.clone() for name, value in self._student.weights().items()}
        self._snapshots: dict[int, Snapshot] = {}  # the one used last comes last
        self._active: int | None = None

    def has(self, weights: int) -> bool:
        """Whether that version is here."""
        return weights in self._snapshots

    def load(self, snapshot: Snapshot) -> None:
        """Take in a version; of more than `kept`, those used longest ago are let go. Raises ValueError for
        damaged ones."""
        snapshot.verify()
        if snapshot.version == self._active:
            self._activate(None)  # what the student holds was published under this number before
        self._snapshots.pop(snapshot.version, None)
        self._snapshots[snapshot.version] = snapshot
        for unused in list(self._snapshots)[: -self._kept]:
            if unused == self._active:
                self._activate(None)
            del self._snapshots[unused]

    def decide(
        self,
        weights: int | None,
        prompts: Sequence[Prompt],
        temperature: float,
        seeds: Sequence[int],
        version: int,
    ) -> list[Decision]:
        """Decide with the `weights` of a published version (None: the first ones); the decisions say that
        they are of `version`. Raises KeyError for weights that are not here."""
        self._activate(weights)
        return self._student.decide(prompts, temperature, seeds, version)

    def _activate(self, weights: int | None) -> None:
        if weights is not None:
            self._snapshots[weights] = self._snapshots.pop(weights)
        if weights == self._active:
            return
        if weights is None:
            self._student.load_weights(self._first)
        else:
            before = {} if self._active is None else self._snapshots[self._active].digests
            self._student.load_weights(self._snapshots[weights].changed_since(before))
        self._active = weights
