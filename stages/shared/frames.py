"""pandas over Arrow: several months at a time, whose columns repeat few values many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.shared import layers
from stages.shared.tables import grouped


def per_value(column: pd.Series, function: Callable[[Any], object], kind: pa.DataType) -> pd.Series:
    """Apply `function` to each distinct value of a column; a null stays null. Text stays dictionary-encoded."""
    coded = _coded(column)
    mapped = pa.array([function(value) for value in coded.dictionary.to_pylist()], kind)
    if kind == pa.string():
        values = pc.dictionary_encode(mapped)  # several values may have become one
        result = pa.DictionaryArray.from_arrays(values.indices.take(coded.indices), values.dictionary)
    else:
        result = mapped.take(coded.indices)
    return pd.Series(result, index=column.index, dtype=pd.ArrowDtype(result.type))


def collisions_of_months(frame: pd.DataFrame) -> np.ndarray:
    """A number for each collision in its month (ids have at most ten digits), in the order of the months."""
    month, collision = (frame[name].to_numpy(dtype=np.int64) for name in ("crash_month", "collision_id"))
    numbers: np.ndarray = month * 10**10 + collision
    return numbers


def by_month(frame: pd.DataFrame, months: Iterable[str] = ()) -> dict[str, pa.Table]:
    """Split rows by their `crash_month` (a layers.month_code), which is left out; each month keeps its order.

    One of `months` that has no rows gets a table without rows.
    """
    codes = frame["crash_month"].to_numpy(dtype=np.int64)
    table = pa.Table.from_pandas(frame.drop(columns="crash_month"), preserve_index=False)
    return {month: table.slice(0, 0) for month in months} | {
        layers.month_name(code): rows for code, rows in grouped(table, codes)
    }


def distinct(column: pd.Series) -> list[Any]:
    """The distinct values of a column, null excepted, in no order that means anything."""
    values: list[Any] = _coded(column).dictionary.to_pylist()
    return values


def _coded(column: pd.Series) -> pa.DictionaryArray:
    values = pa.array(column)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
