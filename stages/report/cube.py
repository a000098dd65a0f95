"""The numbers behind the page: small dense arrays by year or month, borough, road user and one more dimension.

The page filters and adds these up; it holds no rows. A road user's collisions are those in which one was hurt, and its
injured and killed are its own; `all` has every collision. A count that the source leaves blank adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np

from stages.report import held
from stages.report.collisions import BOROUGH_NAMES, UNKNOWN, USERS, Collisions, borough_number, numbers

WINDOW_DAYS = 28
YEAR_DAYS = 364  # a year earlier, on the same days of the week
HOURS = 7 * 24
ALONE, PEDESTRIAN = "Nobody else", "Pedestrian"
MEASURES = ("collisions", "injured", "killed", "fatal")


@dataclass
class Cube:
    """Arrays by name, and what their axes mean. Every axis but the last of an array is a dimension.

    `persons_left_out` counts the hurt persons whose collision is not in the warehouse.
    """

    first_year: int
    years: int
    newest: date | None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    persons_left_out: int = 0


def fill(warehouse: duckdb.DuckDBPyConnection, collisions: Collisions) -> Cube:
    """The arrays of time, factors, vehicles, pairs and, where the warehouse has them, persons."""
    cube = Cube(collisions.first_year, collisions.years, collisions.newest)
    of_day = by_day(collisions)
    cube.arrays["month"] = months(cube, of_day)
    cube.arrays["window"] = windows(cube, of_day[..., :3])
    city = of_day[:, :, 0, 0].sum(axis=1)
    cube.arrays["monthHeld"] = held.months(city, cube.first_year, cube.years)
    cube.arrays["windowHeld"] = windows(cube, held.days(city))
    cube.arrays["weekdayHeld"] = held.weekdays(city, cube.first_year, cube.years)
    hour = np.where(collisions.hour < 24, collisions.weekday * 24 + collisions.hour, -1)
    cube.arrays["when"] = tally(collisions, hour, HOURS, ["collisions", "fatal"])
    counted = ("collisions", "injured", "killed")
    keep(cube, "factor", collisions.factors, tally(collisions, collisions.factor, len(collisions.factors), counted))
    keep(cube, "vehicle", collisions.vehicles, tally(collisions, collisions.vehicle, len(collisions.vehicles), counted))
    names, pair = pairs(warehouse, collisions)
    keep(cube, "pair", names, tally(collisions, pair, len(names), ["collisions", "killed", "fatal"]))
    persons(warehouse, cube)
    return cube


def tally(collisions: Collisions, kind: np.ndarray, kinds: int, counted: Sequence[str]) -> np.ndarray:
    """Counts by year, borough, `kind` (a number below `kinds` per collision, -1: left out), road user and measure."""
    at = (collisions.year * len(BOROUGH_NAMES) + collisions.borough) * kinds + kind
    shape = (collisions.years, len(BOROUGH_NAMES), kinds)
    return count(collisions, np.where(kind < 0, -1, at), shape, counted)


def by_day(collisions: Collisions) -> np.ndarray:
    """Every measure by day from the first January, borough and road user."""
    days = int(collisions.day.max()) + 1 if len(collisions.day) else 0
    at = collisions.day.astype(np.int32) * len(BOROUGH_NAMES) + collisions.borough
    return count(collisions, at, (days, len(BOROUGH_NAMES)), MEASURES)


def count(collisions: Collisions, at: np.ndarray, shape: Sequence[int], counted: Sequence[str]) -> np.ndarray:
    """Counts by `at` (each collision's place in an array of `shape`, -1: none), road user and measure."""
    size = int(np.prod(shape))
    result = np.zeros((size, len(USERS), len(counted)), dtype=np.uint32)
    for user, hurt in enumerate(collisions.hurt):
        place = at[hurt.rows]
        for n, measure in enumerate(counted):
            weights = {"injured": hurt.injured, "killed": hurt.killed, "fatal": hurt.killed > 0}.get(measure)
            places = place if user or weights is not None else at
            there = places >= 0
            result[:, user, n] = np.bincount(
                places[there], weights=None if weights is None else weights[there], minlength=size
            )
    return result.reshape(*shape, len(USERS), len(counted))


def keep(cube: Cube, name: str, names: Sequence[str], array: np.ndarray) -> None:
    """Add an array by year, borough and named kinds, without the kinds that it does not have."""
    there: np.ndarray = np.asarray(array.any(axis=(0, 1, 3, 4)))
    cube.names[name] = [kind for kind, found in zip(names, there, strict=True) if found]
    cube.arrays[name] = array[:, :, there]


def months(cube: Cube, of_day: np.ndarray) -> np.ndarray:
    """The days' counts by month from the first January."""
    result = np.zeros((cube.years * 12, *of_day.shape[1:]), dtype=np.uint32)
    first = np.datetime64(f"{cube.first_year:04}-01-01")
    days = first + np.arange(len(of_day))
    np.add.at(result, (days.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(int), of_day)
    return result


def windows(cube: Cube, of_day: np.ndarray) -> np.ndarray:
    """Sums of days, by year: the 28 up to its last (or the newest), and the same days of the week a year earlier."""
    result = np.zeros((cube.years, 2, *of_day.shape[1:]), dtype=np.uint32)
    for year in range(cube.years):
        for earlier in (0, 1):
            end = min(date(cube.first_year + year, 12, 31), cube.newest or date.max)
            after = (end - timedelta(YEAR_DAYS * earlier) - date(cube.first_year, 1, 1)).days + 1
            result[year, earlier] = of_day[max(0, after - WINDOW_DAYS) : max(0, after)].sum(axis=0)
    return result


def pairs(warehouse: duckdb.DuckDBPyConnection, collisions: Collisions) -> tuple[list[str], np.ndarray]:
    """Who met whom: names, and each collision's number among them (-1 where a vehicle is unknown).

    A pair is the first vehicle's group, and a pedestrian if one was hurt, else the second vehicle's group.
    """
    found = warehouse.execute("""
        select vehicle_type, min(vehicle_group)
        from dim_vehicle_type
        where vehicle_group not in ('Unknown', 'Unmapped')
        group by vehicle_type
    """).fetchall()
    group_of = dict(found)
    groups = sorted(set(group_of.values()))
    of_vehicle = np.array(
        [groups.index(group_of[name]) if name in group_of else -1 for name in collisions.vehicles], dtype=np.int16
    )
    one = of_vehicle[collisions.vehicle]
    other = of_vehicle[collisions.second_vehicle]
    other[collisions.second_vehicle == len(collisions.vehicles) - 1] = alone = len(groups)
    other[collisions.hurt[USERS.index("pedestrians")].rows] = pedestrian = len(groups) + 1
    between_vehicles = other < len(groups)
    low, high = np.where(between_vehicles, np.minimum(one, other), one), np.maximum(one, other)
    others: Mapping[int, str] = {**dict(enumerate(groups)), alone: ALONE, pedestrian: PEDESTRIAN}
    names = [f"{group} × {others[n]}" for group in groups for n in range(len(others))]
    return names, np.where((one < 0) | (other < 0), -1, low.astype(np.int32) * len(others) + high)


def persons(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> None:
    """Add injured and killed by age and by role, where the warehouse has persons; those of the collisions that the cube
    counts. How many hurt persons are of other collisions is in `cube.persons_left_out`.
    """
    held = warehouse.execute("select table_name from duckdb_tables()").fetchall()
    if not {("fct_persons",), ("dim_person_profile",)} <= set(held) or not cube.newest:
        return
    # of the view `persons` only what is needed, and words only for what is left after counting: both cost seconds
    warehouse.execute(f"""
        create or replace temp table casualties as
        with counted as (
            select
                year(crash_date) - {cube.first_year} as y,
                borough,
                case when age < 75 then age // 15 * 15 when age >= 75 then 75 end as from_age,
                person_profile_key,
                sum(injured) as injured,
                sum(killed) as killed
            from (
                select collision_id, age, person_profile_key, injured, killed
                from fct_persons
                where injured = 1 or killed = 1
            )
            left join (select collision_id, crash_date, borough from fct_collisions) using (collision_id)
            group by all
        )
        select
            y,
            {borough_number("borough")} as b,
            case
                when from_age is null then '{UNKNOWN}'
                when from_age < 75 then format('{{:02d}} to {{:02d}}', from_age, from_age + 14)
                else '75 and over'
            end as age,
            coalesce(role, '{UNKNOWN}') as role,
            case person_type
                when 'Pedestrian' then 1 when 'Bicyclist' then 2 when 'Cyclist' then 2 when 'Occupant' then 3 else 4
            end as u,
            coalesce(sum(injured), 0)::bigint as injured,
            coalesce(sum(killed), 0)::bigint as killed
        from counted join dim_person_profile using (person_profile_key)
        group by all
    """)
    row = warehouse.execute("select coalesce(sum(injured + killed), 0) from casualties where y is null").fetchone()
    cube.persons_left_out = int(row[0]) if row else 0
    for name in ("age", "role"):
        names = [
            value
            for (value,) in warehouse.execute(
                f"select distinct {name} as x from casualties where y is not null order by x"
            ).fetchall()
        ]
        if not names:
            return
        array = np.zeros((cube.years, len(BOROUGH_NAMES), len(names), len(USERS), 2), dtype=np.uint32)
        *at, injured, killed = numbers(
            warehouse,
            f"select y, b, list_position(?, {name}) - 1, u, sum(injured)::bigint, sum(killed)::bigint"
            " from casualties where y is not null group by all",
            [names],
        )
        array[tuple(at)] = np.stack([injured, killed], axis=1)
        array[..., 0, :] = array[..., 1:, :].sum(axis=-2)
        cube.names[name], cube.arrays[name] = names, array
