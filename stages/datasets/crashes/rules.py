"""What is wrong with published rows of crashes, one function per defect."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import vocabulary
from stages.datasets.crashes.columns import COUNTS, FACTORS, STREETS, TYPES
from stages.datasets.dataset import Verdict, rule
from stages.datasets.values import TIME_FORMS, parse_date, parse_time, tidy
from stages.lake.frames import distinct, mask, matching, over_values, per_value
from stages.lake.tally import Blank

FIRST_DAY = date(2012, 7, 1)  # the earliest collision that the city publishes
# No extract is older than the data set's first publication; an earlier time is that of a clock that was reset.
FIRST_PUBLISHED = datetime(2014, 4, 28, tzinfo=UTC)
MAX_COUNT = 200  # no collision on record comes near it; a larger number is a typing error
# The city and the waters around it, in degrees WGS84.
LATITUDES = (40.45, 40.95)
LONGITUDES = (-74.30, -73.65)


@rule(
    rejects={
        "collision_id_missing": "COLLISION_ID is blank",
        "collision_id_malformed": "not a positive whole number of at most ten digits",
    }
)
def identity(rows: pd.DataFrame) -> Verdict:
    """COLLISION_ID is the key: whole and positive, or the row cannot be told apart from others."""
    text = rows["collision_id"].str.strip()
    digits = matching(text, r"^[1-9]\d{0,9}$")
    if digits.isna().any():  # perhaps a program has read them as decimal numbers
        digits = matching(text.str.replace(r"\.0+$", "", regex=True), r"^[1-9]\d{0,9}$")
    numbers = digits.astype("int64[pyarrow]")
    sound = numbers.notna().to_numpy(dtype=bool)
    missing = (text.isna() | (text == "")).fillna(True).to_numpy(dtype=bool)
    return Verdict(
        {"collision_id": numbers},
        rejected={"collision_id_missing": missing, "collision_id_malformed": ~sound & ~missing},
    )


@rule(
    rejects={
        "crash_date_before_records": f"before {FIRST_DAY}",
        "crash_date_after_extraction": "more than a day after its file was extracted",
    }
)
def possible_date(rows: pd.DataFrame) -> Verdict:
    """No collision lies before the first published day, nor after the day on which its file was extracted."""
    dates = per_value(rows["crash_date"], parse_date, pa.date32())
    days = pa.array(dates, from_pandas=True)
    early = np.asarray(pc.fill_null(pc.less(days, pa.scalar(FIRST_DAY)), False))
    late = np.zeros(len(rows), dtype=bool)
    extracted = pa.array(rows["extracted_at"])
    for moment in pc.unique(extracted).to_pylist():
        latest = moment if moment >= FIRST_PUBLISHED else datetime.now(UTC)  # that much is certain
        after = pc.and_(pc.greater(days, (latest + timedelta(days=1)).date()), pc.equal(extracted, moment))
        late |= np.asarray(pc.fill_null(after, False))
    return Verdict(
        {"crash_date": dates}, rejected={"crash_date_before_records": early, "crash_date_after_extraction": late}
    )


@rule(
    rejects={
        "count_malformed": "a count is not a whole number",
        "count_negative": "a count is below 0",
        "count_absurd": f"a count is above {MAX_COUNT}",
    }
)
def sound_counts(rows: pd.DataFrame) -> Verdict:
    """Counts are whole numbers from 0 to MAX_COUNT; a blank is unknown, and stays so."""
    rejected = {problem: np.zeros(len(rows), dtype=bool) for problem in sound_counts.rejects}
    seen = np.zeros(len(rows), dtype=bool)  # a row's first broken count is its reason
    for name in COUNTS:
        if any(map(_count_problem, distinct(rows[name]).to_pylist())):
            problems = per_value(rows[name], _count_problem, pa.string())
            for problem in rejected:
                found = mask(problems == problem) & ~seen
                rejected[problem] |= found
                seen |= found
    return Verdict({name: per_value(rows[name], _count, pa.int16()) for name in COUNTS}, rejected)


@lru_cache(100_000)
def _count_problem(text: str) -> str | None:
    if not (text := text.strip()):
        return None
    if re.fullmatch(r"-[0-9]+(\.[0-9]+)?", text):
        return "count_negative"
    if not re.fullmatch(r"[0-9]+(\.0+)?", text):
        return "count_malformed"
    return "count_absurd" if float(text) > MAX_COUNT else None


@lru_cache(100_000)
def _count(text: str) -> int | None:
    return int(float(text)) if text.strip() and not _count_problem(text) else None


@rule()
def without_padding(rows: pd.DataFrame) -> Verdict:
    """Streets, vehicle types and factors are padded, or split by runs of blanks and control characters."""
    return Verdict({name: over_values(rows[name], tidy) for name in (*STREETS, *FACTORS, *TYPES)})


@rule(blanks={"crash_time_unreadable": Blank("crash_time", TIME_FORMS)})
def readable_time(rows: pd.DataFrame) -> Verdict:
    """A time that no clock shows is unknown; the collision itself is not in doubt."""
    return _read("crash_time", rows["crash_time"], parse_time, pa.time32("ms"), "crash_time_unreadable")


@rule(
    blanks={
        "coordinates_zero": Blank("latitude", "a place other than (0, 0)", limit=0.5),
        "coordinates_malformed": Blank("latitude", "a pair of numbers"),
        "coordinates_outside_city": Blank(
            "latitude",
            f"degrees, latitude {LATITUDES[0]} to {LATITUDES[1]} and longitude {LONGITUDES[0]:.2f} to"
            f" {LONGITUDES[1]:.2f} (west is negative)",
        ),
    }
)
def coordinates_in_the_city(rows: pd.DataFrame) -> Verdict:
    """(0, 0), half a pair, text, and points outside the city are no place in New York: unknown."""
    stated = rows["latitude"].notna().to_numpy(dtype=bool) | rows["longitude"].notna().to_numpy(dtype=bool)
    degrees = {name: _degrees(rows[name].str.strip()) for name in ("latitude", "longitude")}
    latitude, longitude = (column.to_numpy(dtype=float, na_value=np.nan) for column in degrees.values())
    zero = (latitude == 0) & (longitude == 0)
    malformed = stated & (np.isnan(latitude) | np.isnan(longitude))
    inside = _between(latitude, LATITUDES) & _between(longitude, LONGITUDES)
    return Verdict(
        {name: column.where(inside) for name, column in degrees.items()},
        unknown={
            "coordinates_zero": zero,
            "coordinates_malformed": malformed,
            "coordinates_outside_city": stated & ~zero & ~malformed & ~inside,
        },
    )


def _degrees(text: pd.Series) -> pd.Series:
    try:
        return text.astype("double[pyarrow]")
    except pa.ArrowInvalid:  # some value is not a number; the others are read as usual
        plain = matching(text, r"^-?\d{1,3}(?:\.\d+)?$")  # nearly all, and quick
        odd = per_value(text.where(plain.isna()), _number, pa.float64())
        return plain.astype("double[pyarrow]").fillna(odd)


def _number(text: str) -> float | None:
    try:
        number: float = pa.scalar(_DECIMAL_COMMA.sub(r"\1.\2", text)).cast(pa.float64()).as_py()
    except pa.ArrowInvalid:
        return None
    return number


_DECIMAL_COMMA = re.compile(r"^(-?[0-9]{1,3}),([0-9]+)$")


def _between(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (values >= bounds[0]) & (values <= bounds[1])


@rule(blanks={"borough_not_of_the_city": Blank("borough", "one of the five boroughs")})
def known_borough(rows: pd.DataFrame) -> Verdict:
    """A borough that is none of the five is unknown."""
    return _read("borough", rows["borough"], vocabulary.borough, pa.string(), "borough_not_of_the_city")


@rule(blanks={"zip_code_malformed": Blank("zip_code", "five digits, or nine with a hyphen")})
def sound_zip_code(rows: pd.DataFrame) -> Verdict:
    """A ZIP code that does not begin with five digits is unknown; the four of a ZIP+4 are left out."""
    return _read("zip_code", rows["zip_code"], _zip_code, pa.string(), "zip_code_malformed")


def _zip_code(text: str) -> str | None:
    found = re.fullmatch(r"([0-9]{5})(?:\.0+|-[0-9]{4})?", text.strip())
    return found[1] if found else None


def _read(name: str, text: pd.Series, read: Callable[[str], object], kind: pa.DataType, reason: str) -> Verdict:
    values = per_value(text, read, kind)
    stated = per_value(text, lambda value: bool(value.strip()), pa.bool_())
    return Verdict({name: values}, unknown={reason: mask(values.isna() & stated)})


ROW_RULES = (identity, possible_date, sound_counts)
VALUE_RULES = (without_padding, readable_time, coordinates_in_the_city, known_borough, sound_zip_code)
