"""The four stages from landed files to the published warehouse: generated files, and real extracts where present."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import pairwise, permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake import PUBLISHED, REPOSITORY, STAGES, Lake, crashes_csv, rows, with_others
from s3_server import S3Server

from stages.datasets.crashes import DATASET
from stages.lake import keys
from stages.warehouse.query import ready_queries

Extract = Callable[[str], Path]
Sample = Callable[..., list[Path]]
MONTH = "crashes_2022-01.csv"
WEEK = {
    "crashes_2024-06-30_week_asof_2024-09-16.csv": datetime(2024, 9, 16, 10, tzinfo=UTC),
    "crashes_2024-06-30_week_asof_2025-02-12.csv": datetime(2025, 2, 12, 10, tzinfo=UTC),
}
FIRST, LATER = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)


def partitions(lake: Lake) -> dict[str, str]:
    """Key → hash of the content of what the stages leave between landing and warehouse."""
    store = lake.store
    return {
        key: sha256(store.read(key)).hexdigest()
        for key in lake.objects()
        if key.startswith(("raw/", "clean/", "curated/", "quarantine/")) and not key.endswith("_sources.json")
    }


def check_ledger(lake: Lake) -> None:
    """Every row is accounted for, in every stage, and all checks of the warehouse passed."""
    stages = lake.ask("select stage, rows_in, rows_out + quarantined + superseded from meta_stages")
    assert {stage for stage, *_ in stages} == set(STAGES)
    assert all(rows_in == accounted > 0 for _, rows_in, accounted in stages)
    assert lake.one("select count(*) from meta_quality where severity = 'error' and not passed") == 0


# --- real extracts --------------------------------------------------------------------------------


def test_a_month_as_published(folder_lake: Lake, extract: Extract) -> None:
    lake = folder_lake
    lake.land(extract(MONTH))
    lake.run(processes=True)
    counts = "count(*), sum(persons_injured), sum(persons_killed), count(distinct crash_date)"
    assert lake.ask(f"select {counts}, min(crash_date), max(crash_date) from fct_collisions") == [
        (7659, 3100, 18, 31, date(2022, 1, 1), date(2022, 1, 31))
    ]
    assert lake.one("select sum(rows) from meta_rules where rule = 'coordinates_zero'") == 20
    assert lake.one("select count(*) from fct_collisions where latitude = 0 or longitude = 0") == 0
    assert lake.one("select count(*) from fct_collisions join dim_location using (location_key)") == 7659
    boroughs = lake.ask(ready_queries()["by_borough"].sql)
    stated, filled = (sum(row[column] for row in boroughs) for column in (2, 3))
    ((missing,),) = [row[1:2] for row in boroughs if row[0] == "not stated"]
    assert (stated, stated + filled + missing) == (7659 - 2634, 7659)
    assert missing < 500
    assert lake.ask("select rows_in, rows_out, quarantined, superseded from meta_stages") == [(7659, 7659, 0, 0)] * 4
    check_ledger(lake)


@pytest.mark.parametrize("first", [0, 1], ids=["older lands first", "older lands last"])
def test_a_week_as_of_two_days(folder_lake: Lake, extract: Extract, first: int) -> None:
    lake = folder_lake
    names = list(WEEK) if first == 0 else list(reversed(WEEK))
    for number, name in enumerate(names):
        lake.land(extract(name), extracted=WEEK[name])
        lake.run("--start=2024-06-30", "--end=2024-07-07")
        if number == 0:
            assert lake.one("select count(*) from fct_collisions") == 1875 + first
    facts = "select crash_date, crash_time from fct_collisions where collision_id ="
    assert lake.one("select count(*) from fct_collisions") == 1876
    assert [day for day, _ in lake.ask(f"{facts} 4741736")] == [date(2024, 7, 2)]
    assert lake.ask(f"{facts} 4737422")[0][1] == time(20, 47)
    assert lake.ask(f"{facts} 4765601")[0][0] == date(2024, 7, 3)
    check_ledger(lake)


def test_a_week_is_the_same_in_any_landing_order(tmp_path: Path, extract: Extract) -> None:
    contents = []
    for order in permutations(WEEK):
        lake = Lake(lake=str(tmp_path / order[0]))
        for name in order:
            lake.land(extract(name), extracted=WEEK[name])
            lake.run()
        contents.append(lake.contents())
    together = Lake(lake=str(tmp_path / "together"))
    for name, extracted in WEEK.items():
        together.land(extract(name), extracted=extracted)
    together.run()
    assert contents == [together.contents()] * 2


def test_the_api_says_what_the_portal_says(tmp_path: Path, extract: Extract) -> None:
    """Of the collisions that both extracts have; the API's street columns are named crosswise."""
    answers = []
    for name in ("crashes_api_500.csv", "crashes_quoted_2026_99.csv"):
        lake = Lake(lake=str(tmp_path / name))
        lake.land(extract(name))
        lake.run()
        check_ledger(lake)
        streets = "place_type, place, street_1, street_2, address"
        facts = lake.ask(
            f"select collision_id, crash_date, crash_time, vehicle_count, persons_injured, {streets}"
            " from fct_collisions join dim_location using (location_key)"
        )
        answers.append({fact[0]: fact for fact in facts})
    api, portal = answers
    assert (len(api), len(portal)) == (500, 99)
    assert {number: api[number] for number in portal} == portal


# --- generated files ------------------------------------------------------------------------------


def test_the_sample_from_end_to_end(s3_server: S3Server, sample: Sample) -> None:
    """The demo's files: three forms, defects, and a newer extract that revises a week."""
    lake = s3_server.lake()
    for file in sample("--demo"):
        lake.land(file)
    lake.run(processes=True)
    (ingest, clean, curated, analytics) = (
        lake.ask(f"select rows_in, rows_out, quarantined, superseded from meta_stages where stage = '{stage}'")[0]
        for stage in STAGES
    )
    assert ingest[0] == sum(count for (count,) in lake.ask("select rows from meta_sources"))
    assert ingest[2] == 8  # two rows each: too few fields, too many, no date, an impossible date
    assert clean[2] == 8  # two rows each: no id, a malformed id, a negative count, an absurd count
    assert clean[0] == ingest[1]
    assert curated[0] == clean[1]
    assert analytics[0] == curated[1]
    assert analytics[1] == lake.one("select count(*) from fct_collisions")
    check_ledger(lake)


def test_a_rerun_changes_nothing(lake: Lake, sample: Sample) -> None:
    for file in sample("--demo"):
        lake.land(file)
    lake.run("--run-id=one")
    before, objects, listing = lake.contents(), partitions(lake), lake.listing("_runs/", PUBLISHED)
    lake.run("--run-id=one")
    assert lake.listing("_runs/", PUBLISHED) == listing
    assert lake.contents() == before
    lake.wipe("raw/", "clean/", "curated/", "quarantine/")
    lake.run("--run-id=two")
    assert lake.contents() == before
    assert partitions(lake) == objects
    lake.wipe("raw/", "clean/", "curated/", "quarantine/", "warehouse/", "_runs/")
    lake.run("--run-id=three")
    assert lake.contents() == before
    assert partitions(lake) == objects


def test_a_partition_is_the_same_whatever_months_are_worked_on_with_it(folder_lake: Lake, sample: Sample) -> None:
    for file in sample("--rows=900", "--start=2025-01-15", "--end=2025-03-10", "--split=day"):
        folder_lake.land(file)
    folder_lake.run()
    others = ("_runs/", PUBLISHED, keys.sources("crashes"))
    together = folder_lake.listing(*others)
    for first, next_first in pairwise(
        ["2024-11-01", "2024-12-01", "2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"]
    ):
        folder_lake.run(f"--start={first}", f"--end={next_first}")
    assert folder_lake.listing(*others) == together  # ETags, which change with the bytes


def test_a_rerun_reads_no_file_again(folder_lake: Lake, sample: Sample) -> None:
    for file in sample("--demo"):
        folder_lake.land(file)
    folder_lake.run()
    assert "4 landed files, 0 read, 4 unchanged" in folder_lake.stage("ingest_raw").log


def test_the_three_forms_of_the_same_rows_are_the_same_warehouse(tmp_path: Path, sample: Sample) -> None:
    """Among other things, the API's street columns are named crosswise."""
    contents = []
    for form in ("portal", "quoted", "api"):
        lake = Lake(lake=str(tmp_path / form))
        (file,) = sample("--rows=400", "--start=2025-03-01", "--end=2025-03-05", f"--form={form}")
        lake.land(file)
        lake.run()
        assert lake.one("select count(*) from dim_location where address is not null") > 20
        contents.append(lake.contents())
    assert contents[0] == contents[1] == contents[2]


def test_any_order_of_days_and_scopes_is_the_same_warehouse(tmp_path: Path, sample: Sample) -> None:
    """Each day's file lands and is run alone, with some days before it; over the end of a month."""
    files = sample("--rows=300", "--start=2025-02-26", "--end=2025-03-04", "--split=day", "--defects=0.03")
    together = Lake(lake=str(tmp_path / "together"))
    for file in files:
        together.land(file)
    together.run()
    for seed in (1, 2):
        lake = Lake(lake=str(tmp_path / str(seed)))
        for file in random.Random(seed).sample(files, len(files)):
            lake.land(file)
            day = date.fromisoformat(file.stem.removeprefix("crashes_"))
            scope = (f"--start={day - timedelta(days=2)}", f"--end={day + timedelta(days=1)}")
            lake.run(*scope, f"--run-id=daily_{day}")
        assert lake.contents() == together.contents()
        assert partitions(lake) == partitions(together)


def test_a_scope_leaves_other_months_alone(lake: Lake) -> None:
    for month in ("01", "02", "03"):
        lake.land(crashes_csv(rows(3, int(month) * 10, CRASH_DATE=f"{month}/05/2024")), f"{month}.csv", FIRST)
    lake.run()
    before = lake.listing("_runs/", "quarantine/checks/", PUBLISHED)
    revised = rows(4, 20, CRASH_DATE="02/06/2024") + rows(1, 30, CRASH_DATE="03/06/2024")
    lake.land(crashes_csv(revised), "02.csv", LATER)
    lake.run("--start=2024-02-01", "--end=2024-03-01")
    after = lake.listing("_runs/", "quarantine/checks/", PUBLISHED)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {key.split("/")[0] for key in changed} == {"landing", "raw", "clean", "curated"}
    assert all("crash_month=2024-02" in key for key in changed if "crash_month" in key)
    by_month = "select month(crash_date), count(*) from fct_collisions group by all order by all"
    assert lake.ask(by_month) == [(1, 3), (2, 4), (3, 3)]
    lake.run()
    assert lake.ask(by_month) == [(1, 3), (2, 4), (3, 3)]
    assert lake.one("select day(crash_date) from fct_collisions where collision_id = 30") == 6


@pytest.mark.parametrize("landed_first", ["older", "newer"])
def test_a_collision_that_moves_to_another_month_counts_once(folder_lake: Lake, landed_first: str) -> None:
    files = {
        "older": (crashes_csv(rows(3, 1, CRASH_DATE="02/29/2024")), "zz.csv", FIRST),
        "newer": (crashes_csv(rows(1, 2, CRASH_DATE="03/01/2024", VEHICLE_TYPE_CODE_1="Taxi")), "aa.csv", LATER),
    }
    scopes = {"older": ("--start=2024-02-29", "--end=2024-03-01"), "newer": ("--start=2024-03-01", "--end=2024-03-02")}
    for name in sorted(files, reverse=landed_first == "older"):
        folder_lake.land(*files[name])
        folder_lake.run(*scopes[name])
    assert folder_lake.ask("select collision_id, crash_date from fct_collisions order by all") == [
        (1, date(2024, 2, 29)),
        (2, date(2024, 3, 1)),
        (3, date(2024, 2, 29)),
    ]
    vehicles = "select raw_spelling from fct_collision_vehicles join dim_vehicle_type using (vehicle_type_key)"
    assert folder_lake.ask(f"{vehicles} where collision_id = 2") == [("Taxi",)]
    last = "stage = 'model_analytics' order by started_at desc limit 1"
    assert folder_lake.one(f"select superseded from meta_stages where {last}") == 1
    assert folder_lake.ask("select rule, rows from meta_rules where stage = 'model_analytics'") == [
        ("superseded_in_another_month", 1)
    ]
    check_ledger(folder_lake)


def test_rows_keep_the_files_order_whatever_months_are_worked_on_with_them(lake: Lake) -> None:
    january = [row for first in (30, 10, 20) for row in rows(1, first, CRASH_DATE="01/05/2024")]
    twice = rows(1, 40, CRASH_DATE="02/05/2024") + rows(1, 40, CRASH_DATE="02/05/2024", BOROUGH="BRONX")
    lake.land(crashes_csv(january + twice), "a.csv", FIRST)
    lake.run("--start=2024-01-01", "--end=2024-02-01")
    alone = {key: lake.store.read(key) for key in lake.objects() if "crash_month=2024-01" in key}
    lake.wipe("clean/", "curated/")
    lake.run()
    assert {key: lake.store.read(key) for key in lake.objects() if "crash_month=2024-01" in key} == alone
    assert {key.split("/")[0] for key in alone} == {"raw", "clean", "curated"}


def test_collisions_that_name_no_vehicle_are_published(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(3, CONTRIBUTING_FACTOR_VEHICLE_1="", VEHICLE_TYPE_CODE_1="")), "a.csv", FIRST)
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 3
    assert folder_lake.one("select count(*) from fct_collision_vehicles") == 0


def test_of_equally_old_extracts_the_greater_name_counts(tmp_path: Path) -> None:
    for order in permutations("ab"):
        lake = Lake(lake=str(tmp_path / "".join(order)))
        for name in order:
            lake.land(crashes_csv(rows(1, BOROUGH={"a": "QUEENS", "b": "BRONX"}[name])), f"{name}.csv", FIRST)
        lake.run()
        assert lake.ask("select borough from fct_collisions") == [("Bronx",)]


def test_within_a_file_the_last_line_counts(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(1, BOROUGH="QUEENS") + rows(1, BOROUGH="BRONX")), "a.csv", FIRST)
    folder_lake.run()
    assert folder_lake.ask("select borough from fct_collisions") == [("Bronx",)]


def test_a_covering_file_withdraws_what_it_no_longer_has(lake: Lake) -> None:
    march, april = rows(5, 1, CRASH_DATE="03/20/2024"), rows(5, 11, CRASH_DATE="04/10/2024")
    lake.land(crashes_csv(march + april), "old.csv", FIRST)
    lake.run()
    assert lake.one("select count(*) from fct_collisions") == 10
    kept = march[:3] + rows(2, 21, CRASH_DATE="03/21/2024")
    lake.land(crashes_csv(kept), "new.csv", LATER, covers=("2024-03-15", "2024-04-05"))
    lake.run()
    ids = [number for (number,) in lake.ask("select collision_id from fct_collisions order by 1")]
    assert ids == [1, 2, 3, *range(11, 16), 21, 22]
    assert lake.one("select sum(rows) from meta_rules where rule = 'superseded_by_covering_source'") == 2
    check_ledger(lake)


def test_a_covering_file_does_not_withdraw_what_is_newer(lake: Lake) -> None:
    lake.land(crashes_csv(rows(3, 1)), "cover.csv", FIRST, covers=("2024-03-01", "2024-04-01"))
    lake.land(crashes_csv(rows(2, 11)), "newer.csv", LATER)
    lake.run()
    assert lake.one("select count(*) from fct_collisions") == 5


def test_a_covering_file_of_which_a_row_could_not_be_read_withdraws_nothing(folder_lake: Lake) -> None:
    """The row may be any of those that seem to be missing."""
    folder_lake.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.5"
    folder_lake.land(crashes_csv(rows(2, 1)), "old.csv", FIRST)
    revised = crashes_csv(rows(1, 1) + rows(1, 2, CRASH_DATE="02/30/2024"))
    folder_lake.land(revised, "cover.csv", LATER, covers=("2024-03-01", "2024-04-01"))
    log = folder_lake.run()
    assert "cover.csv: withdraws nothing in [2024-03-01, 2024-04-01), which it covers, because 1 of its rows" in log
    assert folder_lake.one("select count(*) from fct_collisions") == 2


def test_rows_outside_the_scope_are_reported(folder_lake: Lake) -> None:
    """A late report of a day outside the run."""
    folder_lake.land(
        crashes_csv(rows(2, CRASH_DATE="03/05/2024") + rows(1, 3, CRASH_DATE="12/31/2023")), "a.csv", FIRST
    )
    log = folder_lake.run("--start=2024-03-01", "--end=2024-03-06")
    assert "WARNING: landing/crashes/a.csv: 1 row of 2023-12 left in landing" in log
    assert folder_lake.one("select count(*) from fct_collisions") == 2
    assert "left in landing" not in folder_lake.run("--start=2023-12-31", "--end=2024-03-06")
    assert folder_lake.one("select count(*) from fct_collisions") == 3


def test_a_covering_file_may_be_empty(folder_lake: Lake) -> None:
    """It says that there is nothing in its interval, also in a month of which it has no row."""
    folder_lake.land(crashes_csv(rows(3, 1)), "old.csv", FIRST)
    folder_lake.land(crashes_csv(rows(1, 9, CRASH_DATE="02/01/2024")), "other.csv", FIRST)
    folder_lake.land(crashes_csv([]), "cover.csv", LATER, covers=("2024-03-05", "2024-03-06"))
    folder_lake.run()
    assert folder_lake.ask("select collision_id from fct_collisions") == [(9,)]


def test_removing_a_landed_file_removes_its_rows(lake: Lake) -> None:
    lake.land(crashes_csv(rows(3, 1)), "a.csv", FIRST)
    bad = rows(1, CRASH_DATE="") + rows(2, 8, CRASH_DATE="07/05/2023", NUMBER_OF_PERSONS_KILLED="-1")
    lake.land(crashes_csv(rows(3, 2, BOROUGH="BRONX") + bad), "b.csv", LATER)
    lake.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.5"
    lake.run()
    assert lake.one("select count(*) from fct_collisions") == 4
    lake.wipe("landing/crashes/b.csv")
    lake.run("--allow-shrink")
    assert lake.one("select count(*) from fct_collisions") == 3
    assert not lake.quarantined("ingest_raw")
    assert not lake.quarantined("transform_clean")
    assert not [key for key in lake.objects() if key.endswith("/b.parquet")]


# --- checks, and who can open the file ----------------------------------------------------------------


def test_a_stated_borough_far_from_its_point_is_a_warning_with_its_rows(folder_lake: Lake) -> None:
    """All four have the same point, in Queens."""
    near, unstated = rows(1), rows(1, 2, BOROUGH="")
    far = rows(1, 3, BOROUGH="BROOKLYN") + rows(1, 4, BOROUGH="STATEN ISLAND")
    folder_lake.land(crashes_csv(near + unstated + far), "a.csv", FIRST)
    log = folder_lake.run()
    assert (
        "WARNING: failed check of fct_collisions: a stated borough lies within 1 km of the coordinates: failing rows: "
        in log
    )
    kept = pq.read_table(
        pa.BufferReader(folder_lake.store.read("quarantine/checks/collisions_stated_borough_near.parquet"))
    )
    assert kept.select(["collision_id", "borough"]).to_pylist() == [
        {"collision_id": 4, "borough": "Staten Island"},
        {"collision_id": 3, "borough": "Brooklyn"},
    ]
    assert folder_lake.ask("select collision_id, borough, borough_source from fct_collisions order by 1") == [
        (1, "Queens", "stated"),
        (2, "Queens", "coordinates"),
        (3, "Brooklyn", "stated"),
        (4, "Staten Island", "stated"),
    ]


def test_rows_that_fail_a_check_are_kept_until_a_build_passes_it(lake: Lake) -> None:
    typed = rows(2, VEHICLE_TYPE_CODE_1="hovercraft", CONTRIBUTING_FACTOR_VEHICLE_1="sunspots")
    on_the_menu = rows(1, 8, VEHICLE_TYPE_CODE_1="OTHER", CONTRIBUTING_FACTOR_VEHICLE_1="Other Vehicular")
    lake.land(crashes_csv(typed + on_the_menu), "a.csv", FIRST)
    log = lake.run()
    kept = "quarantine/checks/vehicle_type_in_vocabulary.parquet"
    assert (
        "failed check of dim_vehicle_type: vehicle types are in the vocabulary (one row per word): failing rows: 1, in "
        in log
    )
    assert lake.store.describe(kept) in log
    table = pq.read_table(pa.BufferReader(lake.store.read(kept)))
    assert table.to_pylist() == [{"raw_spelling": "hovercraft", "vehicles": 2}]
    factors = pq.read_table(pa.BufferReader(lake.store.read("quarantine/checks/factor_in_vocabulary.parquet")))
    assert factors.to_pylist() == [{"raw_spelling": "sunspots", "records": 2}]
    lake.land(crashes_csv(rows(3)), "a.csv", LATER)
    lake.run()
    assert kept not in lake.objects()


def test_a_check_that_is_an_error_publishes_nothing_and_keeps_its_rows(folder_lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "checks/no_sedans.sql").write_text(
        "-- Check: there are no sedans\n-- Table: fct_collision_vehicles\n-- Severity: error\n"
        "select collision_id, vehicle_type from fct_collision_vehicles\n"
        "join dim_vehicle_type using (vehicle_type_key) where vehicle_type = 'Sedan' order by all;\n"
    )
    folder_lake.land(crashes_csv(rows(150)), "a.csv", FIRST)
    folder_lake.datasets = with_others(dataclasses.replace(DATASET, sql=tmp_path))
    folder_lake.run(stages=STAGES[:-1])
    done = folder_lake.stage("model_analytics")
    assert done.code == 65
    assert (
        "ERROR: failed check of fct_collision_vehicles: there are no sedans: failing rows: 150; the first 100 are in"
        in done.log
    )
    file = folder_lake.store.describe("quarantine/checks/no_sedans.parquet")
    assert (
        "the warehouse fails checks and is not published: fct_collision_vehicles: there are no sedans:"
        f" failing rows: 150; the first 100 are in {file}. Correct the data or the"
        f" check ({tmp_path}/checks/no_sedans.sql), and run again"
    ) in done.last
    assert PUBLISHED not in folder_lake.objects()
    kept = pq.read_table(pa.BufferReader(folder_lake.store.read("quarantine/checks/no_sedans.parquet")))
    assert kept.to_pylist()[0] == {"collision_id": 1, "vehicle_type": "Sedan"}


@pytest.mark.slow
def test_the_oldest_supported_duckdb_opens_the_warehouse(folder_lake: Lake, tmp_path: Path) -> None:
    uv = shutil.which("uv") or str(REPOSITORY / ".collisions/uv/bin/uv")
    if not Path(uv).is_file():
        pytest.skip("no uv to install an older DuckDB with: scripts/test installs it")
    folder_lake.land(crashes_csv(rows(3)), "a.csv", FIRST)
    folder_lake.run()
    packages = tmp_path / "packages"
    pins = REPOSITORY / "requirements/oldest-duckdb.txt"
    command: list[str | Path] = [uv, "pip", "install", "--quiet", "--require-hashes"]
    command += ["--target", packages, "-r", pins]
    subprocess.run([*command, "--python", sys.executable], check=True)
    program = (
        "import sys, duckdb; c = duckdb.connect(sys.argv[1], read_only=True); print(duckdb.__version__);"
        " print({t: c.sql(f'select count(*) from {t}').fetchone()[0] for (t,) in c.sql('show tables').fetchall()})"
    )
    with folder_lake.published() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, folder / PUBLISHED],
            env=os.environ | {"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    version, counts = done.stdout.splitlines()
    assert version.startswith("1.4.")
    assert "'fct_collisions': 3" in counts


# --- places -------------------------------------------------------------------------------------------


def test_a_corner_is_one_place_however_its_streets_are_written(folder_lake: Lake) -> None:
    spellings = [
        ("FLATBUSH AVENUE", "AVENUE U", "BROOKLYN"), ("AVENUE U", "Flatbush Ave", ""), ("FLATBUSH  AVE.", "AVE U", ""),
    ]  # fmt: skip
    records = [
        row
        for number, (on, cross, borough) in enumerate(spellings)
        for row in rows(
            2, 1 + 2 * number, ON_STREET_NAME=on, CROSS_STREET_NAME=cross, BOROUGH=borough, LATITUDE="", LONGITUDE=""
        )
    ]
    folder_lake.land(crashes_csv(records), "a.csv", FIRST)
    folder_lake.run()
    assert folder_lake.ask("select place, borough from dim_location") == [("AVENUE U × FLATBUSH AVENUE", "Brooklyn")]
    assert folder_lake.one("select count(*) from collisions where place = 'AVENUE U × FLATBUSH AVENUE'") == 6
