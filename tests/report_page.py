"""The report in a headless browser: what the tests of the page share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lake import Lake
from playwright.sync_api import Page

from stages.lake import keys

Open = Callable[..., Page]
READY = "html[data-shown], #empty:not([hidden])"
WAIT = 120_000  # ms: a busy machine
PARTS = ("today", "time", "when", "where", "why")


def page_of(lake: Lake) -> Path:
    """The lake's published page."""
    return Path(lake.environment["COLLISIONS_LAKE"], keys.REPORT)


def said(page: Page, part: str) -> str:
    """What a part's sentence says."""
    return page.inner_text(f"#{part}-said")


def shown_of(page: Page) -> list[str]:
    """The parts of which more than a sentence can be seen."""
    return [part for part in PARTS if page.locator(f"#{part}-shown").is_visible()]
