"""Parquet in the object store, by Arrow."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared import layers
from stages.shared.errors import ContractError

if TYPE_CHECKING:
    from stages.shared.object_store import ObjectStore


# Columns (in lower case) whose values hardly repeat, so that a dictionary of them would only cost time.
UNREPEATED = {"collision_id", "latitude", "longitude", "location", "_line", "source_line"}


def repeats(column: str) -> bool:
    """Whether a column's values repeat enough to be kept as a dictionary, in memory and in files."""
    return column.lower() not in UNREPEATED


def to_parquet(table: pa.Table) -> bytes:
    """A finished parquet file; the same rows always give the same bytes."""
    plain = [pa.string() if pa.types.is_dictionary(kind) else kind for kind in table.schema.types]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.cast(pa.schema(zip(table.column_names, plain, strict=True))),
        sink,
        compression="lz4",
        use_dictionary=[name for name in table.column_names if repeats(name)],
        write_statistics=False,  # readers choose partitions by their path
        store_schema=False,
    )
    return bytes(sink.getvalue())


def read_parquet(store: ObjectStore, key: str, coded: Collection[str] = (), left_out: Collection[str] = ()) -> pa.Table:
    """Read a parquet object, the columns `coded` dictionary-encoded; raises ContractError where it is no parquet."""
    try:
        content = io.BytesIO(store.read(key))
        metadata = pq.read_metadata(content)
        names = [name for name in metadata.schema.names if name not in left_out]
        file = pq.ParquetFile(content, metadata=metadata, read_dictionary=[name for name in names if name in coded])
        return file.read(names, use_threads=False)
    except pa.ArrowInvalid as error:
        raise ContractError(
            f"{store.describe(key)}: cannot be read as parquet ({error}); rerun the stage before"
        ) from None


def with_month(table: pa.Table, month: str) -> pa.Table:
    """Add the column `crash_month`, by which a table of several months is split again."""
    return table.append_column(
        "crash_month", pa.repeat(pa.scalar(layers.month_code(month), pa.int32()), table.num_rows)
    )


def grouped(table: pa.Table, codes: np.ndarray) -> Iterator[tuple[int, pa.Table]]:
    """Split a table by a whole number for each row, in rising order of these; each group keeps its rows' order."""
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes, table = codes[order], table.take(order)
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1))
    for start, end in zip(starts, np.append(starts[1:], len(codes))[: len(starts)], strict=True):
        yield int(codes[start]), table.slice(start, end - start)


def stacked(tables: list[pa.Table]) -> pa.Table:
    """Tables of the same columns as one, in memory in one piece."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
