"""Which days and months the data hold, so that the page does not take what is missing for zero.

It is decided over the whole city, whatever the filter: a borough may have a day without collisions, the city has none.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np

BUSY = 0.9  # the share of days that have no more collisions than a busy one
ENOUGH = 1 / 12  # of a busy day's collisions: fewer than a quiet day has, more than most stray records make
MISSING_DAYS = 2  # that a whole month may lack
NOTHING, PART, WHOLE, NOT_OVER = range(4)  # what the data hold of a month


def days(collisions: np.ndarray) -> np.ndarray:
    """Whether each day is held, by its number of collisions; a few stray records do not make a day."""
    some = collisions[collisions > 0]
    return collisions >= max(1.0, ENOUGH * float(np.quantile(some, BUSY)) if len(some) else 1.0)


def months(collisions: np.ndarray, first_year: int, years: int) -> np.ndarray:
    """What is held of each month, of the collisions by day from the first January to the newest day.

    WHOLE: all days but MISSING_DAYS at most. NOT_OVER: the same of the newest month, up to its newest day.
    """
    held = days(collisions)
    found = np.full(years * 12, NOTHING, dtype=np.uint8)
    january = np.datetime64(f"{first_year:04}-01")
    starts = (january + np.arange(len(found) + 1)).astype("datetime64[D]") - january.astype("datetime64[D]")
    for month, (first, after) in enumerate(pairwise(starts.astype(int).tolist())):
        if not collisions[first:after].any():
            continue
        there = held[first:after]
        if not there.any() or (~there).sum() > MISSING_DAYS:
            found[month] = PART
        else:
            found[month] = WHOLE if after <= len(held) else NOT_OVER
    return found


def weekdays(collisions: np.ndarray, first_year: int, years: int) -> np.ndarray:
    """How many days are held, by year and day of the week, 0 for Monday."""
    found = np.zeros((years, 7), dtype=np.uint32)
    first = np.datetime64(f"{first_year:04}-01-01")
    at = np.flatnonzero(days(collisions))
    year = (first + at).astype("datetime64[Y]") - first.astype("datetime64[Y]")
    np.add.at(found, (year.astype(int), (at + date(max(1, first_year), 1, 1).weekday()) % 7), 1)
    return found
