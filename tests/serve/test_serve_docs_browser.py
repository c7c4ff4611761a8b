"""The page about the interface (`/docs`) in a real Chromium: it needs nothing from elsewhere, and what it
sends carries the key that was typed in. (That Ray's own proxy gives the page too is in `test_serve_ray`.)

A picture of it is kept in `artefacts/docs/` for a person to look at (git ignores it)."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from browsing import Watched, chromium, expect, needs_chromium
from served import served

from serve.keys import add_key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_chromium]
PICTURES = Path(__file__).parents[2] / "artefacts" / "docs"


def test_the_page_about_the_interface_needs_nothing_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    keys = tmp_path / "keys.json"
    key = add_key(keys, "test", ["act"], 0)
    with served(folder, tmp_path / "log", f"keys={keys}") as (_, url), chromium() as browser:
        watched = Watched(browser, PICTURES, 1280, 900)
        page = watched.page
        page.goto(f"{url}/docs")
        told = httpx2.get(f"{url}/openapi.json").json()["paths"]
        expect(page.locator(".opblock")).to_have_count(sum(len(methods) for methods in told.values()))
        watched.shoot("docs")
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_role("textbox").fill(key)
        page.get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close", exact=True).click()
        models = page.locator(".opblock-get").filter(has=page.locator('[data-path="/v1/models"]'))
        models.click()
        models.get_by_role("button", name="Try it out").click()
        models.get_by_role("button", name="Execute").click()
        expect(models.locator(".live-responses-table")).to_contain_text(f'"id": "{folder.name}"')
        page.wait_for_load_state("networkidle")
        elsewhere = [one for one in watched.asked if not one.startswith((f"{url}/", "data:"))]
        assert elsewhere == []
        assert f"{url}/docs/files/swagger-ui-bundle.js" in watched.asked
        assert watched.wrong == []
        watched.context.close()
