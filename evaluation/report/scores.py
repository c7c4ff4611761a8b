"""The report's tables of what each policy reached, suite by suite.

Invariant: a verdict says no more than the intervals do.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from evaluation.records import Score, verdicts
from evaluation.report.markup import table

ORDER = ("teacher", "expert", "student", "reference", "base", "blank", "random")


def tables(scores: Sequence[Score]) -> str:
    """A card per suite: its policies in `ORDER`, and the verdicts on them."""
    if not scores:
        return '<p class="card soft">Nothing was evaluated yet.</p>'
    parts = []
    for suite in dict.fromkeys(score.suite for score in scores):
        rows = sorted((s for s in scores if s.suite == suite), key=lambda s: ORDER.index(s.policy))
        teacher = next((s.success for s in rows if s.policy == "teacher"), 0.0)
        body = "".join(_row(score, teacher) for score in rows)
        parts.append(
            f'<div class="card"><h3>{html.escape(suite)}</h3>'
            + table(
                f"results on {suite}",
                "<tr><th>policy</th><th>success</th>"
                "<th>95 % interval</th><th></th><th>of teacher</th><th>metric</th><th>decisions</th>"
                f"<th>decisions/s</th><th>calls/episode</th><th>n</th></tr>{body}",
            )
            + f"{_verdict(rows)}{_remarks(rows)}</div>"
        )
    return "".join(parts)


def _row(score: Score, teacher: float) -> str:
    low, high = score.success_low, score.success_high
    bar = (
        f'<span class="bar"><i style="width:{100 * score.success:.1f}%"></i>'
        f'<b style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></b></span>'
    )
    of_teacher = f"{100 * score.success / teacher:.0f} %" if teacher else ""
    speed = f"{1 / score.seconds_per_decision:,.0f}" if score.seconds_per_decision > 0 else ""
    cells = (
        score.policy,
        f"{100 * score.success:.1f} %",
        f"{100 * low:.1f} to {100 * high:.1f}",
        bar,
        of_teacher,
        f"{score.metric:.3f}",
        f"{score.iterations:.1f}",
        speed,
        f"{score.model_calls_per_episode:.1f}",
        f"{score.episodes}" + (f" ({len(score.broken)} broken)" if score.broken else ""),
    )
    mark = ' class="student"' if score.policy == "student" else ""
    return f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _verdict(scores: Sequence[Score]) -> str:
    return "".join(f"<p>{html.escape(sentence)}.</p>" for sentence in verdicts(scores))


def _remarks(scores: Sequence[Score]) -> str:
    """The episodes that broke their world, which count as failures above, and where chance acted."""
    lines = [f"{score.policy}: {remark}" for score in scores for remark in score.remarks]
    return "".join(f'<p class="soft">{html.escape(line)}</p>' for line in lines)
