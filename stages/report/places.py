"""Where: a grid of some 30 m, and the intersections that are among the worst under any filter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import numpy as np

from stages.datasets.boroughs import OUTLINES
from stages.report.collisions import (
    BOROUGH_NAMES,
    EAST,
    HARMED,
    METRES,
    NORTH,
    SOUTH,
    USERS,
    WEST,
    Collisions,
    borough_number,
    harm_columns,
    numbers,
)

CELL_METRES = 30
LISTED = 10
OUTLINE_METRES = 25  # what an outline may lose on the page


@dataclass(frozen=True)
class Grid:
    """Occupied cells in ascending order of borough and position, with their counts.

    `borough` and `position` (row * width + column) have one number per cell. A cell on a border appears once per
    borough. `cell` and `count` list the cells with collisions for each road user and, within it, each year, in
    ascending order; `listed` (road users × years) says how many each has. `fatal` has rows of cell, year and fatal
    collisions by road user.
    """

    metres: int
    width: int
    borough: np.ndarray
    position: np.ndarray
    listed: np.ndarray
    cell: np.ndarray
    count: np.ndarray
    fatal: np.ndarray


def width_of(metres: int) -> int:
    """Cells from west to east."""
    return int((EAST - WEST) * METRES[0] / metres) + 1


def grid(collisions: Collisions, metres: int = CELL_METRES) -> Grid:
    """Count the collisions with coordinates by cell of `metres`, borough, year and road user."""
    width = width_of(metres)
    size = width * (int((NORTH - SOUTH) * METRES[1] / metres) + 1)
    position = (collisions.north / metres).astype(np.int32) * width + (collisions.east / metres).astype(np.int32)
    index = np.full(len(position), -1, dtype=np.int32)
    positions: list[np.ndarray] = []
    cells = 0
    for borough in range(len(BOROUGH_NAMES)):
        rows = np.flatnonzero((collisions.borough == borough) & (collisions.east >= 0))
        first = position[rows].min(initial=size)
        at = position[rows] - first
        occupied = np.zeros(at.max(initial=0) + 1, dtype=bool)
        occupied[at] = True
        index[rows] = np.cumsum(occupied, dtype=np.int32)[at] + (cells - 1)
        positions.append(np.flatnonzero(occupied) + first)
        cells += len(positions[-1])
    listed, cell, count = [], [], []
    for user, hurt in enumerate(collisions.hurt):
        rows = hurt.rows if user else np.arange(len(index))
        at = (collisions.year[rows] * cells + index[rows])[index[rows] >= 0]
        counts = np.bincount(at, minlength=collisions.years * cells)
        there = np.flatnonzero(counts)
        listed.append(np.bincount(there // max(1, cells), minlength=collisions.years))
        cell.append(there % max(1, cells))
        count.append(counts[there])
    return Grid(
        metres,
        width,
        np.repeat(np.arange(len(positions), dtype=np.uint8), [len(part) for part in positions]),
        np.concatenate(positions),
        np.stack(listed),
        np.concatenate(cell),
        np.concatenate(count),
        fatal(collisions, index),
    )


def fatal(collisions: Collisions, index: np.ndarray) -> np.ndarray:
    """Rows of cell (`index` has each collision's, -1: none), year and fatal collisions by road user; ascending."""
    columns = []
    for user, hurt in enumerate(collisions.hurt):
        rows = hurt.rows[(hurt.killed > 0) & (index[hurt.rows] >= 0)]
        columns.append(np.column_stack([index[rows], collisions.year[rows], np.full(len(rows), user)]))
    each = np.concatenate(columns)
    found, at = np.unique(each[:, :2], axis=0, return_inverse=True)
    result = np.zeros((len(found), 2 + len(USERS)), dtype=np.uint32)
    result[:, :2] = found
    np.add.at(result, (at, each[:, 2] + 2), 1)
    return result


def worst(warehouse: duckdb.DuckDBPyConnection, first_year: int, years: int) -> tuple[list[list[Any]], np.ndarray]:
    """The intersections that are among the worst ten for any borough, road user and range of years: name, borough,
    latitude and longitude; and their injured and killed by year, intersection and road user.

    Worst is: most killed and injured, then most killed, then the lowest key.
    """
    keys, year, borough, *columns = numbers(
        warehouse,
        f"""
        select
            location_key,
            (year(crash_date) - {first_year})::integer,
            {borough_number("dim_location.borough")}::utinyint,
            {", ".join(f"{sql} as {name}" for name, sql in harm_columns().items())}
        from fct_collisions join dim_location using (location_key)
        where place_type = 'intersection' and ({HARMED})
        """,
    )
    places, first, index = np.unique(keys, return_index=True, return_inverse=True)
    harm = np.stack(columns).reshape(len(USERS), 2, -1)
    chosen = sorted(set().union(*(
        candidates(index, year, harm[user], borough[first]) for user in range(len(USERS))
    )))  # fmt: skip
    array = np.zeros((years, len(chosen), len(USERS), 2), dtype=np.uint32)
    number = np.full(len(places), -1)
    number[chosen] = np.arange(len(chosen))
    of_chosen = np.flatnonzero(number[index] >= 0)
    np.add.at(array, (year[of_chosen], number[index[of_chosen]]), harm[..., of_chosen].transpose(2, 0, 1))
    names = warehouse.execute(
        f"""
        select
            any_value(place),
            any_value({borough_number("dim_location.borough")}),
            round(avg(latitude), 5), round(avg(longitude), 5)
        from fct_collisions join dim_location using (location_key)
        where location_key in (select unnest(?::bigint[]))
        group by location_key
        order by location_key
        """,
        [places[chosen].tolist()],
    ).fetchall()
    return [list(row) for row in names], array


def candidates(
    place: np.ndarray, year: np.ndarray, harm: np.ndarray, borough: np.ndarray, listed: int = LISTED
) -> set[int]:
    """The places among the `listed` worst of the city or of a borough in any range of years.

    `place` and `year` have a collision each, as has `harm` (injured, killed × collisions); `borough` has a place each.
    Places are in the order that decides a tie.
    """
    hurt = np.flatnonzero(harm.any(axis=0))
    years = int(year.max(initial=0)) + 1
    each, at = np.unique(place[hurt] * np.int64(years) + year[hurt], return_inverse=True)
    sums = np.stack([np.bincount(at, weights=row[hurt], minlength=len(each)).astype(np.int64) for row in harm])
    place, year = each // years, each % years
    kept: set[int] = set()
    for scope in (None, *range(len(BOROUGH_NAMES))):
        inside = np.flatnonzero(borough[place] == scope) if scope is not None else np.arange(len(place))
        hurt = sums[:, inside]
        total = hurt.sum(axis=0)
        at_least = min((least_of_worst(total[year[inside] == n], listed) for n in range(years)), default=0)
        # a wider range has no lower bar than a year of it
        enough = np.bincount(place[inside], weights=total, minlength=len(borough)) >= max(1, at_least)
        inside, hurt = inside[enough[place[inside]]], hurt[:, enough[place[inside]]]
        names, number = np.unique(place[inside], return_inverse=True)
        until = np.zeros((2, years + 1, len(names)), dtype=np.int64)
        until[:, year[inside] + 1, number] = hurt
        until = until.cumsum(axis=1)
        for first in range(years):
            least = 1  # of a place among the worst; it only rises as the range grows
            for last in range(first + 1, years + 1):
                injuries, deaths = until[:, last] - until[:, first]
                total = injuries + deaths
                at = np.flatnonzero(total >= least)
                score = (total[at] << 40) + (deaths[at] << 24) - at
                if len(at) > listed:
                    at = at[score.argpartition(len(at) - listed)[-listed:]]
                    least = total[at].min()
                kept.update(names[at].tolist())
    return kept


def least_of_worst(casualties: np.ndarray, listed: int) -> int:
    """The casualties of the last of the `listed` worst places; 0 where there are fewer."""
    if len(casualties) < listed:
        return 0
    return int(np.partition(casualties, len(casualties) - listed)[len(casualties) - listed])


@cache
def outlines() -> list[list[list[int]]]:
    """The boroughs' rings as x, y in metres from the south-west corner, one after another, for drawing."""
    import shapely

    rings = []
    for feature in json.loads(OUTLINES.read_text())["features"]:
        shape = shapely.transform(
            shapely.geometry.shape(feature["geometry"]), lambda points: (points - (WEST, SOUTH)) * METRES
        )
        simple = shapely.simplify(shape, OUTLINE_METRES)
        rings.append([
            np.asarray(ring.coords).round().astype(int).ravel().tolist()
            for part in shapely.get_parts(simple)
            if part.area > 20_000  # square metres: smaller islets cannot be seen
            for ring in (part.exterior,)
        ])  # fmt: skip
    return rings
