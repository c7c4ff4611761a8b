"""The report: one HTML file that needs nothing beside it.

Invariant: the page shows what the run recorded and no more; a run without an evaluation yet, or killed
half-way, still gives a page of what is there.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from evaluation.files import write_whole
from evaluation.records import Evaluation
from evaluation.report.crews import crews
from evaluation.report.plots import plots
from evaluation.report.scores import tables
from evaluation.report.training import calls, differences, health, timing

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(run: Path) -> Path:
    """Write `run/report.html` from `evaluation.json`, `metrics.jsonl`, `config.yaml` and the recording of the
    teacher's calls that it names; return its path."""
    evaluation = _evaluation(run / "evaluation.json")
    records = list(_records(run / "metrics.jsonl"))
    config = (run / "config.yaml").read_text("utf-8") if (run / "config.yaml").is_file() else ""
    traces = (
        [*evaluation.traces, *(t for crew in evaluation.crews for t in crew.traces)] if evaluation else []
    )
    subtitle = (
        f"{evaluation.date}, {evaluation.machine}; {evaluation.split} split, "
        f"the student after {evaluation.version} chunks of training"
        if evaluation
        else "no evaluation yet: run `python retort.py eval` on this folder"
    )
    page = Template(TEMPLATE.read_text("utf-8")).substitute(
        title=html.escape(run.name),
        subtitle=html.escape(subtitle),
        tables=tables(evaluation.scores if evaluation else [])
        + crews(evaluation.crews if evaluation else []),
        plots="".join(f'<div class="card">{plot}</div>' for plot in plots(records)),
        health=health(records),
        differences=differences(run / "ledger", records),
        timing=timing(records) + calls(run, records),
        config=html.escape(config),
        # "</" or "<!--" would end, or never end, the script element that carries the JSON
        traces=json.dumps([trace.model_dump() for trace in traces]).replace("<", "\\u003c"),
    )
    target = run / "report.html"
    write_whole(target, page)
    return target


def _evaluation(file: Path) -> Evaluation | None:
    """Raises ValueError, naming the file, where it is not what `python retort.py eval` writes."""
    if not file.is_file():
        return None
    try:
        return Evaluation.model_validate_json(file.read_text("utf-8"))
    except ValueError as error:  # pydantic's, and that of undecodable bytes
        raise ValueError(
            f"{file} is damaged: make it again with `python retort.py eval {file.parent}`"
        ) from error


def _records(file: Path) -> Iterator[dict[str, Any]]:
    """Raises ValueError, naming file and line, for a line that is no record of a run."""
    if not file.is_file():
        return
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return  # the torn last line of a killed run
        try:
            record = json.loads(line)
            if not isinstance(record["kind"], str) or not isinstance(record["step"], int):
                raise TypeError("no record")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"line {number} of {file} is damaged: remove it, then make the report again"
            ) from error
        yield record
