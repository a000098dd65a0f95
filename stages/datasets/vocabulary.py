"""One spelling for what the source spells in many ways.

Each published spelling maps to a standard name, and each standard name to a group. Factors are a menu whose spelling
has changed over the years; the spellings of vehicle types are in `vehicle_types`.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256

from stages.datasets.vehicle_types import UNKNOWN, UNKNOWN_CODE, VEHICLE_TYPES

UNMAPPED = "Unmapped"
SHORTEST_CUT = 4  # fewer letters ("van", "mot") begin too many words
BOROUGHS = {name.upper(): name for name in ("Bronx", "Brooklyn", "Manhattan", "Queens", "Staten Island")}

FACTORS: dict[str, list[str]] = {
    "Driver behaviour": [
        "Aggressive Driving/Road Rage",
        "Backing Unsafely",
        "Driver Inattention/Distraction",
        "Driver Inexperience",
        "Failure to Keep Right",
        "Failure to Yield Right-of-Way",
        "Following Too Closely",
        "Passing or Lane Usage Improper",
        "Passing Too Closely",
        "Reaction to Uninvolved Vehicle",
        "Traffic Control Disregarded",
        "Turning Improperly",
        "Unsafe Lane Changing",
        "Unsafe Speed",
    ],
    "Driver distraction": [
        "Cell Phone (hand-held)",
        "Cell Phone (hands-free)",
        "Eating or Drinking",
        "Listening/Using Headphones",
        "Other Electronic Device",
        "Outside Car Distraction",
        "Passenger Distraction",
        "Texting",
        "Using On Board Navigation Device",
    ],
    "Driver condition": [
        "Alcohol Involvement",
        "Drugs (illegal)",
        "Fatigued/Drowsy",
        "Fell Asleep",
        "Illness",
        "Lost Consciousness",
        "Physical Disability",
        "Prescription Medication",
    ],
    "Pedestrian, cyclist or animal": [
        "Animals Action",
        "Pedestrian/Bicyclist/Other Pedestrian Error/Confusion",
    ],
    "Vehicle": [
        "Accelerator Defective",
        "Brakes Defective",
        "Driverless/Runaway Vehicle",
        "Headlights Defective",
        "Other Lighting Defects",
        "Other Vehicular",
        "Oversized Vehicle",
        "Steering Failure",
        "Tinted Windows",
        "Tire Failure/Inadequate",
        "Tow Hitch Defective",
        "Vehicle Vandalism",
        "Windshield Inadequate",
    ],
    "Road and weather": [
        "Glare",
        "Lane Marking Improper/Inadequate",
        "Obstruction/Debris",
        "Pavement Defective",
        "Pavement Slippery",
        "Shoulders Defective/Improper",
        "Traffic Control Device Improper/Non-Working",
        "View Obstructed/Limited",
    ],
    UNKNOWN: ["Unspecified"],
}
_FACTORS = {factor.casefold(): (factor, group) for group, factors in FACTORS.items() for factor in factors}
_FACTOR_SPELLINGS = {
    "illnes": "illness",
    "reaction to other uninvolved vehicle": "reaction to uninvolved vehicle",
    "1": "unspecified",
    "80": "unspecified",
}


def _compact(text: str, wildcards: str = "") -> str:
    return re.sub(rf"[^a-z0-9{wildcards}]+", "", text.casefold())


def _entries(field: str) -> list[tuple[str, str]]:
    return [
        (_compact(entry, "*?"), name)
        for name, kind in VEHICLE_TYPES.items()
        for entry in getattr(kind, field).split(",")
        if entry
    ]


_CODES = dict(_entries("codes"))
_SPELLINGS = {entry.rstrip("*"): name for entry, name in _entries("spellings") if re.fullmatch(r"\w+\*?", entry)}
# the longest first, as the most particular: `fdny ems*` before `fdny*`
_PATTERNS = [
    (re.compile(translate(entry)), name)
    for entry, name in sorted(_entries("spellings"), key=lambda entry: -len(entry[0]))
    if {"*", "?"} & set(entry)
]


def borough(text: str) -> str | None:
    """A borough as published → its name, or None where it is none of the five."""
    return BOROUGHS.get(" ".join(text.split()).upper())


@lru_cache(100_000)
def key(text: str) -> int:
    """A published spelling → its key in the warehouse, the same in every build; 0 is left for "not stated"."""
    return int(sha256(text.encode()).hexdigest()[:15], 16) + 1


@lru_cache(100_000)
def vehicle_type(text: str) -> str:
    """A vehicle type as published → its standard name; Unmapped where the vocabulary lacks the spelling."""
    plain = _compact(text)
    if not plain or plain.isdigit():
        return UNKNOWN
    if name := _CODES.get(plain) or _SPELLINGS.get(plain) or _of_cut(plain):
        return name
    if name := next((name for pattern, name in _PATTERNS if pattern.match(plain)), None):
        return name
    return UNKNOWN_CODE if len(plain) <= 2 else UNMAPPED


def _of_cut(plain: str) -> str | None:
    if len(plain) < SHORTEST_CUT:
        return None
    names = {name for spelling, name in _SPELLINGS.items() if spelling.startswith(plain)}
    return names.pop() if len(names) == 1 else None


def vehicle_group(text: str) -> str:
    """A vehicle type as published → the group of its standard name."""
    name = vehicle_type(text)
    return UNMAPPED if name == UNMAPPED else VEHICLE_TYPES[name].group


def factor(text: str) -> str:
    """A contributing factor as published → its standard name; Unmapped where it is not on the menu."""
    return _factor(text)[0]


def factor_group(text: str) -> str:
    """A contributing factor as published → the group of its standard name."""
    return _factor(text)[1]


@lru_cache(100_000)
def _factor(text: str) -> tuple[str, str]:
    key = " ".join(text.casefold().split())
    return _FACTORS.get(_FACTOR_SPELLINGS.get(key, key), (UNMAPPED, UNMAPPED))
