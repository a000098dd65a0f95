"""clean → curated: one vocabulary, derived columns, and the vehicles of a collision as rows of their own.

curated/collisions           one row a collision and month
curated/collision_vehicles   one row a collision, month and vehicle slot (1-5) that names a type or a factor
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import crashes, vocabulary
from stages.shared import layers
from stages.shared.errors import ContractError
from stages.shared.frames import by_month, collisions_of_months, per_value
from stages.shared.logs import progress
from stages.shared.manifest import Job, Ledger, Output
from stages.shared.parallel import BATCH_BYTES, batches, parallel
from stages.shared.tables import read_parquet, stacked, to_parquet, with_month

TABLES = ["collisions", "collision_vehicles"]
STREETS = ["on_street_name", "cross_street_name", "off_street_address"]
WORDS = [f"{what}_{slot}" for slot in crashes.SLOTS for what in ("vehicle_type", "contributing_factor")]
MILLISECONDS_AN_HOUR = 3_600_000
SEVERITIES = ["fatal", "injury", "property damage"]


def upper_case_streets(frame: pd.DataFrame) -> pd.DataFrame:
    """Streets are published in capitals, but for some addresses: one spelling a place."""
    for name in STREETS:
        frame[name] = per_value(frame[name], str.upper, pa.string())
    return frame


def with_severity(frame: pd.DataFrame) -> pd.DataFrame:
    """`fatal`, `injury` or `property damage` by the persons' counts; unknown where a count that decides it is."""
    killed, injured = (frame[name].to_numpy(float, na_value=np.nan) for name in ("persons_killed", "persons_injured"))
    none_killed = killed == 0
    codes = np.select([killed > 0, none_killed & (injured > 0), none_killed & (injured == 0)], [0, 1, 2], default=-1)
    indices = pa.array(codes, pa.int8(), mask=codes < 0)
    severity = pa.DictionaryArray.from_arrays(indices, SEVERITIES)
    frame["severity"] = pd.Series(severity, index=frame.index, dtype=pd.ArrowDtype(severity.type))
    return frame


def with_hour(frame: pd.DataFrame) -> pd.DataFrame:
    """Hour of the day, 0-23, New York local time."""
    milliseconds = pc.cast(pa.array(frame["crash_time"]), pa.int32())
    hours = pc.cast(pc.divide(milliseconds, MILLISECONDS_AN_HOUR), pa.int8())
    frame["crash_hour"] = pd.Series(hours, index=frame.index, dtype=pd.ArrowDtype(pa.int8()))
    return frame


def named_slots(frame: pd.DataFrame) -> dict[int, np.ndarray]:
    """Slot → which collisions name a vehicle type or a contributing factor in it."""
    given = frame[WORDS].notna()
    return {
        slot: (given[f"vehicle_type_{slot}"] | given[f"contributing_factor_{slot}"]).to_numpy(dtype=bool)
        for slot in crashes.SLOTS
    }


def vehicles(frame: pd.DataFrame, named: dict[int, np.ndarray]) -> pd.DataFrame:
    """Five pairs of columns → a row for each slot that is named."""

    def gathered(name: str) -> pd.Series:
        columns = {slot: pa.array(frame[name.format(slot)]) for slot in named}
        whole = pa.chunked_array([columns[slot].filter(pa.array(rows)) for slot, rows in named.items()])
        return pd.Series(whole.unify_dictionaries(), dtype=pd.ArrowDtype(whole.type))

    kind, factor = gathered("vehicle_type_{}"), gathered("contributing_factor_{}")
    slots = np.repeat(np.array(list(named), dtype=np.int8), [rows.sum() for rows in named.values()])
    return pd.DataFrame(
        {
            "collision_id": gathered("collision_id"),
            "crash_date": gathered("crash_date"),
            "crash_month": gathered("crash_month"),
            "vehicle_slot": slots,
            "vehicle_type_key": per_value(kind, vocabulary.key, pa.int64()).fillna(0),
            "vehicle_type_raw": per_value(kind, str, pa.string()),
            "vehicle_type": per_value(kind, vocabulary.vehicle_type, pa.string()),
            "vehicle_group": per_value(kind, vocabulary.vehicle_group, pa.string()),
            "contributing_factor_key": per_value(factor, vocabulary.key, pa.int64()).fillna(0),
            "contributing_factor_raw": per_value(factor, str, pa.string()),
            "contributing_factor": per_value(factor, vocabulary.factor, pa.string()),
            "factor_group": per_value(factor, vocabulary.factor_group, pa.string()),
        }
    )


def with_vehicle_count(frame: pd.DataFrame, named: dict[int, np.ndarray]) -> pd.DataFrame:
    """How many of the five slots are named; the source says nothing of a sixth vehicle."""
    frame["vehicle_count"] = np.sum(list(named.values()), axis=0, dtype=np.int8)
    return frame


def check_references(frame: pd.DataFrame, found: pd.DataFrame) -> None:
    """Raise ContractError where a vehicle belongs to no collision of its month, or a collision stands there twice."""
    collisions = np.unique(collisions_of_months(frame))
    if len(collisions) < len(frame):
        raise ContractError("clean crashes: a collision stands twice in a month; run transform_clean again")
    strangers = ~np.isin(collisions_of_months(found), collisions)
    if strangers.any():
        raise ContractError(f"curated collision_vehicles: {int(strangers.sum())} rows of no collision")


def curate(clean: pa.Table) -> dict[str, pd.DataFrame]:
    """Clean rows, with their `crash_month` → the curated tables, by name."""
    frame = clean.to_pandas(types_mapper=pd.ArrowDtype)
    named = named_slots(frame)
    found = vehicles(frame, named)
    frame = with_vehicle_count(frame, named).drop(columns=WORDS)
    frame = upper_case_streets(frame)
    frame = with_hour(frame)
    frame = with_severity(frame)
    check_references(frame, found)
    return {"collisions": frame, "collision_vehicles": found}


def run(job: Job) -> None:
    """Rebuild the curated partitions of the months in scope."""
    job.claim("curated", *TABLES)
    inputs = job.require("transform_clean", "clean", [job.dataset])
    months = {layers.month_of(key) or "": inputs[key] for key in sorted(inputs)}

    def transform(batch: list[str]) -> tuple[int, list[Output]]:
        clean = stacked(
            [with_month(read_parquet(job.store, months[month].key, [*WORDS, *STREETS]), month) for month in batch]
        )
        outputs = [
            job.put(layers.partition("curated", table, month), to_parquet(rows), rows.num_rows)
            for table, frame in curate(clean).items()
            for month, rows in by_month(frame, batch).items()
        ]
        return clean.num_rows, outputs

    rows = 0
    groups = batches({month: info.size for month, info in months.items()}, BATCH_BYTES)
    for count, outputs in progress(parallel(transform, groups), len(groups), job.what, "batch"):
        rows += count
        job.outputs += outputs
    job.replace(job.outputs)
    rows_out = sum(
        output.rows for output in job.outputs if output.key.startswith(layers.layer("curated", "collisions"))
    )
    job.finish(Ledger(rows, rows_out))
