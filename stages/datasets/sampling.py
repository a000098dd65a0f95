"""What the datasets' samples are drawn with. A seed always gives the same rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EXTRACTION_HOUR = 10  # UTC: early morning in New York

Month = tuple[pa.Table, np.ndarray]  # rows as text in the portal's columns (null is a blank field), and each one's day
# kind → its variants, each column by column; a kind named `fields_…` breaks the line instead
Defects = Mapping[str, Sequence[Mapping[str, str | None]]]


@dataclass(frozen=True)
class SampleFile:
    """A landing file to be: portal rows, the form to write them in, and which lines to break (row → kind)."""

    name: str
    form: str
    rows: pa.Table
    extracted: datetime
    broken: Mapping[int, str] = field(default_factory=dict)
    final_newline: bool = True


def morning(day: date) -> datetime:
    """When a file that covers the days before `day` was extracted."""
    return datetime(day.year, day.month, day.day, EXTRACTION_HOUR, tzinfo=UTC)


def pick(rng: np.random.Generator, size: int, weights: object) -> np.ndarray:
    """Draw `size` positions into `weights`, each as likely as its weight."""
    bounds = np.cumsum(np.asarray(weights, dtype=float))
    positions: np.ndarray = np.searchsorted(bounds / bounds[-1], rng.random(size), side="right")
    return positions


def words(vocabulary: Collection[str], codes: np.ndarray, blank: np.ndarray | None = None) -> pa.Array:
    """The vocabulary's words at `codes`, null (a blank field) where `blank`."""
    return pa.array(list(vocabulary), pa.string()).take(pa.array(codes, mask=blank))


def join(*parts: Any) -> pa.Array:
    """Concatenate text row by row; a null part makes a null."""
    return pc.binary_join_element_wise(*parts, "")


def api_dates(dates: Any) -> pa.Array:
    """The portal's dates as the API writes them, `YYYY-MM-DDT00:00:00.000`."""
    month, day, year = (pc.utf8_slice_codeunits(dates, *span) for span in ((0, 2), (3, 5), (6, 10)))
    return join(year, "-", month, "-", day, "T00:00:00.000")


def spoil(rows: pa.Table, at: np.ndarray, kinds: Sequence[str], defects: Defects) -> tuple[pa.Table, dict[int, str]]:
    """Give row `at[i]` the defect `kinds[i]`; the second answer names the rows whose lines are to be broken."""
    changes: dict[str, dict[int, str | None]] = {}
    broken: dict[int, str] = {}
    used: dict[str, int] = {}
    for row, kind in zip(at.tolist(), kinds, strict=True):
        variants = defects[kind]
        for column, value in variants[used.get(kind, 0) % len(variants)].items():
            changes.setdefault(column, {})[row] = value
        used[kind] = used.get(kind, 0) + 1
        if kind.startswith("fields_"):
            broken[row] = kind
    return revise(rows, changes), broken


def revise(rows: pa.Table, changes: Mapping[str, Mapping[int, str | None]]) -> pa.Table:
    """Set single fields: column → row → value."""
    for column, values in changes.items():
        mask = np.zeros(len(rows), dtype=bool)
        mask[list(values)] = True
        new = pa.array([values[row] for row in sorted(values)], pa.string())
        changed = pc.replace_with_mask(rows[column].combine_chunks(), pa.array(mask), new)
        rows = rows.set_column(rows.column_names.index(column), column, changed)
    return rows
