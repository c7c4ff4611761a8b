"""`metrics.jsonl` after a kill at any moment: whole records are read, and a resumed run writes on behind
them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cluster.metrics import MetricsLog, _drop_torn_line, read_metrics

KINDS = ("rollout", "learn", "time")


def made(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Records with all that could upset a reader of lines."""
    texts = ("distil", "line\nbreak", "carriage\rreturn", 'brace} "quote"', "größer\u2028", "")
    return [
        {
            "kind": KINDS[int(rng.integers(3))],
            "step": step,
            "loss": float(rng.normal()),
            "phase": texts[int(rng.integers(len(texts)))],
            "episodes": int(rng.integers(9)),
        }
        for step in range(count)
    ]


def test_cut_off_at_any_byte_the_whole_lines_are_read_and_the_rest_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    records = made(np.random.default_rng(0), 5)
    lines = [(json.dumps(record) + "\n").encode() for record in records]
    whole = b"".join(lines)
    ends = np.cumsum([0, *map(len, lines)])
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        kept = int(np.searchsorted(ends, cut, side="right")) - 1  # lines that end at or before the cut
        assert list(read_metrics(file)) == records[:kept]
        _drop_torn_line(file)
        assert file.read_bytes() == whole[: ends[kept]]


def test_a_log_that_is_killed_and_opened_again_and_again_loses_no_whole_record(tmp_path: Path) -> None:
    """Each time the last line is torn: what was whole before is there, in order, and no line is two."""
    rng = np.random.default_rng(1)
    file, expected = tmp_path / "metrics.jsonl", list[dict[str, Any]]()
    for life in range(4):
        log = MetricsLog(file, tmp_path / "tensorboard")
        for record in made(rng, 3):
            values = {name: value for name, value in record.items() if name not in ("kind", "step")}
            log.write(record["kind"], 10 * life + record["step"], values)
            expected.append({**record, "step": 10 * life + record["step"]})
        log.close()
        torn = int(rng.integers(1, 20))
        file.write_bytes(file.read_bytes()[:-torn])
        expected.pop()
    found = list(read_metrics(file))
    times = [record.pop("time") for record in found]
    assert found == expected
    assert times == sorted(times)


def test_a_record_can_be_read_before_the_log_is_closed(tmp_path: Path) -> None:
    """Who watches a run sees each number when it was written, not when a buffer is full."""
    assert list(read_metrics(tmp_path / "metrics.jsonl")) == []
    log = MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "tensorboard")
    try:
        for step in range(3):
            log.write("learn", step, {"loss": 1.0 / (step + 1), "healthy": True, "phase": "distil"})
            assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [
                *range(step + 1)
            ]
    finally:
        log.close()
