"""What a ledger holds: records, their identity, and the states a record can be in.

Invariant: a record's state changes only along `TRANSITIONS`; the last two states are final and carry a
reason. What was trained is produced again only where the weights that had learnt it are lost (`reopen`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["produced", "claimed", "trained", "filtered", "failed"]

TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "produced": ("claimed",),
    "claimed": ("produced", "trained", "filtered", "failed"),
    "trained": ("produced",),
    "filtered": (),
    "failed": (),
}
STATES: tuple[State, ...] = tuple(TRANSITIONS)
NEED_REASON: tuple[State, ...] = ("filtered", "failed")


class LedgerError(RuntimeError):
    """The ledger cannot do what was asked; the message says what to change."""


@dataclass(frozen=True)
class Record:
    """One sample. `columns` are scalars, str, bytes or lists of these; a column has one type throughout an
    append. `order` is the place in the training order (records of equal order: as they came); giving it
    makes claims and draws independent of which producer was faster."""

    sample_id: str
    columns: Mapping[str, Any]
    order: int = 0


def sample_id(world: str, seed: int, episode: str, step: int, role: str, teacher_version: str) -> str:
    """The identity of a sample, 32 hexadecimal digits: the same six facts always give the same one."""
    facts = json.dumps([world, seed, episode, step, role, teacher_version], ensure_ascii=True)
    return hashlib.blake2b(facts.encode("ascii"), digest_size=16).hexdigest()
