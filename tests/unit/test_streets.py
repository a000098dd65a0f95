"""One spelling for streets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from stages.datasets.streets import addresses, street


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("Flatbush Ave", "FLATBUSH AVENUE"), ("FLATBUSH AV.", "FLATBUSH AVENUE"),
        (" FLATBUSH   AVENUE ", "FLATBUSH AVENUE"),
        ("AVE U", "AVENUE U"), ("AVENUE S", "AVENUE S"), ("AVENUE OF ST. JOHN", "AVENUE OF SAINT JOHN"),
        ("GRAND CENTRAL PKWY", "GRAND CENTRAL PARKWAY"), ("VAN WYCK EXPWY", "VAN WYCK EXPRESSWAY"),
        ("VANWYCK EXPY", "VAN WYCK EXPRESSWAY"), ("SOUTHERN BLVD", "SOUTHERN BOULEVARD"),
        ("UNION TPKE", "UNION TURNPIKE"),
        ("KINGS HWY", "KINGS HIGHWAY"), ("ARTHUR KILL RD", "ARTHUR KILL ROAD"), ("SKYLINE DR", "SKYLINE DRIVE"),
        ("KEW FOREST LN", "KEW FOREST LANE"), ("AMORY CT", "AMORY COURT"), ("CHATHAM SQ", "CHATHAM SQUARE"),
    ],
)  # fmt: skip
def test_abbreviations_are_written_out(published: str, expected: str) -> None:
    assert street(published) == expected


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("42ND ST", "42 STREET"), ("31AVE", "31 AVENUE"), ("42ST", "42 STREET"), ("121ST ST", "121 STREET"),
        ("111TH AVE", "111 AVENUE"), ("W 42ND STREET", "WEST 42 STREET"), ("WEST 14", "WEST 14"),
        ("Sixth Avenue", "6 AVENUE"), ("THIRD AVE BRIDGE", "3 AVENUE BRIDGE"), ("THIRD RAIL WALK", "THIRD RAIL WALK"),
    ],
)  # fmt: skip
def test_numbers_are_digits(published: str, expected: str) -> None:
    assert street(published) == expected


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("ST MARKS PL", "SAINT MARKS PLACE"), ("St. Nicholas", "SAINT NICHOLAS"),
        ("ST.JOHN'S PLACE", "SAINT JOHNS PLACE"),
        ("CANAL ST WEST", "CANAL STREET WEST"), ("SCHERMERHORN ST & 3RD AVE", "SCHERMERHORN STREET & 3 AVENUE"),
        ("WASHINGTON BRIDGE 181 ST", "WASHINGTON BRIDGE 181 STREET"), ("FATHER ST GEORGE WAY", "FATHER ST GEORGE WAY"),
        ("ST", "ST"),
    ],
)  # fmt: skip
def test_st_is_a_saint_or_a_street(published: str, expected: str) -> None:
    assert street(published) == expected


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("E TREMONT AVE", "EAST TREMONT AVENUE"), ("N 7 ST", "NORTH 7 STREET"), ("7 AVE S", "7 AVENUE SOUTH"),
        ("PELHAM PKWY N", "PELHAM PARKWAY NORTH"), ("AVENUE N", "AVENUE N"), ("E DRIVE", "E DRIVE"),
        ("W/B GCP EXIT RAMP", "W/B GCP EXIT RAMP"),
    ],
)  # fmt: skip
def test_the_sides_of_the_city_are_written_out(published: str, expected: str) -> None:
    assert street(published) == expected


@pytest.mark.parametrize("published", ["MACON", "PE\ufffdA BOULEVARD", "A,B", 'THE "HUB"', "🚲 LANE", "-", "BROADWAY"])
def test_what_is_not_understood_stays(published: str) -> None:
    assert street(published) == published


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("123       MAIN ST", "123 MAIN STREET"), ("41-035 67 St", "41-035 67 STREET"),
        ("80a DAFFODIL LN", "80A DAFFODIL LANE"),
        ("203 Beach 77st", "203 BEACH 77 STREET"), ("40 W 42ND ST", "40 WEST 42 STREET"),
        ("61-12 61 road", "61-12 61 ROAD"),
        ("369 BROADWAY", "369 BROADWAY"), ("84 AVE", "84 AVENUE"), ("GOLD ST", "GOLD STREET"),
        ("5 ST MARKS PL", "5 SAINT MARKS PLACE"), ("120 LAGUARDIA AIRPORT", "120 LAGUARDIA AIRPORT"),
    ],
)  # fmt: skip
def test_an_address_is_its_number_and_its_street(published: str, expected: str) -> None:
    assert addresses(pa.array([published])).to_pylist() == [expected]


def test_a_name_that_is_written_out_stays_so(extract: Callable[[str], Path]) -> None:
    with extract("crashes_2022-01.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = {street(row[column]) for row in rows for column in ("ON STREET NAME", "CROSS STREET NAME")}
    found = addresses(pa.array([row["OFF STREET NAME"] for row in rows]))
    assert len(names) > 1000
    assert [name for name in names if street(name) != name] == []
    assert addresses(found) == found
