"""The columns of vehicles: as published, and in the curated table.

The API's names are the portal's in lower case. UNIQUE_ID is the key, to which persons refer; VEHICLE_ID is the number
of the vehicle in the report, or a UUID.
"""

from __future__ import annotations

import pyarrow as pa

from stages.datasets.dataset import PROVENANCE_COLUMNS, Column, Table
from stages.datasets.menus import SEX
from stages.datasets.shared_columns import factor_columns, key_column, named_columns
from stages.datasets.shared_columns import published_in_capitals as _published
from stages.datasets.vehicles import menus

FIRST_YEAR = 1900  # of a vehicle
MOST_OCCUPANTS = 200

_ID = Column(
    "unique_id", pa.int64(), "the city's number of the vehicle record: the key", _published("UNIQUE_ID"), repeats=False
)
_DATE = Column("crash_date", pa.date32(), "day of the collision", _published("CRASH_DATE"))


def _text(name: str, doc: str, published: str = "") -> Column:
    return Column(name, pa.string(), f"{doc}, as published", _published(published or name.upper()))


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
        "vehicle_id",
        pa.string(),
        "the vehicle's number in the report, or a UUID",
        _published("VEHICLE_ID"),
        repeats=False,
    ),
    _text("registration_state", "state of registration", "STATE_REGISTRATION"),
    _text("vehicle_type", "type of the vehicle"),
    _text("vehicle_make", "make"),
    _text("vehicle_model", "model"),
    Column(
        "vehicle_year",
        pa.int16(),
        f"model year, from {FIRST_YEAR} to the year after the collision; unknown otherwise",
        _published("VEHICLE_YEAR"),
    ),
    _text("travel_direction", "direction of travel"),
    Column(
        "occupants",
        pa.int16(),
        f"number of occupants, 0-{MOST_OCCUPANTS}; unknown otherwise",
        _published("VEHICLE_OCCUPANTS"),
    ),
    _text("driver_sex", "sex of the driver"),
    _text("licence_status", "licence of the driver", "DRIVER_LICENSE_STATUS"),
    _text("licence_state", "state that licensed the driver", "DRIVER_LICENSE_JURISDICTION"),
    _text("pre_crash", "what the vehicle did before"),
    _text("point_of_impact", "point of impact"),
    _text("damage_1", "first damaged part", "VEHICLE_DAMAGE"),
    _text("damage_2", "second damaged part", "VEHICLE_DAMAGE_1"),
    _text("damage_3", "third damaged part", "VEHICLE_DAMAGE_2"),
    _text("damage_4", "fourth damaged part", "VEHICLE_DAMAGE_3"),
    _text("public_property_damage", "damage to public property"),
    _text("public_property_damage_type", "what public property was damaged"),
    _text("contributing_factor_1", "first contributing factor"),
    _text("contributing_factor_2", "second contributing factor"),
)

DAMAGES = [f"damage_{number}" for number in range(1, 5)]
# The dimensions' keys, and which values each stands for.
KEYS = {
    "driver_key": ["driver_sex", "licence_status", "licence_state"],
    "movement_key": ["pre_crash", "travel_direction", "point_of_impact"],
}
# The keys of dimensions that have one row per published spelling of one column.
SPELLING_KEYS = {
    "registration_state_key": "registration_state",
    **{f"{name}_key": name for name in DAMAGES},
}
_MENUS = {
    "registration_state": ("state of registration", menus.STATE),
    "driver_sex": ("sex of the driver", SEX),
    "licence_status": ("licence of the driver", menus.LICENCE_STATUS),
    "licence_state": ("state that licensed the driver", menus.STATE),
    "travel_direction": ("direction of travel", menus.DIRECTION),
    "pre_crash": ("action before the collision", menus.PRE_CRASH),
    "point_of_impact": ("point of impact", menus.PART),
    **dict.fromkeys(DAMAGES, ("damaged part", menus.PART)),
    "public_property_damage": ("damage to public property", menus.PROPERTY_DAMAGE),
}
_NOT_AS_CLEAN = {*_MENUS, "vehicle_type", "vehicle_make", "contributing_factor_1", "contributing_factor_2"}

VEHICLES = Table(
    "vehicles",
    "one row per vehicle record and month",
    (
        *(column for column in COLUMNS if column.name not in _NOT_AS_CLEAN),
        *PROVENANCE_COLUMNS,
        Column("vehicle_type_key", pa.int64(), "key of the published spelling; 0 where none is stated"),
        Column("vehicle_type_raw", pa.string(), "vehicle type as published"),
        Column("vehicle_type", pa.string(), "standard vehicle type"),
        Column("vehicle_group", pa.string(), "group of the standard vehicle type"),
        Column("vehicle_make_key", pa.int64(), "key of the published spelling; 0 where none is stated"),
        Column("vehicle_make_raw", pa.string(), "make as published"),
        Column("vehicle_make", pa.string(), "standard name of the make"),
        *(column for name, (doc, menu) in _MENUS.items() for column in named_columns(name, doc, menu)),
        *(key_column(name, columns) for name, columns in KEYS.items()),
        *(
            Column(name, pa.int64(), f"key of the published `{column}_raw`; 0 where none is stated")
            for name, column in SPELLING_KEYS.items()
        ),
        *(column for number in (1, 2) for column in factor_columns(number)),
    ),
)
