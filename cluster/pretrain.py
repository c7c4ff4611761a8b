"""`retort pretrain`: train a base model, with its progress on the screen.

Invariant: the folder is written whole, by `learner.pretraining`; the figures on its card are held-out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cluster.overrides import compose
from cluster.run import RunFolder
from learner.pretraining.base_model import make_source, pretrain
from learner.pretraining.config import PretrainConfig
from student.checkpoint import check_target
from student.config import StudentConfig


def run_pretrain(world: str, overrides: Sequence[str], out: Path | None) -> None:
    """Pretrain for `world`; `out` None writes into a fresh folder below `runs/`.

    Raises ValueError for an unknown world or key.
    """
    config = compose(PretrainConfig, [], overrides)
    if any(override.partition("=")[0] in ("world", "out") for override in overrides):
        raise ValueError(
            "the world is pretrain's first argument and its folder --out: leave world= and out= out"
        )
    # What is wrong is said before a folder is made and an hour is spent.
    make_source(world, config.frame_size)
    if config.init:
        StudentConfig(path=config.init).folder()
    if out is not None:
        check_target(out)
    config.world = world
    config.out = str(
        out if out is not None else RunFolder.create(Path("runs"), f"pretrain-{world}").path / "model"
    )
    console = Console()
    with _progress(console) as report:
        facts = pretrain(config, report)
    for name, value in facts.items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"base model: {config.out}", highlight=False, markup=False, soft_wrap=True)


LINES = 20
"""Lines a stage, where the output is no terminal."""


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Bars on a terminal; in a log, a line for each twentieth of a stage."""
    columns = (
        TextColumn("{task.description:16}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}
        told: dict[str, int] = {}

        def report(event: Mapping[str, Any]) -> None:
            stage, done = event["stage"], float(event["done"])
            figures = {name: value for name, value in event.items() if name not in ("stage", "done")}
            note = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0, note="")
            progress.update(tasks[stage], completed=done, note=note)
            if not console.is_terminal and int(done * LINES) > told.get(stage, -1):
                told[stage] = int(done * LINES)
                console.print(f"{stage:10} {done:4.0%}  {note}", highlight=False, soft_wrap=True)

        yield report
