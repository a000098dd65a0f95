"""What is wrong with published rows of vehicles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.common_rules import (
    number_between,
    possible_date,
    readable_time,
    reference,
    whole_key,
    without_padding,
)
from stages.datasets.dataset import Verdict, rule
from stages.datasets.values import whole_number
from stages.datasets.vehicles.columns import COLUMNS, FIRST_YEAR, MOST_OCCUPANTS
from stages.lake.frames import mask, per_value
from stages.lake.tally import Blank


@rule(
    blanks={
        "vehicle_year_impossible": Blank("vehicle_year", f"a year from {FIRST_YEAR} to the year after the collision")
    }
)
def possible_year(rows: pd.DataFrame) -> Verdict:
    """No vehicle is of a model year before 1900, or later than the year after its collision."""
    years = per_value(rows["vehicle_year"], _year, pa.int16())
    stated = per_value(rows["vehicle_year"], lambda text: bool(text.strip()), pa.bool_())
    latest = pc.add(pc.year(pa.array(rows["crash_date"], from_pandas=True)), 1)
    late = np.asarray(pc.fill_null(pc.greater(pa.array(years, from_pandas=True), latest), False))
    years = years.mask(late)
    return Verdict({"vehicle_year": years}, unknown={"vehicle_year_impossible": mask(years.isna() & stated)})


def _year(text: str) -> int | None:
    year = whole_number(text)
    return year if year is not None and FIRST_YEAR <= year < 10_000 else None


ROW_RULES = (whole_key("unique_id", "UNIQUE_ID"), possible_date("crash_date"))
VALUE_RULES = (
    without_padding([column.name for column in COLUMNS if column.type == pa.string()]),
    readable_time("crash_time"),
    reference("collision_id", "COLLISION_ID"),
    possible_year,
    number_between("occupants", 0, MOST_OCCUPANTS, "occupants"),
)
