"""scripts/boroughs: makes the boroughs' outlines from the city's own, as the geopandas wheel carries them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import shapely

from stages.datasets.boroughs import NAMES, OUTLINES

PUBLISHED = "geopandas/datasets/nybb_16a.zip"  # in the geopandas wheel
ABOUT = {
    "title": "Boroughs of New York City",
    "source": (
        "New York City Department of City Planning: Borough Boundaries (clipped to the shoreline), nybb 16a, as in"
        f" geopandas 0.14.4 ({PUBLISHED}); reprojected from EPSG:2263 to WGS84, simplified to 0.00005 degrees (5 m),"
        " rounded to five decimals by scripts/boroughs"
    ),
    "licence": (
        "public-domain data of the City of New York; its Department of City Planning provides them for information"
        " and warrants nothing"
    ),
}
TOLERANCE = 0.00005
GRID = 0.00001


def published() -> Path:
    """The shapefile in the installed wheel, which is not imported: its dependencies are not installed."""
    return Path(str(distribution("geopandas").locate_file(PUBLISHED)))


def outlines(archive: Path) -> dict[str, shapely.Geometry]:
    """Borough → its outline in degrees, simplified."""
    import pyproj  # these two are installed by scripts/boroughs alone
    import shapefile

    to_degrees = pyproj.Transformer.from_crs(2263, 4326, always_xy=True)

    def reprojected(points: np.ndarray) -> np.ndarray:
        return np.column_stack(to_degrees.transform(*points.T))

    found = {}
    with shapefile.Reader(str(archive)) as reader:
        for record in reader.iterShapeRecords():
            exact = shapely.from_geojson(json.dumps(record.shape.__geo_interface__))
            simple = shapely.simplify(shapely.transform(exact, reprojected), TOLERANCE)
            found[record.record["BoroName"]] = shapely.set_precision(simple, GRID)
    return found


def as_geojson(found: dict[str, shapely.Geometry]) -> str:
    """The file: a line for each borough."""
    features = [
        {"type": "Feature", "properties": {"borough": name}, "geometry": json.loads(shapely.to_geojson(found[name]))}
        for name in NAMES
    ]
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(text)}" for name, text in ABOUT.items())
    lines = ",\n".join(json.dumps(feature, separators=(",", ":")) for feature in features)
    return f'{{\n"type": "FeatureCollection",\n{head},\n"features": [\n{lines}\n]\n}}\n'


def main(arguments: Sequence[str]) -> int:
    """Write the file, or say whether it is what would be written."""
    parser = argparse.ArgumentParser(prog="scripts/boroughs", description=__doc__.partition(": ")[2])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file differs")
    given = parser.parse_args(arguments)
    text = as_geojson(outlines(published()))
    if not given.check:
        OUTLINES.write_text(text)
    elif OUTLINES.read_text() != text:
        print(f"{OUTLINES} is not what scripts/boroughs makes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
