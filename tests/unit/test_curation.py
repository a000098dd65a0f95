"""Derived columns of curated collisions."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from stages.datasets import vocabulary
from stages.datasets.crashes.columns import FACTORS, TYPES
from stages.datasets.crashes.curation import FACTOR_KINDS, VEHICLE_KINDS, first_two, involved
from stages.datasets.vehicle_types import VEHICLE_TYPES


def slots(**values: str) -> pd.DataFrame:
    """A collision whose other slots are not stated."""
    return pd.DataFrame(
        {name: pd.Series([values.get(name)], dtype=pd.ArrowDtype(pa.string())) for name in (*TYPES, *FACTORS)}
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, set()),
        ({"vehicle_type_1": "Sedan"}, set()),
        ({"vehicle_type_2": "Box Truck"}, {"involves_truck"}),
        ({"vehicle_type_5": "DUMP"}, {"involves_truck"}),
        ({"vehicle_type_1": "Pick-up Truck", "vehicle_type_2": "Van"}, set()),
        ({"vehicle_type_1": "School Bus"}, {"involves_bus"}),
        ({"vehicle_type_1": "Taxi", "vehicle_type_2": "Bike"}, {"involves_taxi", "involves_bicycle"}),
        ({"vehicle_type_1": "E-Bike"}, {"involves_bicycle"}),
        ({"vehicle_type_1": "Moped"}, {"involves_motorcycle_or_moped"}),
        ({"contributing_factor_3": "Unsafe Speed"}, {"speeding"}),
        ({"contributing_factor_1": "ALCOHOL INVOLVEMENT"}, {"alcohol"}),
    ],
)
def test_what_some_slot_names_is_involved(values: dict[str, str], expected: set[str]) -> None:
    found = involved(slots(**values))
    assert {name for name, rows in found.items() if rows[0]} == expected
    assert set(found) == {*VEHICLE_KINDS, *FACTOR_KINDS}


def test_every_kind_is_one_of_the_vocabulary() -> None:
    for kind, is_of_kind in VEHICLE_KINDS.items():
        assert any(is_of_kind(name) for name in VEHICLE_TYPES), kind
    for kind, is_of_kind in FACTOR_KINDS.items():
        assert any(is_of_kind(name) for names in vocabulary.FACTORS.values() for name in names), kind


def test_the_first_two_vehicles_have_their_standard_names() -> None:
    rows = first_two(slots(vehicle_type_1="PASSENGER VEHICLE", contributing_factor_2="Illnes"))
    assert {name: value[0] for name, value in rows.items() if not pd.isna(value[0])} == {
        "vehicle_type_1": "Sedan",
        "contributing_factor_2": "Illness",
    }
