"""How published text is read, whatever the dataset: dates, times, numbers, padding. What cannot be read is None.

Files are read as the city writes them and as other programs write them again: what is plain to a person is read, and
nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, time
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

DATE_FORMS = "MM/DD/YYYY, M/D/YY or YYYY-MM-DD, with or without a time"
TIME_FORMS = "H:MM or H:MM:SS, with or without AM or PM, HHMM, or a date with a time"
# What R, pandas, SQL and spreadsheets write where there is nothing; `N/A` is the city's own.
NULL_WORDS = frozenset({"NA", "N/A", "#N/A", "<NA>", "NULL", "(NULL)", r"\N", "NONE", "NAN", "NAT"})

NULL_SPELLINGS = sorted(
    {spelling for word in NULL_WORDS for spelling in (word, word.lower(), word.title())} | {"NaN", "NaT"}
)

_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
_SLASHED = r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d{2})"
_ISO = r"(?P<isoyear>\d{4})-(?P<isomonth>\d{2})-(?P<isoday>\d{2})"
_DAY = rf"(?:{_SLASHED}|{_ISO})"
_DATE = re.compile(rf"{_DAY}(?:[T ]{_CLOCK}(?P<zone>Z|[+-]\d{{2}}:?\d{{2}})?)?", re.ASCII)
_TIME = re.compile(rf"(?:{_DAY}[T ])?{_CLOCK}", re.ASCII)
_DIGITS = re.compile(r"(?P<hour>\d{2})(?P<minute>\d{2})", re.ASCII)
_WHOLE = re.compile(r"(-?\d{1,15})(?:\.0+)?", re.ASCII)
_CONTROLS = r"[\x00-\x1f\x7f-\x9f]"  # DEL bytes occur in published text where a space was meant


@lru_cache(100_000)
def parse_date(text: str | None) -> date | None:
    """The day of a text in one of DATE_FORMS. Two digits of a year are of this century.

    A time of day in another zone than New York's may be of another day: such a text is read at midnight only.
    """
    found = _DATE.fullmatch((text or "").strip())
    if not found:
        return None
    clock = _clock(found) if found["hour"] else time()
    if clock is None or (found["zone"] and clock != time()):
        return None
    year, month, day = (found[name] or found[f"iso{name}"] for name in ("year", "month", "day"))
    try:
        return date(int(year) + 2000 if len(year) == 2 else int(year), int(month), int(day))
    except ValueError:
        return None


@lru_cache(100_000)
def parse_time(text: str | None) -> time | None:
    """The time of day of a text in one of TIME_FORMS, New York local time."""
    text = (text or "").strip()
    found = _TIME.fullmatch(text)
    if found:
        return _clock(found)
    digits = _DIGITS.fullmatch(text)
    return _time(int(digits["hour"]), int(digits["minute"])) if digits else None


def _clock(found: re.Match[str]) -> time | None:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    return _time(hour, minute, second)


def _time(hour: int, minute: int, second: int = 0) -> time | None:
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def whole_number(text: str) -> int | None:
    """A whole number, perhaps written as a decimal one (`34.0`), as an integer; None where it is none."""
    found = _WHOLE.fullmatch(text.strip())
    return int(found[1]) if found else None


def tidy(texts: pa.Array) -> pa.Array:
    """Text padded or split by runs of blanks and control characters → single spaces; nothing left → null."""
    blank = pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, _CONTROLS, " "))
    single = pc.binary_join(pc.utf8_split_whitespace(blank), " ")  # half the cost of a pattern for runs of blanks
    return pc.if_else(pc.equal(single, ""), None, single)


def null_words(texts: pa.Array, legal: Collection[str] = ()) -> pa.Array:
    """Whether a program wrote each text where there was nothing; `legal` are words that are values here."""
    words = NULL_WORDS - {word.upper() for word in legal}
    return pc.is_in(pc.ascii_upper(pc.utf8_trim_whitespace(texts)), pa.array(sorted(words)))


def is_null_word(text: str) -> bool:
    """Whether a program wrote this text where there was nothing."""
    return text.strip().upper() in NULL_WORDS
