"""The numbers behind the report, of inline collisions."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from stages.report import collisions, cube, held
from stages.report.collisions import BOROUGH_NAMES, USERS

COLUMNS = """
    collision_id bigint, location_key bigint, crash_date date, crash_hour integer, latitude double, longitude double,
    vehicle_type_1 varchar, vehicle_type_2 varchar, contributing_factor_1 varchar, borough varchar,
    persons_injured integer, persons_killed integer, pedestrians_injured integer, pedestrians_killed integer,
    cyclists_injured integer, cyclists_killed integer, motorists_injured integer, motorists_killed integer
"""
GROUPS = ("persons", "pedestrians", "cyclists", "motorists")
NOBODY = {f"{group}_{harm}": 0 for group in GROUPS for harm in ("injured", "killed")}


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"create table fct_collisions ({COLUMNS})")
    connection.execute("create table dim_vehicle_type (vehicle_type varchar, vehicle_group varchar)")
    connection.execute("insert into dim_vehicle_type values ('Sedan', 'Passenger car'), ('Bus', 'Bus')")
    return connection


def collide(warehouse: duckdb.DuckDBPyConnection, day: date, borough: str | None = "Queens", **changes: object) -> None:
    """Insert a collision of two sedans in which nobody was hurt, with changes."""
    row = {"crash_date": day, "crash_hour": 8, "vehicle_type_1": "Sedan", "vehicle_type_2": "Sedan", "borough": borough}
    row |= NOBODY | changes
    marks = ", ".join("?" for _ in row)
    warehouse.execute(f"insert into fct_collisions ({', '.join(row)}) values ({marks})", list(row.values()))


def filled(warehouse: duckdb.DuckDBPyConnection) -> cube.Cube:
    return cube.fill(warehouse, collisions.read(warehouse))


def test_a_road_users_collisions_are_those_in_which_one_was_hurt(warehouse: duckdb.DuckDBPyConnection) -> None:
    collide(warehouse, date(2023, 3, 1))
    collide(warehouse, date(2023, 3, 2), persons_injured=3, pedestrians_injured=1, cyclists_injured=1)
    collide(warehouse, date(2023, 3, 3), persons_killed=1, pedestrians_killed=1)
    month = filled(warehouse).arrays["month"][2, BOROUGH_NAMES.index("Queens")]
    found = dict(zip(USERS, month.tolist(), strict=True))  # collisions, injured, killed, fatal
    assert found == {
        "all": [3, 3, 1, 1],
        "pedestrians": [2, 1, 1, 1],
        "cyclists": [1, 1, 0, 0],
        "motorists": [0, 0, 0, 0],
        "others": [1, 1, 0, 0],
    }


def test_a_blank_count_adds_nothing_and_the_collision_still_counts(warehouse: duckdb.DuckDBPyConnection) -> None:
    collide(warehouse, date(2023, 3, 1), borough=None, persons_injured=None, motorists_injured=2)
    month = filled(warehouse).arrays["month"][2, -1]
    assert month[0].tolist() == [1, 0, 0, 0]
    assert month[USERS.index("motorists")].tolist() == [1, 2, 0, 0]
    assert month[USERS.index("others")].tolist() == [0, 0, 0, 0]


def test_the_windows_are_28_days_and_the_same_days_of_the_week_a_year_earlier(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    for day in (date(2024, 6, 28), date(2024, 6, 1), date(2024, 5, 31), date(2023, 6, 30), date(2023, 7, 1)):
        collide(warehouse, day)
    windows = filled(warehouse).arrays["window"]
    assert windows[1, :, :, 0, 0].sum(axis=1).tolist() == [2, 1]
    assert windows[0, :, :, 0, 0].sum(axis=1).tolist() == [0, 0]


def each_day(warehouse: duckdb.DuckDBPyConnection, first: date, last: date, count: int = 1) -> None:
    """Insert so many collisions of each day."""
    for number in range((last - first).days + 1):
        for _ in range(count):
            collide(warehouse, first + timedelta(number))


def test_a_month_is_whole_but_for_two_days_in_part_or_not_there(warehouse: duckdb.DuckDBPyConnection) -> None:
    each_day(warehouse, date(2023, 1, 2), date(2023, 1, 30))  # two days are missing
    each_day(warehouse, date(2023, 3, 4), date(2023, 3, 31))  # three are
    each_day(warehouse, date(2023, 12, 1), date(2024, 1, 5))
    found = filled(warehouse).arrays["monthHeld"].tolist()
    assert found[:3] == [held.WHOLE, held.NOTHING, held.PART]
    assert found[3:11] == [held.NOTHING] * 8
    assert found[11:13] == [held.WHOLE, held.NOT_OVER]
    assert found[13:] == [held.NOTHING] * 11


def test_stray_collisions_do_not_make_a_day(warehouse: duckdb.DuckDBPyConnection) -> None:
    each_day(warehouse, date(2023, 1, 1), date(2023, 1, 31), 41)
    each_day(warehouse, date(2023, 2, 1), date(2023, 2, 4), 2)
    found = filled(warehouse)
    assert found.arrays["monthHeld"][:2].tolist() == [held.WHOLE, held.PART]
    assert found.arrays["weekdayHeld"].tolist() == [[5, 5, 4, 4, 4, 4, 5]]  # that January began on a Sunday


def test_the_windows_know_how_many_of_their_days_are_held(warehouse: duckdb.DuckDBPyConnection) -> None:
    each_day(warehouse, date(2023, 6, 3), date(2023, 6, 30))
    each_day(warehouse, date(2024, 6, 21), date(2024, 6, 28))
    assert filled(warehouse).arrays["windowHeld"].tolist() == [[0, 0], [8, 28]]


def test_a_pair_is_the_same_in_either_order_and_a_pedestrian_counts_before_a_second_vehicle(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    collide(warehouse, date(2023, 1, 1), vehicle_type_2="Bus")
    collide(warehouse, date(2023, 1, 1), vehicle_type_1="Bus")
    collide(warehouse, date(2023, 1, 1), vehicle_type_2=None)
    collide(warehouse, date(2023, 1, 1), persons_killed=1, pedestrians_killed=1)
    made = filled(warehouse)
    counts = made.arrays["pair"][:, :, :, 0].sum(axis=(0, 1)).tolist()  # collisions, killed, fatal
    assert dict(zip(made.names["pair"], counts, strict=True)) == {
        "Bus × Passenger car": [2, 0, 0],
        "Passenger car × Nobody else": [1, 0, 0],
        "Passenger car × Pedestrian": [1, 1, 1],
    }


def test_without_persons_there_is_neither_age_nor_role(warehouse: duckdb.DuckDBPyConnection) -> None:
    collide(warehouse, date(2023, 1, 1))
    assert not {"age", "role"} & filled(warehouse).names.keys()


def test_the_hurt_are_counted_by_bands_of_age_and_by_role(warehouse: duckdb.DuckDBPyConnection) -> None:
    collide(warehouse, date(2023, 1, 1), collision_id=1)
    warehouse.execute("""
        create table dim_person_profile as
        from (values (1, 'Pedestrian', 'Pedestrian'), (2, 'Cyclist', 'Driver'), (3, 'Occupant', 'Passenger'))
            as t(person_profile_key, person_type, role);
        create table fct_persons as
        select 1 as collision_id, date '2023-01-01' as crash_date, *
        from (values (1, 7, 1, 0), (2, 80, 0, 1), (3, null, 1, 0), (3, 30, 0, 0))
            as t(person_profile_key, age, injured, killed)
    """)
    made = filled(warehouse)
    by_age = dict(zip(made.names["age"], made.arrays["age"].sum(axis=(0, 1)).tolist(), strict=True))
    assert {age: users[0] for age, users in by_age.items()} == {
        "00 to 14": [1, 0],
        "75 and over": [0, 1],
        "Not stated": [1, 0],
    }
    assert by_age["75 and over"][USERS.index("cyclists")] == [0, 1]
    assert set(made.names["role"]) == {"Pedestrian", "Driver", "Passenger"}
    assert made.persons_left_out == 0


def test_the_hurt_of_collisions_that_are_not_there_are_left_out_and_counted(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    collide(warehouse, date(2023, 1, 1), collision_id=1)
    warehouse.execute("""
        create table dim_person_profile as
        select 1 as person_profile_key, 'Occupant' as person_type, 'Driver' as role;
        create table fct_persons as
        select *, 1 as person_profile_key, date '2023-01-01' as crash_date
        from (values (1, 20, 1, 0), (7, 40, 1, 0), (8, 60, 0, 1), (9, 60, 0, 0))
            as t(collision_id, age, injured, killed)
    """)
    made = filled(warehouse)
    assert made.names["age"] == ["15 to 29"]
    assert made.arrays["age"].sum() == 2  # as all and as a motorist
    assert made.persons_left_out == 2
    warehouse.execute("delete from fct_persons where collision_id = 1")
    made = filled(warehouse)
    assert made.persons_left_out == 2
    assert "age" not in made.names


def test_an_empty_warehouse_has_an_empty_cube(warehouse: duckdb.DuckDBPyConnection) -> None:
    made = filled(warehouse)
    assert made.newest is None
    assert sum(int(np.sum(array)) for array in made.arrays.values()) == 0
