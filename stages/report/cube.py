"""The numbers behind the page: small dense arrays by year or month, borough, road user and one more dimension.

The page filters and adds these up; it holds no rows. A road user's collisions are those in which one was hurt, and its
injured and killed are its own; `all` has every collision. A count that the source leaves blank adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import numpy as np

from stages.datasets.vocabulary import BOROUGHS

UNKNOWN = "Not stated"
BOROUGH_NAMES = (*BOROUGHS.values(), UNKNOWN)
USERS = ("all", "pedestrians", "cyclists", "motorists", "others")
WINDOW_DAYS = 28
YEAR_DAYS = 364  # a year earlier, on the same days of the week
ALONE, PEDESTRIAN = "Nobody else", "Pedestrian"


@dataclass
class Cube:
    """Arrays by name, and what their axes mean. Every axis but the last of an array is a dimension."""

    first_year: int
    years: int
    newest: date | None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


def prepare(warehouse: duckdb.DuckDBPyConnection) -> Cube:
    """Make the temporary table `hurt`, one row per collision with its numbers on every axis; returns an empty cube."""
    row = warehouse.execute("select min(year(crash_date)), max(crash_date) from fct_collisions").fetchone()
    first, newest = row or (None, None)
    cube = Cube(first or 0, newest.year - first + 1 if newest else 0, newest)
    boroughs = ", ".join(f"'{name}'" for name in BOROUGH_NAMES[:-1])
    warehouse.execute(f"""
        create or replace temp table hurt as
        select
            location_key, crash_date, crash_hour, latitude, longitude,
            vehicle_type_1, vehicle_type_2, contributing_factor_1,
            (year(crash_date) - {cube.first_year})::utinyint as y,
            ((year(crash_date) - {cube.first_year}) * 12 + month(crash_date) - 1)::usmallint as m,
            (coalesce(list_position([{boroughs}], borough), {len(BOROUGH_NAMES)}) - 1)::utinyint as b,
            persons_injured::usmallint as i0, persons_killed::usmallint as k0,
            pedestrians_injured::usmallint as i1, pedestrians_killed::usmallint as k1,
            cyclists_injured::usmallint as i2, cyclists_killed::usmallint as k2,
            motorists_injured::usmallint as i3, motorists_killed::usmallint as k3,
            greatest(0, persons_injured - pedestrians_injured - cyclists_injured - motorists_injured)::usmallint as i4,
            greatest(0, persons_killed - pedestrians_killed - cyclists_killed - motorists_killed)::usmallint as k4,
            greatest(i0, k0, i1, k1, i2, k2, i3, k3) > 0 as harmed
        from fct_collisions
    """)
    return cube


def measures(user: int) -> dict[str, str]:
    """SQL of what is counted of a road user (a number of USERS)."""
    return {
        "collisions": f"count(*) filter (where i{user} > 0 or k{user} > 0)" if user else "count(*)",
        "injured": f"coalesce(sum(i{user}), 0)::bigint",
        "killed": f"coalesce(sum(k{user}), 0)::bigint",
        "fatal": f"count(*) filter (where k{user} > 0)",
    }


def dense(
    warehouse: duckdb.DuckDBPyConnection,
    axes: Sequence[tuple[str, int]],
    counted: Sequence[str],
    source: str = "hurt",
) -> np.ndarray:
    """Counts over `source`: an array by the axes (SQL of a number, and how many there are), road user and measure."""
    keys = ", ".join(f"({sql})::integer" for sql, _ in axes)
    shape = [size for _, size in axes]
    result = np.zeros([*shape, len(USERS), len(counted)], dtype=np.uint32)
    # three quarters of the collisions hurt nobody: they need no more than a count
    wanted = ", ".join(measures(user)[measure] for user in range(len(USERS)) for measure in counted)
    columns = numbers(warehouse, f"select {keys}, {wanted} from {source} where harmed group by all")
    if len(columns[0]):
        values = np.stack(columns[len(axes) :], axis=1).reshape(-1, len(USERS), len(counted))
        result[tuple(columns[: len(axes)])] = values
    if "collisions" in counted:
        *at, every = numbers(warehouse, f"select {keys}, count(*) from {source} group by all")
        result[..., 0, list(counted).index("collisions")][tuple(at)] = every
    return result


def numbers(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[np.ndarray]:
    """A query's columns."""
    return [np.ma.filled(column, 0) for column in warehouse.execute(sql).fetchnumpy().values()]


def fill(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> None:
    """Add the arrays of time, factors, vehicles, pairs and, where the warehouse has them, persons."""
    year, borough = ("y", cube.years), ("b", len(BOROUGH_NAMES))
    cube.arrays["month"] = dense(
        warehouse, [("m", cube.years * 12), borough], ["collisions", "injured", "killed", "fatal"]
    )
    cube.arrays["window"] = windows(warehouse, cube)
    hours = "(select *, (isodow(crash_date) - 1) * 24 + crash_hour as h from hurt where crash_hour is not null)"
    cube.arrays["when"] = dense(warehouse, [year, borough, ("h", 168)], ["collisions", "fatal"], hours)
    for name, column in (("factor", "contributing_factor_1"), ("vehicle", "vehicle_type_1")):
        named(warehouse, cube, name, f"coalesce({column}, '{UNKNOWN}')", "hurt")
    pairs(warehouse, cube)
    persons(warehouse, cube)


def named(
    warehouse: duckdb.DuckDBPyConnection,
    cube: Cube,
    name: str,
    sql: str,
    source: str,
    *,
    counted: Sequence[str] = ("collisions", "injured", "killed"),
) -> None:
    """An array by year, borough and the values of a text, whose names go into the cube."""
    found = warehouse.execute(f"select distinct {sql} as value from {source} order by value").fetchall()
    cube.names[name] = [value for (value,) in found]
    warehouse.execute("create or replace temp table named (value varchar, number integer)")
    if found:
        warehouse.executemany("insert into named values (?, ?)", [(value, n) for n, (value,) in enumerate(found)])
    joined = f"(select hurt.*, number from {source} as hurt join named on value = {sql})"
    axes = [("y", cube.years), ("b", len(BOROUGH_NAMES)), ("number", len(found))]
    cube.arrays[name] = dense(warehouse, axes, counted, joined)


def pairs(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> None:
    """Who met whom: the first vehicle's group, and a pedestrian if one was hurt, else the second vehicle's group."""
    warehouse.execute(f"""
        create or replace temp table pairs as
        with kinds as (
            select vehicle_type, any_value(vehicle_group) as kind
            from dim_vehicle_type
            where vehicle_group not in ('Unknown', 'Unmapped')
            group by all
        ),
        met as (
            select
                hurt.*,
                first.kind as one,
                case
                    when i1 > 0 or k1 > 0 then '{PEDESTRIAN}'
                    when vehicle_type_2 is null then '{ALONE}'
                    else second.kind
                end as other
            from hurt
            join kinds as first on first.vehicle_type = vehicle_type_1
            left join kinds as second on second.vehicle_type = vehicle_type_2
        )
        select
            * exclude (one, other),
            case
                when other in ('{PEDESTRIAN}', '{ALONE}') then one || ' × ' || other
                else least(one, other) || ' × ' || greatest(one, other)
            end as pair
        from met
        where other is not null
    """)
    named(warehouse, cube, "pair", "pair", "pairs", counted=["collisions", "killed", "fatal"])
    warehouse.execute("drop table pairs")


def windows(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> np.ndarray:
    """By year: the 28 days up to its last day (or the newest day), and the same days of the week a year earlier."""
    if not cube.newest:
        return np.zeros([0, 2, len(BOROUGH_NAMES), len(USERS), 3], dtype=np.uint32)
    ends = [min(date(cube.first_year + n, 12, 31), cube.newest) for n in range(cube.years)]
    rows = ", ".join(
        f"({n}, {earlier}, date '{end}' - {YEAR_DAYS * earlier})" for n, end in enumerate(ends) for earlier in (0, 1)
    )
    source = (
        f"(select hurt.*, n, earlier from hurt join (values {rows}) as ends(n, earlier, last)"
        f" on crash_date > last - {WINDOW_DAYS} and crash_date <= last)"
    )
    axes = [("n", cube.years), ("earlier", 2), ("b", len(BOROUGH_NAMES))]
    return dense(warehouse, axes, ["collisions", "injured", "killed"], source)


def persons(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> None:
    """Injured and killed by age and by role, where the warehouse has persons with these columns."""
    wanted = {"crash_date", "borough", "person_type", "role", "age", "injured", "killed"}
    held = {name for (name,) in warehouse.execute(
        "select column_name from duckdb_columns() where table_name = 'persons'"
    ).fetchall()}  # fmt: skip
    if not wanted <= held or not cube.newest:
        return
    boroughs = ", ".join(f"'{name}'" for name in BOROUGH_NAMES[:-1])
    flags = ", ".join(
        f"if({f'u = {user}' if user else 'true'}, {hurt}, 0) as {hurt[0]}{user}"
        for user in range(len(USERS))
        for hurt in ("injured", "killed")
    )
    warehouse.execute(f"""
        create or replace temp table casualties as
        with hurt as (
            select
                year(crash_date) - {cube.first_year} as y,
                coalesce(list_position([{boroughs}], borough), {len(BOROUGH_NAMES)}) - 1 as b,
                case
                    when age is null then '{UNKNOWN}'
                    when age < 75 then format('{{:02d}} to {{:02d}}', age // 15 * 15, age // 15 * 15 + 14)
                    else '75 and over'
                end as age,
                coalesce(role, '{UNKNOWN}') as role,
                case person_type
                    when 'Pedestrian' then 1 when 'Bicyclist' then 2 when 'Cyclist' then 2 when 'Occupant' then 3 else 4
                end as u,
                coalesce(injured, 0) as injured,
                coalesce(killed, 0) as killed
            from persons
            where (injured = 1 or killed = 1) and year(crash_date) between {cube.first_year} and {cube.newest.year}
        )
        select y, b, age, role, {flags}, true as harmed from hurt
    """)
    if warehouse.execute("select count(*) from casualties").fetchone() != (0,):
        for name in ("age", "role"):
            named(warehouse, cube, name, name, "casualties", counted=["injured", "killed"])
