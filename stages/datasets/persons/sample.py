"""Generated persons, shaped like the published ones: who was hurt in the sample's collisions, and who else is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import collision_sampling as drawn
from stages.datasets.collision_sampling import FIRST_DAY, LAST_DAY, in_form
from stages.datasets.sampling import Defects, Month, SampleFile

__all__ = ["ALWAYS_QUOTED", "DEFECTS", "FIRST_DAY", "LAST_DAY", "demo", "in_form", "make_months"]

ALWAYS_QUOTED = {"POSITION_IN_VEHICLE", "PED_ACTION"}  # their values contain commas
SALT = 6

# kind of record: type, role, share of blank vehicles
KINDS = {
    "driver": ("Occupant", "Driver", 0.005),
    "passenger": ("Occupant", "Passenger", 0.01),
    "pedestrian": ("Pedestrian", "Pedestrian", 0.1),
    "cyclist": ("Bicyclist", "Driver", 0.05),
    "other rider": ("Other Motorized", "Driver", 0.05),
    "registrant": ("Occupant", "Registrant", 0.01),
    "witness": ("Occupant", "Witness", 0.97),
    "owner": ("Occupant", "Owner", 0.2),
    "notified": ("Occupant", "Notified Person", 0.9),
    "policy holder": ("Occupant", "Policy Holder", 0.2),
    "other": ("Occupant", "Other", 0.5),
}
NAMES = list(KINDS)
# records for each vehicle, and for each collision, beside those of who was hurt
UNHURT_DRIVERS, REGISTRANTS = 0.8, 0.64
UNHURT_PASSENGERS = [0.84, 0.1, 0.04, 0.02]
NAMED_ONLY = {"witness": 0.06, "owner": 0.012, "notified": 0.006, "policy holder": 0.003, "other": 0.002}

EJECTION = {
    "Not Ejected": 96,
    "Ejected": 1.6,
    "Partially Ejected": 0.3,
    "Trapped": 0.4,
    "Does Not Apply": 1,
    "Unknown": 0.7,
}
EQUIPMENT = {
    "Lap Belt & Harness": 60, "Unknown": 16, "Lap Belt": 10, "None": 4, "Other": 2.5, "Child Restraint Only": 2,
    "Air Bag Deployed/Lap Belt/Harness": 2, "Air Bag Deployed": 1.2, "Harness": 0.6, "Air Bag Deployed/Lap Belt": 0.5,
    "Air Bag Deployed/Child Restraint": 0.1, "Helmet (Motorcycle Only)": 0.8, "-": 0.1, "17": 0.05,
}  # fmt: skip
BIKE_EQUIPMENT = {
    "None": 45, "Helmet Only (In-Line Skater/Bicyclist)": 30, "Unknown": 20,
    "Helmet/Other (In-Line Skater/Bicyclist)": 4, "Pads Only (In-Line Skater/Bicyclist)": 0.5,
    "Stoppers Only (In-Line Skater/Bicyclist)": 0.5,
}  # fmt: skip
SEATS = {
    "Front passenger, if two or more persons, including the driver, are in the front seat": 46,
    "Right rear passenger or motorcycle sidecar passenger": 22,
    "Left rear passenger, or rear passenger on a bicycle, motorcycle, snowmobile": 15,
    "Middle rear seat, or passenger lying across a seat": 6, "Middle front seat, or passenger lying across a seat": 4,
    "Any person in the rear of a station wagon, pick-up truck, all passengers on a bus, etc": 5, "Unknown": 1.5,
    "Riding/Hanging on Outside": 0.2, "If one person is seated on another person's lap": 0.3, "10": 0.05,
}  # fmt: skip
EMOTION = {
    "Conscious": 93, "Shock": 3, "Unknown": 1.5, "Unconscious": 1, "Semiconscious": 0.6, "Incoherent": 0.6,
    "Does Not Apply": 0.3,
}  # fmt: skip
BODY = {
    "Back": 17, "Neck": 16, "Knee-Lower Leg Foot": 16, "Head": 15, "Entire Body": 8, "Elbow-Lower-Arm-Hand": 7,
    "Shoulder - Upper Arm": 6, "Unknown": 4, "Chest": 3, "Hip-Upper Leg": 3, "Face": 2.5, "Abdomen - Pelvis": 2,
    "Eye": 0.3, "Does Not Apply": 0.2,
}  # fmt: skip
COMPLAINT = {
    "Complaint of Pain or Nausea": 40, "Complaint of Pain": 20, "None Visible": 12, "Internal": 6, "Minor Bleeding": 5,
    "Contusion - Bruise": 4, "Abrasion": 4, "Whiplash": 3.5, "Unknown": 2, "Fracture - Distorted - Dislocation": 1.5,
    "Concussion": 1, "Severe Bleeding": 0.6, "Severe Lacerations": 0.3, "Crush Injuries": 0.2, "Minor Burn": 0.1,
}  # fmt: skip
PLACE = {
    "Pedestrian/Bicyclist/Other Pedestrian at Intersection": 62,
    "Pedestrian/Bicyclist/Other Pedestrian Not at Intersection": 33, "Unknown": 3, "Does Not Apply": 2,
}  # fmt: skip
ACTION = {
    "Crossing With Signal": 34, "Crossing, No Signal, or Crosswalk": 15, "Crossing Against Signal": 12,
    "Other Actions in Roadway": 10, "Not in Roadway": 7, "Crossing, No Signal, Marked Crosswalk": 6, "Unknown": 6,
    "Emerging from in Front of/Behind Parked Vehicle": 3, "Riding/Walking Along Highway With Traffic": 2,
    "Working in Roadway": 1, "Getting On/Off Vehicle Other Than School Bus": 1.5, "Playing in Roadway": 0.5,
    "Pushing/Working on Car": 0.5, "Riding/Walking Along Highway Against Traffic": 0.5, "Does Not Apply": 1,
    "Going to/From Stopped School Bus": 0.1, "15": 0.05,
}  # fmt: skip
FACTOR = {
    "Unspecified": 88,
    "Pedestrian/Bicyclist/Other Pedestrian Error/Confusion": 10,
    "Driver Inattention/Distraction": 2,
}

DEFECTS: Defects = {
    "id_missing": [{"UNIQUE_ID": None}],
    "id_malformed": [{"UNIQUE_ID": "10A55054"}, {"UNIQUE_ID": "n/a"}],
    "date_missing": [{"CRASH_DATE": None}],
    "date_impossible": [{"CRASH_DATE": "02/30/2025"}, {"CRASH_DATE": "13/07/2025"}],
    "time_impossible": [{"CRASH_TIME": "24:75"}, {"CRASH_TIME": "noon"}],
    "reference_malformed": [{"COLLISION_ID": "unknown"}, {"VEHICLE_ID": "unit 2"}],
    "age_impossible": [{"PERSON_AGE": "-1"}, {"PERSON_AGE": "9999"}],
    "fields_missing": [{}],
    "fields_extra": [{}],
}


def make_rows(rng: np.random.Generator, collisions: pa.Table, days: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The persons of some collisions, as text in portal columns (null is a blank field), and which collision each is
    of. Whom a collision counts as hurt is there once.
    """
    of, kind, slot, harm = who(rng, collisions)
    size = len(of)
    numbers = drawn.collision_numbers(collisions)[of]
    days = days[of]

    def is_of(*names: str) -> np.ndarray:
        return np.isin(kind, [NAMES.index(name) for name in names])

    inside, walking = is_of("driver", "passenger"), is_of("pedestrian", "cyclist")
    present = inside | walking | is_of("other rider")
    hurt = harm > 0
    types, roles, no_vehicle = zip(*KINDS.values(), strict=True)
    no_age = rng.random(size) < np.where(present, 0.04, 0.2)
    age = np.where(
        ~is_of("driver") & (rng.random(size) < 0.08),
        rng.integers(0, 12, size),
        np.clip(rng.normal(40, 16, size), 15, 96),
    ).astype(int)
    sex = rng.random(size)
    seat = drawn.choose(rng, SEATS, size, ~is_of("passenger"))
    belts = drawn.choose(rng, EQUIPMENT, size, ~inside)
    details = drawn.choose(rng, {"Does Not Apply": 1}, size, ~inside | hurt)  # of who was not hurt

    def of_hurt(menu: dict[str, float]) -> pa.Array:
        return pc.coalesce(details, drawn.choose(rng, menu, size, ~hurt))

    columns = {
        "UNIQUE_ID": pc.cast(pa.array(numbers * drawn.PERSONS_EACH + drawn.within(of)), pa.string()),
        "COLLISION_ID": drawn.references(rng, numbers),
        "CRASH_DATE": collisions["CRASH DATE"].combine_chunks().take(pa.array(of)),
        "CRASH_TIME": collisions["CRASH TIME"].combine_chunks().take(pa.array(of)),
        "PERSON_ID": pc.if_else(pa.array(rng.random(size) < 4e-6), None, drawn.uuids(rng, size)),
        "PERSON_TYPE": pa.array(types).take(pa.array(kind)),
        "PERSON_INJURY": pa.array(["Unspecified", "Injured", "Killed"]).take(pa.array(harm)),
        "VEHICLE_ID": drawn.references(
            rng, numbers * drawn.VEHICLES_EACH + slot, rng.random(size) < np.array(no_vehicle)[kind]
        ),
        "PERSON_AGE": drawn.stated(age.astype(str).tolist(), no_age),
        "EJECTION": drawn.choose(rng, EJECTION, size, ~inside),
        "EMOTIONAL_STATUS": pc.if_else(pa.array(harm == 2), "Apparent Death", of_hurt(EMOTION)),
        "BODILY_INJURY": of_hurt(BODY),
        "POSITION_IN_VEHICLE": pc.if_else(pa.array(is_of("driver")), "Driver", seat),
        "SAFETY_EQUIPMENT": pc.coalesce(belts, drawn.choose(rng, BIKE_EQUIPMENT, size, ~is_of("cyclist"))),
        "PED_LOCATION": drawn.choose(rng, PLACE, size, ~walking),
        "PED_ACTION": drawn.choose(rng, ACTION, size, ~walking),
        "COMPLAINT": of_hurt(COMPLAINT),
        "PED_ROLE": pa.array(roles).take(pa.array(kind)),
        "CONTRIBUTING_FACTOR_1": drawn.choose(rng, FACTOR, size, ~walking),
        "CONTRIBUTING_FACTOR_2": drawn.choose(rng, {"Unspecified": 1}, size, ~walking),
        "PERSON_SEX": drawn.stated(
            np.select([sex < 0.58, sex < 0.92], ["M", "F"], "U").tolist(), rng.random(size) < 0.11
        ),
    }
    return pa.table(columns), of


def who(rng: np.random.Generator, collisions: pa.Table) -> tuple[np.ndarray, ...]:
    """One entry per person, in the order of the collisions: collision, kind, slot of the vehicle, harm (0 none,
    1 injured, 2 killed).
    """
    count = len(collisions)
    every = np.arange(count)
    vehicles = drawn.vehicles_of(collisions)
    parts: list[tuple[np.ndarray, str, np.ndarray, int]] = []
    driven = np.zeros(count, dtype=int)  # how many vehicles have a driver who was hurt
    for harm, done in ((2, "KILLED"), (1, "INJURED")):
        published = {"pedestrian": "PEDESTRIANS", "cyclist": "CYCLIST", "driver": "MOTORIST"}
        groups = {name: drawn.counts_of(collisions, f"NUMBER OF {group} {done}") for name, group in published.items()}
        groups["other rider"] = np.maximum(
            0, drawn.counts_of(collisions, f"NUMBER OF PERSONS {done}") - sum(groups.values())
        )
        for name, counts in groups.items():
            of = np.repeat(every, counts)
            number = drawn.within(of)
            if name == "driver":  # first the drivers, vehicle by vehicle, then passengers
                at = number + driven[of]
                is_driver = at < vehicles[of]
                parts += [
                    (of[is_driver], "driver", at[is_driver] + 1, harm),
                    (of[~is_driver], "passenger", at[~is_driver] % vehicles[of[~is_driver]] + 1, harm),
                ]
                driven = np.minimum(driven + counts, vehicles)
            else:
                parts.append((of, name, np.ones(len(of), dtype=int), harm))
    of = np.repeat(every, vehicles)
    slot = drawn.within(of) + 1
    unhurt = (slot > driven[of]) & (rng.random(len(of)) < UNHURT_DRIVERS)
    registered = rng.random(len(of)) < REGISTRANTS
    riding = rng.choice(len(UNHURT_PASSENGERS), len(of), p=UNHURT_PASSENGERS)
    parts += [
        (of[unhurt], "driver", slot[unhurt], 0),
        (of[registered], "registrant", slot[registered], 0),
        (np.repeat(of, riding), "passenger", np.repeat(slot, riding), 0),
    ]
    for name, share in NAMED_ONLY.items():
        named = every[rng.random(count) < share]
        parts.append((named, name, np.ones(len(named), dtype=int), 0))
    entries = [
        (of, np.full(len(of), NAMES.index(name)), slot, np.full(len(of), harm)) for of, name, slot, harm in parts
    ]
    columns = [np.concatenate(column) for column in zip(*entries, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def make_months(rows: int, start: date, end: date, seed: int) -> Iterator[Month]:
    """The persons of the sample's collisions of `[start, end)`, of which there are `rows`, month by month."""
    return drawn.make_months(make_rows, rows, start, end, seed, salt=SALT)


def demo(seed: int) -> Iterator[SampleFile]:
    """The persons of the demo's collisions."""
    return drawn.demo("persons", make_months, DEFECTS, seed)
