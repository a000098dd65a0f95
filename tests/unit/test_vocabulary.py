"""One vocabulary: factors, severities; dates and times as published. For vehicle types see test_vehicle_types."""

from __future__ import annotations

from datetime import date, time

import pandas as pd
import pyarrow as pa
import pytest

from stages.datasets import vocabulary
from stages.datasets.crashes.columns import COUNTS
from stages.datasets.crashes.curation import severities
from stages.datasets.values import parse_date, parse_time


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("03/05/2024", date(2024, 3, 5)), ("2024-03-05T00:00:00.000", date(2024, 3, 5)),
        ("2024-03-05", date(2024, 3, 5)),
        ("02/29/2024", date(2024, 2, 29)), ("02/29/2023", None), ("05.03.2024", None), ("", None),
        ("3/5/2024", date(2024, 3, 5)), ("3/5/24", date(2024, 3, 5)), ("13/5/2024", None), ("3/5/124", None),
        ("2024-03-05 00:00:00", date(2024, 3, 5)), ("2024-03-05T00:00:00.000Z", date(2024, 3, 5)),
        ("03/05/2024 12:00:00 AM", date(2024, 3, 5)), ("2024-03-05T08:15:00.000", date(2024, 3, 5)),
        ("2024-03-05T05:00:00.000Z", None), ("2024-03-05T00:00:00-05:00", date(2024, 3, 5)), ("2024-03-05T25:00", None),
        (None, None), (" 03/05/2024 ", date(2024, 3, 5)), ("00/00/0000", None),
    ],
)  # fmt: skip
def test_dates_of_both_forms_are_read(text: str | None, day: date | None) -> None:
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "clock"),
    [("0:00", time(0)), ("09:05", time(9, 5)), ("24:00", None), ("9:5", None), ("", None), (None, None)],
)
def test_times_are_read(text: str | None, clock: time | None) -> None:
    assert parse_time(text) == clock


@pytest.mark.parametrize(
    ("spelling", "name", "group"),
    [
        ("Unspecified", "Unspecified", "Unknown"), ("Illnes", "Illness", "Driver condition"),
        ("Drugs (Illegal)", "Drugs (illegal)", "Driver condition"),
        ("UNSAFE  SPEED", "Unsafe Speed", "Driver behaviour"),
        ("Reaction to Other Uninvolved Vehicle", "Reaction to Uninvolved Vehicle", "Driver behaviour"),
        ("80", "Unspecified", "Unknown"), ("sunspots", "Unmapped", "Unmapped"),
    ],
)  # fmt: skip
def test_spellings_of_a_factor_have_one_name(spelling: str, name: str, group: str) -> None:
    assert (vocabulary.factor(spelling), vocabulary.factor_group(spelling)) == (name, group)


def test_keys_of_spellings_are_steady_and_never_zero() -> None:
    assert vocabulary.key("Sedan") == vocabulary.key("Sedan") != vocabulary.key("SEDAN")
    assert all(0 < vocabulary.key(text) < 2**63 for text in ("", "Sedan", "é"))


@pytest.mark.parametrize(
    ("counts", "severity"),
    [
        ({"persons_killed": 1, "persons_injured": 0}, "fatal"), ({"persons_killed": 2}, "fatal"),
        ({"persons_killed": 0, "persons_injured": 3}, "injury"),
        ({"persons_killed": 0, "persons_injured": 0}, "property damage"), ({"persons_killed": 0}, None),
        ({"persons_injured": 2}, None), ({"persons_injured": 0}, None), ({}, None),
        ({"persons_killed": 0, "persons_injured": 0, "motorists_injured": 1}, "injury"),
        ({"persons_killed": 0, "persons_injured": 1, "cyclists_killed": 1}, "fatal"),
        ({"persons_killed": 0, "motorists_injured": 1}, "injury"), ({"pedestrians_killed": 1}, "fatal"),
        ({"pedestrians_killed": 0, "persons_injured": 0}, None),
    ],
)  # fmt: skip
def test_severity_is_by_the_greater_of_the_persons_and_their_parts(
    counts: dict[str, int], severity: str | None
) -> None:
    frame = pd.DataFrame({name: pd.Series([counts.get(name)], dtype=pd.ArrowDtype(pa.int16())) for name in COUNTS})
    found = severities(frame).iloc[0]
    assert (None if pd.isna(found) else found) == severity
