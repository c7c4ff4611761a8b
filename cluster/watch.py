"""What a person sees of a run while it goes: bars in a terminal, plain lines in a log.

Invariant: every version leaves one line in either case, and the line names what the run waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.plan import Chunk
from evaluation.statistics import wilson


class Watch:
    """Use as a context manager."""

    def __init__(self, versions: int) -> None:
        self.console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._versions = self._progress.add_task("versions", total=versions, note="")
        self._episodes = self._progress.add_task("episodes", total=None, note="")

    def __enter__(self) -> Watch:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """One line above the bars."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def episodes(self, name: str, ended: int, total: int, bottleneck: str) -> None:
        """Where the present chunk stands, and what the run waits for."""
        note = f"waiting for the {bottleneck}"
        self._progress.update(
            self._episodes, description=f"chunk {name}", completed=ended, total=total, note=note
        )

    def version(
        self,
        chunk: Chunk,
        metrics: Mapping[str, float],
        successes: int,
        episodes: int,
        times: Mapping[str, Any],
    ) -> None:
        """A version is done; `times` are its "time" record."""
        self._progress.update(self._versions, completed=chunk.index + 1)
        parts = [f"chunk {chunk.name}: loss {metrics.get('loss', 0.0):.3f}"]
        if "health_chosen_logprob" in metrics:
            parts.append(f"log-probability of the chosen reply {metrics['health_chosen_logprob']:.2f}")
        if episodes:
            low, high = wilson(successes, episodes)
            who = chunk.reached_by
            if chunk.mix:
                who += f" (the teacher moved in {100 * chunk.mix:.0f} %)"
            parts.append(
                f"{who} reached {100 * successes / episodes:.0f} % of its goals "
                f"[{100 * low:.0f}, {100 * high:.0f}]"
            )
        if "samples_per_s" in metrics:
            parts.append(f"{metrics['samples_per_s']:.0f} samples/s")
        parts.append(f"{times['s_all']:.0f} s, most of it waiting for the {times['bottleneck']}")
        self.say(", ".join(parts))
