"""A made-up dataset for the tests: bridge inspections, with a key, a date, a vocabulary and tables of their own."""

from pathlib import Path

import pyarrow as pa

from stages.datasets.dataset import PROVENANCE_COLUMNS, Column, Dataset, Table
from stages.datasets.values import parse_date

_ID = Column("inspection", pa.string(), "number of the inspection: the key", {"paper": "NO"}, repeats=False)
_DAY = Column("inspected_on", pa.date32(), "day of the inspection", {"paper": "DAY"})
_STATE = Column("state", pa.string(), "state of the bridge, as published", {"paper": "STATE"})

DATASET = Dataset(
    name="bridges",
    title="Bridge inspections",
    package=__name__,
    version=1,
    key="inspection",
    date="inspected_on",
    parse_date=parse_date,
    columns=(_ID, _DAY, _STATE),
    tables=(
        Table(
            "inspections",
            "one row per inspection and month",
            (
                _ID,
                _DAY,
                *PROVENANCE_COLUMNS,
                Column("state", pa.string(), "standard state: sound, worn or unknown"),
            ),
        ),
    ),
    sql=Path(__file__).parent,
)
