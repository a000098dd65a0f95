"""What the samples of records within a collision share: each draws from the sample's collisions, so that all agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.crashes import sample as crashes
from stages.datasets.crashes.columns import SLOTS
from stages.datasets.sampling import Defects, Month, SampleFile, api_dates, morning, pick, spoil

FIRST_DAY, LAST_DAY = crashes.FIRST_DAY, crashes.LAST_DAY
OLD_FORM = np.datetime64("2016-06-01")  # before it few details were recorded
PERSONS_EACH, VEHICLES_EACH = 40, 10  # ids that a collision owns: of persons, of vehicles
DANGLING = 0.004  # share of references to a record that is not published
UNPUBLISHED = 400_000_000  # added to an id, it is nobody's
EXTRA_VEHICLES = [0.91, 0.06, 0.03]  # shares of collisions with 0, 1, 2 vehicles that the five slots do not name
DEMO_DEFECTS_EACH = 2
DEMO_FILES = (  # name, form, collisions, first day, day after the last: as the demo's collisions
    ("2025-03", "quoted", 3000, date(2025, 3, 1), date(2025, 4, 1)),
    ("2025-04-01_portal", "portal", 300, date(2025, 4, 1), date(2025, 4, 4)),
    ("2025-04-04_api", "api", 200, date(2025, 4, 4), date(2025, 4, 6)),
)

Make = Callable[[np.random.Generator, pa.Table, np.ndarray], tuple[pa.Table, np.ndarray]]


def make_months(make: Make, rows: int, start: date, end: date, seed: int, *, salt: int) -> Iterator[Month]:
    """Month by month what `make` draws from the collisions of `[start, end)`: rows, and which collision each is of."""
    for number, (collisions, days) in enumerate(crashes.make_months(rows, start, end, seed)):
        rng = np.random.default_rng([seed, salt, number, start.toordinal()])
        made, of = make(rng, collisions, days)
        yield made.combine_chunks(), days[of]


def demo(
    name: str, months: Callable[[int, date, date, int], Iterator[Month]], defects: Defects, seed: int
) -> Iterator[SampleFile]:
    """The demo's files of one dataset: the month has its defects, the few days in other forms have none."""
    rng = np.random.default_rng([seed, 5])
    for number, (suffix, form, rows, start, end) in enumerate(DEMO_FILES):
        table = pa.concat_tables([table for table, _ in months(rows, start, end, seed)])
        broken: Mapping[int, str] = {}
        if number == 0:
            kinds = [kind for kind in defects for _ in range(DEMO_DEFECTS_EACH)]
            table, broken = spoil(table, rng.choice(len(table), len(kinds), replace=False), kinds, defects)
        yield SampleFile(f"{name}_{suffix}.csv", form, table, morning(end), broken)


def in_form(rows: pa.Table, form: str) -> pa.Table:
    """Portal rows with their values as a form writes them: `portal`, `quoted` or `api`."""
    if form != "api":
        return rows
    number = rows.column_names.index("CRASH_DATE")
    return rows.set_column(number, "CRASH_DATE", api_dates(rows["CRASH_DATE"]))


def collision_numbers(collisions: pa.Table) -> np.ndarray:
    """The collisions' numbers."""
    numbers: np.ndarray = pc.cast(collisions["COLLISION_ID"], pa.int64()).to_numpy()
    return numbers


def vehicles_of(collisions: pa.Table) -> np.ndarray:
    """How many of the slots of each collision name a vehicle; at least one."""
    named = [
        np.asarray(
            pc.or_(
                collisions[f"VEHICLE TYPE CODE {slot}"].is_valid(),
                collisions[f"CONTRIBUTING FACTOR VEHICLE {slot}"].is_valid(),
            )
        )
        for slot in SLOTS
    ]
    vehicles: np.ndarray = np.maximum(1, np.sum(named, axis=0))
    return vehicles


def counts_of(collisions: pa.Table, column: str) -> np.ndarray:
    """A column of counts; a blank is 0 here."""
    counts: np.ndarray = pc.fill_null(pc.cast(collisions[column], pa.int64()), 0).to_numpy()
    return counts


def references(rng: np.random.Generator, ids: np.ndarray, blank: np.ndarray | None = None) -> pa.Array:
    """Ids as text, a few of which are nobody's; null where `blank`."""
    dangling = rng.random(len(ids)) < DANGLING
    return pc.cast(pa.array(ids + UNPUBLISHED * dangling, mask=blank), pa.string())


def uuids(rng: np.random.Generator, size: int) -> pa.Array:
    """Random UUIDs as text."""
    halves = rng.integers(0, 1 << 63, (size, 2), dtype=np.uint64).tolist()
    return pa.array([str(UUID(int=high << 64 | low)) for high, low in halves])


def choose(rng: np.random.Generator, menu: Mapping[str, float], size: int, blank: np.ndarray) -> pa.Array:
    """Words of a menu by their weights, null where `blank`."""
    return pa.array(list(menu), pa.string()).take(pa.array(pick(rng, size, list(menu.values())), mask=blank))


def within(groups: np.ndarray) -> np.ndarray:
    """The position of each row within its run of equal neighbours, from 0."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.diff([*starts, len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, lengths)


def stated(values: Sequence[str], blank: np.ndarray) -> pa.Array:
    """Text, null where `blank`."""
    return pc.if_else(pa.array(blank), None, pa.array(values))
