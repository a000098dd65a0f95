"""Clean persons → persons under standard names, with the keys of their dimensions and who is a casualty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from stages.datasets.naming import check_unique, combined_key, factors, named
from stages.datasets.persons.columns import KEYS, PERSONS
from stages.datasets.persons.menus import NOT_CASUALTIES, restraint
from stages.lake.frames import mask, per_value

FACTORS = ["contributing_factor_1", "contributing_factor_2"]
HARM = frozenset({"Injured", "Killed", "Unspecified"})


def curate(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Clean rows of some months → `persons`."""
    check_unique(rows, "unique_id", "persons")
    standard = named(rows, PERSONS)
    may_be = can_be_casualty(standard["role"])
    found: dict[str, pd.Series | np.ndarray] = {
        **standard,
        **{name: combined_key(rows, columns) for name, columns in KEYS.items()},
        **factors(rows, (1, 2)),
        "restraint": per_value(standard["safety_equipment"], restraint, pa.string()),
        "can_be_casualty": may_be,
        "injured": _is(standard["injury"], "Injured", may_be),
        "killed": _is(standard["injury"], "Killed", may_be),
    }
    return {"persons": rows.drop(columns=FACTORS).assign(**found)}


def can_be_casualty(roles: pd.Series) -> np.ndarray:
    """Whether a person of that standard role can be a casualty; one whose role is not known can."""
    return ~mask(per_value(roles, NOT_CASUALTIES.__contains__, pa.bool_()))


def _is(injuries: pd.Series, injury: str, may_be: np.ndarray) -> pd.Series:
    """1 or 0; unknown where the source says nothing that is understood. `Unspecified` is its word for unhurt."""
    said = per_value(injuries, lambda name: int(name == injury) if name in HARM else None, pa.int8())
    return said.where(may_be, 0)
