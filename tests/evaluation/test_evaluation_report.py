"""The report shows what was recorded, whatever the run has got to, and what is in it stays data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.codec import order_of
from cluster.evaluate import crew_row
from evaluation.calls import HEADINGS, RoleCalls, role_calls, scaled
from evaluation.disagreements import differences
from evaluation.records import (
    CrewScore,
    CrewTime,
    Evaluation,
    Said,
    Score,
    Trace,
    TraceStep,
    data_uri,
    verdicts,
)
from evaluation.report import write_report
from evaluation.report.plots import line_plot, success_plot
from ledger import Ledger
from ledger.records import Record
from teachers.backends.recording import Recording
from teachers.backends.types import Call

HOSTILE = '</script><!--<script>alert("$title ${x}")'


def score(policy: str, successes: list[bool], broken: tuple[str, ...] = ()) -> Score:
    played = len(successes) - len(broken)
    return Score.of(
        "toy/<corridor>", policy, successes, [float(s) for s in successes], [4] * played, 2.0, 8, broken
    )


def evaluation() -> Evaluation:
    frame = data_uri(np.zeros((8, 8, 3), np.uint8))
    step = TraceStep(
        frame=frame,
        note="see right",
        action="go right",
        outcome=HOSTILE,
        alternatives=[("go right", 0.75), ("wait", 0.25)],
        teacher_note="see right",
        teacher_action="wait",
        teacher_equal=["wait", "go right"],
        sounds=[],
        heading_deg=90.0,
        map_xy=(1.0, 2.0),
    )
    trace = Trace(
        suite="toy/<corridor>",
        policy="student",
        index=3,
        goal=HOSTILE,
        goal_image="",
        success=True,
        metric=1.0,
        top_down=frame,
        end_xy=(2.0, 2.0),
        steps=[step],
    )
    scores = [
        score("random", [False] * 4),
        score("student", [True, True, True, False], ("corridor 3: it <collapsed>",)),
        score("teacher", [True] * 4),
    ]
    return Evaluation(
        run="r", date="2024-01-01", machine="2 cores", split="test", version=3, scores=scores, traces=[trace]
    )


def records() -> list[dict[str, object]]:
    learn: dict[str, object] = {"kind": "learn", "step": 2, "loss": 0.5, "health_chosen_logprob": -1.0}
    rollout = {"kind": "rollout", "step": 2, "reached_by": "student", "episodes": 4, "successes": 3}
    return [
        learn,
        {**rollout, "agreement": 0.5},
        {"kind": "time", "step": 2, "s_all": 3.0, "phase": "distil"},
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("name: <b>$title</b>\n")
    lines = [json.dumps(record) + "\n" for record in records()]
    (tmp_path / "metrics.jsonl").write_text("".join(lines) + '{"kind": "learn", "st')
    (tmp_path / "evaluation.json").write_text(evaluation().model_dump_json())
    return tmp_path


def page_of(run: Path) -> str:
    return write_report(run).read_text("utf-8")


def test_the_page_needs_nothing_beside_it(run: Path) -> None:
    page = page_of(run)
    # xmlns and the like are names, not addresses that a browser opens.
    assert not re.search(r'(?:src|href)="https?:', page)
    assert "$$" not in page
    assert not list(run.glob("*.tmp"))


def test_tables_are_in_order_and_name_what_broke(run: Path) -> None:
    page = page_of(run)
    places = [page.index(f"<td>{name}</td>") for name in ("teacher", "student", "random")]
    assert places == sorted(places)
    assert "<td>75.0 %</td>" in page
    assert "<td>75 %</td>" in page  # of the teacher
    assert "4 (1 broken)" in page
    assert "student: broken: corridor 3: it &lt;collapsed&gt;" in page


def test_traces_reach_the_script_whole_and_cannot_leave_it(run: Path) -> None:
    page = page_of(run)
    carried = re.search(r'<script id="traces" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert carried
    assert "<" not in carried[1]
    (trace,) = json.loads(carried[1])
    assert trace["goal"] == trace["steps"][0]["outcome"] == HOSTILE
    assert page.count("<script") == page.count("</script>") == 2
    assert "&lt;b&gt;$title&lt;/b&gt;" in page


def test_curves_and_times_come_from_the_metrics(run: Path) -> None:
    page = page_of(run)
    assert page.count("<svg") == 4
    assert "<td>2 (distil)</td><td>3.0</td>" in page


def test_what_the_student_would_have_done_instead_is_counted_in_its_last_round(run: Path) -> None:
    said = [
        (1, "actor", "see left | turn left", "see left | go on", True),  # an older round
        (2, "actor", "see left | turn left", "see left | go on", True),
        (2, "actor", "see left | turn left", "see none | go on", True),
        (2, "actor", "see left | turn left", "", True),  # it agreed
        (2, "actor", "go <on>", "turn left", True),
        (2, "conductor", "search melon", "approach melon", True),  # an order
        (2, "actor", "see left | turn left", "see left | go on", False),  # no label
        (3, "actor", "see left | turn left", "", True),  # the teacher alone moved
    ]
    with Ledger.open(run / "ledger") as ledger:
        for number, (chunk, role, chosen, rejected, valid) in enumerate(said):
            columns = {"suite": "toy/<corridor>", "role": role, "chosen": chosen, "rejected": rejected}
            columns |= {"valid": valid}
            ledger.append([Record(str(number), columns, order_of(chunk, number))])
    (found,) = differences(run / "ledger", 2)
    assert found == ("toy/<corridor>", 4, 3, [("turn left", "go on", 2, 3), ("go <on>", "turn left", 1, 1)])
    with (run / "metrics.jsonl").open("w") as file:
        for step, mix in ((2, 0.4), (3, 1.0)):
            rollout = {"kind": "rollout", "step": step, "reached_by": "student", "mix": mix}
            file.write(json.dumps({**rollout, "episodes": 4, "successes": 3}) + "\n")
    page = page_of(run)
    assert "In 3 of 4 states (75 %) the student's action is not as good" in page
    assert "<td>go &lt;on&gt;</td><td>turn left</td><td>1</td><td>100 % of 1</td>" in page
    for segment in (run / "ledger" / "segments").iterdir():
        segment.write_bytes(b"torn")
    page = page_of(run)  # the rest of it is there, and why this part is not
    assert "segment" in page
    assert "<td>75.0 %</td>" in page


def test_a_run_that_was_killed_early_still_gives_a_page(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "Nothing was evaluated yet" in page
    assert "No timing was recorded" in page
    assert "In no chunk yet was the student asked" in page
    assert '<script id="traces" type="application/json">[]</script>' in page


def test_calls_are_told_per_role_and_per_labelled_episode(run: Path) -> None:
    recording = Recording(run / "calls.sqlite")
    for purpose, count in (("actor", 6), ("manager", 2)):
        for i in range(count):
            told = json.dumps({"purpose": purpose, "i": i})
            recording.put(f"{purpose}{i}", purpose, told, Call("{}", "m", 300, 100, 0.5, 0.0))
    rows = role_calls(recording)
    recording.close()
    assert [(row.role, row.calls, row.tokens, row.seconds) for row in rows] == [
        ("actor", 6, 2400, 3.0), ("manager", 2, 800, 1.0), ("all", 8, 3200, 4.0),
    ]  # fmt: skip
    with (run / "metrics.jsonl").open("w") as file:
        for phase in ("reference", "distil"):
            record = {
                "time": 9e9,
                "kind": "rollout",
                "step": 1,
                "phase": phase,
                "episodes": 4,
                "successes": 2,
            }
            file.write(json.dumps(record) + "\n")
    page = page_of(run)
    figures = "<td>6</td><td>2,400</td><td>3.0</td><td>1.50</td><td>600</td><td>0.75</td><td>0.500</td>"
    assert f"<td>actor</td>{figures}" in page
    assert "<td>all</td><td>8</td><td>3,200</td><td>4.0</td><td>2.00</td><td>800</td><td>1.00</td>" in page
    assert "4 labelled episodes" in page
    assert rows[0].cells(0)[4:7] == ("", "", "")


def test_a_run_that_shares_a_recording_tells_its_own_calls_of_it(run: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "calls.sqlite"
    config = {"teacher": {"backend": "openai", "endpoint": {"recording": str(shared)}}}
    (run / "config.yaml").write_text(json.dumps(config))
    assert f"recording {shared} is not there" in page_of(run)
    mine, other = Recording(shared, run.name), Recording(shared, "other")
    for i in range(12):
        (mine if i < 5 else other).put(
            str(i), "actor", json.dumps({"i": i}), Call("{}", "m", 300, 100, 0.5, 0.0)
        )
    Recording(run / "calls.sqlite").put("0", "actor", "{}", Call("{}", "m", 1, 1, 1.0))  # not what it names
    page = page_of(run)
    assert "<td>actor</td><td>5</td><td>2,000</td>" in page
    assert "the calls of this run alone" in page
    config["teacher"]["backend"] = "recorded"  # a replay paid none: it tells what it was answered from
    (run / "config.yaml").write_text(json.dumps(config))
    assert "<td>actor</td><td>12</td><td>4,800</td>" in page_of(run)
    mine.close()
    other.close()


@pytest.mark.parametrize(
    ("value", "decimals", "told"),
    [
        (0.5, 3, "0.500"),
        (9_999, 0, "9,999"),
        (999.97, 1, "1,000"),
        (9_999.97, 1, "10.0 k"),
        (74_558, 0, "74.6 k"),
        (999_600, 0, "1.00 M"),
        (74_558_123, 0, "74.6 M"),
        (123_456_789_000, 0, "123 G"),
    ],
)
def test_large_figures_are_scaled(value: float, decimals: int, told: str) -> None:
    assert scaled(value, decimals) == told


@given(st.floats(1, 1e14), st.floats(0, 9e14), st.floats(0, 9e14), st.integers(0, 10**6))
def test_no_cell_grows_with_its_figure(calls: float, tokens: float, cost: float, episodes: int) -> None:
    cells = RoleCalls("conductor", calls, tokens, tokens, cost).cells(episodes)
    assert len(cells) == len(HEADINGS)
    assert max(map(len, cells[1:])) <= 7


def test_what_bodies_said_is_on_the_page_a_line_each(run: Path) -> None:
    said = [Said(index=3, round=7, sender=1, receiver=2, text="diamond_ore at 12 30 <b>")]
    crew = CrewScore.of_episodes("voxel/block_search", 2, [True], [1.0], [CrewTime(9, 1.0, 0.5)], said)
    (run / "evaluation.json").write_text(evaluation().model_copy(update={"crews": [crew]}).model_dump_json())
    told = "episode 3, round 7: body 1 to body 2: diamond_ore at 12 30 &lt;b&gt;"
    assert f"<summary>1 message</summary><ul><li>voxel/block_search, 2 bodies, {told}</li>" in page_of(run)
    alone = CrewScore.of_episodes("voxel/block_search", 1, [True], [1.0], [CrewTime(9, 1.0, 0.5)])
    assert (crew_row(crew)["policy"], crew_row(alone)["policy"]) == ("teacher, 2 bodies", "teacher, 1 body")


def words_of(page: str) -> str:
    return re.sub(r"<(style|script|svg).*?</\1>|<[^>]*>", "", page, flags=re.DOTALL)


def test_a_chunk_is_called_a_chunk_and_said_to_be_what_it_is(run: Path) -> None:
    words = words_of(page_of(run))
    assert "version" not in words
    assert words.count("Training goes by chunks: the episodes of a chunk are") == 1
    assert "the student after 3 chunks" in words


@pytest.mark.parametrize("places", [[2], [0, 1, 2], [1, 2, 4, 8], list(range(30))])
def test_what_is_counted_has_whole_ticks(places: list[int]) -> None:
    points = [(float(place), 0.5) for place in places]
    lines = line_plot("loss", {"loss": points}, "chunk")
    success = success_plot([{"step": place, "episodes": 4, "successes": 3} for place in places])
    for plot in (lines, success):
        ticks = re.findall(r'id="xtick_\d+".*?<!-- (.*?) -->', plot, re.DOTALL)
        assert ticks
        assert all(re.fullmatch(r"[−-]?\d+", tick) for tick in ticks), ticks  # noqa: RUF001


def test_health_is_read_from_what_is_there(run: Path) -> None:
    def told(*records: dict[str, object]) -> str:
        lines = "".join(json.dumps({"step": 2, **record}) + "\n" for record in records)
        (run / "metrics.jsonl").write_text(lines)
        return words_of(page_of(run))

    learn = {"kind": "learn", "loss": 0.5, "health_chosen_logprob": -1.0}
    assert "read from the log-probability of the chosen replies." in told(learn)
    page = told(learn, {"kind": "rollout", "agreement": 0.5, "legal_mass": 0.9})
    assert "of the chosen replies and the mass on legal actions." in page
    assert "accuracy on preference pairs is no health figure" in page
    assert "healthy" not in told({"kind": "time", "s_all": 3.0})


def test_every_table_scrolls_and_has_a_name_for_who_cannot_see_it(run: Path) -> None:
    crew = CrewScore.of_episodes("voxel/block_search", 2, [True], [1.0], [CrewTime(9, 1.0, 0.5)])
    (run / "evaluation.json").write_text(evaluation().model_copy(update={"crews": [crew]}).model_dump_json())
    page = page_of(run)
    named = re.findall(r'<div class="scroll" role="region" tabindex="0" aria-label="([^"]+)"><table>', page)
    assert named == ["results on toy/&lt;corridor&gt;", "several bodies in one world", "where the time went"]
    assert page.count("<table") == len(named)


def test_time_stands_beside_rounds_against_the_number_of_bodies(run: Path) -> None:
    """In the record, in the table with its two parts, and in a plot of its own."""
    one = CrewScore.of_episodes("voxel/block_search", 1, [True] * 2, [1.0] * 2, [CrewTime(30, 2.0, 1.0)] * 2)
    two = CrewScore.of_episodes(
        "voxel/block_search", 2, [True] * 2, [1.0] * 2, [CrewTime(16, 1.25, 0.25), CrewTime(18, 2.25, 1.75)]
    )
    assert (two.rounds, two.seconds, two.team_seconds, two.world_seconds) == (17.0, 2.75, 1.75, 1.0)
    assert (two.seconds_low, two.seconds_high) == (1.5, 4.0)
    done = evaluation().model_copy(update={"crews": [one, two]})
    (run / "evaluation.json").write_text(done.model_dump_json())
    page = page_of(run)
    assert "<td>2.75 (1.50&ndash;4.00)</td><td>1.75 + 1.00</td>" in page
    assert "wall seconds until the end" in page
    assert crew_row(two)["seconds_per_episode"] == 2.75


def test_a_broken_episode_is_a_failure_but_not_a_short_episode() -> None:
    whole, partly = score("student", [True, False]), score("student", [True, False, False], ("it broke",))
    assert (whole.iterations, partly.iterations) == (4.0, 4.0)
    assert (partly.episodes, partly.successes) == (3, 1)
    assert Score.model_validate_json(partly.model_dump_json()) == partly


def test_a_verdict_says_how_the_student_stands() -> None:
    close = [
        score("teacher", [True] * 10),
        score("student", [True] * 9 + [False]),
        score("reference", [True] * 8 + [False] * 2),
    ]
    assert verdicts(close) == [
        "toy/<corridor>: the student has 90 % of its teacher's success and is not told apart from its "
        "reference (overlapping 95 % intervals)"
    ]
    apart = [score("student", [False] * 40), score("reference", [True] * 40)]
    assert verdicts(apart) == ["toy/<corridor>: the student is below its reference (disjoint 95 % intervals)"]
    assert verdicts([score("teacher", [True])]) == []


def test_a_verdict_tells_the_metric_where_it_is_not_success_alone() -> None:
    def partly(policy: str, metric: float) -> Score:
        return score(policy, [True, False]).model_copy(update={"metric": metric})

    assert verdicts([partly("teacher", 0.8), partly("student", 0.6)]) == [
        "toy/<corridor>: the student has 100 % of its teacher's success and 75 % of its metric"
    ]
