"""The report in a real Chromium, on a desk and on a phone.

Screenshots are kept in `artefacts/report/` for a person to look at (git ignores them)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Watched, chromium, expect, needs_chromium

from evaluation.records import CrewScore, CrewTime, Evaluation, Score, Trace, TraceStep, data_uri
from evaluation.report import write_report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_chromium]
PICTURES = Path(__file__).parents[2] / "artefacts" / "report"
SUITE = "voxel/block_search"


def trace(body: int = 1, bodies: int = 1) -> Trace:
    steps = [
        TraceStep(
            frame=data_uri(np.full((8, 8, 3), 40 * body + number, np.uint8)),
            note="see left",
            action=f"go {body}.{number}",
            outcome="ok",
            alternatives=[],
            teacher_note="see left",
            teacher_action=f"go {body}.{number}",
            teacher_equal=[],
            sounds=[],
            heading_deg=90.0,
            map_xy=(1.0 + number, 1.0 + body),
            said=[f"manager: body {body} digs <b>", "critic to manager: it cannot"],
        )
        for number in (1, 2, 3)
    ]
    return Trace(
        suite=SUITE, policy="teacher" if bodies > 1 else "student", index=0, goal="find diamonds",
        goal_image="", success=True, metric=1.0, top_down=data_uri(np.zeros((16, 16, 3), np.uint8)),
        end_xy=(5.0, 1.0 + body), steps=steps, body=body, bodies=bodies, later=4 if bodies > 1 else 0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    crew = CrewScore.of_episodes(
        SUITE, 2, [True], [1.0], [CrewTime(7, 1.0, 0.5)], traces=[trace(1, 2), trace(2, 2)]
    )
    scores = [
        Score.of(SUITE, name, [True] * 4, [1.0] * 4, [4] * 4, 2.0, 8) for name in ("teacher", "student")
    ]
    done = Evaluation(
        run="r", date="2024-01-01", machine="2 cores", split="test", version=3, scores=scores, crews=[crew],
        traces=[trace()],
    )  # fmt: skip
    (run / "evaluation.json").write_text(done.model_dump_json())
    return write_report(run)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("width", [1280, 390])
def test_a_table_that_is_too_wide_scrolls_in_its_box_by_keyboard(
    browser: Any, report: Path, width: int
) -> None:
    watched = Watched(browser, PICTURES, width, 800)
    page = watched.page
    page.goto(report.as_uri())
    watched.shoot(str(width))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".card:has(#pick)").evaluate("e => e.scrollWidth <= e.clientWidth")
    box = page.get_by_role("region", name=f"results on {SUITE}")
    wide = box.evaluate("e => e.scrollWidth > e.clientWidth")
    assert wide == (width == 390)
    if wide:
        where = page.locator("#where").text_content()
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("e => e.scrollLeft > 0", arg=box.element_handle())
        assert page.locator("#where").text_content() == where  # the rollout did not move
    assert watched.wrong == []
    watched.context.close()


def test_bodies_are_chosen_and_played_with_what_was_said(browser: Any, report: Path) -> None:
    watched = Watched(browser, PICTURES, 1280, 800)
    page = watched.page
    page.goto(report.as_uri())
    body = page.get_by_role("combobox", name="Body")
    expect(body).to_be_hidden()  # the first episode has one
    expect(page.locator("#label")).to_have_text("teacher: “see left”, go 1.1")
    page.get_by_role("combobox", name="Episode").select_option(
        label=f"{SUITE} #0, 2 bodies (success, 7 rounds)"
    )
    page.get_by_role("button", name="one step on").click()
    expect(page.locator("#where")).to_contain_text("round 2 of 7 (the first 3 are kept)")
    expect(page.locator("#said")).to_have_text("“see left”, go 1.2: ok")
    seen = page.locator("#frame").get_attribute("src")
    body.select_option("2")
    expect(page.locator("#who")).to_have_text("What body 2 sees")
    expect(page.locator("#said")).to_have_text("“see left”, go 2.2: ok")  # in the same round
    expect(page.locator("#team li")).to_have_text(
        ["manager: body 2 digs <b>", "critic to manager: it cannot"]
    )
    expect(page.locator("#label")).to_be_empty()
    assert page.locator("#frame").get_attribute("src") != seen
    watched.shoot("bodies")
    assert watched.wrong == []
    watched.context.close()
