"""Where: a grid of some 30 m, and the intersections that are among the worst under any filter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np

from stages.datasets.boroughs import OUTLINES
from stages.report.cube import BOROUGH_NAMES, USERS, Cube, measures, numbers

CELL_METRES = 30
METRES = (84_515.0, 111_048.0)  # in a degree of longitude and of latitude, at 40.7° N on WGS84
WEST, SOUTH, EAST, NORTH = -74.27, 40.48, -73.68, 40.93  # a little more than the city
LISTED = 10
OUTLINE_METRES = 25  # what an outline may lose on the page


@dataclass(frozen=True)
class Grid:
    """Occupied cells in ascending order of borough and position, with their counts.

    `borough` and `position` (row * width + column) have one number per cell, `counts` road users × years × cells.
    A cell on a border appears once per borough. `fatal` has rows of cell, year and fatal collisions by road user.
    """

    metres: int
    width: int
    borough: np.ndarray
    position: np.ndarray
    counts: np.ndarray
    fatal: np.ndarray


def width_of(metres: int) -> int:
    """Cells from west to east."""
    return int((EAST - WEST) * METRES[0] / metres) + 1


def grid(warehouse: duckdb.DuckDBPyConnection, cube: Cube, metres: int = CELL_METRES) -> Grid:
    """Count the collisions with coordinates by cell of `metres`, borough, year and road user."""
    width = width_of(metres)
    users = range(len(USERS))
    located = f"""
        (select
            b::bigint * 4294967296
            + (floor((latitude - {SOUTH}) * {METRES[1] / metres}) * {width}
            + floor((longitude - {WEST}) * {METRES[0] / metres}))::bigint as cell,
            *
        from hurt
        where latitude between {SOUTH} and {NORTH} and longitude between {WEST} and {EAST})
    """
    at, years, every = numbers(warehouse, f"select cell, y, count(*) from {located} group by all")
    wanted = [measures(user)["collisions"] for user in users[1:]] + [measures(user)["fatal"] for user in users]
    harm = numbers(warehouse, f"select cell, y, {', '.join(wanted)} from {located} where harmed group by all")
    cells, index = np.unique(at, return_inverse=True)
    kind = np.uint8 if every.max(initial=0) < 256 else np.uint16
    counts = np.zeros((len(USERS), cube.years, len(cells)), dtype=kind)
    counts[0, years, index] = every
    index, years = np.searchsorted(cells, harm[0]), harm[1]
    for user in users[1:]:
        counts[user, years, index] = harm[user + 1]
    killed = np.flatnonzero(harm[len(users) + 1])
    rows = [index[killed], years[killed], *(column[killed] for column in harm[len(users) + 1 :])]
    fatal = np.stack(rows, axis=1).astype(np.uint32)
    fatal = fatal[np.lexsort((fatal[:, 1], fatal[:, 0]))]
    return Grid(metres, width, (cells >> 32).astype(np.uint8), cells & 0xFFFFFFFF, counts, fatal)


def worst(warehouse: duckdb.DuckDBPyConnection, cube: Cube) -> None:
    """Add the intersections that are among the worst ten for any borough, road user and range of years.

    Worst is: most killed and injured, then most killed, then the lowest key.
    """
    sums = ", ".join(f"sum({kind}{user})::integer" for user in range(len(USERS)) for kind in "ik")
    boroughs = ", ".join(f"'{name}'" for name in BOROUGH_NAMES[:-1])
    keys, years, number, *columns = numbers(
        warehouse,
        f"""
        with crossings as (
            select location_key, coalesce(list_position([{boroughs}], borough), {len(BOROUGH_NAMES)}) - 1 as number
            from dim_location
            where place_type = 'intersection'
        )
        select location_key, y, number, {sums}
        from hurt join crossings using (location_key)
        where harmed
        group by all
        """,
    )
    places, first, index = np.unique(keys, return_index=True, return_inverse=True)
    hurt = np.zeros((len(USERS), 2, cube.years, len(places)), dtype=np.int32)
    for n, column in enumerate(columns):
        hurt[n // 2, n % 2, years, index] = column
    chosen = candidates(hurt, number[first])
    cube.arrays["place"] = hurt[..., chosen].transpose(2, 3, 0, 1).astype(np.uint32)
    cube.names["place"] = [
        list(row)
        for row in warehouse.execute(
            f"""
            select
                any_value(place),
                any_value(coalesce(list_position([{boroughs}], borough), {len(BOROUGH_NAMES)}) - 1),
                round(avg(latitude), 5), round(avg(longitude), 5)
            from hurt join dim_location using (location_key)
            where harmed and location_key in (select unnest(?::bigint[]))
            group by location_key
            order by location_key
            """,
            [places[chosen].tolist()],
        ).fetchall()
    ]


def candidates(hurt: np.ndarray, borough: np.ndarray, listed: int = LISTED) -> np.ndarray:
    """The places (ascending) among the `listed` worst of the city or of a borough for any road user and years.

    `hurt` has road users × (injured, killed) × years × places; places are in the order that decides a tie.
    """
    _, _, years, places = hurt.shape
    kept: set[int] = set()
    for user in hurt:
        until = np.concatenate([np.zeros((2, 1, places), dtype=np.int64), user.cumsum(axis=1)], axis=1)
        for scope in (None, *range(len(BOROUGH_NAMES))):
            inside = np.arange(places) if scope is None else np.flatnonzero(borough == scope)
            if not len(inside):
                continue
            at_least = [least_of_worst(user[:, year, inside].sum(axis=0), listed) for year in range(years)]
            total = user[..., inside].sum(axis=(0, 1))
            inside = inside[total >= max(1, min(at_least))]  # a wider range has no lower bar than a year of it
            totals = until[..., inside]
            for first in range(years):
                for last in range(first + 1, years + 1):
                    injured, killed = totals[:, last] - totals[:, first]
                    score = ((injured + killed) << 40) + (killed << 24) - np.arange(len(inside))
                    best = score.argpartition(len(score) - listed)[-listed:] if len(score) > listed else slice(None)
                    kept.update(inside[best][(injured + killed)[best] > 0].tolist())
    return np.array(sorted(kept), dtype=int)


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
