"""What an analyst meets: places, the view of collisions, the ready queries, and the checks of freshness and volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.datasets import registry
from stages.lake.store import open_store
from stages.report.health import run_times
from stages.settings import Settings
from stages.warehouse import models as sql_files
from stages.warehouse.build import Curated, Versions, build, check, open_warehouse, read_curated
from stages.warehouse.query import add_rejected_rows, ready_queries

Row = dict[str, Any]
Build = Callable[..., duckdb.DuckDBPyConnection]
DAY = date(2024, 3, 5)
CORNER = {"on_street_name": "FLATBUSH AVENUE", "cross_street_name": "AVENUE U"}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Build]:
    """A function that builds the warehouse of curated rows: collisions, and by name other tables."""
    with open_warehouse(tmp_path / "w.duckdb", tmp_path / "spill") as warehouse:

        def of(collisions: Iterable[Row], **others: list[Row]) -> duckdb.DuckDBPyConnection:
            numbered = [{"collision_id": number, "crash_date": DAY} | row for number, row in enumerate(collisions, 1)]
            rows = {"collisions": numbered} | others
            for dataset in registry():
                tables = []
                for table in dataset.tables:
                    file = tmp_path / f"{table.name}.parquet"
                    pq.write_table(pa.Table.from_pylist(rows.get(table.name, []), schema=table.schema), file)
                    tables.append(Curated(table.name, table.schema, [file]))
                read_curated(warehouse, Versions(dataset.key, dataset.date, tables))
            build(warehouse, sql_files.models([sql_files.OWN]))
            return warehouse

        yield of


def failing(warehouse: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    """The rows that fail a check."""
    (one,) = (found for found in sql_files.checks([sql_files.OWN]) if found.name == name)
    return [row for failure in check(warehouse, [one]) for row in failure.rows.to_pylist()]


# --- places ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (CORNER, ("intersection", "AVENUE U × FLATBUSH AVENUE", "AVENUE U", "FLATBUSH AVENUE", None)),
        (
            {"off_street_address": "41-035 67 STREET"},
            ("address", "41-035 67 STREET", "67 STREET", None, "41-035 67 STREET"),
        ),
        ({"off_street_address": "369 BROADWAY"}, ("address", "369 BROADWAY", "BROADWAY", None, "369 BROADWAY")),
        ({"off_street_address": "84 AVENUE"}, ("address", "84 AVENUE", "84 AVENUE", None, "84 AVENUE")),
        ({"off_street_address": "GOLD STREET"}, ("address", "GOLD STREET", "GOLD STREET", None, "GOLD STREET")),
        ({"on_street_name": "BELT PARKWAY"}, ("street", "BELT PARKWAY", "BELT PARKWAY", None, None)),
        ({"cross_street_name": "BELT PARKWAY"}, ("street", "BELT PARKWAY", "BELT PARKWAY", None, None)),
        (
            {"on_street_name": "BROADWAY", "cross_street_name": "BROADWAY"},
            ("street", "BROADWAY", "BROADWAY", None, None),
        ),
        ({"latitude": 40.617923, "longitude": -73.97}, ("coordinates", "40.6179, -73.9700", None, None, None)),
        (CORNER | {"off_street_address": "5 AVENUE U", "latitude": 40.6, "longitude": -73.9}, ("intersection",)),
        ({"on_street_name": "AVENUE U", "off_street_address": "5 AVENUE U"}, ("address",)),
        ({"borough": "Bronx", "zip_code": "10451"}, (None, None, None, None, None)),
    ],
)
def test_a_place_is_the_most_that_is_stated(built: Build, row: Row, expected: tuple[str | None, ...]) -> None:
    found = built([row]).sql("select place_type, place, street_1, street_2, address from dim_location").fetchall()
    assert [place[: len(expected)] for place in found] == [expected]


def test_a_corner_is_one_place_whatever_the_order_of_its_streets_and_the_coordinates(built: Build) -> None:
    reversed_ = {"on_street_name": "AVENUE U", "cross_street_name": "FLATBUSH AVENUE"}
    here, there = {"latitude": 40.61, "longitude": -73.93}, {"latitude": 40.62, "longitude": -73.92, "zip_code": "1"}
    warehouse = built([CORNER | here, CORNER | there, reversed_, reversed_ | here])
    assert warehouse.sql("select count(*), count(distinct location_key) from dim_location").fetchall() == [(1, 1)]
    facts = warehouse.sql("select latitude, zip_code from fct_collisions order by collision_id").fetchall()
    assert facts == [(40.61, None), (40.62, "1"), (None, None), (40.61, None)]


def test_without_a_borough_a_place_is_of_the_one_that_has_its_streets(built: Build) -> None:
    warehouse = built([CORNER | {"borough": "Brooklyn"}, CORNER])
    assert warehouse.sql("select borough from dim_location").fetchall() == [("Brooklyn",)]
    assert warehouse.sql("select borough from fct_collisions order by all").fetchall() == [("Brooklyn",), (None,)]


def test_without_a_borough_a_place_that_two_boroughs_have_stays_unknown(built: Build) -> None:
    warehouse = built([CORNER | {"borough": "Brooklyn"}, CORNER | {"borough": "Queens"}, CORNER])
    places = warehouse.sql("select borough, count(distinct location_key) from dim_location group by all order by all")
    assert places.fetchall() == [("Brooklyn", 1), ("Queens", 1), (None, 1)]
    assert failing(warehouse, "collisions_location_known") == []


def test_a_key_is_the_digest_of_the_place(built: Build) -> None:
    name = "intersection|AVENUE U × FLATBUSH AVENUE|Brooklyn"
    key = int(md5(name.encode(), usedforsecurity=False).hexdigest()[:15], 16)
    warehouse = built([CORNER | {"borough": "Brooklyn"}])
    assert warehouse.sql("select location_key from dim_location").fetchall() == [(key,)]


def test_collisions_without_a_place_share_key_0(built: Build) -> None:
    warehouse = built([{}, {"borough": "Bronx"}, {"borough": "Queens"}])
    assert warehouse.sql("select location_key, borough from dim_location").fetchall() == [(0, None)]
    assert warehouse.sql("select distinct location_key from fct_collisions").fetchall() == [(0,)]


# --- the view -------------------------------------------------------------------------------------------


def test_the_view_has_a_row_per_collision_with_what_is_asked_most(built: Build) -> None:
    row = CORNER | {"borough": "Brooklyn", "crash_date": date(2021, 1, 1), "crash_hour": 8, "involves_truck": True}
    warehouse = built([row, {}])
    found = warehouse.sql("select * from collisions where collision_id = 1").to_arrow_table().to_pylist()[0]
    expected = {"year": 2021, "month": 1, "day_of_week": 5, "day_name": "Friday", "is_weekend": False, "hour": 8}
    expected |= {"iso_year_week": 202053, "borough": "Brooklyn", "place": "AVENUE U × FLATBUSH AVENUE"}
    assert found == found | expected | {"involves_truck": True}
    assert warehouse.sql("select count(*) from collisions").fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("row", "cyclist", "pedestrian"),
    [
        ({"involves_bicycle": True}, True, None),
        ({"involves_bicycle": False, "cyclists_injured": 1}, True, None),
        ({"involves_bicycle": False, "cyclists_injured": 0, "cyclists_killed": 0}, False, None),
        ({"involves_bicycle": False, "cyclists_injured": 0}, None, None),
        ({"pedestrians_injured": 0, "pedestrians_killed": 1}, None, True),
        ({"pedestrians_injured": 0, "pedestrians_killed": 0}, None, False),
    ],
)
def test_who_is_involved_is_unknown_where_a_count_is(
    built: Build, row: Row, cyclist: bool | None, pedestrian: bool | None
) -> None:
    found = built([row]).sql("select involves_cyclist, involves_pedestrian from collisions").fetchall()
    assert found == [(cyclist, pedestrian)]


def test_tables_and_columns_carry_their_meanings(built: Build) -> None:
    warehouse = built([])
    tables = "select table_name, comment from duckdb_tables() where schema_name = 'main' and not temporary"
    views = "select view_name, comment from duckdb_views() where not temporary and not internal"
    comments = dict(warehouse.sql(f"{tables} union all {views}").fetchall())
    columns = warehouse.sql("select table_name, column_name, comment from duckdb_columns() where not internal")
    by_column = {(table, column): comment for table, column, comment in columns.fetchall() if table in comments}
    assert comments["collisions"].startswith("one row per collision")
    assert by_column["collisions", "collision_id"] == "the city's number of the collision"
    assert by_column["dim_date", "iso_year_week"].startswith("ISO year and week as YYYYWW")
    assert [name for name, comment in {**comments, **by_column}.items() if not comment] == []


# --- ready queries --------------------------------------------------------------------------------------

PARAMETERS = {
    "before_after": {"corner": "avenue u", "with": "FLATBUSH AVENUE", "date": "2024-03-05"},
    "ages_and_roles": {"year": "2024"},
    "pedestrians": {"year": "2024"},
    "seat_belts": {"year": "2024"},
    "fatal_makes": {"year": "2024"},
    "licences": {"year": "2024"},
}
COUNTED = {"persons_injured": 1, "persons_killed": 0, "cyclists_injured": 1, "cyclists_killed": 0}


CHECKS_OF_WORDS = (
    "factor_in_vocabulary",
    "persons_in_vocabulary",
    "vehicle_records_in_vocabulary",
    "vehicle_type_in_vocabulary",
)


@pytest.fixture
def answered(built: Build) -> Callable[[str], list[tuple[Any, ...]]]:
    """A function that answers a ready query, about three days with a collision each and a fourth without counts."""
    days = [{"crash_date": DAY + timedelta(days=number)} for number in (-1, 0, 1)]
    rows = [day | CORNER | COUNTED | {"borough": "Brooklyn", "involves_truck": True} for day in days]
    warehouse = built([*rows, {"crash_date": DAY + timedelta(days=2)}])

    def of(name: str) -> list[tuple[Any, ...]]:
        return warehouse.execute(ready_queries()[name].sql, PARAMETERS.get(name, {})).fetchall()

    return of


@pytest.mark.parametrize("name", ready_queries())
def test_a_ready_query_has_its_parameters_and_no_column_that_pandas_would_round(
    built: Build, name: str, tmp_path: Path
) -> None:
    warehouse = built([CORNER | COUNTED])
    add_rejected_rows(open_store(Settings.from_environment({"COLLISIONS_LAKE": str(tmp_path)})), warehouse)
    ready = ready_queries()[name]
    (statement,) = duckdb.extract_statements(ready.sql)
    assert set(ready.parameters) == statement.named_parameters == set(PARAMETERS.get(name, {}))
    types = warehouse.sql(ready.sql, params=PARAMETERS.get(name, {})).types
    assert "HUGEINT" not in map(str, types)


def test_the_worst_corners_are_named(answered: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert answered("worst_corners") == [("AVENUE U × FLATBUSH AVENUE", "Brooklyn", 3, 3, 0)]


def test_before_and_after_are_equally_long(answered: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert answered("before_after") == [
        ("before", DAY - timedelta(days=1), 1, 1, 1, 0),
        ("after", DAY, 1, 1, 1, 0),
    ]


@pytest.mark.parametrize(
    ("corner", "day", "counts"), [("FLATBUSH AVENUE", "2024-03-07", [1, 0]), ("FLATBUSH AVENEU", "2024-03-05", [])]
)
def test_a_corner_without_collisions_in_the_time_has_none_and_one_that_is_not_known_has_no_rows(
    built: Build, corner: str, day: str, counts: list[int]
) -> None:
    warehouse = built(
        [CORNER | {"crash_date": date(2024, 3, 6)}, {"crash_date": date(2024, 3, 1)}, {"crash_date": date(2024, 3, 9)}]
    )
    given = {"corner": corner, "with": "AVENUE U", "date": day}
    rows = warehouse.execute(ready_queries()["before_after"].sql, given).fetchall()
    assert [row[3] for row in rows] == counts


def test_cyclists_whose_number_is_unknown_are_not_none(answered: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert answered("cyclists") == [("2024-03", "Brooklyn", 3, 0), ("2024-03", "not stated", None, None)]


def test_trucks_are_counted_by_year(answered: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert answered("trucks") == [(2024, 3, 3, 0, None, 0)]


def test_the_days_of_the_week_have_columns(answered: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert answered("hours_by_weekday") == [(None, 1, 1, 1, 1, 0, 0, 0)]


def test_years_are_compared_up_to_the_last_full_week(built: Build) -> None:
    days = [
        date(2023, 1, 4),
        date(2023, 1, 11),
        date(2023, 1, 18),
        date(2024, 1, 3),
        date(2024, 1, 10),
        date(2024, 1, 17),
    ]
    warehouse = built([{"crash_date": day, "persons_injured": 1, "persons_killed": 0} for day in days])
    assert warehouse.sql(ready_queries()["same_weeks"].sql).fetchall() == [(2023, 2, 2, 2, 2, 0), (2024, 2, 2, 2, 2, 0)]


@pytest.mark.parametrize("name", ["ledger", "rules"])
def test_the_newest_run_that_read_rows_is_shown_and_named(built: Build, name: str) -> None:
    warehouse = built([])
    for run, day, rows_in in (("early", 1, 8), ("late", 2, 5), ("took in nothing", 3, 0)):
        moment = datetime(2024, 7, day, 6)  # noqa: DTZ001 the warehouse's times are UTC, without a zone
        warehouse.execute("insert into meta_runs values (?, null, null, ?)", [run, moment])
        for stage, rows in (("ingest_raw", rows_in), ("model_analytics", 8)):
            warehouse.execute(
                "insert into meta_stages by name select ? as run_id, ? as stage, ? as rows_in, ? as started_at",
                [run, stage, rows, moment],
            )
        warehouse.execute("insert into meta_rules values (?, 'ingest_raw', 'things', 'a_rule', 1)", [run])
    assert {row[0] for row in warehouse.sql(ready_queries()[name].sql).fetchall()} == {"late"}


def test_words_that_the_vocabularies_lack_have_their_vehicles_and_dates(built: Build) -> None:
    vehicle = {
        "vehicle_slot": 1,
        "vehicle_type": "Unmapped",
        "vehicle_type_raw": "HOVERBOARD 3000",
        "vehicle_type_key": 11,
    }
    factor = {"contributing_factor": "Unmapped", "contributing_factor_raw": "Full Moon", "contributing_factor_key": 12}
    days = {1: DAY, 2: DAY + timedelta(days=2)}
    warehouse = built(
        [{"crash_date": day} for day in days.values()],
        collision_vehicles=[
            vehicle | {"collision_id": number, "crash_date": day} | (factor if number == 1 else {})
            for number, day in days.items()
        ],
    )
    assert warehouse.sql(ready_queries()["unknown_words"].sql).fetchall() == [
        ("vehicle_type", "HOVERBOARD 3000", 2, days[1], days[2]),
        ("factor", "Full Moon", 1, days[1], days[1]),
    ]


def test_unknown_words_has_all_that_the_checks_of_the_vocabularies_count(built: Build) -> None:
    words = {
        "vehicles": "vehicle_make registration_state driver_sex licence_status licence_state pre_crash travel_direction"
        " point_of_impact damage_1 damage_4 vehicle_type factor_2",
        "persons": "person_type role sex injury body_part complaint emotional_status position safety_equipment ejection"
        " ped_location ped_action factor_1",
    }
    dimensions = {
        "vehicles": "vehicle_make registration_state driver movement damage_1 damage_4 vehicle_type factor_2",
        "persons": "person_profile person_harm occupant pedestrian factor_1",
    }
    rows: dict[str, list[Row]] = {}
    for table, columns in words.items():
        row: Row = {"unique_id": 1, "collision_id": 1, "crash_date": DAY}
        row |= {f"{name}_key": len(table) * 100 + at for at, name in enumerate(dimensions[table].split())}
        row |= dict.fromkeys(columns.split(), "Unmapped") | {f"{name}_raw": f"odd {name}" for name in columns.split()}
        rows[table] = [row]
    warehouse = built([{}], **rows)
    found = warehouse.sql(ready_queries()["unknown_words"].sql).fetchall()
    assert {row[1] for row in found} == {f"odd {name}" for columns in words.values() for name in columns.split()}
    assert {row[2:] for row in found} == {(1, DAY, DAY)}
    assert len(found) == sum(len(failing(warehouse, name)) for name in CHECKS_OF_WORDS)


def test_rules_says_what_each_rule_did_with_its_rows(built: Build) -> None:
    warehouse = built([])
    warehouse.execute("insert into meta_runs by name select 'run' as run_id, now() as started_at")
    warehouse.execute("insert into meta_stages by name select 'run' as run_id, 'ingest_raw' as stage, 1 as rows_in")
    given = {
        ("ingest_raw", "bad_row", None): "row rejected",
        ("ingest_raw", "landed_file_removed", None): "landed file removed",
        ("transform_clean", "no_key", ""): "row rejected",
        ("transform_clean", "odd_value", "a column"): "value unknown",
        ("transform_clean", "superseded_by_newer_version", None): "older version replaced",
    }
    for stage, rule, column in given:
        warehouse.execute("insert into meta_rules values ('run', ?, 'things', ?, 3)", [stage, rule])
        for file in ("a", "b") if column is not None else ():
            warehouse.execute(
                "insert into meta_source_rules values ('run', ?, 'things', ?, nullif(?, ''), ?, 1)",
                [stage, file, column, rule],
            )
    rows = warehouse.sql(ready_queries()["rules"].sql).fetchall()
    assert {(stage, rule): outcome for _, stage, _, rule, outcome, _ in rows} == {
        (stage, rule): outcome for (stage, rule, _), outcome in given.items()
    }
    assert [row[-1] for row in rows] == [3] * len(given)


def test_the_seconds_of_a_stage_that_works_on_all_datasets_at_once_count_once(built: Build) -> None:
    warehouse = built([])
    warehouse.execute("insert into meta_runs by name select 'run' as run_id, '2024-07-01'::timestamp as started_at")
    for at, (stage, seconds) in enumerate({"ingest_raw": 5, "transform_clean": 3, "model_analytics": 7}.items()):
        for dataset in ("crashes", "persons"):
            warehouse.execute(
                "insert into meta_stages by name select 'run' as run_id, ? as stage, ? as dataset, ? as seconds,"
                " '2024-07-01'::timestamp + to_seconds(?) as started_at",
                [stage, dataset, seconds, at],
            )
    ((*_, stages, seconds),) = warehouse.sql(ready_queries()["runs"].sql).fetchall()
    assert (stages, seconds) == (3, 5 + 3 + 3 + 7)
    assert run_times(warehouse).rows[0][2:] == ("18.0", "5.0 + 6.0 + 7.0")


def test_freshness_has_the_newest_file_and_record_of_each_dataset(built: Build) -> None:
    warehouse = built([{}])
    now = datetime.now(UTC).replace(tzinfo=None)
    warehouse.execute(
        "insert into meta_contents values ('things', 'a', '2024-02', 3, '2024-02-29'),"
        " ('things', 'b', '2024-03', 4, '2024-03-02')"
    )
    fetched = [("c.csv", 12, "2024-03-01", None), ("a.csv", 9, "2024-03-04", None)]
    others = [("b.csv", 2, None, None), ("without_rows.csv", 1, None, None), ("gone.csv", 1, "2024-03-09", now)]
    for file, days, source_newest, removed in (*fetched, *others):
        warehouse.execute(
            "insert into meta_sources by name select 'things' as dataset, ? as file, ?::timestamp as extracted_at,"
            " ?::date as source_newest, ?::timestamp as removed_at, ? as rows",
            [file, now - timedelta(days=days), source_newest, removed, int(file != "without_rows.csv")],
        )
    warehouse.execute(
        "insert into meta_stages by name select 'model_analytics' as stage, ? as started_at, 3600 as seconds",
        [now - timedelta(hours=31)],
    )
    ((dataset, newest, age, rows, file, _, days_old, source, source_days, _, hours),) = warehouse.sql(
        ready_queries()["freshness"].sql
    ).fetchall()
    assert (dataset, newest, rows, file) == ("things", date(2024, 3, 2), 7, "b.csv")
    since = (datetime.now(UTC).date() - now.date()).days  # midnight may have passed
    assert age - (now.date() - newest).days in {0, since}
    assert days_old - 2 in {0, since}
    assert (source, hours in {30, 31}) == (date(2024, 3, 4), True)
    assert source_days - (now.date() - date(2024, 3, 4)).days in {0, since}
    warehouse.execute("update meta_sources set source_newest = null")
    ((*_, source, source_days, _, _),) = warehouse.sql(ready_queries()["freshness"].sql).fetchall()
    assert (source, source_days) == (None, None)


# --- freshness and volume -------------------------------------------------------------------------------


def extracted(source: str, day: date, crash_date: date = DAY) -> Row:
    moment = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    return {"source": source, "extracted_at": moment, "crash_date": crash_date}


@pytest.mark.parametrize(("days", "expected"), [(14, []), (15, [15])])
def test_collisions_that_end_long_before_their_file_was_extracted_are_a_warning(
    built: Build, days: int, expected: list[int]
) -> None:
    warehouse = built([extracted("whole", DAY + timedelta(days=days))])
    assert [row["days_behind"] for row in failing(warehouse, "collisions_recent")] == expected


def test_a_later_extract_of_older_months_does_not_make_the_newest_stale(built: Build) -> None:
    whole = extracted("whole", DAY + timedelta(days=3))
    revised = extracted("revised", DAY + timedelta(days=90), date(2024, 2, 29))
    assert failing(built([whole, revised]), "collisions_recent") == []


def daily(counts: Iterable[int], first: date = DAY) -> list[Row]:
    return [{"crash_date": first + timedelta(days=day)} for day, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("counts", "missing", "unusual"),
    [
        ([40] * 41, [], []),
        ([40] * 20 + [0] + [40] * 20, [20], []),
        ([40] * 20 + [9] + [40] * 20, [], [20]),
        ([40] * 20 + [161] + [40] * 20, [], [20]),
        ([40] * 20 + [12, 150] + [40] * 20, [], []),
        ([5] * 20 + [0] + [5] * 20, [], []),  # few a day: one without any says nothing
        ([40] * 20 + [0] * 60 + [40] * 20, [], []),  # two parts of the history
        ([40] * 20 + [1], [], []),  # the last day is not complete
    ],
)
def test_days_far_from_their_neighbours_are_a_warning(
    built: Build, counts: list[int], missing: list[int], unusual: list[int]
) -> None:
    warehouse = built(daily(counts))
    for name, expected in (("collisions_no_day_missing", missing), ("collisions_day_usual", unusual)):
        assert [(row["date"] - DAY).days for row in failing(warehouse, name)] == expected


def test_a_month_far_from_its_neighbours_is_a_warning(built: Build) -> None:
    days = [date(2023 + month // 12, month % 12 + 1, day) for month in range(18) for day in range(1, 21)]
    few = {date(2023, 9, 1), date(2023, 9, 2)}
    rows = [{"crash_date": day} for day in days if day in few or (day.year, day.month) != (2023, 9) for _ in range(6)]
    assert failing(built(rows), "collisions_month_usual") == [{"month": "2023-09", "collisions": 12, "usual": 120.0}]


def test_a_month_among_few_is_no_warning(built: Build) -> None:
    rows = daily([200] * 10, date(2024, 1, 1)) + daily([200], date(2024, 2, 1)) + daily([200] * 10, date(2024, 3, 1))
    assert failing(built(rows), "collisions_month_usual") == []
