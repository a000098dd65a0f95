"""Vehicles: their rules, their standard names and makes, the keys of their dimensions."""

from __future__ import annotations

from typing import Any

import pytest
from published import cleaned, curated

from stages.datasets import vocabulary
from stages.datasets.vehicle_types import UNKNOWN, UNKNOWN_CODE
from stages.datasets.vehicles import DATASET
from stages.datasets.vehicles.columns import KEYS, SPELLING_KEYS
from stages.datasets.vehicles.makes import make
from stages.datasets.vocabulary import UNMAPPED

Text = str | None
SOUND: dict[str, Text] = {
    "unique_id": "19140702",
    "collision_id": "4213082",
    "crash_date": "2024-03-05T00:00:00.000",
    "crash_time": "8:15",
    "vehicle_id": "0553ab4d-9500-4cba-8d98-f4d7f89d5856",
    "registration_state": "NY",
    "vehicle_type": "Station Wagon/Sport Utility Vehicle",
    "vehicle_make": "TOYT -CAR/SUV",
    "vehicle_year": "2002",
    "occupants": "1",
}


def one(**changes: Text) -> dict[str, Any]:
    """A vehicle's curated row."""
    (row,) = curated(DATASET, SOUND | changes)
    return row


def test_portal_and_api_say_the_same_in_other_letters_and_any_order() -> None:
    portal, api = DATASET.forms["portal"], DATASET.forms["API"]
    assert {name.lower(): ours for name, ours in portal.items()} == api
    assert DATASET.form_of(sorted(portal)) == "portal"
    assert DATASET.form_of(sorted(api)) == "API"
    assert len(portal) == 25


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"unique_id": " "}, {"unique_id_missing": 1}),
        ({"unique_id": "19A"}, {"unique_id_malformed": 1}),
        ({"collision_id": "unknown"}, {"collision_id_malformed": 1}),
        ({"vehicle_year": "1899"}, {"vehicle_year_impossible": 1}),
        ({"vehicle_year": "2026"}, {"vehicle_year_impossible": 1}),
        ({"vehicle_year": "20063"}, {"vehicle_year_impossible": 1}),
        ({"vehicle_year": "new"}, {"vehicle_year_impossible": 1}),
        ({"occupants": "999999"}, {"occupants_impossible": 1}),
        ({"occupants": "-1"}, {"occupants_impossible": 1}),
        ({"vehicle_make": "N/A"}, {"null_word": 1}),
    ],
)
def test_what_the_rules_say_of_a_row(changes: dict[str, Text], expected: dict[str, int]) -> None:
    assert dict(cleaned(DATASET, SOUND | changes).rules) == expected


@pytest.mark.parametrize(
    ("day", "text", "year"),
    [
        ("03/05/2024", "2025", 2025),
        ("03/05/2024", "2026", None),
        ("03/05/2019", "2020", 2020),
        ("03/05/2019", "2021", None),
        ("03/05/2024", "1900", 1900),
        ("03/05/2024", "2002.0", 2002),
        ("03/05/2024", None, None),
    ],
)
def test_a_vehicle_is_at_most_of_the_year_after_its_collision(day: str, text: Text, year: int | None) -> None:
    assert one(crash_date=day, vehicle_year=text)["vehicle_year"] == year


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("13", 13), ("2.0", 2), (None, None), ("201", None)])
def test_unknown_occupants_are_not_zero(text: Text, number: int | None) -> None:
    assert one(occupants=text)["occupants"] == number


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TOYT -CAR/SUV", "Toyota"),
        ("TOYT CAR/SUV", "Toyota"),
        ("FORD-TRUCK/BUS", "Ford"),
        ("YAMA -MCL", "Yamaha"),
        ("freig", "Freightliner"),
        ("peter", "Peterbilt"),
        ("isuza", "Isuzu"),
        ("BMW", "BMW"),
        ("mercedes-benz", "Mercedes-Benz"),
        ("Chevrol", "Chevrolet"),
        ("VOLK -CAR/SUV", "Volkswagen"),
        ("UNK", UNKNOWN),
        ("-", UNKNOWN),
        ("999", UNKNOWN_CODE),
        ("starc", UNMAPPED),
        ("vo", UNMAPPED),
    ],
)
def test_a_make_has_one_name(text: str, name: str) -> None:
    assert make(text) == name


@pytest.mark.parametrize(
    ("column", "text", "standard"),
    [
        ("registration_state", "NJ", "New Jersey"),
        ("registration_state", "on", "Ontario"),
        ("registration_state", "ZZ", UNMAPPED),
        ("licence_state", "New York", "New York"),
        ("driver_sex", "M", "Male"),
        ("licence_status", "Unlicensed", "Unlicensed"),
        ("travel_direction", "Southwest", "Southwest"),
        ("travel_direction", "N", "North"),
        ("travel_direction", "-", UNKNOWN),
        ("pre_crash", "Other*", "Other"),
        ("pre_crash", "Going Straight Ahead", "Going Straight Ahead"),
        ("point_of_impact", "Left Front Bumper", "Left Front Bumper"),
        ("damage_4", "No Damage ", "No Damage"),
        ("public_property_damage", "N", "No"),
        ("public_property_damage", None, None),
    ],
)
def test_a_value_has_its_standard_name_beside_what_is_published(column: str, text: Text, standard: Text) -> None:
    row = one(**{column: text})
    assert row[column] == standard
    assert row[f"{column}_raw"] == (text.strip() if text else None)


def test_keys_are_those_of_the_shared_dimensions() -> None:
    row = one(contributing_factor_1="Glare")
    assert row["vehicle_type_key"] == vocabulary.key("Station Wagon/Sport Utility Vehicle")
    assert row["factor_1_key"] == vocabulary.key("Glare")
    assert (row["factor_2_key"], row["damage_1_key"]) == (0, 0)
    assert row["vehicle_type"] == "Station wagon or SUV"
    nothing = one(**dict.fromkeys(["registration_state", *(name for names in KEYS.values() for name in names)]))
    assert [nothing[key] for key in (*KEYS, *SPELLING_KEYS)] == [0] * (len(KEYS) + len(SPELLING_KEYS))
