"""Generated crashes, shaped like the published ones. Nothing is copied: every row is drawn from the vocabularies and
rates below. The quirks of the published files are always there: blanks at their rates, (0,0) coordinates, padded street
names, free-text vehicle types.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.boroughs import NAMES, of_the_city
from stages.datasets.sampling import Defects, Month, SampleFile, api_dates, join, morning, pick, revise, spoil, words

FIRST_DAY = date(2012, 7, 1)  # the published files begin here; collision ids count from it
LAST_DAY = date(2026, 6, 1)

# Crashes a day, roughly as published: they halved in 2020 and stayed low.
DAILY_RATE = dict.fromkeys(range(2012, 2020), 600) | {
    2020: 310, 2021: 300, 2022: 285, 2023: 265, 2024: 250, 2025: 230, 2026: 215,
}  # fmt: skip
WEEKDAY_RATE = np.array([0.99, 1.02, 1.02, 1.03, 1.13, 0.96, 0.85])
HOUR_RATE = [3, 2, 1.5, 1.3, 1.4, 1.6, 2.3, 3, 5.5, 5.2, 5, 5.2, 5.5, 5.8, 6.8, 6.3, 7.2, 7, 6.4, 5.2, 4.4, 3.8, 3.6, 3]

# borough -> share, (south, north), (west, east) of where its crashes are drawn from, ranges of ZIP codes
BOROUGHS = {
    "BROOKLYN": (0.32, (40.58, 40.73), (-74.02, -73.87), [(11201, 11239)]),
    "QUEENS": (
        0.27,
        (40.67, 40.78),
        (-73.93, -73.73),
        [(11101, 11106), (11354, 11385), (11411, 11436), (11691, 11694)],
    ),
    "MANHATTAN": (0.21, (40.71, 40.86), (-74.01, -73.94), [(10001, 10040)]),
    "BRONX": (0.16, (40.81, 40.90), (-73.92, -73.80), [(10451, 10475)]),
    "STATEN ISLAND": (0.04, (40.52, 40.64), (-74.22, -74.08), [(10301, 10314)]),
}
STREETS = [
    *(f"{number} {kind}" for kind in ("AVENUE", "STREET") for number in range(1, 220)),
    *(f"{side} {number} STREET" for side in ("EAST", "WEST") for number in range(1, 200)),
    *(f"{name} {kind}" for kind in ("AVENUE", "STREET", "ROAD", "PLACE", "BOULEVARD") for name in (
        "ATLANTIC", "BEDFORD", "BROAD", "CANAL", "CEDAR", "CHESTNUT", "CHURCH", "CLARK", "CLINTON", "COURT", "CYPRESS",
        "DEAN", "DELANCEY", "DIVISION", "ELM", "FLATBUSH", "FOREST", "FRANKLIN", "FULTON", "GRAND", "GREENE", "HENRY",
        "HILLSIDE", "HOUSTON", "HUDSON", "JAMAICA", "JEROME", "LAFAYETTE", "LEXINGTON", "LIBERTY", "LINDEN", "MADISON",
        "MAIN", "MYRTLE", "NORTHERN", "NOSTRAND", "OCEAN", "PARK", "PROSPECT", "QUEENS", "RICHMOND", "ROCKAWAY",
        "RIVER", "SPRING", "SURF", "TREMONT", "UNION", "VERNON", "VICTORY", "WALL", "WASHINGTON", "WATER", "WOODHAVEN",
    )),
]  # fmt: skip
HIGHWAYS = [
    "BELT PARKWAY", "BROOKLYN QUEENS EXPRESSWAY", "CROSS BRONX EXPY", "CROSS ISLAND PARKWAY", "FDR DRIVE",
    "GRAND CENTRAL PKWY", "HENRY HUDSON PARKWAY", "LONG ISLAND EXPRESSWAY", "MAJOR DEEGAN EXPRESSWAY",
    "QUEENSBORO BRIDGE UPPER", "STATEN ISLAND EXPRESSWAY", "VAN WYCK EXPWY", "Whitestone expressway",
    "verrazano bridge",
]  # fmt: skip

FACTORS = {
    "Unspecified": 25, "Driver Inattention/Distraction": 22, "Failure to Yield Right-of-Way": 7,
    "Following Too Closely": 7, "Passing or Lane Usage Improper": 4, "Passing Too Closely": 4, "Backing Unsafely": 3.5,
    "Unsafe Speed": 3.2, "Other Vehicular": 3, "Traffic Control Disregarded": 2.5, "Turning Improperly": 2.3,
    "Unsafe Lane Changing": 2.2, "Pavement Slippery": 2, "Driver Inexperience": 2, "Alcohol Involvement": 1.8,
    "Reaction to Uninvolved Vehicle": 1.6, "Fatigued/Drowsy": 1, "View Obstructed/Limited": 0.8,
    "Aggressive Driving/Road Rage": 0.7, "Pedestrian/Bicyclist/Other Pedestrian Error/Confusion": 0.7,
    "Brakes Defective": 0.4, "Oversized Vehicle": 0.4, "Fell Asleep": 0.4, "Steering Failure": 0.2,
    "Obstruction/Debris": 0.2, "Glare": 0.2, "Illnes": 0.15, "Illness": 0.05, "Lost Consciousness": 0.15,
    "Outside Car Distraction": 0.15, "Passenger Distraction": 0.15, "Tire Failure/Inadequate": 0.1,
    "Driverless/Runaway Vehicle": 0.1, "Pavement Defective": 0.1, "Accelerator Defective": 0.1, "Drugs (illegal)": 0.05,
    "Drugs (Illegal)": 0.03, "Failure to Keep Right": 0.05, "Animals Action": 0.05, "Physical Disability": 0.04,
    "Cell Phone (hand-Held)": 0.03, "Cell Phone (hand-held)": 0.02, "Traffic Control Device Improper/Non-Working": 0.03,
    "Lane Marking Improper/Inadequate": 0.02, "Headlights Defective": 0.02, "Tinted Windows": 0.01,
    "Eating or Drinking": 0.01, "Prescription Medication": 0.01, "Other Lighting Defects": 0.01,
    "Tow Hitch Defective": 0.01, "Texting": 0.01, "80": 0.005, "1": 0.005,
}  # fmt: skip

# Menu values, and the menu until mid-2016. Officers also type in their own words, cut at ten characters.
VEHICLES = {
    "Sedan": 47, "Station Wagon/Sport Utility Vehicle": 36, "Taxi": 3.2, "Pick-up Truck": 2.4, "Bus": 2,
    "Box Truck": 1.9, "Bike": 1.4, "E-Bike": 0.8, "Tractor Truck Diesel": 0.8, "Van": 0.7, "Ambulance": 0.5,
    "E-Scooter": 0.5, "Motorcycle": 0.5, "Moped": 0.4, "Garbage or Refuse": 0.3, "Dump": 0.3, "PK": 0.3,
    "Convertible": 0.2, "Flat Bed": 0.2, "Carry All": 0.1, "Tanker": 0.1, "Chassis Cab": 0.1,
    "Tow Truck / Wrecker": 0.1, "Concrete Mixer": 0.05, "3-Door": 0.03, "4 dr sedan": 0.05, "Motorscooter": 0.05,
    "Refrigerated Van": 0.03, "Armored Truck": 0.03,
}  # fmt: skip
OLD_VEHICLES = {
    "PASSENGER VEHICLE": 58, "SPORT UTILITY / STATION WAGON": 25, "TAXI": 4.5, "VAN": 2.5, "OTHER": 2.5, "UNKNOWN": 2,
    "PICK-UP TRUCK": 1.5, "SMALL COM VEH(4 TIRES)": 1.3, "LARGE COM VEH(6 OR MORE TIRES)": 1.2, "BUS": 1.2,
    "LIVERY VEHICLE": 1, "BICYCLE": 0.9, "MOTORCYCLE": 0.7, "AMBULANCE": 0.3, "FIRE TRUCK": 0.1, "SCOOTER": 0.05,
}  # fmt: skip
TYPED_VEHICLES = sorted({
    case(words)[:10]
    for case in (str.upper, str.lower, str.capitalize)
    for words in (
        "ambulance", "ambu", "fire truck", "firetruck", "fdny engine", "fdny ladder", "pick-up truck", "pick up truck",
        "school bus", "delivery truck", "delv", "usps truck", "mail truck", "box truck", "tow truck", "forklift",
        "backhoe", "motor scooter", "moped", "e-scooter", "e-bike", "electric bike", "minibike", "dirt bike", "trailer",
        "limo", "rv", "suburban", "van camper", "utility vehicle", "street sweeper", "power shovel", "golf cart",
        "unknown", "unk", "n/a", "999", "com", "passenger", "tractor", "truck", "flatbed", "cement truck",
        "horse carriage", "pedicab", "skateboard",
    )
})  # fmt: skip
TYPED_SHARE = 0.012

# What `--defects` does to a row: kind -> its variants, each column by column. The two `fields_` kinds break the line.
DEFECTS: Defects = {
    "id_missing": [{"COLLISION_ID": None}],
    "id_malformed": [{"COLLISION_ID": "47A1093"}, {"COLLISION_ID": "n/a"}],
    "date_missing": [{"CRASH DATE": None}],
    "date_impossible": [{"CRASH DATE": "02/30/2025"}, {"CRASH DATE": "13/07/2025"}],
    "time_impossible": [{"CRASH TIME": "24:75"}, {"CRASH TIME": "noon"}],
    "count_negative": [{"NUMBER OF PERSONS INJURED": "-1"}, {"NUMBER OF CYCLIST INJURED": "-3"}],
    "count_absurd": [{"NUMBER OF PERSONS KILLED": "9999"}, {"NUMBER OF PERSONS INJURED": "1000000"}],
    "count_blank": [{"NUMBER OF PERSONS INJURED": None}, {"NUMBER OF PERSONS KILLED": None}],
    "coordinates_outside": [
        {"LATITUDE": "42.360082", "LONGITUDE": "-71.05888", "LOCATION": "(42.360082, -71.05888)"},
        {"LATITUDE": "40.66", "LONGITUDE": "-201.23706", "LOCATION": "(40.66, -201.23706)"},
    ],
    "coordinates_zero": [{"LATITUDE": "0", "LONGITUDE": "0", "LOCATION": "(0.0, 0.0)"}],
    "replacement_character": [{"ON STREET NAME": "PE\ufffdA BOULEVARD"}],
    "delete_character": [{"ON STREET NAME": "CANAL STREET\x7f"}],
    "fields_missing": [{}],
    "fields_extra": [{}],
}
DEMO_DEFECTS_EACH = 2
ALWAYS_QUOTED = {"LOCATION"}  # by the portal's older form too


@cache
def make_places(seed: int, size: int = 250_000) -> pa.Table:
    """The crossings where crashes happen: a crossing's borough, ZIP code, coordinates and streets go together."""
    rng = np.random.default_rng([seed, 1])
    shares, south_north, west_east, zips = zip(*BOROUGHS.values(), strict=True)
    borough = pick(rng, size, shares)
    codes = [np.concatenate([np.arange(low, high + 1) for low, high in ranges]) for ranges in zips]
    zip_code = np.select([borough == b for b in range(len(codes))], [rng.choice(c, size) for c in codes])
    # Coordinates are published with five or six decimals; a third have fewer figures.
    digits = np.where(rng.random(size) < 0.65, 1e6, 1e5)
    low, high = np.array([south_north, west_east])[:, borough].transpose(2, 0, 1)
    numbers = np.array([NAMES.index(name.title()) for name in BOROUGHS])[borough]
    degrees = np.zeros((2, size))
    left = np.arange(size)
    while len(left):  # those that have fallen into another borough, or into the water
        degrees[:, left] = np.round(rng.uniform(low[:, left], high[:, left]) * digits[left]) / digits[left]
        left = left[of_the_city().containing(*degrees[:, left]) != numbers[left]]
    latitude, longitude = (pc.cast(pa.array(each), pa.string()) for each in degrees)
    highway = rng.random(size) < 0.12
    streets = STREETS + HIGHWAYS
    street = np.where(highway, len(STREETS) + rng.integers(0, len(HIGHWAYS), size), rng.integers(0, len(STREETS), size))
    return pa.table(
        {
            "borough": words(BOROUGHS, borough),
            "zip": pc.cast(pa.array(zip_code), pa.string()),
            "latitude": latitude,
            "longitude": longitude,
            "street": words(streets, street),
            "cross": words(STREETS, rng.integers(0, len(STREETS), size)),
        }
    )


def make_ids(rng: np.random.Generator, days: np.ndarray, slots: int) -> np.ndarray:
    """Unique ids that do not follow the date: each day owns `slots` numbers, and a number's slot says how many days
    late it was given out. So files of different days never share an id, whenever they were generated."""
    counts = np.unique(days, return_counts=True)[1]
    slot = np.concatenate([rng.permutation(slots)[:count] for count in counts])
    late = np.array([0, 0, 0, 1, 1, 2, 3, 5, 9, 30])[slot % 10]
    since = (days - np.datetime64(FIRST_DAY)).astype(int)
    ids: np.ndarray = 1_000_000 + (since + late) * slots + slot
    return ids


def make_rows(rng: np.random.Generator, days: np.ndarray, places: pa.Table, slots: int) -> pa.Table:
    """One row a day given, as text in portal columns; null is a blank field."""
    size = len(days)
    of_day, day = np.unique(days, return_inverse=True)

    minute_rate = [6 if m == 0 else 3 if m in (15, 30, 45) else 2 if m % 5 == 0 else 0.7 for m in range(60)]
    time_rate = np.outer(HOUR_RATE, minute_rate).ravel()
    time_rate[0] *= 5  # midnight also stands for "not known"
    times = [f"{hour}:{minute:02}" for hour in range(24) for minute in range(60)]

    place = places.take(pa.array((len(places) * rng.random(size) ** 2).astype(int)))
    no_borough = rng.random(size) < 0.31
    no_coordinates = rng.random(size) < np.where(no_borough, 0.24, 0.04)
    zero = ~no_coordinates & (rng.random(size) < 0.0026)
    latitude = pc.if_else(no_coordinates, None, pc.if_else(zero, "0", place["latitude"]))
    longitude = pc.if_else(no_coordinates, None, pc.if_else(zero, "0", place["longitude"]))
    location = pc.if_else(zero, "(0.0, 0.0)", join("(", latitude, ", ", longitude, ")"))

    # A crash is at a crossing, somewhere on a street, or at an address (house number and street parted by many spaces).
    where = pick(rng, size, [0.52, 0.26, 0.22])
    house = [f"{number}" for number in range(1, 900)] + [
        f"{number // 40}-{number % 40:02}" for number in range(700, 4700, 7)
    ]
    address = join(pc.ascii_rpad(words(house, rng.integers(0, len(house), size)), 10), place["street"])
    # Older rows fill the fields with spaces; of the newer ones a few still do.
    padded = rng.random(size) < np.where(days < np.datetime64("2019-01-01"), 0.28, 0.01)
    on = pc.if_else(padded, pc.ascii_rpad(place["street"], 32), place["street"])
    off = pc.if_else(padded, pc.ascii_rpad(address, 40), address)

    pedestrians = pick(rng, size, [0.917, 0.079, 0.0035, 0.0005])
    cyclists = pick(rng, size, [0.976, 0.0236, 0.0004])
    motorists = pick(rng, size, [0.81, 0.128, 0.042, 0.014, 0.004, 0.0014, 0.0006])
    other_riders = pick(rng, size, [0.985, 0.015])  # e-scooters and the like count as persons only
    killed = [pick(rng, size, weights) for weights in ([0.9993, 0.0007], [0.9999, 0.0001], [0.9994, 0.0005, 0.0001])]
    numbers = [str(number) for number in range(20)]
    no_injured, no_killed = rng.random((2, size)) < [[8e-6], [14e-6]]

    # Vehicles fill the slots from the left; a type or a factor may be missing alone.
    vehicles = 1 + pick(rng, size, [0.245, 0.66, 0.07, 0.018, 0.007])
    old = days < np.datetime64("2016-06-01")
    menus = [*VEHICLES, *OLD_VEHICLES, *TYPED_VEHICLES]
    factors: dict[str, pa.Array] = {}
    types: dict[str, pa.Array] = {}
    for slot in range(1, 6):
        absent = vehicles < slot
        # Mostly the first vehicle is the one at fault.
        factor = pick(rng, size, list(FACTORS.values()))
        factor = factor if slot == 1 else np.where(rng.random(size) < 0.8, 0, factor)
        no_factor = absent | (rng.random(size) < (0.005 if slot == 1 else 0.02))
        factors[f"CONTRIBUTING FACTOR VEHICLE {slot}"] = words(FACTORS, factor, no_factor)
        menu = np.where(
            old, len(VEHICLES) + pick(rng, size, list(OLD_VEHICLES.values())), pick(rng, size, list(VEHICLES.values()))
        )
        typed = len(VEHICLES) + len(OLD_VEHICLES) + rng.integers(0, len(TYPED_VEHICLES), size)
        kind = np.where(~old & (rng.random(size) < TYPED_SHARE), typed, menu)
        no_type = absent | (rng.random(size) < (0.012 if slot == 1 else 0.12))
        types[f"VEHICLE TYPE CODE {slot}"] = words(menus, kind, no_type)

    columns = {
        "CRASH DATE": words([f"{d:%m/%d/%Y}" for d in of_day.tolist()], day),
        "CRASH TIME": words(times, pick(rng, size, time_rate)),
        "BOROUGH": pc.if_else(no_borough, None, place["borough"]),
        "ZIP CODE": pc.if_else(no_borough, None, place["zip"]),
        "LATITUDE": latitude,
        "LONGITUDE": longitude,
        "LOCATION": location,
        "ON STREET NAME": pc.if_else(where < 2, on, None),
        "CROSS STREET NAME": pc.if_else(where == 0, place["cross"], None),
        "OFF STREET NAME": pc.if_else(where == 2, off, None),
        "NUMBER OF PERSONS INJURED": words(numbers, pedestrians + cyclists + motorists + other_riders, no_injured),
        "NUMBER OF PERSONS KILLED": words(numbers, killed[0] + killed[1] + killed[2], no_killed),
        "NUMBER OF PEDESTRIANS INJURED": words(numbers, pedestrians),
        "NUMBER OF PEDESTRIANS KILLED": words(numbers, killed[0]),
        "NUMBER OF CYCLIST INJURED": words(numbers, cyclists),
        "NUMBER OF CYCLIST KILLED": words(numbers, killed[1]),
        "NUMBER OF MOTORIST INJURED": words(numbers, motorists),
        "NUMBER OF MOTORIST KILLED": words(numbers, killed[2]),
        **factors,
        "COLLISION_ID": pc.cast(pa.array(make_ids(rng, days, slots)), pa.string()),
        **types,
    }
    return pa.table(columns).combine_chunks()


def make_months(rows: int, start: date, end: date, seed: int) -> Iterator[Month]:
    """The crashes of `[start, end)` month by month, in the order of their days, so that memory stays small."""
    days = np.arange(np.datetime64(start), np.datetime64(end))
    rng = np.random.default_rng([seed, 0])
    year_rate = np.array([DAILY_RATE.get(day.year, 215) for day in days.tolist()])
    rate = year_rate * WEEKDAY_RATE[(days.astype(int) + 3) % 7] * rng.lognormal(0, 0.12, len(days))
    counts = rng.multinomial(rows, rate / rate.sum())
    slots = 1000
    while counts.max() > slots:
        slots *= 10
    places = make_places(seed)
    months = days.astype("datetime64[M]")
    for month in np.unique(months):
        chosen = months == month
        rows_days = np.repeat(days[chosen], counts[chosen])
        if len(rows_days):
            yield (
                make_rows(np.random.default_rng([seed, 2, int(month.astype(int))]), rows_days, places, slots),
                rows_days,
            )


def in_form(rows: pa.Table, form: str) -> pa.Table:
    """Portal rows with their values as a form writes them: `portal`, `quoted` or `api`."""
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    before = {"portal": "", "quoted": "    ", "api": "\n,  \n"}[form]  # how each form begins a LOCATION
    columns["LOCATION"] = join(before, columns["LOCATION"])
    if form == "api":
        columns["CRASH DATE"] = api_dates(columns["CRASH DATE"])
    return pa.table(columns)


def demo(seed: int) -> Iterator[SampleFile]:
    """The demo's set: a month, a newer extract of one of its weeks, and a few days in each other form."""
    rng = np.random.default_rng([seed, 4])
    ((month, days),) = make_months(3000, date(2025, 3, 1), date(2025, 4, 1), seed)
    week = np.flatnonzero((days >= np.datetime64("2025-03-10")) & (days < np.datetime64("2025-03-17")))

    # The newer extract: one record more, coordinates gained, one time corrected, one record moved to the day before.
    newer = month.take(pa.array(week))
    newer_days = days[week]
    retimed, moved = np.flatnonzero(newer_days == np.datetime64("2025-03-12"))[:2].tolist()
    late = int(np.flatnonzero(newer_days == np.datetime64("2025-03-14"))[0])
    nowhere = np.flatnonzero(newer["LATITUDE"].is_null())
    gained = [row for row in nowhere.tolist() if row not in (retimed, moved, late)][:12]
    places = make_places(seed).slice(0, 1000).to_pylist()
    gains = {}
    for row in gained:
        borough = newer["BOROUGH"][row].as_py()
        gains[row] = next(place for place in places if borough in {None, place["borough"]})
        places.remove(gains[row])
    newer = revise(newer, {
        "CRASH TIME": {retimed: "20:47"},
        "CRASH DATE": {moved: "03/11/2025"},
        "LATITUDE": {row: place["latitude"] for row, place in gains.items()},
        "LONGITUDE": {row: place["longitude"] for row, place in gains.items()},
        "LOCATION": {row: f"({place['latitude']}, {place['longitude']})" for row, place in gains.items()},
    })  # fmt: skip

    # Defects strike outside that week, so that what the newer extract changes stays easy to see.
    kinds = [kind for kind in DEFECTS for _ in range(DEMO_DEFECTS_EACH)]
    at = rng.choice(np.setdiff1d(np.arange(len(month)), week), len(kinds), replace=False)
    month, broken = spoil(month, at, kinds, DEFECTS)
    missing = int(week[late])  # the record that only the newer extract has
    older = pa.concat_tables([month.slice(0, missing), month.slice(missing + 1)])
    shifted = {row - (row > missing): kind for row, kind in broken.items()}
    yield SampleFile("crashes_2025-03.csv", "portal", older, morning(date(2025, 4, 1)), shifted)
    yield SampleFile(
        "crashes_2025-03-10_week_revised.csv",
        "portal",
        newer,
        morning(date(2025, 5, 20)),
        final_newline=False,  # some exports lack it
    )
    for form, rows, start, end in (
        ("quoted", 300, date(2025, 4, 1), date(2025, 4, 4)),
        ("api", 200, date(2025, 4, 4), date(2025, 4, 6)),
    ):
        table = pa.concat_tables([table for table, _ in make_months(rows, start, end, seed)])
        yield SampleFile(f"crashes_{start}_{form}.csv", form, table, morning(end))
