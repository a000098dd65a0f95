"""Builds the warehouse's tables from curated partitions, and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from stages.errors import StageError
from stages.parallel import workers
from stages.warehouse.models import Check, Model

OLDEST_READER = "v1.4.0"  # the oldest DuckDB that must open the file; newer storage would shut it out
KEPT_ROWS = 100  # of each failed check


@dataclass(frozen=True)
class Curated:
    """A curated table: its columns, and its partitions as local files."""

    name: str
    schema: pa.Schema
    files: Sequence[Path]


@dataclass(frozen=True)
class Versions:
    """A dataset's curated tables. The first has one row per version of a record, with where it came from; all have the
    record's `key` and `date`.
    """

    key: str
    date: str
    tables: Sequence[Curated]


@dataclass(frozen=True)
class Failure:
    """A check that did not hold: how many rows break it, and the first of them."""

    check: Check
    count: int
    rows: pa.Table


def open_warehouse(path: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """A new database that keeps to a memory limit and spills into `scratch`."""
    return duckdb.connect(
        str(path),
        config={
            "storage_compatibility_version": OLDEST_READER,
            "memory_limit": "1GB",
            "threads": workers(),
            "preserve_insertion_order": False,  # rows have no order of their own, and a quarter of the time is saved
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": False,  # nothing is fetched while a stage runs
        },
    )


def read_curated(warehouse: duckdb.DuckDBPyConnection, dataset: Versions) -> None:
    """Make the views that models read: `curated_<table>` with every version, `newest_<table>` with the newest of each
    record, and between them the temporary table `superseded_<first table>`.

    A record that has moved to another month is in the curated partitions of both: the latest extraction counts, then
    the greatest source name, then the last line.
    """
    for table in dataset.tables:
        _read_table(warehouse, table)
    first, key, date = dataset.tables[0].name, dataset.key, dataset.date
    warehouse.execute(f"""
        create temp table superseded_{first} as
        with repeated as (
            select {key}
            from curated_{first}
            group by {key}
            having count(*) > 1
        ),
        versions as (
            select
                {key},
                {date},
                row_number() over (partition by {key} order by extracted_at desc, source desc, source_line desc) as age
            from curated_{first}
            semi join repeated using ({key})
        )
        select {key}, {date}
        from versions
        where age > 1
    """)
    for table in dataset.tables:
        warehouse.execute(
            f"create temp view newest_{table.name} as"
            f" from curated_{table.name} anti join superseded_{first} using ({key}, {date})"
        )


def _read_table(warehouse: duckdb.DuckDBPyConnection, table: Curated) -> None:
    view = f"curated_{table.name}"
    if not table.files:
        warehouse.register(view, table.schema.empty_table())
        return
    names = ", ".join(f"'{quoted(file)}'" for file in table.files)
    warehouse.execute(f"create temp view {view} as from read_parquet([{names}], hive_partitioning = false)")


def quoted(text: object) -> str:
    """Text, or a path, between single quotes of SQL."""
    return str(text).replace("'", "''")


def build(warehouse: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Make the models' relations, in the order given, with their meanings as comments that any tool shows.

    Raises StageError with the file's name where its SQL fails.
    """
    for model in models:
        _execute(warehouse, model.sql, model.path)
        if model.kind != "staging":
            _comment(warehouse, model)


def _comment(warehouse: duckdb.DuckDBPyConnection, model: Model) -> None:
    kind = "view" if model.kind == "views" else "table"
    columns = [name for name in warehouse.table(model.name).columns if name in model.columns]
    comments = [
        f"comment on {kind} {model.name} is '{quoted(model.grain)}'",
        *(f"comment on column {model.name}.{name} is '{quoted(model.columns[name])}'" for name in columns),
    ]
    warehouse.execute(f"begin; {'; '.join(comments)}; commit")  # each alone would wait for the disk


def check(warehouse: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> list[Failure]:
    """Run the checks, record each in meta_quality, and return those that failed."""
    failures = []
    for one in checks:
        _execute(warehouse, f"create or replace temp table failing as {one.sql}", one.path)
        found = warehouse.execute("select count(*) from failing").fetchone()
        count = found[0] if found else 0
        warehouse.execute(
            "insert into meta_quality values (?, ?, ?, ?, ?)", [one.title, one.table, one.severity, count, count == 0]
        )
        if count:
            failures.append(Failure(one, count, warehouse.sql(f"from failing limit {KEPT_ROWS}").to_arrow_table()))
    return failures


def _execute(warehouse: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    try:
        warehouse.execute(sql)
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise  # the machine's, not the file's
    except duckdb.Error as error:
        raise StageError(f"{path}: its SQL fails: {error}") from None
