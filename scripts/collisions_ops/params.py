"""The DAG's params as options give them: what a run takes in, checked before Airflow is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from collisions_ops.errors import OpsError

YEARS = range(2012, 2100)  # what the DAG's param takes


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
