"""pandas over Arrow: several months at a time, whose columns repeat few values many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.lake.parquet import grouped
from stages.lake.scope import month_name
from stages.lake.tally import Sources


def per_value(column: pd.Series, function: Callable[[Any], object], kind: pa.DataType) -> pd.Series:
    """Apply `function` to each distinct value of a column; a null stays null. Text stays dictionary-encoded."""
    return over_values(column, lambda values: pa.array([function(value) for value in values.to_pylist()], kind))


def over_values(column: pd.Series, function: Callable[[pa.Array], pa.Array]) -> pd.Series:
    """Apply `function` to the distinct values of a column, all at once, as `per_value` does one by one."""
    coded = _coded(column)
    mapped = function(coded.dictionary)
    if mapped.type == pa.string():
        values = pc.dictionary_encode(mapped)  # several values may have become one
        result = pa.DictionaryArray.from_arrays(values.indices.take(coded.indices), values.dictionary)
    else:
        result = mapped.take(coded.indices)
    return pd.Series(result, index=column.index, dtype=pd.ArrowDtype(result.type))


def distinct(column: pd.Series) -> pa.Array:
    """The distinct values of a column without null, in no particular order."""
    return _coded(column).dictionary


def differ(column: pd.Series, some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether the values at some positions differ from those at others, pair by pair; unknown equals unknown."""
    if not is_dictionary(column):
        values = pa.array(column)
        return _unequal(values.take(some), values.take(others))
    coded = _coded(column)
    left, right = coded.indices.take(some), coded.indices.take(others)
    found = _unequal(left, right)
    if (at := np.flatnonzero(found)).size:  # a dictionary may have a value twice
        found[at] = _unequal(coded.dictionary.take(left.take(at)), coded.dictionary.take(right.take(at)))
    return found


def _unequal(left: pa.Array, right: pa.Array) -> np.ndarray:
    unequal = pc.fill_null(pc.not_equal(left, right), False)
    return np.array(pc.or_(unequal, pc.xor(left.is_null(), right.is_null())), dtype=bool)


def with_own_values(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows, but the dictionaries of coded text have only the values that occur: few rows of many then cost
    little to work on.
    """
    found: dict[str, pd.Series] = {}
    for name, column in frame.items():
        if is_dictionary(column):
            coded = _coded(column)
            used = pc.dictionary_encode(coded.indices)
            values = pa.DictionaryArray.from_arrays(used.indices, coded.dictionary.take(used.dictionary))
            found[str(name)] = pd.Series(values, index=frame.index, dtype=pd.ArrowDtype(values.type))
    return frame.assign(**found)


def is_dictionary(column: pd.Series) -> bool:
    """Whether a column of text is dictionary-encoded."""
    return isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_dictionary(column.dtype.pyarrow_dtype)


def matching(text: pd.Series, pattern: str) -> pd.Series:
    """Text that matches the (RE2) pattern; other text becomes unknown."""
    return text.where(text.str.contains(pattern, regex=True).fillna(False))


def mask(condition: pd.Series) -> np.ndarray:
    """A condition for each row as a numpy array; unknown counts as false."""
    return condition.fillna(False).to_numpy(dtype=bool)


def sources(rows: pd.DataFrame) -> Sources:
    """The landed file of each row."""
    coded = _coded(rows["source"])
    return Sources(coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist())


def by_month(frame: pd.DataFrame) -> dict[str, pa.Table]:
    """Split rows by their `month`, which is left out: YYYY-MM → its rows, in their order."""
    codes = frame["month"].to_numpy(dtype=np.int64)
    table = pa.Table.from_pandas(frame.drop(columns="month"), preserve_index=False)
    return {month_name(code): rows for code, rows in grouped(table, codes)}


def record_numbers(frame: pd.DataFrame, key: str) -> np.ndarray:
    """A number for each record in its month, equal for rows with the same `month` and key.

    The key is text, or a whole number from 0 to 10**13.
    """
    values = frame[key]
    if pd.api.types.is_integer_dtype(values.dtype):
        keys = values.to_numpy(dtype=np.int64)
    else:
        keys = np.unique(values.to_numpy(dtype=object), return_inverse=True)[1]
    numbers: np.ndarray = frame["month"].to_numpy(dtype=np.int64) * 10**13 + keys
    return numbers


def has_repeats(numbers: np.ndarray) -> bool:
    """Whether a number occurs twice; several times as fast as np.unique, which hashes."""
    ordered = np.sort(numbers)
    return bool((ordered[1:] == ordered[:-1]).any())


def _coded(column: pd.Series) -> pa.DictionaryArray:
    values = pa.array(column)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
