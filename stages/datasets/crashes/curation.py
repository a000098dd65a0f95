"""Clean crashes → collisions and their vehicles: one vocabulary, derived columns, references checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import streets, vocabulary
from stages.datasets.boroughs import NAMES, NONE, of_the_city
from stages.datasets.crashes.columns import FACTORS, ROAD_USERS, SLOTS, TYPES
from stages.errors import ContractError
from stages.lake.frames import has_repeats, over_values, per_value, record_numbers

MILLISECONDS_PER_HOUR = 3_600_000
SEVERITIES = ["fatal", "injury", "property damage"]
SOURCES = ["stated", "coordinates"]


def _is_truck(text: str) -> bool:
    is_truck_or_van = vocabulary.vehicle_group(text) in {"Truck or van", "Heavy truck"}
    return is_truck_or_van and vocabulary.vehicle_type(text) not in {"Pick-up truck", "Van"}


VEHICLE_KINDS: dict[str, Callable[[str], bool]] = {
    "involves_truck": _is_truck,
    "involves_bus": lambda text: vocabulary.vehicle_group(text) == "Bus",
    "involves_taxi": lambda text: vocabulary.vehicle_group(text) == "Taxi",
    "involves_motorcycle_or_moped": lambda text: vocabulary.vehicle_group(text) == "Motorcycle or moped",
    "involves_bicycle": lambda text: vocabulary.vehicle_type(text) in {"Bicycle", "Electric bicycle"},
}
FACTOR_KINDS: dict[str, Callable[[str], bool]] = {
    "speeding": lambda text: vocabulary.factor(text) == "Unsafe Speed",
    "alcohol": lambda text: vocabulary.factor(text) == "Alcohol Involvement",
}


def curate(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Clean rows of some months → `collisions` and `collision_vehicles`."""
    named = named_slots(rows)
    derived = {
        "on_street_name": per_value(rows["on_street_name"], streets.street, pa.string()),
        "cross_street_name": per_value(rows["cross_street_name"], streets.street, pa.string()),
        "off_street_address": over_values(rows["off_street_address"], streets.addresses),
        "vehicle_count": np.sum(list(named.values()), axis=0, dtype=np.int8),
        "crash_hour": hours(rows["crash_time"]),
        "severity": severities(rows),
        **boroughs(rows),
        **first_two(rows),
        **involved(rows),
    }
    collisions = rows.drop(columns=[*FACTORS, *TYPES]).assign(**derived)
    found, row = vehicles(rows, named)
    check_references(collisions, found, row)
    return {"collisions": collisions, "collision_vehicles": found}


def severities(rows: pd.DataFrame) -> pd.Series:
    """`fatal`, `injury` or `property damage`, by the greater of the persons' count and the sum of its parts; unknown
    where a count that decides it is.
    """
    killed, injured = (_casualties(rows, harm) for harm in ("killed", "injured"))
    none_killed = killed == 0
    codes = np.select([killed > 0, none_killed & (injured > 0), none_killed & (injured == 0)], [0, 1, 2], default=-1)
    return _named(codes, SEVERITIES, rows.index)


def _casualties(rows: pd.DataFrame, harm: str) -> np.ndarray:
    """The greater of the persons' count and the sum of the parts that are known; NaN where neither is known."""
    persons, *parts = (rows[f"{who}_{harm}"].to_numpy(float, na_value=np.nan) for who in ROAD_USERS)
    known: np.ndarray = np.sum([np.nan_to_num(part) for part in parts], axis=0)
    return np.where(known > 0, np.fmax(persons, known), persons)


def boroughs(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The borough stated, else the one in which the coordinates lie; which of the two; how far off a stated one is."""
    latitude, longitude = (rows[name].to_numpy(float, na_value=np.nan) for name in ("latitude", "longitude"))
    stated = per_value(rows["borough"], NAMES.index, pa.int8()).to_numpy(np.int8, na_value=NONE)
    city = of_the_city()
    found = city.containing(latitude, longitude)
    is_stated = stated != NONE
    comparable = is_stated & ~np.isnan(latitude + longitude)
    apart = np.flatnonzero(comparable & (found != stated))
    metres = np.zeros(len(rows), dtype=np.int32)
    metres[apart] = np.rint(city.metres_from(stated[apart], latitude[apart], longitude[apart]))
    return {
        "borough": _named(np.where(is_stated, stated, found), NAMES, rows.index),
        "borough_source": _named(np.select([is_stated, found != NONE], [0, 1], default=-1), SOURCES, rows.index),
        "borough_distance_m": _series(pa.array(metres, mask=~comparable), rows.index),
    }


def _named(codes: np.ndarray, names: Sequence[str], index: pd.Index) -> pd.Series:
    """Text by its position among the names; a negative one is unknown."""
    positions = pa.array(codes.astype(np.int8), mask=codes < 0)
    return _series(pa.DictionaryArray.from_arrays(positions, pa.array(names, pa.string())), index)


def _series(values: pa.Array, index: pd.Index) -> pd.Series:
    return pd.Series(values, index=index, dtype=pd.ArrowDtype(values.type))


def first_two(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Standard type and factor of the first two vehicles, which are mostly the ones that collided."""
    return {
        name.format(slot): per_value(rows[name.format(slot)], standard, pa.string())
        for name, standard in (
            ("vehicle_type_{}", vocabulary.vehicle_type),
            ("contributing_factor_{}", vocabulary.factor),
        )
        for slot in (1, 2)
    }


def involved(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which kinds of vehicle, and which of the most requested factors, any slot of a collision names."""
    return named_in_some_slot(rows, TYPES, VEHICLE_KINDS) | named_in_some_slot(rows, FACTORS, FACTOR_KINDS)


def named_in_some_slot(
    rows: pd.DataFrame, columns: list[str], kinds: dict[str, Callable[[str], bool]]
) -> dict[str, np.ndarray]:
    """Kind → which rows name a value of it in one of the columns."""

    def kinds_of(text: str) -> int:
        return sum(is_of_kind(text) << bit for bit, is_of_kind in enumerate(kinds.values()))

    bits = np.zeros(len(rows), dtype=np.int8)
    for column in columns:
        bits |= per_value(rows[column], kinds_of, pa.int8()).to_numpy(np.int8, na_value=0)
    return {kind: (bits >> bit & 1).astype(bool) for bit, kind in enumerate(kinds)}


def hours(times: pd.Series) -> pd.Series:
    """Hour of the day, 0-23, New York local time."""
    milliseconds = pc.cast(pa.array(times), pa.int32())
    found = pc.cast(pc.divide(milliseconds, MILLISECONDS_PER_HOUR), pa.int8())
    return _series(found, times.index)


def named_slots(rows: pd.DataFrame) -> dict[int, np.ndarray]:
    """Slot → which collisions name a vehicle type or a contributing factor in it."""
    given = rows[[*TYPES, *FACTORS]].notna()
    return {
        slot: (given[f"vehicle_type_{slot}"] | given[f"contributing_factor_{slot}"]).to_numpy(dtype=bool)
        for slot in SLOTS
    }


def vehicles(rows: pd.DataFrame, named: dict[int, np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    """Five pairs of columns → one row for each slot that is named, by month; and whose of the `rows` each is.

    The source says nothing about a sixth vehicle.
    """
    slot, row = np.nonzero(np.stack(list(named.values())))
    order = np.argsort(rows["month"].to_numpy(dtype=np.int32)[row], kind="stable")
    slot, row = slot[order], row[order]

    def gathered(name: str) -> pd.Series:
        columns = pa.chunked_array([pa.array(rows[name.format(slot)]) for slot in named])
        whole = columns.unify_dictionaries().combine_chunks()
        return _series(whole.take(pa.array(slot * len(rows) + row)), pd.RangeIndex(len(row)))

    kind, factor = gathered("vehicle_type_{}"), gathered("contributing_factor_{}")
    whose = rows[["collision_id", "crash_date", "month"]].take(row).reset_index(drop=True)
    found = whose.assign(
        vehicle_slot=np.array(list(named), dtype=np.int8)[slot],
        vehicle_type_key=per_value(kind, vocabulary.key, pa.int64()).fillna(0),
        vehicle_type_raw=kind,
        vehicle_type=per_value(kind, vocabulary.vehicle_type, pa.string()),
        vehicle_group=per_value(kind, vocabulary.vehicle_group, pa.string()),
        contributing_factor_key=per_value(factor, vocabulary.key, pa.int64()).fillna(0),
        contributing_factor_raw=factor,
        contributing_factor=per_value(factor, vocabulary.factor, pa.string()),
        factor_group=per_value(factor, vocabulary.factor_group, pa.string()),
    )
    return found, row


def check_references(collisions: pd.DataFrame, found: pd.DataFrame, row: np.ndarray) -> None:
    """Raise ContractError where a vehicle's number or month is not its collision's, or a collision occurs twice.

    `row` says which of the collisions each vehicle was cut from.
    """
    numbers = record_numbers(collisions, "collision_id")
    if has_repeats(numbers):
        raise ContractError("clean crashes: a collision occurs twice in a month; run transform_clean again")
    dangling = record_numbers(found, "collision_id") != numbers[row]
    if dangling.any():
        raise ContractError(f"curated collision_vehicles: {int(dangling.sum())} rows without a collision")
