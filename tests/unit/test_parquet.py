"""Partitions as files: what is written is a function of the rows alone, and is read back as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.lake.parquet import read_parquet, stacked, to_parquet
from stages.lake.store.folder import FolderStore


def coded(texts: Sequence[str | None]) -> pa.DictionaryArray:
    return pa.array(texts, pa.string()).dictionary_encode()


@pytest.mark.parametrize("others", [2, 300], ids=["few other values", "many other values"])
def test_the_bytes_of_rows_do_not_depend_on_the_rows_around_them(others: int) -> None:
    own: list[str | None] = ["b", None, "a", "b", "c"]
    around: list[str | None] = [f"value {number}" for number in range(others)]
    alone = pa.table({"text": coded(own), "count": pa.array([0, 1, 2, 1, 0], pa.int16())})
    whole = coded([*around, *own, *around])
    among = pa.table({"text": whole.slice(others, len(own)), "count": alone["count"]})
    assert to_parquet(among, "1") == to_parquet(alone, "1")


def test_what_is_written_in_several_pieces_gives_the_same_bytes() -> None:
    pieces = [pa.table({"text": coded(texts)}) for texts in (["b", "a"], ["a", None, "c"])]
    assert to_parquet(pa.concat_tables(pieces)) == to_parquet(pa.table({"text": coded(["b", "a", "a", None, "c"])}))


def test_a_column_without_null_says_so_and_stands_beside_one_with_null(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    known = pa.table({"name": coded(["a", "b"]), "count": pa.array([1, 2], pa.int16())})
    unknown = pa.table({"name": coded([None, "a"]), "count": pa.array([3, None], pa.int16())})
    tables = []
    for key, table in {"known": known, "unknown": unknown}.items():
        store.put(key, to_parquet(table, "1"))
        optional = key == "unknown"
        assert [field.nullable for field in pq.read_schema(tmp_path / key)] == [optional, optional]
        tables.append(read_parquet(store, key, "1", coded={"name"}))
    assert stacked(tables).to_pydict() == {"name": ["a", "b", None, "a"], "count": [1, 2, 3, None]}


def test_a_table_without_rows_is_written_and_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("empty", to_parquet(pa.table({"name": coded([]), "count": pa.array([], pa.int16())}), "1"))
    assert read_parquet(store, "empty", "1").to_pydict() == {"name": [], "count": []}
