"""`retort calls`: the recording of a run's teacher calls, as a table, as a file, or filled from one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from cluster.metrics import read_metrics
from cluster.run import RunFolder
from evaluation.calls import HEADINGS, labelled_episodes, labelled_until, recorded_in, role_calls
from teachers.backends.recording import Recording, read_export


def run_calls(target: Path, export: Path | None, load: Path | None) -> None:
    """Print the table of a run folder's recording (or of the file `target`), after loading `load` into it and
    exporting it to `export`. Raises ValueError for a recording that is not there."""
    path, run = recorded_in(RunFolder.open(target).path) if target.is_dir() else (target, None)
    if load is None and not path.is_file():
        raise ValueError(f"there is no recording {path}: name a run whose teacher was asked over an endpoint")
    exported = None if load is None else read_export(load)  # before a recording is made for it
    recording = Recording(path)
    console = Console()
    if exported is not None:
        console.print(f"loaded {recording.load_lines(exported)} calls from {load}", highlight=False)
    if export is not None:
        console.print(f"wrote {recording.export(export)} calls to {export}", highlight=False)
    # Episodes are a run's: a recording alone has none.
    records = list(read_metrics(target / "metrics.jsonl"))
    episodes = labelled_episodes(records)
    about = f"{path}, {episodes:,} labelled episodes" if episodes else str(path)
    console.print(about, highlight=False, markup=False, soft_wrap=True)
    # Nine columns within 80 characters: no lines between them, and headings of two lines.
    table = Table(box=None, pad_edge=False)
    for name in HEADINGS:
        justify: Literal["left", "right"] = "left" if name == "role" else "right"
        table.add_column(name.replace("/", "/\n"), justify=justify, no_wrap=True)
    for row in role_calls(recording, run, labelled_until(records)):
        table.add_row(*row.cells(episodes))
    console.print(table)
    recording.close()
