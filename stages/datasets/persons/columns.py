"""The columns of persons: as published, and in the curated table.

The API's names are the portal's in lower case. VEHICLE_ID is the vehicle's UNIQUE_ID in the Vehicles table, not the
VEHICLE_ID of that table.
"""

from __future__ import annotations

import pyarrow as pa

from stages.datasets.dataset import PROVENANCE_COLUMNS, Column, Table
from stages.datasets.menus import SEX
from stages.datasets.persons import menus
from stages.datasets.shared_columns import factor_columns, key_column, named_columns
from stages.datasets.shared_columns import published_in_capitals as _published

OLDEST = 120  # years; the age is computed from a date of birth, which may be mistyped


def _text(name: str, doc: str, published: str = "", legal: frozenset[str] = frozenset()) -> Column:
    return Column(name, pa.string(), f"{doc}, as published", _published(published or name.upper()), legal=legal)


_ID = Column(
    "unique_id", pa.int64(), "the city's number of the person record: the key", _published("UNIQUE_ID"), repeats=False
)
_DATE = Column("crash_date", pa.date32(), "day of the collision", _published("CRASH_DATE"))

COLUMNS = (
    _ID,
    Column(
        "collision_id",
        pa.int64(),
        "the collision's number; not every one is among the published collisions",
        _published("COLLISION_ID"),
        repeats=False,
    ),
    _DATE,
    Column("crash_time", pa.time32("ms"), "time of the collision, New York time", _published("CRASH_TIME")),
    Column(
        "person_id", pa.string(), "the person's number in the report or a UUID", _published("PERSON_ID"), repeats=False
    ),
    _text("person_type", "kind of road user"),
    _text("injury", "what happened to the person", "PERSON_INJURY"),
    Column(
        "vehicle_unique_id",
        pa.int64(),
        "UNIQUE_ID of the person's vehicle; not every one is among the published vehicles",
        _published("VEHICLE_ID"),
        repeats=False,
    ),
    Column("age", pa.int16(), f"age in years, 0-{OLDEST}; unknown otherwise", _published("PERSON_AGE")),
    _text("ejection", "ejection from the vehicle"),
    _text("emotional_status", "emotional status"),
    _text("body_part", "most severely injured part of the body", "BODILY_INJURY"),
    _text("position", "position in the vehicle", "POSITION_IN_VEHICLE"),
    _text("safety_equipment", "safety equipment used", legal=frozenset({"None"})),
    _text("ped_location", "location of a pedestrian or cyclist", "PED_LOCATION"),
    _text("ped_action", "action of a pedestrian or cyclist", "PED_ACTION"),
    _text("complaint", "most serious physical complaint"),
    _text("role", "role in the collision", "PED_ROLE"),
    _text("contributing_factor_1", "first contributing factor"),
    _text("contributing_factor_2", "second contributing factor"),
    _text("sex", "sex", "PERSON_SEX"),
)

# The dimensions' keys, and which values each stands for.
PROFILE = ["person_type", "role", "sex"]
HARM = ["injury", "body_part", "complaint", "emotional_status"]
OCCUPANT = ["position", "safety_equipment", "ejection"]
PEDESTRIAN = ["ped_location", "ped_action"]
KEYS = {
    "person_profile_key": PROFILE,
    "person_harm_key": HARM,
    "occupant_key": OCCUPANT,
    "pedestrian_key": PEDESTRIAN,
}

_MENUS = {
    "person_type": ("kind of road user", menus.TYPE),
    "role": ("role in the collision", menus.ROLE),
    "sex": ("sex", SEX),
    "injury": ("injury", menus.INJURY),
    "body_part": ("injured part of the body", menus.BODY_PART),
    "complaint": ("physical complaint", menus.COMPLAINT),
    "emotional_status": ("emotional status", menus.EMOTIONAL_STATUS),
    "position": ("position in the vehicle", menus.POSITION),
    "safety_equipment": ("safety equipment", menus.SAFETY_EQUIPMENT),
    "ejection": ("ejection", menus.EJECTION),
    "ped_location": ("location of a pedestrian or cyclist", menus.LOCATION),
    "ped_action": ("action of a pedestrian or cyclist", menus.ACTION),
}

PERSONS = Table(
    "persons",
    "one row per person record and month",
    (
        *(column for column in COLUMNS if column.name not in _MENUS and "factor" not in column.name),
        *PROVENANCE_COLUMNS,
        *(column for name, (doc, menu) in _MENUS.items() for column in named_columns(name, doc, menu)),
        *(key_column(name, columns) for name, columns in KEYS.items()),
        *(column for number in (1, 2) for column in factor_columns(number)),
        Column("restraint", pa.string(), "what held or protected the person: seat belt, helmet, none …"),
        Column("can_be_casualty", pa.bool_(), "false for who was only named in the report, such as a registrant"),
        Column(
            "injured", pa.int8(), "1 if the person was injured in the collision, 0 if not; unknown where not stated"
        ),
        Column("killed", pa.int8(), "1 if the person was killed in the collision, 0 if not; unknown where not stated"),
    ),
)
