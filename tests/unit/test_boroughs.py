"""Boroughs: which one a point lies in, how far a point is from one, and what curation makes of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
import shapely
from collisions_ops.boroughs import as_geojson

from stages.datasets.boroughs import NAMES, NONE, OUTLINES, Boroughs, of_the_city
from stages.datasets.crashes.curation import boroughs

CITY_HALL, YANKEE_STADIUM, HARBOUR = (40.7128, -74.0060), (40.8296, -73.9262), (40.66, -74.04)


def outline(name: str) -> shapely.Geometry:
    """A borough's outline, as it is in the file."""
    features = {
        each["properties"]["borough"]: each["geometry"] for each in json.loads(OUTLINES.read_text())["features"]
    }
    return shapely.from_geojson(json.dumps(features[name]))


def by_outlines(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Which borough the outlines alone say."""
    numbers = np.full(len(latitude), NONE)
    for number, name in enumerate(NAMES):
        numbers[shapely.contains_xy(outline(name), longitude, latitude)] = number
    return numbers


@pytest.mark.parametrize(
    ("place", "latitude", "longitude", "name"),
    [
        ("City Hall", *CITY_HALL, "Manhattan"),
        ("Flatbush Avenue and Avenue U", 40.6098, -73.9226, "Brooklyn"),
        ("Yankee Stadium", *YANKEE_STADIUM, "Bronx"),
        ("St George ferry terminal", 40.6437, -74.0739, "Staten Island"),
        ("JFK airport", 40.6413, -73.7781, "Queens"),
        ("Roosevelt Island", 40.7620, -73.9500, "Manhattan"),
        ("Marble Hill, Manhattan by law", 40.8761, -73.9103, "Manhattan"),
        ("Rikers Island", 40.7914, -73.8822, "Bronx"),
        ("the harbour", *HARBOUR, None),
        ("Hoboken", 40.7440, -74.0324, None),
        ("Albany", 42.6526, -73.7562, None),
        ("south-west of all outlines", 40.40, -74.40, None),
        ("unknown", np.nan, np.nan, None),
    ],
)
def test_a_point_lies_in_its_borough(place: str, latitude: float, longitude: float, name: str | None) -> None:
    (number,) = of_the_city().containing(np.array([latitude]), np.array([longitude]))
    assert (NAMES[number] if number != NONE else None) == name, place


def test_the_grid_changes_no_answer() -> None:
    rng = np.random.default_rng(1)
    anywhere = rng.uniform((-74.30, 40.45), (-73.65, 40.95), (200_000, 2))
    vertices = shapely.get_coordinates([outline(name) for name in NAMES])
    near_an_outline = np.repeat(vertices, 5, axis=0) + rng.normal(0, 2e-5, (5 * len(vertices), 2))
    longitude, latitude = np.concatenate([anywhere, vertices, near_an_outline]).T
    found = of_the_city().containing(latitude, longitude)
    assert set(found) == {NONE, 0, 1, 2, 3, 4}
    assert np.array_equal(found, by_outlines(latitude, longitude))


def test_the_file_is_as_scripts_boroughs_writes_it() -> None:
    assert OUTLINES.read_text() == as_geojson({name: outline(name) for name in NAMES})


@pytest.mark.parametrize(
    ("latitude", "longitude", "metres"),
    [(40.705, -73.995, 0), (40.72, -73.995, 1110), (40.705, -73.98, 845), (40.72, -73.98, 1395)],
    ids=["within", "north", "east", "off a corner"],
)
def test_distances_are_in_metres_in_both_directions(latitude: float, longitude: float, metres: float) -> None:
    square = Boroughs([shapely.box(-74, 40.70, -73.99, 40.71)])
    (found,) = square.metres_from(np.array([0]), np.array([latitude]), np.array([longitude]))
    assert found == pytest.approx(metres, rel=0.005)


# --- curation -----------------------------------------------------------------------------------------


def curated(borough: str | None, point: tuple[float, float] | None) -> tuple[object, object, object]:
    """Borough, source and metres of a collision."""
    latitude, longitude = point or (None, None)
    frame = pd.DataFrame(
        {
            "borough": pd.Series([borough], dtype=pd.ArrowDtype(pa.string())),
            "latitude": pd.Series([latitude], dtype=pd.ArrowDtype(pa.float64())),
            "longitude": pd.Series([longitude], dtype=pd.ArrowDtype(pa.float64())),
        }
    )
    (row,) = pa.Table.from_pandas(pd.DataFrame(boroughs(frame))).to_pylist()
    return row["borough"], row["borough_source"], row["borough_distance_m"]


@pytest.mark.parametrize(
    ("borough", "point", "expected"),
    [
        ("Manhattan", CITY_HALL, ("Manhattan", "stated", 0)),
        ("Manhattan", None, ("Manhattan", "stated", None)),
        (None, YANKEE_STADIUM, ("Bronx", "coordinates", None)),
        (None, HARBOUR, (None, None, None)),
        (None, None, (None, None, None)),
    ],
)
def test_the_stated_borough_wins_and_coordinates_fill_what_is_not_stated(
    borough: str | None, point: tuple[float, float] | None, expected: tuple[object, ...]
) -> None:
    assert curated(borough, point) == expected


def great_circle(point: tuple[float, float], name: str) -> float:
    """Metres from a point to the nearest of closely spaced points on a borough's outline, on a sphere."""
    line = np.radians(shapely.get_coordinates(shapely.segmentize(outline(name), 1e-4)))
    latitude, longitude = np.radians(point)
    half = (
        np.sin((line[:, 1] - latitude) / 2) ** 2
        + np.cos(line[:, 1]) * np.cos(latitude) * np.sin((line[:, 0] - longitude) / 2) ** 2
    )
    return float(2 * 6_371_009 * np.arcsin(np.sqrt(half)).min())


@pytest.mark.parametrize("borough", ["Staten Island", "Brooklyn", "Queens", "Manhattan", "Bronx"])
def test_a_stated_borough_that_is_elsewhere_says_how_far(borough: str) -> None:
    name, source, metres = curated(borough, HARBOUR)
    assert (name, source) == (borough, "stated")
    assert metres == pytest.approx(great_circle(HARBOUR, borough), rel=0.01)


# --- real extracts --------------------------------------------------------------------------------------


def test_stated_boroughs_agree_with_the_outlines(extract: Callable[[str], Path]) -> None:
    rows = pyarrow.csv.read_csv(extract("crashes_2022-01.csv"))
    rows = rows.filter(pyarrow.compute.greater(rows["LATITUDE"], 0))
    latitude, longitude = (rows[name].to_numpy() for name in ("LATITUDE", "LONGITUDE"))
    found = of_the_city().containing(latitude, longitude)
    assert np.array_equal(found, by_outlines(latitude, longitude))
    pairs = [
        (borough.title(), NAMES[number] if number != NONE else None)
        for borough, number in zip(rows["BOROUGH"].to_pylist(), found, strict=True)
        if borough
    ]
    assert len(pairs) > 4000
    assert sum(stated == name for stated, name in pairs) >= 0.995 * len(pairs)
