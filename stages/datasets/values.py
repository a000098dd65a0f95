"""How published text is read, whatever the dataset: dates, times, numbers, padding. What cannot be read is None."""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache

_PORTAL_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)
_API_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T00:00:00(?:\.000)?)?", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_GAPS = re.compile(r"[\s\x00-\x1f\x7f]+")  # DEL bytes occur in published text where a space was meant


@lru_cache(100_000)
def parse_date(text: str | None) -> date | None:
    """`MM/DD/YYYY`, or ISO with or without a midnight."""
    text = (text or "").strip()
    if found := _PORTAL_DATE.fullmatch(text):
        month, day, year = map(int, found.groups())
    elif found := _API_DATE.fullmatch(text):
        year, month, day = map(int, found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(100_000)
def parse_time(text: str | None) -> time | None:
    """`H:MM` or `HH:MM`, New York local time."""
    found = _TIME.fullmatch((text or "").strip())
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2])
    return time(hour, minute) if hour < 24 and minute < 60 else None


@lru_cache(100_000)
def tidy(text: str) -> str | None:
    """Text padded or split by runs of blanks and control characters → single spaces; nothing left → None."""
    return _GAPS.sub(" ", text).strip() or None
