"""The report's curves, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from evaluation.statistics import wilson


def plots(records: Sequence[dict[str, Any]]) -> list[str]:
    """Those of the figures that a run's records hold, by chunk."""
    rollouts = [r for r in records if r["kind"] == "rollout"]
    learning = [r for r in records if r["kind"] == "learn"]
    plots = []
    by_student = [r for r in rollouts if r.get("reached_by") == "student" and r.get("episodes")]
    if by_student:
        plots.append(success_plot(by_student))
    for title, names in (
        ("loss and its terms", ("loss", "loss_nll", "loss_dpo", "loss_obs")),
        ("log-probability of replies", ("health_chosen_logprob", "health_rejected_logprob")),
        ("agreement with the teacher, mass on legal actions", ("agreement", "legal_mass")),
    ):
        source = rollouts if names[0] == "agreement" else learning
        lines = {name: [(r["step"], r[name]) for r in source if name in r] for name in names}
        lines = {name: points for name, points in lines.items() if points}
        if lines:
            plots.append(line_plot(title, lines, "chunk"))
    return plots


def success_plot(records: Sequence[dict[str, Any]]) -> str:
    """Success of the student on fresh training worlds, with its interval, and how much the teacher moved."""

    def draw(axes: Any) -> None:
        steps = [r["step"] for r in records]
        rates = [r["successes"] / r["episodes"] for r in records]
        bounds = [wilson(r["successes"], r["episodes"]) for r in records]
        axes.fill_between(steps, [low for low, _ in bounds], [high for _, high in bounds], alpha=0.2)
        axes.plot(steps, rates, marker="o", label="success")
        helped = [r.get("mix", 0.0) for r in records]
        if any(helped):
            axes.plot(steps, helped, linestyle="--", color="grey", label="moves made by the teacher")
            axes.legend(frameon=False)
        axes.set_ylim(0, 1)
        _whole_ticks(axes)
        axes.set_xlabel("chunk")
        axes.set_title("success on fresh training worlds")

    return _svg(draw)


def line_plot(title: str, lines: dict[str, list[tuple[float, float]]], xlabel: str) -> str:
    """Named lines through points (x, y); x is counted."""

    def draw(axes: Any) -> None:
        for name, points in lines.items():
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=name.replace("_", " "), marker=".", linewidth=1.4)
        _whole_ticks(axes)
        axes.set_xlabel(xlabel)
        axes.set_title(title)
        axes.legend(frameon=False)

    return _svg(draw)


def _whole_ticks(axes: Any) -> None:
    """Chunks and bodies are counted: there is no chunk 1.9, even where one chunk is all there is."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _svg(draw: Any) -> str:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    draw(axes)
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    text = stream.getvalue()
    return text[text.index("<svg") :]
