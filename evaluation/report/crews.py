"""The report's part on several bodies of the teacher in one world."""

from __future__ import annotations

import html
from collections.abc import Sequence

from evaluation.records import CrewScore
from evaluation.report.markup import table
from evaluation.report.plots import line_plot


def crews(crews: Sequence[CrewScore]) -> str:
    """Rounds and wall time against the number of bodies, as a table and two plots."""
    if not crews:
        return ""
    body = "".join(
        f"<tr><td>{html.escape(c.suite)}</td><td>{c.bodies}</td>"
        f"<td>{100 * c.success:.0f} % ({100 * c.success_low:.0f}&ndash;{100 * c.success_high:.0f})</td>"
        f"<td>{c.metric:.3f}</td><td>{c.rounds:.1f} ({c.rounds_low:.1f}&ndash;{c.rounds_high:.1f})</td>"
        f"<td>{c.seconds:.2f} ({c.seconds_low:.2f}&ndash;{c.seconds_high:.2f})</td>"
        f"<td>{c.team_seconds:.2f} + {c.world_seconds:.2f}</td>"
        f"<td>{len(c.said) / max(1, c.episodes):.2f}</td><td>{c.episodes}</td></tr>"
        for c in crews
    )
    suites = dict.fromkeys(c.suite for c in crews)
    rounds = {suite: [(float(c.bodies), c.rounds) for c in crews if c.suite == suite] for suite in suites}
    seconds = {suite: [(float(c.bodies), c.seconds) for c in crews if c.suite == suite] for suite in suites}
    return (
        '<div class="card"><h3>several bodies of the teacher in one world</h3>'
        + table(
            "several bodies in one world",
            "<tr><th>suite</th><th>bodies</th><th>success</th><th>metric</th><th>rounds</th><th>seconds</th>"
            f"<th>team + world</th><th>messages</th><th>n</th></tr>{body}",
        )
        + "<p>Per episode, with 95 % intervals. In a round each body decides once. The "
        "seconds are wall time: the team's decisions for all bodies, and the world's frames, mirrors and "
        "ticks. All bodies share one world and act one after another, so more bodies save rounds before they "
        'save seconds. Making the world is not counted.</p><div class="plots">'
        f"{line_plot('rounds until the end', rounds, 'bodies')}"
        f"{line_plot('wall seconds until the end', seconds, 'bodies')}</div>{_said(crews)}</div>"
    )


def _said(crews: Sequence[CrewScore]) -> str:
    """What bodies told one another, a line each."""
    lines = [f"{c.suite}, {c.named}, {said.line}" for c in crews for said in c.said]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    count = "1 message" if len(lines) == 1 else f"{len(lines)} messages"
    return f"<details><summary>{count}</summary><ul>{items}</ul></details>" if lines else ""
