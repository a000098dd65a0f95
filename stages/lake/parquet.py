"""Parquet in the object store, by Arrow. Each file carries the version of the rules that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.errors import ContractError, StageError
from stages.lake.scope import month_code
from stages.lake.store import ObjectStore

MADE_BY = b"collisions.made_by"


def to_parquet(table: pa.Table, made_by: str = "", unrepeated: Collection[str] = ()) -> bytes:
    """A finished parquet file; the same rows always give the same bytes.

    Columns get a dictionary, except the `unrepeated` ones and small counts, where it would only cost time; a column
    without NULL says so, which spares a mark for each of its values.
    """
    columns = [
        _in_own_order(column) if pa.types.is_dictionary(column.type) and name not in unrepeated else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    fields = [
        pa.field(name, column.type, nullable=column.null_count > 0)
        for name, column in zip(table.column_names, columns, strict=True)
    ]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        pa.schema(fields),
        compression="lz4",
        use_dictionary=[it.name for it in fields if it.name not in unrepeated and it.type != pa.int16()],
        write_statistics=False,  # readers choose partitions by their path
        store_schema=False,
    ) as writer:
        writer.write_table(pa.table(columns, schema=writer.schema))
        if made_by:
            writer.add_key_value_metadata({MADE_BY: made_by.encode()})
    return bytes(sink.getvalue())


def _in_own_order(column: pa.ChunkedArray) -> pa.Array:
    """Dictionary-encoded text whose dictionary has only its own values, in order of first occurrence: the bytes then do
    not depend on the other rows for which the dictionary was made.
    """
    coded = column.chunk(0) if column.num_chunks == 1 else column.unify_dictionaries().combine_chunks()
    positions = coded.indices
    if len(coded.dictionary) <= 256:
        positions = positions.cast(pa.uint8(), safe=False)  # of which Arrow keeps a table, in place of hashing
    used = pc.dictionary_encode(positions)
    values = coded.dictionary.take(used.dictionary)
    return pa.DictionaryArray.from_arrays(used.indices, values, safe=False)  # they are in bounds


def read_parquet(
    store: ObjectStore,
    key: str,
    made_by: str,
    coded: Collection[str] = (),
    left_out: Collection[str] = (),
) -> pa.Table:
    """Read a partition, the columns `coded` dictionary-encoded.

    Raises ContractError where it is not parquet, or was made by other rules than `made_by`.
    """
    try:
        content = pa.BufferReader(store.read(key))
        metadata = pq.read_metadata(content)
        if _made_by(metadata) != made_by:
            raise ContractError(
                f"{store.describe(key)}: was made by another version of the rules; run the previous stage again"
            )
        names = [name for name in metadata.schema.names if name not in left_out]
        file = pq.ParquetFile(content, metadata=metadata, read_dictionary=[name for name in names if name in coded])
        table = file.read(names, use_threads=False)
    except pa.ArrowInvalid as error:
        raise ContractError(
            f"{store.describe(key)}: cannot be read as parquet ({error}); run the previous stage again"
        ) from None
    return pa.table(table.columns, names=table.column_names)  # whether a column has NULL differs between partitions


def read_column(content: bytes, column: str) -> pa.ChunkedArray:
    """One column of a parquet file. `pq.read_table` would import pandas, a quarter of a second."""
    return pq.ParquetFile(pa.BufferReader(content)).read([column])[column]


def made_by(path: Path) -> str:
    """The version of the rules that made a parquet file; empty where the file does not say."""
    try:
        return _made_by(pq.read_metadata(path))
    except pa.ArrowInvalid as error:
        raise ContractError(f"{path}: cannot be read as parquet ({error}); run the previous stage again") from None


def _made_by(metadata: pq.FileMetaData) -> str:
    version: bytes = (metadata.metadata or {}).get(MADE_BY, b"")
    return version.decode()


def conform(table: pa.Table, schema: pa.Schema, what: str, advice: str = "") -> pa.Table:
    """The table with its columns in the schema's order; it must have exactly these columns and types.

    Text may be dictionary-encoded. Raises StageError otherwise: the code that made the table is wrong; `advice` says
    where to add a column that is missing.
    """
    if set(table.column_names) == set(schema.names):
        table = table.select(schema.names)
    found = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    if table.column_names != schema.names or found != schema.types:
        seen = [f"{name} {kind}" for name, kind in zip(table.column_names, found, strict=True)]
        declared = [f"{field.name} {field.type}" for field in schema]
        surplus, missing = (", ".join(sorted(it)) for it in (set(seen) - set(declared), set(declared) - set(seen)))
        raise StageError(
            f"{what}: columns differ from the declared ones: surplus: {surplus or 'none'}; missing: {missing or 'none'}"
            f"{f'; {advice}' if missing and advice else ''}"
        )
    return table


def with_month(table: pa.Table, month: str) -> pa.Table:
    """Add the column `month` (a scope.month_code), by which a table of several months is split again."""
    return table.append_column("month", pa.repeat(pa.scalar(month_code(month), pa.int32()), table.num_rows))


def grouped(table: pa.Table, codes: np.ndarray) -> Iterator[tuple[int, pa.Table]]:
    """Split a table by a whole number for each row, in rising order of these; each group keeps its rows' order."""
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes, table = codes[order], table.take(order)
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1))
    for start, end in zip(starts, np.append(starts[1:], len(codes))[: len(starts)], strict=True):
        yield int(codes[start]), table.slice(start, end - start)


def stacked(tables: list[pa.Table]) -> pa.Table:
    """Tables of the same columns as one, contiguous in memory."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
