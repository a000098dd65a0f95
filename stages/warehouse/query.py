"""Queries the published warehouse, wherever the lake is: `python -m stages.warehouse.query`.

Needs only DuckDB and the lake's store, because it also runs where the stages' other packages are not installed.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stages import logs
from stages.errors import ConfigError, ObjectMissing, StageError
from stages.lake import keys
from stages.lake.failures import last_failure
from stages.lake.store import ObjectStore, open_store
from stages.settings import Settings
from stages.warehouse.macros import define_macros

if TYPE_CHECKING:
    import duckdb

QUERIES = Path(__file__).parent / "queries"
REJECTED = "rejected_rows"  # the table of rejected rows that a query gets by naming it
RECORD = "meta_"  # how the names of the tables begin that describe the build and its runs
BLOCK = 10_000  # rows fetched at once
SHOWN_ROWS = 200  # without --csv


class QueryFailed(ConfigError):
    """DuckDB could not answer a query."""


@dataclass(frozen=True)
class ReadyQuery:
    """A query in a file: what it answers (its first line), its parameters (`-- NAME: meaning` below it), its SQL, and
    the columns that a person is shown where all are too many (`-- Shown: …`, as after `select`; `cut` shortens a text).
    """

    title: str
    parameters: dict[str, str]
    sql: str
    shown: str = "*"


def ready_queries() -> dict[str, ReadyQuery]:
    """The ready queries by name."""
    return {path.stem: _ready_query(path.read_text()) for path in sorted(QUERIES.glob("*.sql"))}


def _ready_query(text: str) -> ReadyQuery:
    title, _, rest = text.partition("\n")
    described = re.findall(r"^-- (\w+): (.+)$", rest, re.MULTILINE)
    parameters = {name: meaning for name, meaning in described if f"${name}" in rest}  # a check describes other things
    shown = re.search(r"^-- Shown: (.+)$", rest, re.MULTILINE)
    return ReadyQuery(title.removeprefix("-- "), parameters, text, shown[1] if shown else "*")


def given_parameters(words: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words as a dict; raises ConfigError where one is not."""
    found = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name.isidentifier():
            raise ConfigError(f"expected PARAMETER=VALUE, not {word!r}; quote SQL as one word")
        found[name] = value
    return found


def check_parameters(name: str, ready: ReadyQuery, given: Mapping[str, str]) -> None:
    """Raise ConfigError unless a ready query is given its parameters, and no others."""
    if unknown := next((parameter for parameter in given if parameter not in ready.parameters), None):
        raise ConfigError(
            f"{name} has no parameter {unknown}{logs.did_you_mean(unknown, ready.parameters)};"
            f" its parameters: {', '.join(ready.parameters) or 'none'}"
        )
    if missing := [
        f"{parameter} ({meaning})" for parameter, meaning in ready.parameters.items() if parameter not in given
    ]:
        raise ConfigError(f"{name} needs PARAMETER=VALUE for {'; '.join(missing)}")


def _printable(rows: duckdb.DuckDBPyRelation) -> str | None:
    """The SQL for the same rows with moments as text, if there are any: as Python objects they need pytz."""
    from duckdb import ColumnExpression

    moments = [str(kind) == "TIMESTAMP WITH TIME ZONE" for kind in rows.types]
    if not any(moments):
        return None
    columns = [
        ColumnExpression(name).cast("VARCHAR").alias(name) if is_moment else ColumnExpression(name)
        for name, is_moment in zip(rows.columns, moments, strict=True)
    ]
    return rows.select(*columns).sql_query()


@contextmanager
def readable(published: Path) -> Iterator[Path]:
    """The published file, or a copy of it where a program that wrote to it in place has left its log beside it: DuckDB
    would read that log into the file, or fail where the file has been replaced since.
    """
    if not Path(f"{published}.wal").exists():
        yield published
        return
    with tempfile.TemporaryDirectory(prefix="collisions-") as folder:
        yield Path(shutil.copy(published, folder))


@contextmanager
def opened(store: ObjectStore, *, needs_warehouse: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published warehouse, read-only; if nothing is published, ObjectMissing, or an empty database in memory."""
    import duckdb

    if not needs_warehouse and store.head(keys.WAREHOUSE) is None:
        with duckdb.connect() as empty:
            yield empty
        return
    with (
        store.local(keys.WAREHOUSE) as published,
        readable(published) as path,
        duckdb.connect(str(path), read_only=True) as warehouse,
    ):
        yield warehouse


def add_rejected_rows(store: ObjectStore, warehouse: duckdb.DuckDBPyConnection) -> None:
    """The rejected rows of the lake as a temporary table: they are not part of the warehouse, and may be there even
    where none was published.
    """
    warehouse.execute(
        f"create temp table {REJECTED}"
        " (stage text, dataset text, source text, file text, line integer, reason text, text text)"
    )
    landed: dict[str, dict[str, str]] = {}
    for info in store.list("quarantine/"):
        if info.key.startswith(keys.FAILED_CHECKS):
            continue
        _, stage, dataset, _ = info.key.split("/")
        if dataset not in landed:
            prefix = keys.landing(dataset)
            landed[dataset] = {keys.source(it.key.removeprefix(prefix)): it.key for it in store.list(prefix)}
        try:
            with store.local(info.key) as path:
                warehouse.execute(
                    f"insert into {REJECTED} select ?, ?, source, map(?::text[], ?::text[])[source], line, reason, text"
                    " from read_parquet(?)",
                    [stage, dataset, list(landed[dataset]), list(landed[dataset].values()), str(path)],
                )
        except ObjectMissing:  # a run replaced it meanwhile
            continue


def query(
    sql: str, parameters: Mapping[str, str], as_csv: bool, environment: Mapping[str, str], shown: str = "*"
) -> None:
    """Run one query on the published warehouse, read-only, with its `$name` parameters, and print its rows: all of them
    as CSV, or as a table for people, of the columns `shown`.

    SQL that names `rejected_rows` gets a table of that name: the rows in quarantine, with stage, dataset, source, file
    (None if it is no longer landed), line, reason and text. Where SQL reads the record of the build and its runs, a
    warning names the last run that has failed since.
    """
    import duckdb

    store = open_store(Settings.from_environment(environment))
    try:
        with opened(store, needs_warehouse=REJECTED not in sql) as warehouse:
            define_macros(warehouse)
            if REJECTED in sql:
                add_rejected_rows(store, warehouse)
            rows = warehouse.sql(sql, params=dict(parameters))
            if rows is None:
                raise ConfigError("this statement returns no rows; the published warehouse is read-only")
            if as_csv:
                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow(rows.columns)
                cursor = warehouse.execute(_printable(rows) or sql, dict(parameters))
                while block := cursor.fetchmany(BLOCK):
                    writer.writerows(block)
            else:
                rows.project(shown).show(max_width=200, max_rows=SHOWN_ROWS)
                ((count,),) = rows.limit(SHOWN_ROWS + 1).aggregate("count(*)").fetchall()
                if count > SHOWN_ROWS or (count and shown != "*"):
                    print("shortened; all rows and columns: --csv")
            sys.stdout.flush()
        published = store.head(keys.WAREHOUSE) if RECORD in sql or REJECTED in sql else None
        if published and (failure := last_failure(store, published.last_modified)):
            said = "since the published build %s" if REJECTED in sql else "this is the published build; since then %s"
            logs.log.warning(said, failure)
    except ObjectMissing:
        failure = last_failure(store, None)
        raise ConfigError(
            f"{store.describe(keys.WAREHOUSE)}: nothing is published yet; run the pipeline first"
            f"{f'; {failure}' if failure else ''}"
        ) from None
    except duckdb.Error as error:
        raise QueryFailed(f"the query failed: {error}") from None


def _help_lines(name: str, ready: ReadyQuery) -> list[str]:
    parameters = [f"{'':19}{parameter}=…  {meaning}" for parameter, meaning in ready.parameters.items()]
    return [f"  {name:16} {ready.title}", *parameters]


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Parse the arguments, print the answer, and exit as the stages do."""
    logs.set_up()
    ready = ready_queries()
    names = "\n".join(line for name, one in ready.items() for line in _help_lines(name, one))
    parser = argparse.ArgumentParser(
        prog="scripts/query",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Query the published warehouse: a ready query by its name, a file of SQL, or any SQL (DuckDB's).",
        epilog=f"ready queries:\n{names}\n\nThe lake is COLLISIONS_LAKE; without it, that of the last scripts/demo;"
        " with --cluster, the cluster's.",
    )
    parser.add_argument("query", nargs="?", metavar="NAME | FILE.sql | SQL", help="without it, prints this help")
    parser.add_argument(
        "parameters", nargs="*", metavar="PARAMETER=VALUE", help="what the query's $PARAMETER stands for"
    )
    parser.add_argument("--csv", action="store_true", help="print CSV, all rows; unknown values are empty")
    given = parser.parse_args(arguments)
    if not given.query:
        parser.print_help()
        return 0
    if given.query.endswith(".sql"):
        if not Path(given.query).is_file():
            logs.log.error("there is no file %s", given.query)
            return ConfigError.exit_code
        ready[given.query] = _ready_query(Path(given.query).read_text())
    if given.query not in ready and " " not in given.query.strip():
        logs.log.error("there is no ready query %r; choose from: %s", given.query, ", ".join(ready))
        return ConfigError.exit_code
    try:
        parameters = given_parameters(given.parameters)
        if given.query in ready:
            check_parameters(given.query, ready[given.query], parameters)
        chosen = ready.get(given.query, ReadyQuery("", {}, given.query))
        try:
            query(chosen.sql, parameters, given.csv, environment, chosen.shown)
        except QueryFailed:
            if chosen.parameters:
                meanings = (f"{parameter}: {meaning}" for parameter, meaning in chosen.parameters.items())
                logs.log.error("%s takes %s", given.query, "; ".join(meanings))
            raise
    except StageError as error:
        logs.log.error("%s", error)
        return error.exit_code
    except BrokenPipeError:  # the reader has seen enough, like `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
