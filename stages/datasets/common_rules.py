"""Rules that several datasets have, each made for a column of theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.dataset import Rule, Verdict, rule
from stages.datasets.values import TIME_FORMS, parse_date, parse_time, tidy, whole_number
from stages.lake.frames import mask, matching, over_values, per_value
from stages.lake.tally import Blank

FIRST_DAY = date(2012, 7, 1)  # the earliest collision that the city publishes
# No extract is older than the data set's first publication; an earlier time is that of a clock that was reset.
FIRST_PUBLISHED = datetime(2014, 4, 28, tzinfo=UTC)
IDENTIFIER = r"^[1-9]\d{0,9}$"


def whole_key(column: str, published: str) -> Rule:
    """The key is whole and positive, or the row cannot be told apart from others."""

    @rule(
        rejects={
            f"{column}_missing": f"{published} is blank",
            f"{column}_malformed": "not a positive whole number of at most ten digits",
        }
    )
    def identity(rows: pd.DataFrame) -> Verdict:
        numbers, missing = _identifiers(rows[column])
        sound = numbers.notna().to_numpy(dtype=bool)
        return Verdict(
            {column: numbers},
            rejected={f"{column}_missing": missing, f"{column}_malformed": ~sound & ~missing},
        )

    return identity


def reference(column: str, published: str) -> Rule:
    """A reference that is not a positive whole number refers to nothing: unknown, and the row stays."""

    @rule(blanks={f"{column}_malformed": Blank(column, f"a positive whole number ({published})")})
    def readable_reference(rows: pd.DataFrame) -> Verdict:
        numbers, missing = _identifiers(rows[column])
        return Verdict({column: numbers}, unknown={f"{column}_malformed": mask(numbers.isna()) & ~missing})

    return readable_reference


def _identifiers(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Text → whole positive numbers, and which values are blank."""
    text = column.str.strip()
    digits = matching(text, IDENTIFIER)
    if digits.isna().any():  # perhaps a program has read them as decimal numbers
        digits = matching(text.str.replace(r"\.0+$", "", regex=True), IDENTIFIER)
    missing: np.ndarray = (text.isna() | (text == "")).fillna(True).to_numpy(dtype=bool)
    return digits.astype("int64[pyarrow]"), missing


def possible_date(column: str) -> Rule:
    """No collision lies before the first published day, nor after the day on which its file was extracted."""

    @rule(
        rejects={
            f"{column}_before_records": f"before {FIRST_DAY}",
            f"{column}_after_extraction": "more than a day after its file was extracted",
        }
    )
    def within_the_records(rows: pd.DataFrame) -> Verdict:
        dates = per_value(rows[column], parse_date, pa.date32())
        days = pa.array(dates, from_pandas=True)
        early = np.asarray(pc.fill_null(pc.less(days, pa.scalar(FIRST_DAY)), False))
        late = np.zeros(len(rows), dtype=bool)
        extracted = pa.array(rows["extracted_at"])
        for moment in pc.unique(extracted).to_pylist():
            latest = moment if moment >= FIRST_PUBLISHED else datetime.now(UTC)  # that much is certain
            after = pc.and_(pc.greater(days, (latest + timedelta(days=1)).date()), pc.equal(extracted, moment))
            late |= np.asarray(pc.fill_null(after, False))
        return Verdict(
            {column: dates}, rejected={f"{column}_before_records": early, f"{column}_after_extraction": late}
        )

    return within_the_records


def without_padding(columns: Sequence[str]) -> Rule:
    """Text is padded, or split by runs of blanks and control characters."""

    @rule()
    def tidied(rows: pd.DataFrame) -> Verdict:
        return Verdict({name: over_values(rows[name], tidy) for name in columns})

    return tidied


def readable_time(column: str) -> Rule:
    """A time that no clock shows is unknown; the row itself is not in doubt."""
    return readable(column, parse_time, pa.time32("ms"), {f"{column}_unreadable": Blank(column, TIME_FORMS)})


def number_between(column: str, low: int, high: int, what: str) -> Rule:
    """A number (`what` it is, in words) that is not whole, or outside `low` to `high`, is unknown."""

    @lru_cache(10_000)
    def number(text: str) -> int | None:
        value = whole_number(text)
        return value if value is not None and low <= value <= high else None

    return readable(
        column, number, pa.int16(), {f"{column}_impossible": Blank(column, f"{what}, a whole number {low} to {high}")}
    )


def readable(column: str, read: Callable[[str], object], kind: pa.DataType, reason: dict[str, Blank]) -> Rule:
    """A stated value that `read` makes nothing of is unknown, for the one `reason`."""
    (name,) = reason

    @rule(blanks=reason)
    def read_or_unknown(rows: pd.DataFrame) -> Verdict:
        values = per_value(rows[column], read, kind)
        stated = per_value(rows[column], lambda value: bool(value.strip()), pa.bool_())
        return Verdict({column: values}, unknown={name: mask(values.isna() & stated)})

    return read_or_unknown
