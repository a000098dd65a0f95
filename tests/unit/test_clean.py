"""raw → clean, rule by rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from lake import ROW

from stages.datasets.crashes import DATASET
from stages.lake.partitions import Transformed
from stages.lake.sources import Source
from stages.transform_clean import clean, with_our_names

EXTRACTED = datetime(2024, 9, 16, 10, tzinfo=UTC)
SOUND = {ours: ROW.get(name) for name, ours in DATASET.forms["portal"].items()} | {"collision_id": "1"}


def raw(*changes: dict[str, Any]) -> pa.Table:
    """A month's raw rows under our names: a sound row, changed."""
    base = SOUND | {"source": "a", "extracted_at": EXTRACTED, "month": 24290}
    rows = [base | {"source_line": line} | change for line, change in enumerate(changes, 2)]
    kinds = {"month": pa.int32(), "source_line": pa.int32(), "extracted_at": pa.timestamp("us", "UTC")}
    return pa.table({name: pa.array([row[name] for row in rows], kinds.get(name, pa.string())) for name in rows[0]})


def cleaned(rows: pa.Table, covering: Sequence[Source] = ()) -> Transformed:
    """What transform_clean makes of raw rows."""
    return clean(rows, DATASET, list(covering))


def rows_of(done: Transformed) -> pd.DataFrame:
    """The clean rows."""
    return done.tables["crashes"]


def one(**change: Any) -> dict[str, Any]:
    """The only clean row of one raw row."""
    done = cleaned(raw(change))
    assert len(rows_of(done)) == 1
    row: dict[Any, Any] = rows_of(done).astype(object).where(rows_of(done).notna(), None).to_dict("records")[0]
    return row | {"rules": dict(done.rules)}


def reason(**change: Any) -> str | None:
    """Why the row is quarantined, or None where it is not."""
    done = cleaned(raw(change))
    assert len(rows_of(done)) + (0 if done.rejected is None else len(done.rejected)) == 1
    return None if done.rejected is None else done.rejected["reason"].iloc[0]


def test_all_forms_get_the_same_names() -> None:
    tables = []
    for names in DATASET.forms.values():
        values = {name: [ours] for name, ours in names.items()} | {"_source": ["s"], "_line": [2], "_extracted_at": [0]}
        tables.append(with_our_names(pa.table(values), DATASET).to_pylist())
    assert tables[0] == tables[1] == tables[2]
    assert tables[0][0]["cross_street_name"] == "cross_street_name"
    assert "location" not in tables[0][0]


def test_a_sound_row_has_its_types() -> None:
    row = one()
    assert (row["collision_id"], row["crash_date"], row["crash_time"]) == (1, date(2024, 3, 5), time(8, 15))
    assert (row["latitude"], row["longitude"], row["borough"], row["zip_code"]) == (40.75, -73.9, "Queens", "11101")
    assert row["persons_injured"] == 0
    assert row["rules"] == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", None), (" 4710933 ", None), ("9999999999", None), (None, "collision_id_missing"),
        (" ", "collision_id_missing"), ("0", "collision_id_malformed"), ("-1", "collision_id_malformed"),
        ("4491172.0", None), ("1.5", "collision_id_malformed"),
        ("NA", "collision_id_missing"),
        ("1e3", "collision_id_malformed"), ("10000000000", "collision_id_malformed"),
        ("\u0661", "collision_id_malformed"),
    ],
)  # fmt: skip
def test_the_id_is_a_whole_positive_number(text: str | None, expected: str | None) -> None:
    assert reason(collision_id=text) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("07/01/2012", None), ("9/6/2024", None), ("9/6/24", None), ("2024-09-06 00:00:00", None),
        ("06/30/2012", "crash_date_before_records"), ("09/16/2024", None), ("09/17/2024", None),
        ("09/18/2024", "crash_date_after_extraction"), ("2024-09-18T00:00:00.000", "crash_date_after_extraction"),
    ],
)  # fmt: skip
def test_the_date_lies_between_the_first_published_and_the_extraction(day: str, expected: str | None) -> None:
    assert reason(crash_date=day) == expected


def test_the_dates_of_a_file_of_a_reset_clock_end_today() -> None:
    assert reason(extracted_at=datetime(1980, 1, 1, tzinfo=UTC)) is None
    assert (
        reason(extracted_at=datetime(1980, 1, 1, tzinfo=UTC), crash_date="01/05/2099") == "crash_date_after_extraction"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", None), ("200", None), ("3.0", None), (" 2 ", None), (None, None), (" ", None), ("201", "count_absurd"),
        ("-1", "count_negative"), ("-1.5", "count_negative"), ("1.5", "count_malformed"), ("two", "count_malformed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["persons_injured", "motorists_killed"])
def test_counts_are_whole_and_likely(text: str | None, expected: str | None, column: str) -> None:
    assert reason(**{column: text}) == expected


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("3.0", 3), (" 2 ", 2), (None, None), (" ", None)])
def test_a_blank_count_is_unknown_not_zero(text: str | None, count: int | None) -> None:
    assert one(persons_injured=text)["persons_injured"] == count


def test_the_first_broken_rule_is_the_reason() -> None:
    assert reason(collision_id="", persons_injured="-1") == "collision_id_missing"
    assert reason(crash_date="01/01/2000", persons_injured="-1") == "crash_date_before_records"


def test_quarantine_keeps_the_text_as_published() -> None:
    done = cleaned(raw({}, {"collision_id": " x ", "borough": "Ä"}))
    assert done.rejected is not None
    (row,) = done.rejected.to_dict("records")
    assert (row["source"], row["line"], row["reason"]) == ("a", 3, "collision_id_malformed")
    text = json.loads(row["text"])
    assert (text["collision_id"], text["borough"], text["crash_date"], text["on_street_name"]) == (
        *(" x ", "Ä", "03/05/2024", "MAIN STREET"),
    )


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("0:00", time(0)), ("8:05", time(8, 5)), ("23:59", time(23, 59)), (" 8:15 ", time(8, 15)), ("24:00", None),
        ("8:60", None), ("noon", None), ("8", None), ("\u0668:15", None), ("2:30:05", time(2, 30, 5)),
        ("0230", time(2, 30)),
        ("02:30:00 AM", time(2, 30)), ("2:30 pm", time(14, 30)), ("12:05 AM", time(0, 5)), ("12:05 p.m.", time(12, 5)),
        ("2022-01-05T02:30:00.000", time(2, 30)), ("1/5/2022 2:30", time(2, 30)), ("1899-12-30 02:30:00", time(2, 30)),
        ("13:05 AM", None), ("0:05 AM", None), ("2460", None), ("230", None), ("2:30:61", None),
    ],
)  # fmt: skip
def test_a_time_that_no_clock_shows_is_unknown(text: str, clock: time | None) -> None:
    row = one(crash_time=text)
    assert row["crash_time"] == clock
    assert row["rules"] == ({} if clock else {"crash_time_unreadable": 1})


@pytest.mark.parametrize(
    ("latitude", "longitude", "rule"),
    [
        ("0", "0", "zero"), ("0.0", "-0.0", "zero"), ("40.7", None, "malformed"), (None, "-73.9", "malformed"),
        ("40.7", "x", "malformed"), ("0", "-73.9", "outside_city"), ("40.7", "73.9", "outside_city"),
        ("-73.9", "40.7", "outside_city"), ("42.36", "-71.06", "outside_city"), ("40.44", "-73.9", "outside_city"),
    ],
)  # fmt: skip
def test_a_point_outside_the_city_is_unknown(latitude: str | None, longitude: str | None, rule: str) -> None:
    row = one(latitude=latitude, longitude=longitude)
    assert (row["latitude"], row["longitude"]) == (None, None)
    assert row["rules"] == {f"coordinates_{rule}": 1}


def test_a_decimal_comma_is_read() -> None:
    row = one(latitude="40,7512", longitude="-73,9")
    assert (row["latitude"], row["longitude"], row["rules"]) == (40.7512, -73.9, {})


@pytest.mark.parametrize("word", ["NA", "NULL", "null", r"\N", "None", "NaN", "nan", "#N/A", "N/A"])
def test_null_words_are_unknown_everywhere(word: str) -> None:
    blank = [name for name in SOUND if name not in {"collision_id", "crash_date", "location"}]
    row = one(**dict.fromkeys(blank, word))
    assert [name for name in blank if row[name] is not None] == []
    assert row["rules"] == {"null_word": len(blank)}


def test_null_words_are_counted_by_file_and_column() -> None:
    done = cleaned(raw({"borough": "NA"}, {"collision_id": "2", "source": "b", "borough": "null", "zip_code": "NA"}))
    assert dict(done.tally.marked) == {
        ("a", "borough", "null_word"): 1, ("b", "borough", "null_word"): 1, ("b", "zip_code", "null_word"): 1,
    }  # fmt: skip


def test_coordinates_do_not_depend_on_other_rows() -> None:
    rows = [{"latitude": text} for text in ("40.75", "4.075E1", "+40.75", "nan", "1e", "")]
    alone = [rows_of(cleaned(raw(row)))["latitude"].tolist() for row in rows]
    together = cleaned(raw(*({"collision_id": str(n), **row} for n, row in enumerate(rows, 1))))
    assert [[value] for value in rows_of(together)["latitude"].tolist()] == alone
    assert alone[:3] == [[40.75]] * 3
    assert rows_of(together)["latitude"].isna().sum() == 3


def test_missing_coordinates_are_not_an_error() -> None:
    assert one(latitude=None, longitude=None)["rules"] == {}


@pytest.mark.parametrize(
    ("text", "name"), [("QUEENS", "Queens"), (" staten  island ", "Staten Island"), ("JERSEY", None), (None, None)]
)
def test_a_borough_is_one_of_five(text: str | None, name: str | None) -> None:
    row = one(borough=text)
    assert row["borough"] == name
    assert row["rules"] == ({"borough_not_of_the_city": 1} if text and not name else {})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("11101", "11101"), (" 00083 ", "00083"), ("11230.0", "11230"), ("11230-1234", "11230"), ("1110", None),
        ("11101-1", None), ("11230.5", None), ("\u0661" * 5, None),
    ],
)  # fmt: skip
def test_a_zip_code_has_five_digits(text: str, code: str | None) -> None:
    row = one(zip_code=text)
    assert row["zip_code"] == code
    assert row["rules"] == ({} if code else {"zip_code_malformed": 1})


@pytest.mark.parametrize(
    ("text", "street"),
    [("  MAIN   STREET ", "MAIN STREET"), ("CANAL\x7fSTREET", "CANAL STREET"), ("\t\r\n", None), (None, None)],
)
def test_padding_is_taken_off(text: str | None, street: str | None) -> None:
    for column in ("on_street_name", "off_street_address", "vehicle_type_1", "contributing_factor_5"):
        assert one(**{column: text})[column] == street


# --- versions -----------------------------------------------------------------------------------------


def kept(done: Transformed) -> list[tuple[str, int]]:
    return list(zip(rows_of(done)["source"], rows_of(done)["source_line"], strict=True))


NEWER = EXTRACTED.replace(year=2025)


@pytest.mark.parametrize(
    ("first", "second", "newest"),
    [
        ({"source": "z"}, {"source": "a", "extracted_at": NEWER}, ("a", 3)),
        ({"source": "a", "extracted_at": NEWER}, {"source": "z"}, ("a", 2)),
        ({"source": "a"}, {"source": "b"}, ("b", 3)),
        ({"source": "b"}, {"source": "a"}, ("b", 2)),
        ({}, {}, ("a", 3)),
    ],
    ids=["newer extract", "newer extract first", "greater name", "greater name first", "later line"],
)
def test_the_newest_version_counts(first: dict[str, Any], second: dict[str, Any], newest: tuple[str, int]) -> None:
    done = cleaned(raw(first, second))
    assert kept(done) == [newest]
    assert (done.ledger.superseded, dict(done.rules)) == (1, {"superseded_by_newer_version": 1})


def test_a_broken_newer_version_does_not_replace_the_older() -> None:
    done = cleaned(raw({"source": "a"}, {"source": "b", "extracted_at": NEWER, "persons_killed": "-1"}))
    assert kept(done) == [("a", 2)]
    assert done.ledger.superseded == 0


def covering(extracted: datetime = NEWER, name: str = "cover") -> Source:
    fields: dict[str, Any] = {name: "" for name, field in Source.__dataclass_fields__.items() if field.type == "str"}
    fields |= {"name": name, "extracted_at": extracted.isoformat(), "size": 0}
    return Source(**fields, covers_start="2024-03-01", covers_end="2024-03-06")


def test_a_covering_source_withdraws_what_it_lacks() -> None:
    rows = raw(
        {"collision_id": "1"},
        {"collision_id": "2"},
        {"collision_id": "3", "crash_date": "03/06/2024"},
        {"collision_id": "4", "extracted_at": NEWER.replace(year=2026)},
        {"collision_id": "1", "source": "cover", "extracted_at": NEWER},
    )
    done = cleaned(rows, [covering()])
    assert sorted(rows_of(done)["collision_id"]) == [1, 3, 4]
    assert (done.ledger.superseded, done.rules["superseded_by_covering_source"]) == (2, 1)


def test_a_covering_source_of_the_same_moment_withdraws_by_name() -> None:
    rows = raw({"collision_id": "1", "source": "a"}, {"collision_id": "2", "source": "z"})
    assert list(rows_of(cleaned(rows, [covering(EXTRACTED)]))["collision_id"]) == [2]


@pytest.mark.parametrize("spelling", ["1", " 1", "1.0"])
def test_a_record_that_the_covering_source_has_broken_is_not_withdrawn(spelling: str) -> None:
    broken = {"source": "cover", "extracted_at": NEWER, "persons_killed": "-1", "collision_id": spelling}
    assert kept(cleaned(raw({"source": "a"}, broken), [covering()])) == [("a", 2)]


def test_a_covering_source_with_an_unreadable_id_withdraws_nothing_in_that_month() -> None:
    broken = {"source": "cover", "extracted_at": NEWER, "collision_id": "x"}
    assert kept(cleaned(raw({"source": "a"}, broken), [covering()])) == [("a", 2)]
    assert kept(cleaned(raw({"source": "a"}, broken | {"month": 24291}), [covering()])) == []
