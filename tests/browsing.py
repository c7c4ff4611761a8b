"""What the tests in a real browser share: Chromium, and pages that remember what went wrong on them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: install the dev extra")
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: `apt-get install chromium` as root"
)
PATIENCE_MS = 120_000
"""The simulator may be compiling."""
expect = sync_api.expect


@contextmanager
def chromium() -> Iterator[Any]:
    # As root, which CI is, Chromium has no sandbox of its own.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*root, "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class Watched:
    """A page in a context of its own; `asked` are the URLs that it asked for, `wrong` what its console said,
    what it threw, and what it asked for in vain. Pictures of it go into `pictures`."""

    def __init__(self, browser: Any, pictures: Path, width: int, height: int, **settings: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        self.pictures, self.width, self.height = pictures, width, height
        self.asked, self.wrong = list[str](), list[str]()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        self.page.on("response", self._refused)

    def _refused(self, response: Any) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def shoot(self, name: str) -> Path:
        """The whole page as it stands, in a file that outlives the test."""
        path = self.pictures / f"{name}.png"
        # In a window as high as the page, what is fixed to the window's foot hides nothing.
        whole: int = self.page.evaluate("() => document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": self.width, "height": whole})
        self.page.screenshot(path=path, full_page=True)
        self.page.set_viewport_size({"width": self.width, "height": self.height})
        assert path.stat().st_size > 10_000, "a page without anything on it"
        return path

    def fits(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        wide: int = self.page.evaluate("() => document.documentElement.scrollWidth")
        return wide <= self.width
