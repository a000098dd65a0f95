"""The columns of crashes: as published, and in the curated tables.

The portal's CSV and the API's name the columns differently, and name two of the street columns crosswise: the API's
`off_street_name` is the portal's CROSS STREET NAME (the nearest cross street), its `cross_street_name` the portal's OFF
STREET NAME (an address). Until about 2019 the portal had other names for three columns.
"""

from __future__ import annotations

import pyarrow as pa

from stages.datasets.dataset import PROVENANCE_COLUMNS, Column, Table

SLOTS = range(1, 6)  # a collision names up to five vehicles
ROAD_USERS = {"persons": "persons", "pedestrians": "pedestrians", "cyclists": "cyclist", "motorists": "motorist"}
COUNTS = [f"{who}_{harm}" for who in ROAD_USERS for harm in ("injured", "killed")]
STREETS = ["on_street_name", "cross_street_name", "off_street_address"]
FACTORS = [f"contributing_factor_{slot}" for slot in SLOTS]
TYPES = [f"vehicle_type_{slot}" for slot in SLOTS]


DATE_PATTERNS = {
    "portal": r"\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})(?: .+)?",
    "API": r"\d{4}-\d{2}-\d{2}T[\d:.]+",
    "older portal": r"\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})(?: .+)?",
}


def _published(portal: str, api: str, older: str | None = None) -> dict[str, str]:
    return {"portal": portal, "API": api, "older portal": older or portal}


_DATE = Column("crash_date", pa.date32(), "day of the collision", _published("CRASH DATE", "crash_date", "DATE"))
_ID = Column(
    "collision_id",
    pa.int64(),
    "the city's number of the collision: the key",
    _published("COLLISION_ID", "collision_id", "UNIQUE KEY"),
    repeats=False,
)

COLUMNS = (
    _DATE,
    Column(
        "crash_time",
        pa.time32("ms"),
        "time of the collision, New York time",
        _published("CRASH TIME", "crash_time", "TIME"),
    ),
    Column("borough", pa.string(), "one of the five boroughs, where stated", _published("BOROUGH", "borough")),
    Column("zip_code", pa.string(), "five digits, where stated", _published("ZIP CODE", "zip_code")),
    Column("latitude", pa.float64(), "degrees north, WGS84", _published("LATITUDE", "latitude"), repeats=False),
    Column("longitude", pa.float64(), "degrees east, WGS84", _published("LONGITUDE", "longitude"), repeats=False),
    Column(
        "location",
        pa.string(),
        "repeats latitude and longitude",
        _published("LOCATION", "location"),
        raw_only=True,
        repeats=False,
    ),
    Column(
        "on_street_name",
        pa.string(),
        "street on which the collision happened",
        _published("ON STREET NAME", "on_street_name"),
    ),
    Column(
        "cross_street_name",
        pa.string(),
        "nearest cross street",
        _published("CROSS STREET NAME", "off_street_name"),
    ),
    Column(
        "off_street_address",
        pa.string(),
        "address, where the collision was not at a crossing",
        _published("OFF STREET NAME", "cross_street_name"),
    ),
    *(
        Column(
            f"{who}_{harm}",
            pa.int16(),
            f"number of {who} {harm}; unknown where the source leaves it blank",
            _published(f"NUMBER OF {published.upper()} {harm.upper()}", f"number_of_{published}_{harm}"),
        )
        for who, published in ROAD_USERS.items()
        for harm in ("injured", "killed")
    ),
    *(
        Column(
            f"contributing_factor_{slot}",
            pa.string(),
            f"contributing factor of vehicle {slot}, as published",
            _published(f"CONTRIBUTING FACTOR VEHICLE {slot}", f"contributing_factor_vehicle_{slot}"),
        )
        for slot in SLOTS
    ),
    _ID,
    *(
        Column(
            f"vehicle_type_{slot}",
            pa.string(),
            f"type of vehicle {slot}, as published",
            _published(f"VEHICLE TYPE CODE {slot}", f"vehicle_type_code{'' if slot < 3 else '_'}{slot}"),
        )
        for slot in SLOTS
    ),
)

_NOT_AS_CLEAN = {*FACTORS, *TYPES, "borough"}

COLLISIONS = Table(
    "collisions",
    "one row per collision and month",
    (
        *(column for column in COLUMNS if not column.raw_only and column.name not in _NOT_AS_CLEAN),
        *PROVENANCE_COLUMNS,
        Column("borough", pa.string(), "the borough stated, else the one in which the coordinates lie"),
        Column("borough_source", pa.string(), "where the borough is from: `stated`, `coordinates`, or unknown like it"),
        Column(
            "borough_distance_m",
            pa.int32(),
            "metres from the coordinates to the borough stated, 0 within it; unknown where either is not stated",
        ),
        Column("vehicle_count", pa.int8(), "how many of the five slots name a vehicle type or a factor"),
        Column("crash_hour", pa.int8(), "hour of the day, 0-23, New York time"),
        Column("severity", pa.string(), "`fatal`, `injury` or `property damage`; unknown where a deciding count is"),
        Column("vehicle_type_1", pa.string(), "standard type of the first vehicle"),
        Column("vehicle_type_2", pa.string(), "standard type of the second vehicle"),
        Column("contributing_factor_1", pa.string(), "standard factor of the first vehicle"),
        Column("contributing_factor_2", pa.string(), "standard factor of the second vehicle"),
        Column("involves_truck", pa.bool_(), "whether a slot names a truck; pick-up trucks and vans do not count"),
        Column("involves_bus", pa.bool_(), "whether a slot names a bus"),
        Column("involves_taxi", pa.bool_(), "whether a slot names a taxi or a livery car"),
        Column("involves_motorcycle_or_moped", pa.bool_(), "whether a slot names a motorcycle or a moped"),
        Column("involves_bicycle", pa.bool_(), "whether a slot names a bicycle, electric ones included"),
        Column("speeding", pa.bool_(), "whether a slot names the factor Unsafe Speed"),
        Column("alcohol", pa.bool_(), "whether a slot names the factor Alcohol Involvement"),
    ),
)

COLLISION_VEHICLES = Table(
    "collision_vehicles",
    "one row per collision, month and vehicle slot (1-5) that names a vehicle type or a factor",
    (
        _ID,
        _DATE,
        Column("vehicle_slot", pa.int8(), "which of the five slots, 1-5"),
        Column("vehicle_type_key", pa.int64(), "key of the published spelling; 0 where none is stated"),
        Column("vehicle_type_raw", pa.string(), "vehicle type as published"),
        Column("vehicle_type", pa.string(), "standard vehicle type"),
        Column("vehicle_group", pa.string(), "group of the standard vehicle type"),
        Column("contributing_factor_key", pa.int64(), "key of the published spelling; 0 where none is stated"),
        Column("contributing_factor_raw", pa.string(), "contributing factor as published"),
        Column("contributing_factor", pa.string(), "standard contributing factor"),
        Column("factor_group", pa.string(), "group of the standard contributing factor"),
    ),
)
