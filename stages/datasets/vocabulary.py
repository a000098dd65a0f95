"""One spelling for what the source spells in many ways.

Vehicle types mix menu entries of several generations with free text cut at ten characters; factors are a menu whose
spelling has changed over the years. Each published spelling maps to a standard name, and each standard name to a
group.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

OTHER, UNKNOWN = "Other", "Unknown"
BOROUGHS = {name.upper(): name for name in ("Bronx", "Brooklyn", "Manhattan", "Queens", "Staten Island")}

# standard vehicle type: (group, a pattern that its spellings match whole, after `_plain`)
VEHICLE_TYPES: dict[str, tuple[str, str]] = {
    "Sedan": ("Passenger car", r"sedan|(2|3|4) ?d(oo)?r( sedan)?|pas( .*)?|passe?n?g?e?r?( .*)?|car|four door|coupe"),
    "Convertible": ("Passenger car", r"conv(e.*)?"),
    "Station wagon or SUV": (
        "Passenger car",
        (
            r"station wagon sport utility vehicle|sport utility station wagon|suv|subn?|suburban|station w.*|"
            r"sport util.*|jeep"
        ),
    ),
    "Limousine": ("Passenger car", r"limo.*"),
    "Taxi": ("Taxi", r"taxi.*|livery.*|yellow (taxi|cab)"),
    "Pick-up truck": ("Truck or van", r"pick ?up.*|pk|pick|pickup with mounted camper"),
    "Van": (
        "Truck or van",
        (
            r"van|vans?|mini ?van.*|van camper|sprinter.*|cargo van|van ?truck|utility v.*|refrigerated van|"
            r"box van|passenger van|courier( va.*)?|van ?t|u ?haul.*|carry ?all|ford (van|tran.*)|"
            r"trans(it)?( .*)?"
        ),
    ),
    "Box truck": ("Truck or van", r"box ?t(r.*)?|box|moving (van|tru.*)|multi wheeled vehicle"),
    "Delivery truck": (
        "Truck or van",
        (
            r"deli?v.*|del|dl|ups.*|usps.*|us postal.*|postal.*|mail.*|fed ?ex.*|amazon.*|dhl.*|"
            r"beverage truck|lunch wagon|food ?t.*|ice cream.*|bulk agriculture|livestock rack|glass rack|"
            r"armored.*|well driller|stake or rack|stake"
        ),
    ),
    "Truck": (
        "Truck or van",
        (
            r"tr|trk|trucks?|utili?t?y?|util|comm?e?r?c?i?a?l?( .*)?|large com veh.*|small com veh.*|"
            r"open body|work truck|f ?\d50"
        ),
    ),
    "Tractor trailer": (
        "Heavy truck",
        (
            r"tractor.*|trac.*|semi.*|tt|18 wheel.*|trailer|trail.*|trl|.* trai(l.*)?|x trailer|flat ?bed.*|"
            r"flat rack|freight.*|frht.*|chassis cab|log|pole trailer|tanker|tank.*|lowboy"
        ),
    ),
    "Dump truck": ("Heavy truck", r"dump.*|dumps.*"),
    "Garbage truck": (
        "Heavy truck",
        (r"garbage.*|.*sanita.*|dsny.*|refuse.*|trash.*|sweeper|street swe.*|snow ?plow|.*plow.*"),
    ),
    "Tow truck": ("Heavy truck", r"tow.*|wrecker|.*wreck.*"),
    "Concrete mixer": ("Heavy truck", r"concrete.*|cement.*|cemen.*|mixer"),
    "Bus": ("Bus", r"bus|.* bus|bus .*|mta.*|omnibus|nyc ?ta.*|city mta.*"),
    "School bus": ("Bus", r"school ?b.*|schoo.*|yellow bus.*"),
    "Ambulance": ("Emergency vehicle", r".*ambu.*|amb|amblu.*|abulance|ems.*|.*mbu"),
    "Fire truck": ("Emergency vehicle", r"fire.*|fdny.*|nyfd.*|ladder.*|.* fire ?t?.*"),
    "Police vehicle": ("Emergency vehicle", r"police.*|nypd.*|rmp"),
    "Motorcycle": ("Motorcycle or moped", r"motor ?cy.*|motor ?bi.*|dirt ?b.*|minicycle|mini ?bike|mc|m c"),
    "Moped": ("Motorcycle or moped", r"mop.*|vespa.*|motor ?scoo.*|motorized .*scoo.*|3 wheel sc.*"),
    "Scooter": (
        "Bicycle or scooter",
        (r"scoot.*|e ?sc.*|electric s.*|stand(ing|up)? ?s.*|e ?skat.*|kick scoo.*|skate.*|segway"),
    ),
    "Electric bicycle": ("Bicycle or scooter", r"e ?bi.*|electric b.*|ebike|e unicycle.*"),
    "Bicycle": ("Bicycle or scooter", r"bi(ke|cy.*)?|push ?bi.*|pedal ?bi.*|citi ?bi.*|pedicab|tricycle"),
    "Construction or farm machine": (
        "Other vehicle",
        (
            r".*fork ?l.*|.*back ?h.*|.*bull ?d.*|excav.*|crane.*|power sho.*|lift boom|boom.*|bobcat.*|"
            r"bob ?cat.*|pump|skid.*|tractor|farm.*|front ?end.*|payload.*|john deere.*|road ?roll.*|paver"
        ),
    ),
    "Motor home": ("Other vehicle", r"motori?z?ed ?home|motor ?home|r ?v|camp.*|rv ?.*"),
    "All-terrain vehicle": ("Other vehicle", r"atv.*|all terr.*|quad.*|go ?kart.*|golf ?c.*|dune.*|snow ?mo.*"),
    "Horse carriage": ("Other vehicle", r"carriage|horse.*|hors.*"),
    UNKNOWN: (UNKNOWN, r"unk.*|uk|unknown.*|n a|na|none|nan|999|0|\d|9+|un|.*unknow.*|not .*|no|blank|null|other veh"),
}
_VEHICLE_PATTERNS = [(name, re.compile(pattern)) for name, (_, pattern) in VEHICLE_TYPES.items()]
_VEHICLE_FIRST = [
    "Van",
    "School bus",
    "Moped",
    "Motorcycle",
    "Electric bicycle",
    "Ambulance",
    "Fire truck",
]  # before what they resemble
_VEHICLE_PATTERNS.sort(key=lambda entry: entry[0] not in _VEHICLE_FIRST)

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


def borough(text: str) -> str | None:
    """A borough as published → its name, or None where it is none of the five."""
    return BOROUGHS.get(" ".join(text.split()).upper())


@lru_cache(100_000)
def key(text: str) -> int:
    """A published spelling → its key in the warehouse, the same in every build; 0 is left for "not stated"."""
    return int(sha256(text.encode()).hexdigest()[:15], 16) + 1


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.casefold()).split())


@lru_cache(100_000)
def vehicle_type(text: str) -> str:
    """A vehicle type as published → its standard name; what none of the patterns knows is Other."""
    plain = _plain(text)
    if not plain:
        return UNKNOWN
    return next((name for name, pattern in _VEHICLE_PATTERNS if pattern.fullmatch(plain)), OTHER)


def vehicle_group(text: str) -> str:
    """A vehicle type as published → the group of its standard name."""
    name = vehicle_type(text)
    return OTHER if name == OTHER else VEHICLE_TYPES[name][0]


def factor(text: str) -> str:
    """A contributing factor as published → its standard name; one that is not on the menu is Other."""
    return _factor(text)[0]


def factor_group(text: str) -> str:
    """A contributing factor as published → the group of its standard name."""
    return _factor(text)[1]


@lru_cache(100_000)
def _factor(text: str) -> tuple[str, str]:
    key = " ".join(text.casefold().split())
    return _FACTORS.get(_FACTOR_SPELLINGS.get(key, key), (OTHER, OTHER))
