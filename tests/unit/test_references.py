"""Vehicles and persons beside collisions: references that dangle, and tables that agree or do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import in_curated

from stages.datasets import registry
from stages.datasets.persons import DATASET as PERSONS
from stages.datasets.vehicles import DATASET as VEHICLES
from stages.warehouse import models as sql_files
from stages.warehouse.build import Curated, Versions, build, check, open_warehouse, read_curated
from stages.warehouse.record import record_contents

Row = dict[str, Any]
Build = Callable[..., duckdb.DuckDBPyConnection]
DAY = {"crash_date": "03/05/2024", "crash_time": "8:15"}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Build]:
    """A function that builds the warehouse of curated collisions, and of published vehicles and persons."""
    with open_warehouse(tmp_path / "w.duckdb", tmp_path / "spill") as warehouse:

        def of(
            collisions: list[Row], vehicles: list[Row] | None = None, persons: list[Row] | None = None
        ) -> duckdb.DuckDBPyConnection:
            frames = {
                "vehicles": in_curated(VEHICLES, *(vehicles or []))["vehicles"],
                "persons": in_curated(PERSONS, *(persons or []))["persons"],
                "collisions": pd.DataFrame(collisions),
            }
            versions: dict[str, Versions] = {}
            for dataset in registry():
                tables: list[Curated] = []
                for table in dataset.tables:
                    rows = frames.get(table.name, pd.DataFrame()).to_dict("records")
                    stated = [{name: None if value is pd.NA else value for name, value in row.items()} for row in rows]
                    file = tmp_path / f"{table.name}.parquet"
                    pq.write_table(pa.Table.from_pylist(stated, schema=table.schema), file)
                    tables.append(Curated(table.name, table.schema, [file]))
                versions[dataset.name] = Versions(dataset.key, dataset.date, tables)
                read_curated(warehouse, versions[dataset.name])
            build(warehouse, sql_files.models([sql_files.OWN]))
            for name, its_versions in versions.items():
                record_contents(warehouse, name, its_versions)
            return warehouse

        yield of


def collision(number: int, **more: Any) -> Row:
    """A curated collision of another day than its records state, with one vehicle and no casualties."""
    return {
        "collision_id": number,
        "crash_date": date(2024, 3, 4),
        "persons_injured": 0,
        "persons_killed": 0,
        "vehicle_count": 1,
        "on_street_name": "BROADWAY",
        **more,
    }


def vehicle(number: int, collision_id: int) -> Row:
    """A published vehicle."""
    return {**DAY, "unique_id": str(number), "collision_id": str(collision_id)}


def person(number: int, collision_id: int | None, **more: str) -> Row:
    """A published person."""
    of = str(collision_id) if collision_id else None
    return {**DAY, "unique_id": str(number), "collision_id": of, "injury": "Unspecified", "role": "Driver", **more}


def failing(warehouse: duckdb.DuckDBPyConnection, name: str) -> int:
    """How many rows fail a check."""
    (one,) = (found for found in sql_files.checks([sql_files.OWN]) if found.name == name)
    return sum(failure.count for failure in check(warehouse, [one]))


def test_a_record_has_the_day_and_place_of_its_collision_where_that_is_known(built: Build) -> None:
    warehouse = built(
        [collision(1)],
        [vehicle(11, 1), vehicle(12, 2)],
        [
            person(21, 1, vehicle_unique_id="11"),
            person(22, 2, vehicle_unique_id="13"),
            person(23, None),
        ],
    )
    columns = "unique_id, collision_known, date_key, location_key <> 0"
    assert warehouse.sql(f"select {columns} from vehicles order by all").fetchall() == [
        (11, True, 20240304, True),
        (12, False, 20240305, False),
    ]
    assert warehouse.sql(f"select {columns}, vehicle_known from persons order by all").fetchall() == [
        (21, True, 20240304, True, True),
        (22, False, 20240305, False, False),
        (23, False, 20240305, False, False),
    ]
    assert failing(warehouse, "vehicle_records_collision_known") == 1
    assert failing(warehouse, "persons_collision_known") == 2
    assert failing(warehouse, "persons_vehicle_known") == 1
    errors = [one for one in sql_files.checks([sql_files.OWN]) if one.severity == "error" and "fct_" in one.table]
    of_records = [one for one in errors if one.table in {"fct_vehicles", "fct_persons"}]
    assert len(of_records) >= 6
    assert check(warehouse, of_records) == []


def test_persons_alone_do_not_miss_vehicles(built: Build) -> None:
    warehouse = built([collision(1)], [], [person(21, 1, vehicle_unique_id="11")])
    assert failing(warehouse, "persons_vehicle_known") == 0
    assert warehouse.sql("select vehicle_known from persons").fetchall() == [(False,)]


def test_without_records_their_tables_are_empty_and_no_check_fails(built: Build) -> None:
    warehouse = built([collision(1)])
    views = ("vehicles", "persons", "fct_vehicles", "fct_persons")
    assert [warehouse.table(name).count("*").fetchall() for name in views] == [[(0,)]] * len(views)
    assert warehouse.sql("select date from dim_date").fetchall() == [(date(2024, 3, 4),)]
    others = [one for one in sql_files.checks([sql_files.OWN]) if one.name.startswith(("persons_", "vehicle_records_"))]
    assert check(warehouse, others) == []


def test_a_spelling_of_vehicles_alone_is_in_the_shared_dimensions(built: Build) -> None:
    warehouse = built([collision(1)], [vehicle(11, 1) | {"vehicle_type": "Sedan", "contributing_factor_1": "Glare"}])
    assert warehouse.sql("select vehicle_type, contributing_factor_1 from vehicles").fetchall() == [("Sedan", "Glare")]
    assert ("Sedan",) in warehouse.sql("select raw_spelling from dim_vehicle_type").fetchall()


def test_casualties_are_compared_for_the_collisions_that_have_persons(built: Build) -> None:
    hurt = [person(21, 1, injury="Injured"), person(22, 1, injury="Injured", role="Registrant"), person(23, 2)]
    warehouse = built([collision(1, persons_injured=1), collision(2, persons_killed=1), collision(3)], [], hurt)
    assert warehouse.sql("from casualties_compared").fetchall() == [(2024, 2, 1)]


@pytest.mark.parametrize(("wrong", "failures"), [(10, 0), (11, 1)])
def test_a_year_whose_casualties_disagree_is_reported(built: Build, wrong: int, failures: int) -> None:
    collisions = [collision(number, persons_injured=int(number <= wrong)) for number in range(1, 101)]
    warehouse = built(collisions, [], [person(1000 + number, number) for number in range(1, 101)])
    assert failing(warehouse, "persons_casualties_agree") == failures


def test_vehicles_are_compared_with_the_five_slots(built: Build) -> None:
    six = [vehicle(100 + number, 1) for number in range(6)]
    warehouse = built(
        [collision(1, vehicle_count=5), collision(2), collision(3)], [*six, vehicle(200, 2), vehicle(201, 2)]
    )
    assert warehouse.sql("from vehicles_compared").fetchall() == [(2024, 2, 1)]
