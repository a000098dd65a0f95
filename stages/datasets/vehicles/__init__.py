"""Vehicles (bm4k-52h4): one row per vehicle in a collision."""

from stages.datasets.dataset import Api, Dataset
from stages.datasets.values import parse_date
from stages.datasets.vehicles.columns import COLUMNS, VEHICLES

DATASET = Dataset(
    name="vehicles",
    title="Motor Vehicle Collisions - Vehicles (NYC Open Data, bm4k-52h4)",
    package=__name__,
    version=1,
    key="unique_id",
    date="crash_date",
    parse_date=parse_date,
    columns=COLUMNS,
    tables=(VEHICLES,),
    api=Api("bm4k-52h4", "API"),
)
