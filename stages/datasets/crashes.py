"""Crashes (h9gi-nx95): one row a police-reported collision.

The portal's CSV and the API's name the columns differently, and name two of the street columns crosswise: the API's
`off_street_name` is the portal's CROSS STREET NAME (the nearest cross street), its `cross_street_name` the portal's OFF
STREET NAME (an address). The names on the right are ours.
"""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache

SLOTS = range(1, 6)  # a collision names up to five vehicles

COUNTS = [
    f"{who}_{what}" for who in ("persons", "pedestrians", "cyclists", "motorists") for what in ("injured", "killed")
]
_PUBLISHED_COUNTS = [
    f"number of {who} {what}"
    for who in ("persons", "pedestrians", "cyclist", "motorist")
    for what in ("injured", "killed")
]

PORTAL = {
    "CRASH DATE": "crash_date",
    "CRASH TIME": "crash_time",
    "BOROUGH": "borough",
    "ZIP CODE": "zip_code",
    "LATITUDE": "latitude",
    "LONGITUDE": "longitude",
    "LOCATION": "location",
    "ON STREET NAME": "on_street_name",
    "CROSS STREET NAME": "cross_street_name",
    "OFF STREET NAME": "off_street_address",
    **{name.upper(): ours for name, ours in zip(_PUBLISHED_COUNTS, COUNTS, strict=True)},
    **{f"CONTRIBUTING FACTOR VEHICLE {slot}": f"contributing_factor_{slot}" for slot in SLOTS},
    "COLLISION_ID": "collision_id",
    **{f"VEHICLE TYPE CODE {slot}": f"vehicle_type_{slot}" for slot in SLOTS},
}
API = {
    "crash_date": "crash_date",
    "crash_time": "crash_time",
    "borough": "borough",
    "zip_code": "zip_code",
    "latitude": "latitude",
    "longitude": "longitude",
    "location": "location",
    "on_street_name": "on_street_name",
    "off_street_name": "cross_street_name",
    "cross_street_name": "off_street_address",
    **{name.replace(" ", "_"): ours for name, ours in zip(_PUBLISHED_COUNTS, COUNTS, strict=True)},
    **{f"contributing_factor_vehicle_{slot}": f"contributing_factor_{slot}" for slot in SLOTS},
    "collision_id": "collision_id",
    **{f"vehicle_type_code{'' if slot < 3 else '_'}{slot}": f"vehicle_type_{slot}" for slot in SLOTS},
}
FORMS = {"portal": PORTAL, "API": API}
OPTIONAL = {"location"}  # says the same as latitude and longitude

FIRST_DAY = date(2012, 7, 1)  # the earliest collision that the city publishes
MAX_COUNT = 200  # no collision on record comes near it; a larger number is a slip of the keyboard
# The city and the waters around it, in degrees WGS84.
LATITUDES = (40.45, 40.95)
LONGITUDES = (-74.30, -73.65)

_PORTAL_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)
_API_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T00:00:00(?:\.000)?)?", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


def form_of(header: list[str]) -> str | None:
    """Which published form a header has: `portal`, `API`, or None where it resembles neither."""
    name, shared = max(((form, len(names.keys() & set(header))) for form, names in FORMS.items()), key=lambda it: it[1])
    return name if shared else None


@lru_cache(100_000)
def parse_date(text: str | None) -> date | None:
    """`MM/DD/YYYY`, or ISO with or without a midnight; anything else is None."""
    text = (text or "").strip()
    if found := _PORTAL_DATE.fullmatch(text):
        month, day, year = map(int, found.groups())
    elif found := _API_DATE.fullmatch(text):
        year, month, day = map(int, found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(100_000)
def parse_time(text: str | None) -> time | None:
    """`H:MM` or `HH:MM`, New York local time; anything else is None."""
    found = _TIME.fullmatch((text or "").strip())
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2])
    return time(hour, minute) if hour < 24 and minute < 60 else None
