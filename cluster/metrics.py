"""Where a run's numbers go: one JSON object per line, and the same scalars as TensorBoard events.

Invariant: a line in `metrics.jsonl` is whole or the last one of a killed run; readers skip that one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends records of scalars under a `kind` ("rollout", "learn", "time") and a step (the chunk)."""

    def __init__(self, jsonl: Path, tensorboard: Path) -> None:
        # Imported here: TensorBoard's writer costs a second, and `--help` must not pay it.
        from torch.utils.tensorboard import SummaryWriter

        _drop_torn_line(jsonl)
        self._stream = jsonl.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(tensorboard))

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Record `values` (scalars or strings) of `kind` at `step`."""
        record = {"time": round(time.time(), 3), "kind": kind, "step": step, **values}
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Flush and close both files."""
        self._stream.close()
        self._events.close()


def _drop_torn_line(jsonl: Path) -> None:
    """Cut off what a killed run left of its last line: a resumed run would write on in the middle of it."""
    if jsonl.is_file():
        with jsonl.open("r+b") as stream:
            stream.truncate(stream.read().rfind(b"\n") + 1)


def read_metrics(jsonl: Path) -> Iterator[dict[str, Any]]:
    """The records of a metrics file, oldest first; a torn last line is skipped."""
    if not jsonl.is_file():
        return
    with jsonl.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)
