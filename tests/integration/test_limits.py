"""How much of a landed file may go wrong, how far ahead its clock may be, and how much a warehouse may lose."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake import STAGES, Lake, crashes_csv, rows

from stages.lake import keys

NOW = datetime(2024, 9, 16, tzinfo=UTC)
LARGE = crashes_csv(rows(4000, 100_000))


def fails(lake: Lake, stage: str) -> str:
    """Run the stages up to one that must refuse the data; its last line."""
    for name in STAGES[: STAGES.index(stage)]:
        done = lake.stage(name)
        assert done.code == 0, done.log
    done = lake.stage(stage)
    assert done.code == 65, done.log
    return done.last


@pytest.mark.parametrize(
    ("stage", "change", "reason", "example"),
    [
        (
            "ingest_raw",
            {"CRASH_DATE": "31/31/2022"},
            "crash_date_unreadable 99: not a calendar date written as MM/DD/YYYY",
            '"CRASH DATE": "31/31/2022"',
        ),
        (
            "transform_clean",
            {"COLLISION_ID": "4491172.5"},
            "collision_id_malformed 99: not a positive whole number",
            "collision_id '4491172.5'",
        ),
        (
            "transform_clean",
            {"NUMBER_OF_CYCLIST_KILLED": "?"},
            "count_malformed 99: a count is not a whole number",
            "cyclists_killed '?'",
        ),
    ],
)
def test_a_file_whose_rows_are_rejected_fails_beside_larger_good_ones(
    folder_lake: Lake, stage: str, change: dict[str, str], reason: str, example: str
) -> None:
    folder_lake.land(LARGE, "good.csv", NOW)
    folder_lake.land(crashes_csv(rows(99, 1, **change)), "bad.csv", NOW)
    last = fails(folder_lake, stage)
    assert f"landing/crashes/bad.csv: 99 of 99 rows quarantined ({reason}" in last
    assert last.count(example) == 3
    assert "line 2: " in last
    assert "line 4: " in last
    assert "good.csv" not in last
    assert folder_lake.store.head(keys.WAREHOUSE) is None


def test_the_reasons_of_the_rejected_rows_are_those_of_the_rows_counted(folder_lake: Lake) -> None:
    undated = {"CRASH_DATE": "never"}
    folder_lake.land(crashes_csv(rows(95) + rows(5, 100, **undated)), "read before.csv", NOW)
    folder_lake.run()
    folder_lake.land(crashes_csv(rows(100, 1000) + rows(20, 2000, **undated)), "a.csv", NOW)
    folder_lake.land(crashes_csv(rows(1380, 5000)), "b.csv", NOW)
    folder_lake.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.01"
    last = fails(folder_lake, "ingest_raw")
    assert "ingest_raw crashes: 20 of 1,500 rows quarantined (crash_date_unreadable 20); landing/crashes/a.csv:" in last


def test_what_is_not_rejected_is_no_reason_for_it(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(100)), "a.csv", NOW)
    folder_lake.land(crashes_csv(rows(100) + rows(40, 500, COLLISION_ID="")), "b.csv", NOW + timedelta(days=1))
    last = fails(folder_lake, "transform_clean")
    assert "40 of 240 rows quarantined (collision_id_missing 40); landing/crashes/b.csv:" in last


def test_the_error_says_a_thing_once_and_names_the_limit_that_is_broken(folder_lake: Lake) -> None:
    long = {"CRASH_DATE": "never", "ON_STREET_NAME": "x" * 300}
    folder_lake.land(crashes_csv(rows(3000) + rows(1100, 9000, **long)), "a.csv", NOW)
    last = fails(folder_lake, "ingest_raw")
    said = "landing/crashes/a.csv: 1,100 of 4,100 rows quarantined (crash_date_unreadable 1,100: "
    assert last.startswith(f"ERROR: ingest_raw crashes: {said}")
    assert last.count("rows quarantined") == 1
    assert last.count("…; line") == 2
    assert "That is more than COLLISIONS_MAX_QUARANTINE_RATIO=0.05 of the rows; nothing is published" in last


def test_a_file_with_few_rows_only_gets_a_warning(folder_lake: Lake) -> None:
    folder_lake.land(LARGE, "good.csv", NOW)
    folder_lake.land(crashes_csv(rows(19, COLLISION_ID="x")), "small.csv", NOW)
    log = folder_lake.run()
    assert "WARNING: transform_clean crashes: landing/crashes/small.csv: 19 of 19 rows quarantined" in log
    rejected = folder_lake.ask("select source, column_name, rule, rows from meta_source_rules")
    assert rejected == [("small", None, "collision_id_malformed", 19)]


def test_sources_count_what_every_stage_rejected(folder_lake: Lake) -> None:
    bad = rows(1, 900, CRASH_DATE="never") + rows(2, 901, COLLISION_ID="x")
    folder_lake.land(crashes_csv(rows(100) + bad), "a.csv", NOW)
    folder_lake.land(LARGE, "b.csv", NOW)
    folder_lake.run()
    counts = "select file, rows, quarantined, left_in_landing, in_warehouse from meta_sources order by file"
    assert folder_lake.ask(counts) == [
        ("landing/crashes/a.csv", 103, 3, 0, 100),
        ("landing/crashes/b.csv", 4000, 0, 0, 4000),
    ]


@pytest.mark.parametrize(
    ("change", "column", "rule", "expected"),
    [
        ({"CRASH_TIME": "half past two"}, "crash_time", "crash_time_unreadable", "H:MM"),
        ({"ZIP_CODE": "1123"}, "zip_code", "zip_code_malformed", "five digits"),
        ({"LATITUDE": "-73.9", "LONGITUDE": "40.7"}, "latitude", "coordinates_outside_city", "west is negative"),
        ({"LONGITUDE": "73.9"}, "latitude", "coordinates_outside_city", "west is negative"),
        ({"LATITUDE": "40°45'"}, "latitude", "coordinates_malformed", "a pair of numbers"),
        ({"BOROUGH": "Kings"}, "borough", "borough_not_of_the_city", "one of the five boroughs"),
    ],
)
def test_a_column_that_becomes_unknown_fails(
    folder_lake: Lake, change: dict[str, str], column: str, rule: str, expected: str
) -> None:
    folder_lake.land(LARGE, "good.csv", NOW)
    folder_lake.land(crashes_csv(rows(95) + rows(10, 500, **change)), "bad.csv", NOW)
    last = fails(folder_lake, "transform_clean")
    assert f"landing/crashes/bad.csv: 10 of 105 values of {column} cannot be read ({rule} 10), e.g. line 97: " in last
    assert f"expected: {expected}" in last or expected in last.partition("expected: ")[2]
    assert "That is more than COLLISIONS_MAX_UNKNOWN_RATIO=0.05 of a column's values; nothing is published" in last


def test_a_column_with_few_values_only_gets_a_warning(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(200, ZIP_CODE="") + rows(9, 500, ZIP_CODE="1123")), "a.csv", NOW)
    log = folder_lake.run()
    assert "WARNING: transform_clean crashes: landing/crashes/a.csv: 9 of 9 values of zip_code cannot be read" in log
    counted = folder_lake.ask("select source, column_name, rule, rows from meta_source_rules")
    assert counted == [("a", "zip_code", "zip_code_malformed", 9)]


def test_the_limit_of_unreadable_values_is_a_setting(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(95) + rows(10, 500, CRASH_TIME="noon")), "a.csv", NOW)
    folder_lake.environment["COLLISIONS_MAX_UNKNOWN_RATIO"] = "0.1"
    folder_lake.run()


def test_zero_coordinates_have_a_limit_of_their_own(folder_lake: Lake) -> None:
    zero = {"LATITUDE": "0", "LONGITUDE": "0.0"}
    folder_lake.land(crashes_csv(rows(100) + rows(40, 500, **zero)), "a.csv", NOW)
    folder_lake.run()
    folder_lake.land(crashes_csv(rows(50, 1000) + rows(60, 2000, **zero)), "b.csv", NOW)
    last = fails(folder_lake, "transform_clean")
    assert "b.csv: 60 of 110 values of latitude cannot be read (coordinates_zero 60)" in last
    assert "That is more than 0.5 of a column's values, which is the limit of coordinates_zero; nothing" in last


# --- the clock of a file ------------------------------------------------------------------------------


def test_a_file_extracted_in_the_future_is_refused(lake: Lake) -> None:
    lake.land(LARGE, "good.csv", NOW)
    lake.land(crashes_csv(rows(30)), "ahead.csv", datetime.now(UTC) + timedelta(days=2))
    last = fails(lake, "ingest_raw")
    assert "landing/crashes/ahead.csv: its extraction time" in last
    assert "is in the future" in last


def test_a_file_a_little_ahead_is_read(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(30)), "ahead.csv", datetime.now(UTC) + timedelta(hours=20))
    folder_lake.run()


def test_a_file_changed_under_its_old_time_is_noticed(folder_lake: Lake, tmp_path: Path) -> None:
    landed = Path(folder_lake.environment["COLLISIONS_LAKE"], "landing/crashes/a.csv")
    folder_lake.land(crashes_csv(rows(30, NUMBER_OF_PERSONS_INJURED="1")), "a.csv", NOW)
    folder_lake.run()
    other = tmp_path / "a.csv"
    other.write_text(crashes_csv(rows(30, NUMBER_OF_PERSONS_INJURED="2")))
    os.utime(other, (NOW.timestamp(), NOW.timestamp()))
    before = landed.stat()
    shutil.copyfile(other, landed)  # into the same inode, then the same time, as `cp -p` does
    shutil.copystat(other, landed)
    after = landed.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    folder_lake.run()
    assert folder_lake.one("select sum(persons_injured) from fct_collisions") == 60


# --- names --------------------------------------------------------------------------------------------


def test_a_run_id_of_any_length_works(lake: Lake) -> None:
    lake.land(crashes_csv(rows(3)), "a.csv", NOW)
    one, other = "manual__" + "x" * 248, "manual__" + "x" * 247 + "y"
    lake.run(f"--run-id={one}")
    lake.run(f"--run-id={other}")
    assert lake.ask("select run_id from meta_runs order by 1") == [(one,), (other,)]


def test_a_file_name_as_long_as_a_folder_takes_works(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(3)), "x" * 251 + ".csv")
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 3
