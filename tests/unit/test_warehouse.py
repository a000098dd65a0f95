"""The warehouse's SQL files: how they describe themselves, in which order they run, what a malformed one says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from collisions_ops import dictionary

from stages.datasets import registry
from stages.errors import StageError
from stages.warehouse import models as sql_files
from stages.warehouse.build import KEPT_ROWS, Curated, Versions, build, check, open_warehouse, read_curated

GRAIN = "-- Grain: one row per thing.\n"
HEAD = "-- Check: all is well\n-- Table: t\n-- Severity: error\n"


@pytest.fixture
def warehouse(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    return open_warehouse(tmp_path / "w.duckdb", tmp_path / "spill")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def files(**texts: str) -> Path:
        """A folder with these files; `__` stands for `/`."""
        folder = tmp_path / "sql"
        for name, text in texts.items():
            path = folder / f"{name.replace('__', '/')}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "models").mkdir(parents=True, exist_ok=True)
        return folder

    return files


# --- models -------------------------------------------------------------------------------------------


def test_models_run_after_those_that_they_refer_to(write: Callable[..., Path]) -> None:
    folder = write(
        models__facts__a=f"{GRAIN}create table a as select 1 from b join c using (x) -- from z\n",
        models__dims__b=f"{GRAIN}create table b as with d as (select 1 from c) select * from d",
        models__meta__c=f"{GRAIN}create table c as select 1 from newest_things",
    )
    assert [model.name for model in sql_files.models([folder])] == ["c", "b", "a"]


def test_models_that_refer_to_one_another_are_named(write: Callable[..., Path]) -> None:
    folder = write(models__facts__a=f"{GRAIN}select 1 from b", models__facts__b=f"{GRAIN}select 1 from a")
    with pytest.raises(StageError, match=r"\.sql: models refer to one another in a circle: (a → b → a|b → a → b)"):
        sql_files.models([folder])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("models__facts__a", "create table a as select 1", "a.sql: the first line must state the grain"),
        ("models__others__a", GRAIN, "expected in one of the folders staging, facts, dims, meta"),
        ("models__a", GRAIN, "nothing reads this file"),
    ],
)
def test_a_malformed_model_is_named(write: Callable[..., Path], name: str, text: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        sql_files.models([write(**{name: text})])


def test_two_models_of_one_name_are_refused(write: Callable[..., Path]) -> None:
    folder = write(models__facts__a=GRAIN, models__dims__a=GRAIN)
    with pytest.raises(StageError, match="makes a already"):
        sql_files.models([folder])


def test_a_model_that_fails_names_its_file(write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection) -> None:
    folder = write(models__facts__a=f"{GRAIN}create table a as select nothing from nowhere")
    with pytest.raises(StageError, match=r"facts/a\.sql: its SQL fails: .*nowhere"):
        build(warehouse, sql_files.models([folder]))


def test_every_published_column_is_explained(warehouse: duckdb.DuckDBPyConnection) -> None:
    models = sql_files.models([sql_files.OWN])
    for dataset in registry():
        files = [Curated(table.name, table.schema, []) for table in dataset.tables]
        read_curated(warehouse, Versions(dataset.key, dataset.date, files))
    build(warehouse, models)
    tables = {
        name for (name,) in warehouse.sql("select table_name from duckdb_tables() where not temporary").fetchall()
    }
    assert tables == {model.name for model in models if model.kind != "staging"}
    for model in models:
        if model.kind != "staging":
            columns = [name for name, *_ in warehouse.table(model.name).description or []]
            assert list(model.columns) == columns, model.path


def test_the_data_dictionary_is_current() -> None:
    assert dictionary.PAGE.read_text() == dictionary.page(registry()), "run scripts/dictionary"


# --- curated tables -------------------------------------------------------------------------------------


def test_a_table_without_partitions_has_its_columns_and_no_rows(warehouse: duckdb.DuckDBPyConnection) -> None:
    for dataset in registry():
        files = [Curated(table.name, table.schema, []) for table in dataset.tables]
        read_curated(warehouse, Versions(dataset.key, dataset.date, files))
        for table in dataset.tables:
            rows = warehouse.table(f"newest_{table.name}")
            assert rows.columns == table.schema.names
            assert rows.fetchall() == []


# --- checks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1;", "the head lacks -- Check: …, -- Table: …, -- Severity: …"),
        (HEAD.replace("error", "fatal") + "select 1;", "severity 'fatal' is neither error nor warning"),
        (HEAD + "drop table t;", "its SQL fails"),
        (HEAD + "select nothing from nowhere;", r"checks/bad\.sql: its SQL fails: .*nowhere"),
    ],
)
def test_a_malformed_check_is_named(
    write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection, text: str, message: str
) -> None:
    folder = write(checks__bad=text)
    with pytest.raises(StageError, match=message):
        check(warehouse, sql_files.checks([folder]))


def test_a_failed_check_is_counted_whole_and_keeps_its_first_rows(
    write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection
) -> None:
    meta = [model for model in sql_files.models([sql_files.OWN]) if model.name == "meta_quality"]
    build(warehouse, meta)
    holds = HEAD.replace("well", "fine") + "select null as nothing where false;"
    folder = write(checks__fails=HEAD + "select range as number from range(250);", checks__holds=holds)
    (failure,) = check(warehouse, sql_files.checks([folder]))
    assert (failure.check.name, failure.count, failure.rows.num_rows) == ("fails", 250, KEPT_ROWS)
    assert failure.rows.schema == pa.schema([("number", pa.int64())])
    assert warehouse.sql("select check_name, failures, passed from meta_quality order by all").fetchall() == [
        ("all is fine", 0, True),
        ("all is well", 250, False),
    ]


def test_a_check_that_returns_a_null_row_fails(
    write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection
) -> None:
    build(warehouse, [model for model in sql_files.models([sql_files.OWN]) if model.name == "meta_quality"])
    (failure,) = check(warehouse, sql_files.checks([write(checks__null=HEAD + "select null as failures;")]))
    assert failure.count == 1
