"""Builds the warehouse's tables from curated partitions, and checks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from stages.errors import StageError
from stages.parallel import workers
from stages.warehouse.macros import define_macros
from stages.warehouse.models import KEPT, Check, Model

OLDEST_READER = "v1.4.0"  # the oldest DuckDB that must open the file; newer storage would shut it out
KEPT_ROWS = 100  # of each failed check
SQL_TYPES = {
    pa.string(): "varchar",
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.time32("ms"): "time",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}  # of the layers' columns; DuckDB imports pandas to read an empty Arrow table instead, a quarter of a second


@dataclass(frozen=True)
class Curated:
    """A table of a layer, most often the curated one: its columns, and its partitions as local files."""

    name: str
    schema: pa.Schema
    files: Sequence[Path]


@dataclass(frozen=True)
class Versions:
    """A dataset's curated tables. The first has one row per version of a record, with where it came from; all have the
    record's `key` and `date`. `history`, where it is needed, has the clean layer's earlier versions.
    """

    key: str
    date: str
    tables: Sequence[Curated]
    history: Curated | None = None

    @property
    def first(self) -> str:
        """The name of the first table."""
        return self.tables[0].name

    @property
    def month(self) -> str:
        """The SQL for a row's month, YYYYMM."""
        return f"year({self.date}) * 100 + month({self.date})"


@dataclass(frozen=True)
class Failure:
    """A check that did not hold: how many rows break it, and the first of them."""

    check: Check
    count: int
    rows: pa.Table


def open_warehouse(path: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """A new database, or one to be brought up to date, that keeps to a memory limit and spills into `scratch`."""
    warehouse = duckdb.connect(
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
    warehouse.execute(f"create schema if not exists {KEPT}; set search_path = 'main,{KEPT}'")
    define_macros(warehouse)
    return warehouse


def read_curated(warehouse: duckdb.DuckDBPyConnection, dataset: Versions) -> None:
    """Make what models read: `curated_<table>` with every version, `superseded_<first table>` with the key and date of
    those that a newer version replaces, and `newest_<table>` without these; and what a later build by steps needs,
    `records_<first table>` with the key and month (YYYYMM) of every version, and `told_<first table>` with those of the
    records in the history.

    A record that has moved to another month is in the curated partitions of both: the latest extraction counts, then
    the greatest source name, then the last line.
    """
    first = dataset.first
    show_curated(warehouse, dataset)
    warehouse.execute(f"""
        create table {KEPT}.records_{first} as
        select {dataset.key}, {dataset.month} as month
        from curated_{first};
        create table {KEPT}.superseded_{first} as {superseded(dataset, f"curated_{first}")}
    """)
    if dataset.history:
        warehouse.execute(
            f"create table {KEPT}.told_{first} as"
            f" select distinct {dataset.key}, {dataset.month} as month from history_{first}"
        )
    show_newest(warehouse, dataset)


def show_curated(warehouse: duckdb.DuckDBPyConnection, dataset: Versions) -> None:
    """Make the views `curated_<table>` of a dataset's files, and `history_<first table>` if its history is given."""
    for table in dataset.tables:
        show_files(warehouse, f"curated_{table.name}", table)
    if dataset.history:
        show_files(warehouse, f"history_{dataset.first}", dataset.history)


def show_files(warehouse: duckdb.DuckDBPyConnection, view: str, table: Curated) -> None:
    """Make a view of a table's files; without files it has the columns and no rows."""
    warehouse.execute(f"drop view if exists {view}")
    if not table.files:
        columns = ", ".join(f"null::{SQL_TYPES[field.type]} as {field.name}" for field in table.schema)
        warehouse.execute(f"create temp view {view} as select {columns} where false")
        return
    names = ", ".join(f"'{quoted(file)}'" for file in table.files)
    warehouse.execute(f"create temp view {view} as from read_parquet([{names}], hive_partitioning = false)")


def show_newest(warehouse: duckdb.DuckDBPyConnection, dataset: Versions) -> None:
    """Make the views `newest_<table>` of a dataset's files."""
    for table in dataset.tables:
        warehouse.execute(
            f"create or replace temp view newest_{table.name} as from curated_{table.name}"
            f" anti join superseded_{dataset.first} using ({dataset.key}, {dataset.date})"
        )


def superseded(dataset: Versions, versions: str) -> str:
    """The query for the key and date of those `versions`, a relation like the first curated table, that a newer one
    replaces.
    """
    key, date = dataset.key, dataset.date
    return f"""
        with repeated as (
            select {key}
            from {versions}
            where not (select all_differ(try_cast({key} as bigint)) from {versions}) -- a key may be text
            group by {key}
            having count(*) > 1
        ),
        aged as (
            select
                {key},
                {date},
                row_number() over (partition by {key} order by extracted_at desc, source desc, source_line desc) as age
            from {versions}
            semi join repeated using ({key})
        )
        select {key}, {date}
        from aged
        where age > 1
    """


def quoted(text: object) -> str:
    """Text, or a path, between single quotes of SQL."""
    return str(text).replace("'", "''")


def build(warehouse: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Make the models' relations, in the order given, with their meanings as comments that any tool shows.

    Raises StageError with the file's name where its SQL fails, or a published column has no comment.
    """
    for model in models:
        sql = model.sql
        if model.kind == "monthly":
            sql = re.sub(r"create table ", f"create table {KEPT}.", sql, count=1, flags=re.IGNORECASE)
        execute(warehouse, sql, model.path)
        if not model.internal:
            _comment(warehouse, model)


def _comment(warehouse: duckdb.DuckDBPyConnection, model: Model) -> None:
    kind = "view" if model.kind == "views" else "table"
    columns = warehouse.table(model.name).columns
    if unexplained := [name for name in columns if name not in model.columns]:
        raise StageError(f"{model.path}: expected a comment behind {', '.join(unexplained)} that says what it means")
    comments = [
        f"comment on {kind} {model.name} is '{quoted(model.grain)}'",
        *(f"comment on column {model.name}.{name} is '{quoted(model.columns[name])}'" for name in columns),
    ]
    warehouse.execute(f"begin; {'; '.join(comments)}; commit")  # each alone would wait for the disk


def check(warehouse: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> list[Failure]:
    """Run the checks, record each in meta_quality, and return those that failed."""
    failures: list[Failure] = []
    rows: list[dict[str, Any]] = []
    for one in checks:
        execute(warehouse, f"create or replace temp table failing as {one.sql}", one.path)
        ((count,),) = warehouse.execute("select count(*) from failing").fetchall()
        said = {"check_name": one.title, "table_name": one.table, "severity": one.severity}
        rows.append({**said, "failures": count, "passed": count == 0})
        if count:
            failures.append(Failure(one, count, warehouse.sql(f"from failing limit {KEPT_ROWS}").to_arrow_table()))
    insert(warehouse, "meta_quality", rows)
    return failures


def insert(warehouse: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Add rows to a table; a column that a row lacks is NULL, a name that the table lacks is ignored."""
    described = warehouse.execute("select name, type from pragma_table_info(?)", [table]).fetchall()
    shape = json.dumps([dict(described)])
    values = json.dumps([{name: row.get(name) for name, _ in described} for row in rows])
    warehouse.execute(f"insert into {table} select row.* from (select unnest(from_json(?, ?)) as row)", [values, shape])


def execute(warehouse: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    """Run the SQL of a file; raises StageError with the file's name where it fails."""
    try:
        warehouse.execute(sql)
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise  # the machine's, not the file's
    except duckdb.Error as error:
        raise StageError(f"{path}: its SQL fails: {error}") from None
