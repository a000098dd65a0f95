"""Crashes (h9gi-nx95): one row per police-reported collision."""

from stages.datasets.crashes.columns import COLLISION_VEHICLES, COLLISIONS, COLUMNS, DATE_PATTERNS
from stages.datasets.dataset import Api, Dataset
from stages.datasets.values import parse_date

DATASET = Dataset(
    name="crashes",
    title="Motor Vehicle Collisions - Crashes (NYC Open Data, h9gi-nx95)",
    package=__name__,
    version=2,
    key="collision_id",
    date="crash_date",
    parse_date=parse_date,
    columns=COLUMNS,
    tables=(COLLISIONS, COLLISION_VEHICLES),
    date_patterns=DATE_PATTERNS,
    api=Api("h9gi-nx95", "API"),
)
