"""Generated vehicles, shaped like the published ones: those of the sample's collisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import collision_sampling as drawn
from stages.datasets.collision_sampling import FIRST_DAY, LAST_DAY, in_form
from stages.datasets.crashes.columns import SLOTS
from stages.datasets.sampling import Defects, Month, SampleFile, pick

__all__ = ["ALWAYS_QUOTED", "DEFECTS", "FIRST_DAY", "LAST_DAY", "demo", "in_form", "make_months"]

ALWAYS_QUOTED: set[str] = set()
SALT = 7
MAKES = {
    "TOYT -CAR/SUV": 17, "HOND -CAR/SUV": 13, "NISS -CAR/SUV": 11, "FORD -CAR/SUV": 10, "CHEV -CAR/SUV": 6,
    "MERZ -CAR/SUV": 5, "BMW -CAR/SUV": 5, "HYUN -CAR/SUV": 5, "JEEP -CAR/SUV": 4.5, "LEXS -CAR/SUV": 3,
    "ACUR -CAR/SUV": 3, "SUBA -CAR/SUV": 2.5, "DODG -CAR/SUV": 2.5, "INFI -CAR/SUV": 2.5, "VOLK -CAR/SUV": 2,
    "KIA -CAR/SUV": 2, "AUDI -CAR/SUV": 2, "LINC -CAR/SUV": 1, "TESL -CAR/SUV": 0.8, "FRHT-TRUCK/BUS": 1.2,
    "INTL-TRUCK/BUS": 0.8, "FORD-TRUCK/BUS": 0.6, "HINO -TRUCK/BUS": 0.4, "YAMA -MCL": 0.4, "HOND -MCL": 0.3,
    "NOVA": 0.2, "freig": 0.2, "ISUZU": 0.3, "peter": 0.1, "starc": 0.05, "UNK": 0.2, "N/A": 0.1, "999": 0.05,
}  # fmt: skip
STATES = {
    "NY": 84, "NJ": 5, "PA": 2.5, "CT": 1.5, "FL": 1.4, "VA": 0.8, "NC": 0.7, "MA": 0.6, "GA": 0.5, "TX": 0.5,
    "MD": 0.4, "OH": 0.3, "IL": 0.3, "TN": 0.2, "OK": 0.2, "ME": 0.2, "ON": 0.1, "QC": 0.05, "GV": 0.05, "DP": 0.05,
    "ZZ": 0.02,
}  # fmt: skip
DIRECTIONS = {
    "North": 23, "South": 22, "East": 22, "West": 21, "Unknown": 4, "Northwest": 2, "Southeast": 2, "Northeast": 2,
    "Southwest": 2,
}  # fmt: skip
PRE_CRASH = {
    "Going Straight Ahead": 48, "Parked": 13, "Making Left Turn": 7, "Stopped in Traffic": 8, "Making Right Turn": 5,
    "Slowing or Stopping": 4, "Starting from Parking": 2.5, "Changing Lanes": 3, "Backing": 3.5, "Merging": 2,
    "Starting in Traffic": 1.5, "Passing": 1, "Making U Turn": 0.8, "Entering Parked Position": 0.6, "Other*": 0.6,
    "Avoiding Object in Roadway": 0.3, "Making Right Turn on Red": 0.1, "Making Left Turn on Red": 0.1,
    "Police Pursuit": 0.02,
}  # fmt: skip
PARTS = {
    "Center Front End": 19, "Center Back End": 12, "Left Front Bumper": 11, "Right Front Bumper": 11,
    "Left Front Quarter Panel": 8, "Right Front Quarter Panel": 7, "Left Side Doors": 7, "Right Side Doors": 6,
    "Left Rear Quarter Panel": 5, "Right Rear Quarter Panel": 4, "Left Rear Bumper": 4, "Right Rear Bumper": 4,
    "No Damage": 2, "Roof": 0.3, "Undercarriage": 0.2, "Overturned": 0.2, "Trailer": 0.2, "Demolished": 0.1,
}  # fmt: skip
SECOND_PARTS = {"No Damage": 45, **PARTS}
PROPERTY = {"Utility pole": 3, "Traffic signal": 2, "GUARD RAIL": 2, "fence": 1, "FIRE HYDRANT": 1}
LICENCES = {"Licensed": 96, "Unlicensed": 3, "Permit": 1}
MODELS = {"TOYT CAM": 4, "HOND ACC": 3, "NISS ALT": 2, "FORD ECO": 1, "van": 1, "deliv": 1, "TRUCK TRADE": 0.5}

DEFECTS: Defects = {
    "id_missing": [{"UNIQUE_ID": None}],
    "id_malformed": [{"UNIQUE_ID": "19A40702"}, {"UNIQUE_ID": "n/a"}],
    "date_missing": [{"CRASH_DATE": None}],
    "date_impossible": [{"CRASH_DATE": "02/30/2025"}, {"CRASH_DATE": "13/07/2025"}],
    "time_impossible": [{"CRASH_TIME": "24:75"}, {"CRASH_TIME": "noon"}],
    "reference_malformed": [{"COLLISION_ID": "unknown"}, {"COLLISION_ID": "-7"}],
    "year_impossible": [{"VEHICLE_YEAR": "20063"}, {"VEHICLE_YEAR": "1066"}],
    "occupants_absurd": [{"VEHICLE_OCCUPANTS": "999999"}, {"VEHICLE_OCCUPANTS": "-1"}],
    "fields_missing": [{}],
    "fields_extra": [{}],
}


def make_rows(rng: np.random.Generator, collisions: pa.Table, days: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The vehicles of some collisions, as text in portal columns (null is a blank field), and which collision each is
    of. Those of the slots have the slot's type and factor.
    """
    each = drawn.vehicles_of(collisions) + pick(rng, len(collisions), drawn.EXTRA_VEHICLES)
    of = np.repeat(np.arange(len(collisions)), each)
    slot = drawn.within(of) + 1
    size = len(of)
    numbers = drawn.collision_numbers(collisions)[of]
    days = days[of]
    old = days < drawn.OLD_FORM

    def blank(before: float, since: float) -> np.ndarray:
        return rng.random(size) < np.where(old, before, since)

    def of_slot(name: str) -> pa.Array:
        """What the collision's slot states; null beyond the fifth."""
        flat = pa.concat_arrays([collisions[name.format(number)].combine_chunks() for number in SLOTS])
        inside = slot <= len(SLOTS)
        at = np.where(inside, (slot - 1) * len(collisions) + of, 0)
        return flat.take(pa.array(at, mask=~inside))

    no_driver = blank(0.97, 0.27)
    year = days.astype("datetime64[Y]").astype(int) + 1970 - np.minimum(rng.exponential(8, size).astype(int), 60) + 1
    occupants = pick(rng, size, [0.14, 0.62, 0.15, 0.06, 0.03])
    damaged = blank(0.97, 0.03)
    property_damage = rng.random(size) < 0.01
    columns = {
        "UNIQUE_ID": pc.cast(pa.array(numbers * drawn.VEHICLES_EACH + slot), pa.string()),
        "COLLISION_ID": drawn.references(rng, numbers),
        "CRASH_DATE": collisions["CRASH DATE"].combine_chunks().take(pa.array(of)),
        "CRASH_TIME": collisions["CRASH TIME"].combine_chunks().take(pa.array(of)),
        "VEHICLE_ID": pc.if_else(pa.array(old), pa.array(slot.astype(str).tolist()), drawn.uuids(rng, size)),
        "STATE_REGISTRATION": drawn.choose(rng, STATES, size, blank(0.1, 0.06)),
        "VEHICLE_TYPE": of_slot("VEHICLE TYPE CODE {}"),
        "VEHICLE_MAKE": drawn.choose(rng, MAKES, size, blank(0.97, 0.14)),
        "VEHICLE_MODEL": drawn.choose(rng, MODELS, size, blank(1, 0.983)),
        "VEHICLE_YEAR": drawn.stated(year.astype(str).tolist(), blank(0.97, 0.15)),
        "TRAVEL_DIRECTION": drawn.choose(rng, DIRECTIONS, size, blank(0.9, 0.02)),
        "VEHICLE_OCCUPANTS": drawn.stated(occupants.astype(str).tolist(), blank(0.95, 0.04)),
        "DRIVER_SEX": drawn.choose(rng, {"M": 72, "F": 26, "U": 2}, size, no_driver),
        "DRIVER_LICENSE_STATUS": drawn.choose(rng, LICENCES, size, no_driver | blank(0, 0.05)),
        "DRIVER_LICENSE_JURISDICTION": drawn.choose(rng, STATES, size, no_driver | blank(0, 0.05)),
        "PRE_CRASH": drawn.choose(rng, PRE_CRASH, size, blank(0.5, 0.01)),
        "POINT_OF_IMPACT": drawn.choose(rng, PARTS, size, damaged),
        "VEHICLE_DAMAGE": drawn.choose(rng, PARTS, size, damaged),
        "VEHICLE_DAMAGE_1": drawn.choose(rng, SECOND_PARTS, size, damaged | blank(0, 0.3)),
        "VEHICLE_DAMAGE_2": drawn.choose(rng, SECOND_PARTS, size, damaged | blank(0, 0.5)),
        "VEHICLE_DAMAGE_3": drawn.choose(rng, SECOND_PARTS, size, damaged | blank(0, 0.6)),
        "PUBLIC_PROPERTY_DAMAGE": pc.if_else(
            pa.array(property_damage), "Y", drawn.choose(rng, {"N": 93, "Unspecified": 7}, size, blank(0.9, 0.02))
        ),
        "PUBLIC_PROPERTY_DAMAGE_TYPE": drawn.choose(rng, PROPERTY, size, ~property_damage),
        "CONTRIBUTING_FACTOR_1": of_slot("CONTRIBUTING FACTOR VEHICLE {}"),
        "CONTRIBUTING_FACTOR_2": drawn.choose(
            rng,
            {"Unspecified": 90, "Following Too Closely": 4, "Driver Inexperience": 3, "Glare": 3},
            size,
            blank(0.6, 0.03),
        ),
    }
    return pa.table(columns), of


def make_months(rows: int, start: date, end: date, seed: int) -> Iterator[Month]:
    """The vehicles in the sample's collisions of `[start, end)`, of which there are `rows`, month by month."""
    return drawn.make_months(make_rows, rows, start, end, seed, salt=SALT)


def demo(seed: int) -> Iterator[SampleFile]:
    """The vehicles of the demo's collisions."""
    return drawn.demo("vehicles", make_months, DEFECTS, seed)
