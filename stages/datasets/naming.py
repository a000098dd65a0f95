"""What curation of several datasets shares: published values beside their standard names, and keys of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import vocabulary
from stages.datasets.dataset import Table
from stages.errors import ContractError
from stages.lake.frames import has_repeats, per_value, record_numbers

BETWEEN = "\x1f"  # no published value contains it: padding is cut, control characters included


def named(rows: pd.DataFrame, table: Table) -> dict[str, pd.Series]:
    """For each column of a curated table that has a menu: the values as published, and their standard names."""
    found: dict[str, pd.Series] = {}
    for column in table.columns:
        if column.menu:
            found[f"{column.name}_raw"] = rows[column.name]
            found[column.name] = per_value(rows[column.name], column.menu.standard, pa.string())
    return found


def factors(rows: pd.DataFrame, numbers: Sequence[int]) -> dict[str, pd.Series]:
    """The curated columns of contributing factors, of clean columns `contributing_factor_<number>`."""
    found: dict[str, pd.Series] = {}
    for number in numbers:
        text = rows[f"contributing_factor_{number}"]
        found |= {
            f"factor_{number}_key": spelling_key(text),
            f"factor_{number}_raw": text,
            f"factor_{number}": per_value(text, vocabulary.factor, pa.string()),
            f"factor_{number}_group": per_value(text, vocabulary.factor_group, pa.string()),
        }
    return found


def spelling_key(text: pd.Series) -> pd.Series:
    """The key of each published spelling in its dimension; 0 where none is stated."""
    return per_value(text, vocabulary.key, pa.int64()).fillna(0)


def combined_key(rows: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """The key of what some columns of text say together, the same in every build; 0 where none says anything."""
    codes = np.zeros(len(rows), dtype=np.int64)
    dictionaries = []
    for name in columns:
        coded = per_value(rows[name], str, pa.string())
        values = pa.array(coded)
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        texts = ["", *values.dictionary.to_pylist()]
        position = pc.fill_null(pc.add(values.indices.cast(pa.int64()), 1), 0).to_numpy(zero_copy_only=False)
        codes = codes * len(texts) + position
        dictionaries.append(texts)
    distinct = pc.dictionary_encode(pa.array(codes))
    keys = pa.array([_key_of(code, dictionaries) for code in distinct.dictionary.to_pylist()], pa.int64())
    return pd.Series(keys.take(distinct.indices), index=rows.index, dtype=pd.ArrowDtype(pa.int64()))


def _key_of(code: int, dictionaries: Sequence[Sequence[str]]) -> int:
    texts: list[str] = []
    for words in reversed(dictionaries):
        code, position = divmod(code, len(words))
        texts.insert(0, words[position])
    return vocabulary.key(BETWEEN.join(texts)) if any(texts) else 0


def check_unique(rows: pd.DataFrame, key: str, what: str) -> None:
    """Raise ContractError where a record occurs twice in a month."""
    if has_repeats(record_numbers(rows, key)):
        raise ContractError(f"clean {what}: a record occurs twice in a month; run transform_clean again")
