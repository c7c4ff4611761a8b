"""The playground in a real Chromium: whole episodes by clicking and by keyboard, on a desk and on a phone.

Screenshots are kept in `artefacts/watch/` for a person to look at (git ignores them)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest
from browsing import chromium, expect, needs_chromium
from listening import running
from watching import app_of, playground_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_chromium]
PICTURES = Path(__file__).parents[2] / "artefacts" / "watch"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def url(student_url: str) -> Iterator[str]:
    with running(app_of(playground_of(student_url))) as address:
        yield address


class Watched(browsing.Watched):
    """The playground's page."""

    def __init__(self, browser: Any, width: int, height: int, **settings: Any) -> None:
        super().__init__(browser, PICTURES, width, height, **settings)

    def settled(self) -> None:
        expect(self.page.locator("body")).not_to_have_attribute("aria-busy", "true")

    def turns(self) -> int:
        return int(self.page.locator("#turns tr").count())

    def over(self) -> bool:
        return bool(self.page.locator("#step").is_disabled())


def begun(watched: Watched, url: str, suite: str, level: str, index: int) -> None:
    page = watched.page
    page.goto(url)
    expect(page.locator("#student")).to_contain_text("voxel")
    page.get_by_role("combobox", name="Task").select_option(suite)
    page.get_by_role("combobox", name="Level").select_option(level)
    page.get_by_role("spinbutton", name="Seed").fill(str(index))
    page.get_by_role("button", name="Begin episode").click()
    expect(page.locator("#alternatives li.chosen")).to_be_visible()
    watched.settled()


def test_a_goal_is_found_by_clicking_what_the_teacher_would(browser: Any, url: str) -> None:
    watched = Watched(browser, 1280, 900)
    page = watched.page
    begun(watched, url, "voxel/goal_name", "2", 5)
    watched.shoot("desk-begun")
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator("#turns tr")).to_have_count(1)
    watched.settled()
    assert page.locator("#turns tr td").nth(1).inner_text() == "student"
    while not watched.over():
        before, advice = watched.turns(), page.locator("#advice").inner_text()
        page.locator("#actions").get_by_role("button", name=advice, exact=True).click()
        expect(page.locator("#turns tr")).to_have_count(before + 1)
        watched.settled()
        expect(page.locator("#said")).to_contain_text(f"You: {advice}")
    expect(page.locator("#standing")).to_contain_text("Goal reached")
    expect(page.locator("#said")).to_contain_text("Goal reached.")
    assert watched.fits()
    watched.shoot("desk-reached")
    page.get_by_role("button", name="Next world").click()
    expect(page.locator("#where")).to_have_text("voxel/goal_name, validation world 6")
    watched.settled()
    page.goto(f"{url}/#voxel/goal_sound/validation/1/4")
    expect(page.locator("#where")).to_have_text("voxel/goal_sound, validation world 4")
    watched.settled()
    assert watched.wrong == []
    watched.context.close()


def test_the_student_plays_a_whole_episode_on_a_phone(browser: Any, url: str) -> None:
    watched = Watched(browser, 390, 844, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = watched.page
    page.goto(url)
    expect(page.locator("#student")).to_contain_text("voxel")  # else the next visit breaks its request off
    assert watched.fits()
    begun(watched, url, "voxel/goal_image", "1", 1)
    assert watched.fits()
    expect(page.get_by_alt_text("Picture of the goal")).to_be_visible()
    watched.shoot("phone-begun")
    page.locator("#speed").fill("4")
    play = page.get_by_role("button", name="Play", exact=True)
    play.tap()
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#turns tr")).not_to_have_count(0)
    expect(page.locator("#step")).to_be_disabled()
    expect(page.locator("#standing")).to_contain_text("Goal")
    watched.settled()
    assert {row.inner_text() for row in page.locator("#turns td:nth-child(2)").all()} == {"student"}
    assert watched.fits()
    watched.shoot("phone-over")
    assert watched.wrong == []
    watched.context.close()


def test_an_episode_by_keyboard_in_the_dark(browser: Any, url: str) -> None:
    watched = Watched(browser, 1280, 900, color_scheme="dark")
    page = watched.page
    page.goto(f"{url}/#voxel/goal_sound/validation/2/3")
    expect(page.locator("#alternatives li.chosen")).to_be_visible()
    watched.settled()
    expect(page.locator("#where")).to_have_text("voxel/goal_sound, validation world 3")
    page.keyboard.press("s")
    expect(page.locator("#turns tr")).to_have_count(1)
    watched.settled()
    first = page.locator("#actions button").first.get_attribute("data-action")
    page.keyboard.press("1")
    expect(page.locator("#said")).to_contain_text(f"You: {first}")
    watched.settled()
    page.keyboard.press("p")
    expect(page.locator("#turns tr")).to_have_count(3)
    page.keyboard.press("p")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    watched.settled()
    watched.shoot("dark")
    # A key that is pressed while a step is under way is not taken, and said not to be.
    turns = watched.turns()
    twice = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 's', bubbles: true}));" * 2
    page.evaluate(twice)
    expect(page.locator("#said")).to_contain_text("What was pressed meanwhile was not taken.")
    watched.settled()
    expect(page.locator("#turns tr")).to_have_count(turns + 1)
    # In a field a key is a letter, and with the keys switched off it is nothing.
    turns = watched.turns()
    page.locator("#help summary").click()
    page.get_by_label("Listen to these keys").uncheck()
    page.locator("h1").click()
    page.keyboard.press("s")
    page.get_by_role("button", name="Step", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#turns tr")).to_have_count(turns + 1)
    watched.settled()
    page.get_by_label("Listen to these keys").check()
    page.keyboard.press("n")
    expect(page.locator("#where")).to_have_text("voxel/goal_sound, validation world 4")
    watched.settled()
    assert watched.wrong == []
    watched.context.close()


def test_a_screen_reader_finds_everything_by_role_and_name(browser: Any, url: str) -> None:
    watched = Watched(browser, 1280, 900)
    begun(watched, url, "voxel/goal_name", "2", 5)
    told = watched.page.locator("body").aria_snapshot()
    for line in (
        'link "Skip to the episode"', "banner:", "main:", 'form "Choose an episode"', 'combobox "Task"',
        'combobox "Level"', 'combobox "Worlds"', 'checkbox "Show the teacher" [checked]',
        'button "Begin episode"', 'heading "find bookshelf" [level=2]', 'group "Playback"', 'slider "Speed"',
        'progressbar "Decisions used"', "status: Begun: find bookshelf.", 'img "The student\'s view, facing',
        'img "Map from above: after 0 decisions at', 'list "Actions by probability"', 'region "History"',
        'columnheader "Outcome"', 'heading "The teacher would"', 'button "turn left 45"',
    ):  # fmt: skip
        assert line.replace('"', "") in told.replace('"', ""), f"{line} is not in\n{told}"
    unnamed = [
        line
        for line in told.splitlines()
        if re.match(r"\s*- (button|combobox|checkbox|slider|img)\b(?! [\"'])", line)
    ]
    assert unnamed == []
    watched.context.close()


def test_a_picture_of_ones_own_is_decided_on(browser: Any, url: str, tmp_path: Path) -> None:
    watched = Watched(browser, 390, 844)
    page = watched.page
    begun(watched, url, "voxel/goal_name", "1", 2)
    picture = watched.shoot("a-picture")
    page.get_by_text("Show it a picture of your own").click()
    page.get_by_label("Picture (PNG or JPEG)").set_input_files(picture)
    page.get_by_role("button", name="Ask the student").click()
    expect(page.locator("#look-alternatives li.chosen")).to_be_visible()
    (tmp_path / "none.png").write_text("no picture")
    page.get_by_label("Picture (PNG or JPEG)").set_input_files(tmp_path / "none.png")
    page.get_by_role("button", name="Ask the student").click()
    expect(page.locator("#look-problem")).to_contain_text("no PNG or JPEG picture")
    assert watched.fits()
    watched.shoot("phone-picture")
    assert watched.wrong == []
    watched.context.close()


def test_without_a_student_the_page_says_what_to_start(browser: Any, student_url: str) -> None:
    watched = Watched(browser, 1280, 900)
    page = watched.page
    with running(app_of(playground_of("http://127.0.0.1:9"))) as url:
        page.goto(url)
        expect(page.get_by_role("alert")).to_contain_text("python retort.py serve RUN")
        expect(page.locator("#student")).to_have_text("no student")
        page.get_by_role("button", name="Begin episode").click()
        expect(page.locator("#stage")).to_be_visible()
        watched.settled()
        page.locator("#actions button").first.click()
        expect(page.locator("#turns tr")).to_have_count(1)
        watched.shoot("no-student")
    watched.context.close()


ARROWS = """async ([spots, headings]) => {
  const { drawMap } = await import("/map.js");
  const world = document.createElement("canvas");
  world.width = world.height = 64;
  world.getContext("2d").fillRect(0, 0, 64, 64);
  const seen = [];
  for (const spot of spots) {
    for (const heading_deg of headings) {
      const canvas = document.createElement("canvas");
      await drawMap(canvas, { above: world.toDataURL(), path_xy: [spot], heading_deg, decisions: 0 });
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      seen.push(data.filter((red, i) => i % 4 === 0 && red > 200 && data[i + 1] < 140).length);
    }
  }
  return seen;
}"""
"""How many pixels of the arrow are on the map, with it at each of the spots, in each of the headings."""


def test_the_arrow_on_the_map_is_whole_at_the_edge_of_the_world(browser: Any, url: str) -> None:
    watched = Watched(browser, 1280, 900)
    watched.page.goto(url)
    expect(watched.page.locator("#student")).to_contain_text("voxel")
    headings = [0, 45, 90, 180, 270]
    middle, *edges = ([32, 32], [0, 0], [64, 0], [0, 64], [64, 64], [0, 32])
    seen = watched.page.evaluate(ARROWS, [[middle, *edges], headings])
    whole = seen[: len(headings)]
    assert min(whole) > 200
    assert seen == pytest.approx(whole * 6, rel=0.03)
    assert watched.wrong == []
    watched.context.close()
