"""The DAG's params as options give them: what a run takes in, checked before Airflow is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from collisions_ops.errors import OpsError
from stages.logs import did_you_mean

YEARS = range(2012, 2100)  # what the DAG's param takes


def is_date(value: object) -> bool:
    """Whether it is a day, written YYYY-MM-DD."""
    try:
        return isinstance(value, str) and str(date.fromisoformat(value)) == value
    except ValueError:
        return False


def is_year(value: object) -> bool:
    """Whether it is one of the years that may be asked for."""
    return type(value) is int and value in YEARS


def is_name(value: object) -> bool:
    """Whether it is written like the name of a dataset."""
    return isinstance(value, str) and re.fullmatch("[a-z][a-z0-9_]*", value) is not None


def is_list_of(sound: Callable[[object], bool]) -> Callable[[object], bool]:
    """Tells whether a value is a list of such as are `sound`, each once."""
    return lambda value: isinstance(value, list) and all(map(sound, value)) and len(set(value)) == len(value)


A_FLAG = (lambda value: isinstance(value, bool), "true or false")
KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {  # of the DAG's params: which values it takes
    "start": (is_date, 'a date such as "2025-03-01"'),
    "end": (is_date, 'a date such as "2025-04-01", the day after the last'),
    "years": (is_list_of(is_year), f"a list of years from {YEARS[0]} to {YEARS[-1]}, such as [2023, 2024]"),
    "datasets": (is_list_of(is_name), "a list of the names of datasets"),
    "full_refresh": A_FLAG,
    "allow_shrink": A_FLAG,
}


def check_conf(text: str) -> None:
    """Raise OpsError where a run's configuration is not JSON with the DAG's params and values of their kinds: Airflow
    says so in a traceback, or in the log of the run's first task. What the values mean together the DAG judges alone.
    """
    try:
        conf = json.loads(text)
    except json.JSONDecodeError as error:
        raise OpsError(f"the configuration is not JSON ({error}): {text}") from None
    if not isinstance(conf, dict):
        raise OpsError(f'the configuration is not an object of JSON, such as {{"years": [2024]}}: {text}')
    for name, value in conf.items():
        if name not in KINDS:
            raise OpsError(f"the DAG has no param {name!r}{did_you_mean(name, KINDS)}; it has {', '.join(KINDS)}")
        sound, expected = KINDS[name]
        if value is not None and not sound(value):
            raise OpsError(f"param {name} is {json.dumps(value)}: it takes {expected}")
    check_datasets(conf.get("datasets") or [])


def parse_years(text: str | None) -> list[int]:
    """The years between commas, each once, in order; none where the option is not given.

    Raises OpsError where one is no year, or where the option is given and empty: without years a run takes in all.
    """
    words = listed("--years", text)
    for word in words:
        if not (word.isascii() and word.isdecimal() and int(word) in YEARS):
            raise OpsError(f"{word!r} is not a year such as 2024: --years takes those from {YEARS[0]} to {YEARS[-1]}")
    return sorted({int(word) for word in words})


def parse_datasets(text: str | None) -> list[str]:
    """The datasets' names between commas, each once; none where the option is not given.

    Raises OpsError where there is no such dataset, or where the option is given and empty.
    """
    words = list(dict.fromkeys(listed("--datasets", text)))
    check_datasets(words)
    return words


def check_datasets(names: Sequence[str]) -> None:
    """Raise OpsError where one is not the name of a dataset."""
    from stages.datasets import names as known

    if unknown := [name for name in names if name not in known()]:
        raise OpsError(f"there is no dataset {', '.join(map(repr, unknown))}; there are: {', '.join(known())}")


def check_dates(start: date | None, end: date | None, years: Sequence[int]) -> None:
    """Raise OpsError where both years and dates are given, or dates between which there is no day."""
    if years and (start or end):
        raise OpsError("--years and --start or --end: give the years or the dates, not both")
    if start and end and start >= end:
        raise OpsError(f"no dates in [{start}, {end}): --end is exclusive")


def params(
    start: date | None = None,
    end: date | None = None,
    years: str | None = None,
    datasets: str | None = None,
    *,
    allow_shrink: bool = False,
) -> dict[str, Any]:
    """The params of a run; what is not given is left to the DAG. Raises OpsError where it would refuse them.

    >>> params(years="2023,2022")
    {'years': [2022, 2023]}
    """
    chosen = parse_years(years)
    check_dates(start, end, chosen)
    given = {
        "start": start and str(start),
        "end": end and str(end),
        "years": chosen,
        "datasets": parse_datasets(datasets),
        "allow_shrink": allow_shrink,
    }
    return {name: value for name, value in given.items() if value}


def listed(option: str, text: str | None) -> list[str]:
    """What is written between commas; raises OpsError where the option is given and empty."""
    words = [word for part in (text or "").split(",") if (word := part.strip())]
    if text is not None and not words:
        raise OpsError(f"{option} is empty: leave it out, or write what is meant between commas")
    return words
