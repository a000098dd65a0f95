"""Clean vehicles → vehicles under standard names, with the keys of their dimensions."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from stages.datasets import vocabulary
from stages.datasets.naming import check_unique, combined_key, factors, named, spelling_key
from stages.datasets.vehicles.columns import KEYS, SPELLING_KEYS, VEHICLES
from stages.datasets.vehicles.makes import make
from stages.lake.frames import per_value

FACTORS = ["contributing_factor_1", "contributing_factor_2"]


def curate(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Clean rows of some months → `vehicles`."""
    check_unique(rows, "unique_id", "vehicles")
    kind, maker = rows["vehicle_type"], rows["vehicle_make"]
    found = {
        **named(rows, VEHICLES),
        **{name: combined_key(rows, columns) for name, columns in KEYS.items()},
        **{name: spelling_key(rows[column]) for name, column in SPELLING_KEYS.items()},
        **factors(rows, (1, 2)),
        "vehicle_type_key": spelling_key(kind),
        "vehicle_type_raw": kind,
        "vehicle_type": per_value(kind, vocabulary.vehicle_type, pa.string()),
        "vehicle_group": per_value(kind, vocabulary.vehicle_group, pa.string()),
        "vehicle_make_key": spelling_key(maker),
        "vehicle_make_raw": maker,
        "vehicle_make": per_value(maker, make, pa.string()),
    }
    return {"vehicles": rows.drop(columns=FACTORS).assign(**found)}
