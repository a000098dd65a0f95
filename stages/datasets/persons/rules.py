"""What is wrong with published rows of persons."""

from __future__ import annotations

import pyarrow as pa

from stages.datasets.common_rules import (
    number_between,
    possible_date,
    readable_time,
    reference,
    whole_key,
    without_padding,
)
from stages.datasets.persons.columns import COLUMNS, OLDEST

ROW_RULES = (whole_key("unique_id", "UNIQUE_ID"), possible_date("crash_date"))
VALUE_RULES = (
    without_padding([column.name for column in COLUMNS if column.type == pa.string()]),
    readable_time("crash_time"),
    reference("collision_id", "COLLISION_ID"),
    reference("vehicle_unique_id", "VEHICLE_ID"),
    number_between("age", 0, OLDEST, "years of age"),
)
