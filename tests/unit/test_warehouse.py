"""The warehouse's SQL files: how they describe themselves, in which order they run, what a malformed one says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import duckdb
import pyarrow as pa
import pytest
from collisions_ops import dictionary

from stages.datasets import registry
from stages.errors import StageError
from stages.warehouse import models as sql_files
from stages.warehouse.build import KEPT_ROWS, Curated, Versions, build, check, open_warehouse, read_curated
from stages.warehouse.steps import (
    SMALL_FILE,
    BuildWhole,
    Steps,
    changed_partitions,
    record_origin,
    record_size,
)

REPOSITORY = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 FROM b", {"b"}),
        ('select 1 from\n    "b"', {"b"}),
        ("select y, z from b as x, c w, d join e using (y)", {"b", "c", "d", "e"}),
        ("select 'from b' as x -- from c\n/* from d */", set()),
    ],
)
def test_references_are_found_where_sql_has_them(write: Callable[..., Path], sql: str, expected: set[str]) -> None:
    (model,) = sql_files.models([write(models__facts__a=f"{GRAIN}create table a as {sql}")])
    assert model.refers_to == expected


def test_hidden_files_of_editors_are_left_alone(write: Callable[..., Path]) -> None:
    folder = write(models__facts__a=f"{GRAIN}create table a as select 1")
    (folder / "models/facts/.a.sql.swp").write_bytes(b"\0")
    assert [model.name for model in sql_files.models([folder])] == ["a"]


def test_models_that_refer_to_one_another_are_named(write: Callable[..., Path]) -> None:
    folder = write(
        models__facts__a=f"{GRAIN}create table a as select 1 from b",
        models__facts__b=f"{GRAIN}create table b as select 1 from a",
    )
    with pytest.raises(StageError, match=r"\.sql: models refer to one another in a cycle: (a → b → a|b → a → b)"):
        sql_files.models([folder])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("models__facts__a", "create table a as select 1", "a.sql: the first line must state the grain"),
        ("models__others__a", GRAIN, "expected in one of the folders staging, monthly, facts, dims, views, meta"),
        ("models__a", GRAIN, "nothing reads this file"),
        ("models__facts__a", f"{GRAIN}create table b as select 1", "must create a, as its name says"),
        ("models__facts__a", f"{GRAIN}create temp view a as select 1", "relations in staging must be temporary"),
        ("models__staging__a", f"{GRAIN}create table a as select 1", "relations in staging must be temporary"),
        ("models__steps__a", "delete from a", "steps/a.sql: there is no model of this name"),
    ],
)
def test_a_malformed_model_is_named(write: Callable[..., Path], name: str, text: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        sql_files.models([write(**{name: text})])


def test_two_models_of_one_name_are_refused(write: Callable[..., Path]) -> None:
    made = f"{GRAIN}create table a as select 1"
    folder = write(models__facts__a=made, models__dims__a=made)
    with pytest.raises(StageError, match="already makes a"):
        sql_files.models([folder])


def test_a_published_column_without_a_meaning_is_named(
    write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection
) -> None:
    made = "create table t as\nselect\n    1 as one, -- the first\n    2 as two,\n    3 as three;"
    models = sql_files.models([write(models__facts__t=GRAIN + made)])
    with pytest.raises(StageError, match=r"facts/t\.sql: expected a comment behind two, three that says what it means"):
        build(warehouse, models)


def test_a_model_that_fails_names_its_file(write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection) -> None:
    folder = write(models__facts__a=f"{GRAIN}create table a as select nothing from nowhere")
    with pytest.raises(StageError, match=r"facts/a\.sql: its SQL fails: .*nowhere"):
        build(warehouse, sql_files.models([folder]))


def test_facts_of_one_dataset_with_a_date_are_kept_by_month(write: Callable[..., Path]) -> None:
    folder = write(
        models__facts__a=f"{GRAIN}create table a as\nselect\n    x as date_key, -- day\nfrom near",
        models__facts__b=f"{GRAIN}-- Built: whole\ncreate table b as\nselect\n    x as date_key, -- day\nfrom newest_x",
        models__facts__c=f"{GRAIN}create table c as select 1 from newest_x",
        models__facts__d=f"{GRAIN}create table d as\nselect\n    x as date_key, -- day\nfrom newest_x join newest_z",
        models__facts__e=f"{GRAIN}create table e as\nselect\n    x as date_key, -- day\nfrom newest_x join a",
        models__staging__near=f"{GRAIN}create temp view near as select 1 from newest_x join curated_y",
        models__monthly__m=f"{GRAIN}create table m as select 1 from near",
        checks__all=f"{HEAD}select 1 from curated_z",
    )
    steps = Steps(sql_files.models([folder]), sql_files.checks([folder]), {"x": "one", "y": "one", "z": "other"})
    assert {model.name for model in steps.monthly} == {"a", "m"}
    assert {model.name for model in steps.others} == {"b", "c", "d", "e"}
    assert steps.read_whole == {"x", "z"}


def test_a_monthly_model_of_more_than_one_dataset_is_refused(write: Callable[..., Path]) -> None:
    folder = write(models__monthly__m=f"{GRAIN}create table m as select 1 from newest_x join newest_z")
    steps = Steps(sql_files.models([folder]), [], {"x": "one", "z": "other"})
    with pytest.raises(StageError, match=r"monthly/m\.sql: a monthly model reads the curated tables of one dataset"):
        _ = steps.monthly


@pytest.mark.parametrize(
    ("made_by", "size", "message"),
    [
        ("other code", 1, "was built by another version of the code"),
        ("code", SMALL_FILE * 2, "has grown to 2.0 times its size"),
    ],
)
def test_what_other_code_built_or_has_grown_much_is_built_whole(
    warehouse: duckdb.DuckDBPyConnection, made_by: str, size: int, message: str
) -> None:
    record_origin(warehouse, "code", {"a": "1"})
    record_size(warehouse, SMALL_FILE)
    with pytest.raises(BuildWhole, match=message):
        changed_partitions(warehouse, made_by, {"a": "1"}, size)


def test_a_warehouse_without_an_origin_is_built_whole(warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(BuildWhole, match="does not say what it was built from"):
        changed_partitions(warehouse, "code", {}, 1)


def test_partitions_that_have_come_gone_or_changed_are_found(warehouse: duckdb.DuckDBPyConnection) -> None:
    record_origin(warehouse, "code", {"same": "1", "gone": "2", "changed": "3"})
    record_size(warehouse, 5)
    now = {"same": "1", "come": "2", "changed": "4"}
    assert changed_partitions(warehouse, "code", now, SMALL_FILE) == {"gone", "come", "changed"}
    record_origin(warehouse, "code", now)
    assert changed_partitions(warehouse, "code", now, 5) == set()
    assert not record_size(warehouse, 6)  # the size is that of the last whole build


def test_every_published_column_is_explained(warehouse: duckdb.DuckDBPyConnection) -> None:
    models = sql_files.models([sql_files.OWN])
    for dataset in registry():
        files = [Curated(table.name, table.schema, []) for table in dataset.tables]
        read_curated(warehouse, Versions(dataset.key, dataset.date, files))
    build(warehouse, models)
    published = warehouse.sql(
        "select table_name from duckdb_tables() where not temporary and schema_name = 'main'"
        " union all select view_name from duckdb_views() where not temporary and not internal"
    )
    assert {name for (name,) in published.fetchall()} == {model.name for model in models if not model.internal}
    for model in models:
        if not model.internal:
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
        ("select 1;\n" + HEAD, "the head lacks"),
        (HEAD, "expected one query that returns the failing rows, found 0"),
        (HEAD + "select 1; select 2;", "expected one query that returns the failing rows, found 2"),
        (HEAD + "having 1;", r"checks/bad\.sql: its SQL fails: .*having"),
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


def test_the_example_of_a_check_in_contributing_is_one_of_ours(write: Callable[..., Path]) -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (block,) = re.findall(r"^  ```sql\n(.*?)^  ```", text, flags=re.MULTILINE | re.DOTALL)
    (shown,) = sql_files.checks([write(checks__location_not_zero=dedent(block))])
    (ours,) = (one for one in sql_files.checks([sql_files.OWN]) if one.name == shown.name)
    assert dataclasses.replace(shown, path=ours.path) == ours


def test_the_files_that_contributing_names_are_there() -> None:
    named = re.findall(r"`((?:stages|dags|scripts|tests|docs)/[\w./-]+)`", (REPOSITORY / "CONTRIBUTING.md").read_text())
    assert "stages/warehouse/models/views/collisions.sql" in named
    assert [path for path in named if not (REPOSITORY / path).exists()] == ["scripts/NAME"]


def make_quality(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Make the table in which checks are recorded, alone."""
    build(warehouse, [model for model in sql_files.models([sql_files.OWN]) if model.name == "meta_quality"])


def test_a_failed_check_is_counted_whole_and_keeps_its_first_rows(
    write: Callable[..., Path], warehouse: duckdb.DuckDBPyConnection
) -> None:
    make_quality(warehouse)
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
    make_quality(warehouse)
    (failure,) = check(warehouse, sql_files.checks([write(checks__null=HEAD + "select null as failures;")]))
    assert failure.count == 1


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("fct_collisions", "collision_id"),
        ("fct_collision_vehicles", "collision_id"),
        ("fct_collision_vehicles", "vehicle_slot"),
        ("dim_contributing_factor", "contributing_factor_key"),
        ("dim_date", "date_key"),
        ("dim_location", "location_key"),
        ("dim_vehicle_type", "vehicle_type_key"),
        ("fct_persons", "unique_id"),
        ("dim_person_profile", "person_profile_key"),
        ("dim_person_harm", "person_harm_key"),
        ("dim_occupant", "occupant_key"),
        ("dim_pedestrian", "pedestrian_key"),
        ("fct_vehicles", "unique_id"),
        ("dim_vehicle_make", "vehicle_make_key"),
        ("dim_state", "state_key"),
        ("dim_vehicle_part", "part_key"),
        ("dim_driver", "driver_key"),
        ("dim_movement", "movement_key"),
    ],
)
def test_a_key_that_is_null_fails_the_check_of_uniqueness(
    warehouse: duckdb.DuckDBPyConnection, table: str, column: str
) -> None:
    for dataset in registry():
        files = [Curated(curated.name, curated.schema, []) for curated in dataset.tables]
        read_curated(warehouse, Versions(dataset.key, dataset.date, files))
    build(warehouse, sql_files.models([sql_files.OWN]))
    warehouse.execute(f"insert into {table} ({column}) values (null)")
    unique = [one for one in sql_files.checks([sql_files.OWN]) if one.table == table and "unique" in one.title]
    assert [failure.count for failure in check(warehouse, unique)] == [1]


@pytest.mark.parametrize("number", [7, 0, -7, 9_999_999, 12_499_999, 99_999_999, 10**10, 2**62])
@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("collisions_unique", "fct_collisions", "collision_id"),
        ("vehicles_unique", "fct_collision_vehicles", "collision_id"),
        ("persons_unique", "fct_persons", "unique_id"),
        ("vehicle_records_unique", "fct_vehicles", "unique_id"),
    ],
)
def test_a_key_is_unique_or_not_however_large_it_is(
    warehouse: duckdb.DuckDBPyConnection, name: str, table: str, column: str, number: int
) -> None:
    make_quality(warehouse)
    warehouse.execute(f"""
        create table {table} as
        select unnest([{number}, 1, 2])::bigint as {column}, 7::tinyint as vehicle_slot
    """)
    unique = [one for one in sql_files.checks([sql_files.OWN]) if one.name == name]
    assert not check(warehouse, unique)
    warehouse.execute(f"insert into {table} values ({number}, 7)")
    (failure,) = check(warehouse, unique)
    assert [(row[column], row["rows"]) for row in failure.rows.to_pylist()] == [(number, 2)]


def test_a_slot_that_is_there_twice_fails_with_its_collision(warehouse: duckdb.DuckDBPyConnection) -> None:
    make_quality(warehouse)
    warehouse.execute("""
        create table fct_collision_vehicles as
        select * from (values (1, 1::tinyint), (1, 2), (2, 4), (2, 4), (2, 5), (3, null), (3, 1), (null, 1))
            as them (collision_id, vehicle_slot)
    """)
    (unique,) = (one for one in sql_files.checks([sql_files.OWN]) if one.name == "vehicles_unique")
    (failure,) = check(warehouse, [unique])
    found = {tuple(row.values()) for row in failure.rows.to_pylist()}
    assert found == {(2, 4, 2), (3, None, 1), (None, 1, 1)}
