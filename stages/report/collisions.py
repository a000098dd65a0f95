"""What the page counts, read in one pass: each collision as a few small numbers, and the hurt by road user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import duckdb
import numpy as np

from stages.datasets.vocabulary import BOROUGHS

UNKNOWN = "Not stated"
BOROUGH_NAMES = (*BOROUGHS.values(), UNKNOWN)
USERS = ("all", "pedestrians", "cyclists", "motorists", "others")
METRES = (84_515.0, 111_048.0)  # in a degree of longitude and of latitude, at 40.7° N on WGS84
WEST, SOUTH, EAST, NORTH = -74.27, 40.48, -73.68, 40.93  # a little more than the city
BATCH = 200_000  # rows
GROUPS = ("persons", *USERS[1:-1])  # as the warehouse names them; the others are what remains
HARMED = " or ".join(f"{group}_{harm} > 0" for group in GROUPS for harm in ("injured", "killed"))


@dataclass(frozen=True)
class Hurt:
    """The collisions in which a road user was hurt: their row numbers, ascending, and how many were."""

    rows: np.ndarray
    injured: np.ndarray
    killed: np.ndarray


@dataclass(frozen=True)
class Collisions:
    """Columns of all collisions, in no particular order; an array has one number per collision.

    `day` counts from the first January, `borough` is a number of BOROUGH_NAMES, `hour` is 24 where it is unknown.
    `factor`, `vehicle` and `second_vehicle` are numbers of `factors` and `vehicles`, whose last is UNKNOWN. `east` and
    `north` are metres from the south-west corner, -1 without coordinates.
    `hurt` has an entry per road user.
    """

    first_year: int
    newest: date | None
    factors: Sequence[str]
    vehicles: Sequence[str]
    day: np.ndarray
    borough: np.ndarray
    hour: np.ndarray
    factor: np.ndarray
    vehicle: np.ndarray
    second_vehicle: np.ndarray
    east: np.ndarray
    north: np.ndarray
    hurt: Sequence[Hurt]

    @property
    def years(self) -> int:
        """How many years there are, the first and the last included."""
        return self.newest.year - self.first_year + 1 if self.newest else 0

    @cached_property
    def year(self) -> np.ndarray:
        """Each collision's year, counted from the first."""
        first = np.datetime64(f"{self.first_year:04}-01-01")
        years = (first + np.arange(int(self.day.max(initial=0)) + 1)).astype("datetime64[Y]")
        of_collision: np.ndarray = (years - first.astype("datetime64[Y]")).astype(np.int32)[self.day]
        return of_collision

    @property
    def weekday(self) -> np.ndarray:
        """Each collision's day of the week, 0 for Monday."""
        return ((self.day + date(max(1, self.first_year), 1, 1).weekday()) % 7).astype(np.int32)


def read(warehouse: duckdb.DuckDBPyConnection) -> Collisions:
    """All collisions of `fct_collisions`."""
    row = warehouse.execute("select min(year(crash_date)), max(crash_date) from fct_collisions").fetchone()
    first, newest = row or (None, None)
    factors = coded(warehouse, "factor_codes", "contributing_factor_1")
    vehicles = coded(warehouse, "vehicle_codes", "vehicle_type_1", "vehicle_type_2")
    columns: dict[str, list[np.ndarray]] = {}
    hurt: list[list[Hurt]] = [[] for _ in USERS]
    rows = 0
    for batch in warehouse.sql(query(first or 0, len(factors) - 1, len(vehicles) - 1)).to_arrow_reader(BATCH):
        # unlike to_numpy, dlpack does not import pandas; a copy, or the whole batch would stay
        arrays = {name: np.from_dlpack(batch.column(name)).copy() for name in batch.schema.names}
        for user, hurt_of in enumerate(hurt):
            injured, killed = arrays.pop(f"i{user}"), arrays.pop(f"k{user}")
            found = np.flatnonzero((injured > 0) | (killed > 0))
            hurt_of.append(Hurt((found + rows).astype(np.int32), injured[found], killed[found]))
        for name, array in arrays.items():
            columns.setdefault(name, []).append(array)
        rows += batch.num_rows
    names = ("day", "borough", "hour", "factor", "vehicle", "second_vehicle", "east", "north")
    return Collisions(
        first or 0,
        newest,
        factors,
        vehicles,
        **{name: joined(columns.pop(name, [])) for name in names},
        hurt=[
            Hurt(
                joined([part.rows for part in parts]),
                joined([part.injured for part in parts]),
                joined([part.killed for part in parts]),
            )
            for parts in hurt
        ],
    )


def query(first_year: int, no_factor: int, no_vehicle: int) -> str:
    """SQL of a collision's numbers."""
    harm = ", ".join(f"{sql} as {name}" for name, sql in harm_columns().items())
    within = f"latitude between {SOUTH} and {NORTH} and longitude between {WEST} and {EAST}"
    return f"""
        select
            (crash_date - date '{first_year or 1:04}-01-01')::usmallint as day,
            {borough_number("borough")}::utinyint as borough,
            coalesce(crash_hour, 24)::utinyint as hour,
            coalesce(factor_codes.code, {no_factor})::usmallint as factor,
            coalesce(first.code, {no_vehicle})::usmallint as vehicle,
            coalesce(second.code, {no_vehicle})::usmallint as second_vehicle,
            if({within}, (longitude - {WEST}) * {METRES[0]}, -1)::float as east,
            if({within}, (latitude - {SOUTH}) * {METRES[1]}, -1)::float as north,
            {harm}
        from fct_collisions
        left join factor_codes on factor_codes.value = contributing_factor_1
        left join vehicle_codes as first on first.value = vehicle_type_1
        left join vehicle_codes as second on second.value = vehicle_type_2
    """


def harm_columns() -> dict[str, str]:
    """SQL of the injured (i) and killed (k) by number of the road user: i0, k0, i1 ...; 0 where unknown."""
    found = {}
    for user in range(len(USERS)):
        for harm in ("injured", "killed"):
            rest = " - ".join(f"{group}_{harm}" for group in GROUPS)
            count = f"coalesce({GROUPS[user]}_{harm}, 0)" if user < len(GROUPS) else f"greatest(0, {rest})"
            found[f"{harm[0]}{user}"] = f"{count}::usmallint"
    return found


def coded(warehouse: duckdb.DuckDBPyConnection, table: str, *columns: str) -> list[str]:
    """Number the values of columns of the collisions in a temporary table; returns them in order, UNKNOWN last.

    The columns are compared as they are: any function of them would undo their compression, which costs a second.
    """
    values = " union ".join(f"select distinct {column} as value from fct_collisions" for column in columns)
    warehouse.execute(f"""
        create or replace temp table {table} as
        select value, (row_number() over (order by value) - 1)::usmallint as code
        from ({values})
        where value is not null
    """)
    found = warehouse.execute(f"select value from {table} order by code").fetchall()
    return [*(value for (value,) in found), UNKNOWN]


def borough_number(column: str) -> str:
    """SQL of a borough's number in BOROUGH_NAMES."""
    cases = " ".join(f"when '{name}' then {n}" for n, name in enumerate(BOROUGH_NAMES[:-1]))
    return f"(case {column} {cases} else {len(BOROUGH_NAMES) - 1} end)"


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after another."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint16)


def numbers(warehouse: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> list[np.ndarray]:
    """A query's columns; 0 for NULL."""
    found = warehouse.execute(sql, list(parameters)).fetchnumpy()
    return [np.ma.filled(column, 0) for column in found.values()]
