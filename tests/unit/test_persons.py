"""Persons: their rules, their standard names, who is a casualty, the keys of their dimensions."""

from __future__ import annotations

from typing import Any

import pytest
from published import cleaned, curated

from stages.datasets.persons import DATASET, menus
from stages.datasets.persons.columns import KEYS
from stages.datasets.vehicle_types import UNKNOWN, UNKNOWN_CODE
from stages.datasets.vocabulary import UNMAPPED

Text = str | None
SOUND: dict[str, Text] = {
    "unique_id": "10255054",
    "collision_id": "4230587",
    "crash_date": "03/05/2024",
    "crash_time": "15:15",
    "person_id": "4629e500-a73e-48dc-b8fb-53124d124b80",
    "person_type": "Occupant",
    "injury": "Unspecified",
    "vehicle_unique_id": "19144075",
    "age": "33",
    "role": "Passenger",
    "sex": "F",
}


def one(**changes: Text) -> dict[str, Any]:
    """A person's curated row."""
    (row,) = curated(DATASET, SOUND | changes)
    return row


def rules(**changes: Text) -> dict[str, int]:
    """What the rules did to a person's row."""
    return dict(cleaned(DATASET, SOUND | changes).rules)


def test_portal_and_api_say_the_same_in_other_letters() -> None:
    portal, api = DATASET.forms["portal"], DATASET.forms["API"]
    assert {name.lower(): ours for name, ours in portal.items()} == api
    assert DATASET.form_of(list(portal)) == "portal"
    assert DATASET.form_of(list(reversed(api))) == "API"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"unique_id": None}, {"unique_id_missing": 1}),
        ({"unique_id": "x1"}, {"unique_id_malformed": 1}),
        ({"unique_id": "10255054.0"}, {}),
        ({"crash_date": "03/05/2011"}, {"crash_date_before_records": 1}),
        ({"crash_date": "2024-09-18T00:00:00.000"}, {"crash_date_after_extraction": 1}),
        ({"collision_id": None, "vehicle_unique_id": None}, {}),
        ({"collision_id": "abc"}, {"collision_id_malformed": 1}),
        ({"vehicle_unique_id": "-3"}, {"vehicle_unique_id_malformed": 1}),
        ({"crash_time": "24:75"}, {"crash_time_unreadable": 1}),
        ({"age": "121"}, {"age_impossible": 1}),
        ({"age": "-1"}, {"age_impossible": 1}),
        ({"age": "9999"}, {"age_impossible": 1}),
        ({"age": "33.5"}, {"age_impossible": 1}),
        ({"safety_equipment": "None"}, {}),
        ({"safety_equipment": "NULL"}, {"null_word": 1}),
        ({"ejection": "None"}, {"null_word": 1}),
    ],
)
def test_what_the_rules_say_of_a_row(changes: dict[str, Text], expected: dict[str, int]) -> None:
    assert rules(**changes) == expected


@pytest.mark.parametrize(
    ("text", "age"), [("0", 0), ("120", 120), ("33.0", 33), (" 7 ", 7), (None, None), ("121", None)]
)
def test_an_age_lies_between_0_and_120_or_is_unknown(text: Text, age: int | None) -> None:
    assert one(age=text)["age"] == age


def test_a_reference_that_cannot_be_read_leaves_the_row() -> None:
    row = one(collision_id="?", vehicle_unique_id="unit 7")
    assert (row["unique_id"], row["collision_id"], row["vehicle_unique_id"]) == (10255054, None, None)


@pytest.mark.parametrize(
    ("column", "text", "standard"),
    [
        ("safety_equipment", "None", "None"),
        ("safety_equipment", "none", "None"),
        ("safety_equipment", "LAP BELT & HARNESS", "Lap Belt & Harness"),
        ("safety_equipment", "-", UNKNOWN),
        ("safety_equipment", "17", UNKNOWN_CODE),
        ("safety_equipment", "Magic cape", UNMAPPED),
        ("safety_equipment", None, None),
        (
            "position",
            "Front passenger, if two or more persons, including the driver, are in the front seat",
            "Front passenger",
        ),
        ("role", "In-Line  Skater", "In-Line Skater"),
        ("sex", "U", UNKNOWN),
        ("sex", "m", "Male"),
        ("complaint", "None Visible", "None Visible"),
        ("ped_action", "Crossing, No Signal or Crosswalk", "Crossing, No Signal, or Crosswalk"),
        ("body_part", "Does Not Apply", "Does Not Apply"),
        ("injury", "KILLED", "Killed"),
    ],
)
def test_a_value_has_its_standard_name_beside_what_is_published(column: str, text: Text, standard: Text) -> None:
    row = one(**{column: text})
    assert row[column] == standard
    assert row[f"{column}_raw"] == (" ".join(text.split()) if text else None)


@pytest.mark.parametrize(
    ("role", "injury", "injured", "killed"),
    [
        ("Driver", "Injured", 1, 0),
        ("Pedestrian", "Killed", 0, 1),
        ("Passenger", "Unspecified", 0, 0),
        ("Registrant", "Injured", 0, 0),
        ("Owner", "Killed", 0, 0),
        ("Witness", None, 0, 0),
        ("Other", "Injured", 1, 0),
        (None, "Injured", 1, 0),
        ("Driver", None, None, None),
        ("Driver", "Perhaps", None, None),
    ],
)
def test_only_who_was_in_the_collision_is_a_casualty(
    role: Text, injury: Text, injured: int | None, killed: int | None
) -> None:
    row = one(role=role, injury=injury)
    assert (row["injured"], row["killed"]) == (injured, killed)
    assert row["can_be_casualty"] == (role not in menus.NOT_CASUALTIES)


def test_roles_of_no_casualty_are_on_the_menu() -> None:
    assert set(menus.ROLE.names) > menus.NOT_CASUALTIES


def test_equal_values_have_equal_keys_and_nothing_stated_has_key_0() -> None:
    rows = curated(
        DATASET,
        SOUND | {"unique_id": "1", "ejection": "Not Ejected", "safety_equipment": "None"},
        SOUND | {"unique_id": "2", "ejection": "Not Ejected", "safety_equipment": "None"},
        SOUND | {"unique_id": "3", "ejection": None, "safety_equipment": "None"},
        SOUND | {"unique_id": "4", **{name: None for names in KEYS.values() for name in names}},
    )
    first, second, third, fourth = ([row[key] for key in KEYS] for row in rows)
    assert first == second
    assert first != third
    assert fourth == [0] * len(KEYS)
    alone = one(unique_id="3", ejection=None, safety_equipment="None")
    assert [alone[key] for key in KEYS] == third  # a key does not depend on the other rows


@pytest.mark.parametrize(
    ("equipment", "kind"),
    [
        ("Lap Belt", "Seat belt"),
        ("Air Bag Deployed/Lap Belt/Harness", "Seat belt"),
        ("Air Bag Deployed", UNKNOWN),
        ("Air Bag Deployed/Child Restraint", "Child restraint"),
        ("Helmet (Motorcycle Only)", "Helmet"),
        ("None", "None"),
        ("Pads Only (In-Line Skater/Bicyclist)", "Other"),
        (UNMAPPED, UNKNOWN),
    ],
)
def test_what_held_a_person_follows_from_the_equipment(equipment: str, kind: str) -> None:
    assert menus.restraint(equipment) == kind
