"""What the report tells of the run itself: health, where the student differs, calls, time."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.calls import HEADINGS, labelled_episodes, labelled_until, recorded_in, role_calls
from evaluation.disagreements import differences as found_in
from evaluation.disagreements import last_round
from evaluation.report.markup import table
from ledger import LedgerError
from teachers.backends.recording import Recording


def health(records: Sequence[dict[str, Any]]) -> str:
    """Which of the plots tell whether the training is healthy."""
    told = [
        name
        for key, name in (
            ("health_chosen_logprob", "the log-probability of the chosen replies"),
            ("legal_mass", "the mass on legal actions"),
        )
        if any(key in record for record in records)
    ]
    if not told:
        return ""
    return (
        f"Whether training is healthy is read from {' and '.join(told)}. The accuracy on preference pairs is "
        "no health figure: it can rise while both replies of a pair become unlikely."
    )


def differences(ledger: Path, records: Sequence[dict[str, Any]]) -> str:
    """What the team said and the student would have done, in the states of its last chunk."""
    chunk = last_round(records)
    if chunk is None or not ledger.is_dir():
        return '<p class="card soft">In no chunk yet was the student asked.</p>'
    try:
        found = found_in(ledger, chunk)
    except LedgerError as error:  # the rest of the page is worth having
        return f'<p class="card soft">{html.escape(str(error))}</p>'
    parts = []
    for suite in found:
        body = "".join(
            f"<tr><td>{html.escape(row.told)}</td><td>{html.escape(row.did)}</td><td>{row.times}</td>"
            f"<td>{100 * row.times / row.states:.0f} % of {row.states}</td></tr>"
            for row in suite.rows
        )
        parts.append(
            f'<div class="card"><h3>{html.escape(suite.suite)}</h3><p>In {suite.differed} of {suite.states} '
            f"states ({100 * suite.differed / suite.states:.0f} %) the student's action is not as good as "
            "the team's.</p>"
            + table(
                f"where the student differs on {suite.suite}",
                "<tr><th>the team says</th><th>the student</th><th>states</th>"
                f"<th>of those in which the team says so</th></tr>{body}",
            )
            + "</div>"
        )
    return "".join(parts)


def calls(run: Path, records: Sequence[dict[str, Any]]) -> str:
    """What the teacher's endpoint was asked, by role and per episode that it labelled."""
    file, paid_by = recorded_in(run)
    if not file.is_file():
        lost = f"The run's recording {file} is not there, so its calls cannot be told."
        return f'<p class="card soft">{html.escape(lost)}</p>' if file.parent != run.resolve() else ""
    recording = Recording(file)
    rows = role_calls(recording, paid_by, labelled_until(records))
    recording.close()
    episodes = labelled_episodes(records)
    head = "".join(f"<th>{name}</th>" for name in HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells(episodes)) + "</tr>"
        for row in rows
    )
    shared = f" Of {file.name}, which runs share, the calls of this run alone." if paid_by else ""
    return (
        f'<div class="card"><h3>teacher calls</h3>{table("teacher calls", f"<tr>{head}</tr>{body}")}'
        f'<p class="soft">Recorded answers are counted once; {episodes:,} labelled episodes, and the figures '
        "per episode are of what was asked up to the end of their rounds: evaluations come later."
        f"{html.escape(shared)}</p></div>"
    )


def timing(records: Sequence[dict[str, Any]]) -> str:
    """Where the seconds of each chunk went."""
    times = [r for r in records if r["kind"] == "time"]
    if not times:
        return '<p class="card soft">No timing was recorded.</p>'
    names = sorted({name for row in times for name in row if name.startswith("s_")})
    head = "".join(f"<th>{name[2:].replace('_', ' ')}</th>" for name in names)
    body = "".join(
        f"<tr><td>{row['step']} ({html.escape(str(row.get('phase', '')))})</td>"
        + "".join(f"<td>{row.get(name, 0.0):.1f}</td>" for name in names)
        + f"<td>{html.escape(str(row.get('bottleneck', '')))}</td></tr>"
        for row in times
    )
    rows = f"<tr><th>chunk</th>{head}<th>bottleneck</th></tr>{body}"
    return (
        f'<div class="card">{table("where the time went", rows)}'
        '<p class="soft">Seconds per chunk: producing, learning, and what each waited for.</p></div>'
    )
