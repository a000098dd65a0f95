"""The borough that a point lies in, and how far a point is from a borough, by the boroughs' outlines.

`boroughs.geojson` states its source and licence; scripts/boroughs makes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import shapely

from stages.datasets import vocabulary

OUTLINES = Path(__file__).with_suffix(".geojson")
NAMES = tuple(vocabulary.BOROUGHS.values())  # a borough's number is its position here
NONE = -1
_UNDECIDED = 127  # an outline crosses the cell
_CELL = 0.001  # degrees, some 100 m: 2 % of the collisions lie in a cell that an outline crosses
_METRES = (84_515.0, 111_048.0)  # in a degree of longitude and of latitude, at 40.7° N on WGS84


class Boroughs:
    """Outlines in degrees, each with its number. Safe to share between threads.

    Most points are decided by the cell that they lie in: a grid holds the answer for every cell that no outline
    crosses. The rest are decided by the outlines themselves, so that the grid changes no answer.
    """

    def __init__(self, outlines: Sequence[shapely.Geometry]) -> None:
        self._outlines = np.array(outlines)
        shapely.prepare(self._outlines)
        self._in_metres = shapely.transform(self._outlines, lambda points: points * _METRES)
        west, south, east, north = shapely.total_bounds(self._outlines)
        self._corner = (south - _CELL, west - _CELL)
        self._shape = (int((north - south) / _CELL) + 3, int((east - west) / _CELL) + 3)
        self._cells = self._decided(self._crossed())

    def containing(self, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        """The number of the borough that each point lies in; NONE where it lies in none, or is unknown (NaN)."""
        numbers = np.full(len(latitude), NONE, dtype=np.int8)
        (south, west), (rows, columns) = self._corner, self._shape
        row, column = (latitude - south) / _CELL, (longitude - west) / _CELL
        near = np.flatnonzero((row >= 0) & (row < rows) & (column >= 0) & (column < columns))  # not those unknown
        found = self._cells[row[near].astype(np.intp) * columns + column[near].astype(np.intp)]
        undecided = np.flatnonzero(found == _UNDECIDED)
        found[undecided] = self._exact(latitude[near[undecided]], longitude[near[undecided]])
        numbers[near] = found
        return numbers

    def metres_from(self, numbers: np.ndarray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        """Metres from each point to the borough of that number; 0 within it. Takes some 40 µs a point."""
        points = shapely.points(longitude * _METRES[0], latitude * _METRES[1])
        metres: np.ndarray = shapely.distance(self._in_metres[numbers], points)
        return metres

    def _exact(self, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        numbers = np.full(len(latitude), NONE, dtype=np.int8)
        for number, outline in enumerate(self._outlines):
            numbers[shapely.contains_xy(outline, longitude, latitude)] = number
        return numbers

    def _crossed(self) -> np.ndarray:
        """Which cells an outline passes through."""
        lines = shapely.get_rings(shapely.get_parts(shapely.segmentize(self._outlines, _CELL / 2)))
        points, line = shapely.get_coordinates(lines, return_index=True)
        column, row = ((points - self._corner[::-1]) / _CELL).astype(np.intp).T
        crossed = np.zeros(self._shape, dtype=bool)
        crossed[row, column] = True
        # Neighbouring points are at most one row and one column apart: between them a line may cut a corner.
        follows = line[1:] == line[:-1]
        crossed[row[1:][follows], column[:-1][follows]] = True
        crossed[row[:-1][follows], column[1:][follows]] = True
        return crossed

    def _decided(self, crossed: np.ndarray) -> np.ndarray:
        """Each cell's borough, row by row. In a run of cells that no outline crosses, one cell decides for all."""
        flat, columns = crossed.ravel(), self._shape[1]
        starts = np.union1d(np.flatnonzero(np.diff(flat)) + 1, np.arange(0, flat.size, columns))
        row, column = np.divmod(starts, columns)
        south, west = self._corner
        found = self._exact(south + (row + 0.5) * _CELL, west + (column + 0.5) * _CELL)
        found[flat[starts]] = _UNDECIDED
        return np.repeat(found, np.diff(starts, append=flat.size))


@cache
def of_the_city() -> Boroughs:
    """The five boroughs, read once."""
    text = OUTLINES.read_text()
    found = [feature["properties"]["borough"] for feature in json.loads(text)["features"]]
    outlines = dict(zip(found, shapely.from_geojson(text).geoms, strict=True))
    return Boroughs([outlines[name] for name in NAMES])
