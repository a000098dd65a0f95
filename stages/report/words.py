"""A part of the section about the data: its sentence and its table; and how numbers and days are written in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

NOT_KNOWN = "not known"
OPEN = 8  # a table of more rows is folded away


@dataclass(frozen=True)
class Table:
    """A part of the section: its title, a sentence, and rows of text; `text` has the columns that hold words."""

    title: str
    said: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[int] = frozenset()
    folded: bool = False


def in_words(day: date | None) -> str:
    """A date as people write it."""
    return f"{day.day} {day:%B %Y}" if day else NOT_KNOWN


def count_days(days: int | None) -> str:
    """A number of days, in words."""
    return f"{days:,} day{'' if days == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def share(part: int, whole: int) -> str:
    """A part in percent, which is neither 0 nor 100 unless the part is; empty without a whole."""
    if not whole:
        return ""
    if part and part / whole < 0.00005:
        return "under 0.01%"
    return "over 99.99%" if part < whole and part / whole > 0.99995 else f"{part / whole:.2%}"
