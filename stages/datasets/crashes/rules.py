"""What is wrong with published rows of crashes, one function per defect."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa

from stages.datasets import vocabulary
from stages.datasets.common_rules import possible_date, readable, readable_time, whole_key, without_padding
from stages.datasets.crashes.columns import COUNTS, FACTORS, STREETS, TYPES
from stages.datasets.dataset import Verdict, rule
from stages.lake.frames import distinct, mask, matching, per_value
from stages.lake.tally import Blank

MAX_COUNT = 200  # no collision on record comes near it; a larger number is a typing error
# The city and the waters around it, in degrees WGS84.
LATITUDES = (40.45, 40.95)
LONGITUDES = (-74.30, -73.65)


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


def _zip_code(text: str) -> str | None:
    found = re.fullmatch(r"([0-9]{5})(?:\.0+|-[0-9]{4})?", text.strip())
    return found[1] if found else None


BOROUGH_NOT_OF_THE_CITY = {"borough_not_of_the_city": Blank("borough", "one of the five boroughs")}
# the four digits of a ZIP+4 are left out
ZIP_CODE_MALFORMED = {"zip_code_malformed": Blank("zip_code", "five digits, or nine with a hyphen")}

ROW_RULES = (whole_key("collision_id", "COLLISION_ID"), possible_date("crash_date"), sound_counts)
VALUE_RULES = (
    without_padding([*STREETS, *FACTORS, *TYPES]),
    readable_time("crash_time"),
    coordinates_in_the_city,
    readable("borough", vocabulary.borough, pa.string(), BOROUGH_NOT_OF_THE_CITY),
    readable("zip_code", _zip_code, pa.string(), ZIP_CODE_MALFORMED),
)
