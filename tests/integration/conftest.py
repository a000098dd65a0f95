"""A server of the source's API; a headless browser for the tests of the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fetching import Source, records
from playwright.sync_api import Browser, Page, sync_playwright
from report_page import READY, WAIT, Open
from socrata.server import SocrataServer
from socrata.table import Table

from stages.datasets.crashes import DATASET


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's chromium."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no browser (Debian: chromium)")
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=WAIT)
        yield window
        window.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page; afterwards it must have had neither a console message nor a request but for itself."""
    pages: list[Page] = []
    heard: list[str] = []

    def open_it(file: Path, fragment: str = "", width: int = 1440, scheme: Any = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url.startswith("file:") else heard.append(request.url))
        page.goto(f"{file.as_uri()}{fragment}", timeout=WAIT)
        page.locator(READY).first.wait_for(state="attached", timeout=WAIT)  # by selector: the policy forbids eval
        pages.append(page)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert heard == []


@pytest.fixture
def source() -> Iterator[Source]:
    """A server with a table of crashes."""
    with SocrataServer([Table(DATASET, records())]) as server:
        yield Source(server)
