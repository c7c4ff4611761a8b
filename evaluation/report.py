"""The report: one HTML file that needs nothing beside it.

Invariant: the page shows what the run recorded and no more; a run without an evaluation yet, or killed
half-way, still gives a page of what is there.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

from evaluation.calls import HEADINGS, labelled_episodes, labelled_until, recorded_in, role_calls
from evaluation.disagreements import differences, last_round
from evaluation.files import write_whole
from evaluation.records import CrewScore, Evaluation, Score, verdicts
from evaluation.statistics import wilson
from ledger import LedgerError
from teachers.backends.recording import Recording

TEMPLATE = Path(__file__).with_name("report.html")
ORDER = ("teacher", "expert", "student", "reference", "base", "blank", "random")


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
        tables=_tables(evaluation.scores if evaluation else [])
        + _crews(evaluation.crews if evaluation else []),
        plots="".join(f'<div class="card">{plot}</div>' for plot in _plots(records)),
        health=_health(records),
        differences=_differences(run / "ledger", records),
        timing=_timing(records) + _calls(run, records),
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


def _tables(scores: Sequence[Score]) -> str:
    if not scores:
        return '<p class="card soft">Nothing was evaluated yet.</p>'
    parts = []
    for suite in dict.fromkeys(score.suite for score in scores):
        rows = sorted((s for s in scores if s.suite == suite), key=lambda s: ORDER.index(s.policy))
        teacher = next((s.success for s in rows if s.policy == "teacher"), 0.0)
        body = "".join(_row(score, teacher) for score in rows)
        parts.append(
            f'<div class="card"><h3>{html.escape(suite)}</h3>'
            + _table(
                f"results on {suite}",
                "<tr><th>policy</th><th>success</th>"
                "<th>95 % interval</th><th></th><th>of teacher</th><th>metric</th><th>decisions</th>"
                f"<th>decisions/s</th><th>calls/episode</th><th>n</th></tr>{body}",
            )
            + f"{_verdict(rows)}{_remarks(rows)}</div>"
        )
    return "".join(parts)


def _table(name: str, rows: str) -> str:
    """A table of these rows in a box that scrolls sideways where the page is too narrow, by keyboard too."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(name)}">'
        f"<table>{rows}</table></div>"
    )


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


def _crews(crews: Sequence[CrewScore]) -> str:
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
        + _table(
            "several bodies in one world",
            "<tr><th>suite</th><th>bodies</th><th>success</th><th>metric</th><th>rounds</th><th>seconds</th>"
            f"<th>team + world</th><th>messages</th><th>n</th></tr>{body}",
        )
        + "<p>Per episode, with 95 % intervals. In a round each body decides once. The "
        "seconds are wall time: the team's decisions for all bodies, and the world's frames, mirrors and "
        "ticks. All bodies share one world and act one after another, so more bodies save rounds before they "
        'save seconds. Making the world is not counted.</p><div class="plots">'
        f"{_line_plot('rounds until the end', rounds, 'bodies')}"
        f"{_line_plot('wall seconds until the end', seconds, 'bodies')}</div>{_said(crews)}</div>"
    )


def _said(crews: Sequence[CrewScore]) -> str:
    """What bodies told one another, a line each."""
    lines = [f"{c.suite}, {c.named}, {said.line}" for c in crews for said in c.said]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    count = "1 message" if len(lines) == 1 else f"{len(lines)} messages"
    return f"<details><summary>{count}</summary><ul>{items}</ul></details>" if lines else ""


def _plots(records: Sequence[dict[str, Any]]) -> list[str]:
    rollouts = [r for r in records if r["kind"] == "rollout"]
    learning = [r for r in records if r["kind"] == "learn"]
    plots = []
    by_student = [r for r in rollouts if r.get("reached_by") == "student" and r.get("episodes")]
    if by_student:
        plots.append(_success_plot(by_student))
    for title, names in (
        ("loss and its terms", ("loss", "loss_nll", "loss_dpo", "loss_obs")),
        ("log-probability of replies", ("health_chosen_logprob", "health_rejected_logprob")),
        ("agreement with the teacher, mass on legal actions", ("agreement", "legal_mass")),
    ):
        source = rollouts if names[0] == "agreement" else learning
        lines = {name: [(r["step"], r[name]) for r in source if name in r] for name in names}
        lines = {name: points for name, points in lines.items() if points}
        if lines:
            plots.append(_line_plot(title, lines, "chunk"))
    return plots


def _health(records: Sequence[dict[str, Any]]) -> str:
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


def _success_plot(records: Sequence[dict[str, Any]]) -> str:
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


def _line_plot(title: str, lines: dict[str, list[tuple[float, float]]], xlabel: str) -> str:
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


def _differences(ledger: Path, records: Sequence[dict[str, Any]]) -> str:
    """What the team said and the student would have done, in the states of its last chunk."""
    chunk = last_round(records)
    if chunk is None or not ledger.is_dir():
        return '<p class="card soft">In no chunk yet was the student asked.</p>'
    try:
        found = differences(ledger, chunk)
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
            + _table(
                f"where the student differs on {suite.suite}",
                "<tr><th>the team says</th><th>the student</th><th>states</th>"
                f"<th>of those in which the team says so</th></tr>{body}",
            )
            + "</div>"
        )
    return "".join(parts)


def _calls(run: Path, records: Sequence[dict[str, Any]]) -> str:
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
        f'<div class="card"><h3>teacher calls</h3>{_table("teacher calls", f"<tr>{head}</tr>{body}")}'
        f'<p class="soft">Recorded answers are counted once; {episodes:,} labelled episodes, and the figures '
        "per episode are of what was asked up to the end of their rounds: evaluations come later."
        f"{html.escape(shared)}</p></div>"
    )


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


def _timing(records: Sequence[dict[str, Any]]) -> str:
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
        f'<div class="card">{_table("where the time went", rows)}'
        '<p class="soft">Seconds per chunk: producing, learning, and what each waited for.</p></div>'
    )
