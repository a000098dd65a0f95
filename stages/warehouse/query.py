"""Queries the published warehouse, wherever the lake is: `python -m stages.warehouse.query [NAME | SQL]`.

Needs DuckDB and the lake's store alone, for it also runs where the stages' other packages are not installed.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages import logs
from stages.errors import ConfigError, ObjectMissing, StageError
from stages.lake import keys
from stages.lake.store import open_store
from stages.settings import Settings

if TYPE_CHECKING:
    import duckdb

QUERIES = Path(__file__).parent / "queries"
BLOCK = 10_000  # rows fetched at once


def ready_queries() -> dict[str, tuple[str, str]]:
    """The ready queries: name → what it answers (its first line), and its SQL."""
    texts = {path.stem: path.read_text() for path in sorted(QUERIES.glob("*.sql"))}
    return {name: (text.partition("\n")[0].removeprefix("-- "), text) for name, text in texts.items()}


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


def query(sql: str, as_csv: bool, environment: Mapping[str, str]) -> None:
    """Run one query on the published warehouse, read-only, and print its rows."""
    import duckdb

    store = open_store(Settings.from_environment(environment))
    try:
        with store.local(keys.WAREHOUSE) as path, duckdb.connect(str(path), read_only=True) as warehouse:
            rows = warehouse.sql(sql)
            if rows is None:
                raise ConfigError("this statement returns no rows; the published warehouse is read-only")
            if as_csv:
                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow(rows.columns)
                cursor = warehouse.execute(_printable(rows) or sql)
                while block := cursor.fetchmany(BLOCK):
                    writer.writerows(block)
            else:
                rows.show(max_width=200, max_rows=200)
            sys.stdout.flush()
    except ObjectMissing:
        raise ConfigError(
            f"{store.describe(keys.WAREHOUSE)}: nothing is published yet; run the pipeline first"
        ) from None
    except duckdb.Error as error:
        raise ConfigError(f"the query fails: {error}") from None


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Parse the arguments, print the answer, and exit as the stages do."""
    logs.set_up()
    ready = ready_queries()
    names = "\n".join(f"  {name:12} {does}" for name, (does, _) in ready.items())
    parser = argparse.ArgumentParser(
        prog="scripts/query",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Query the published warehouse: a ready query by its name, or any SQL (DuckDB's).",
        epilog=f"ready queries:\n{names}\n\nThe lake is COLLISIONS_LAKE; without it, the demo's.",
    )
    parser.add_argument("query", nargs="?", metavar="NAME | SQL", help="without it, this help")
    parser.add_argument("--csv", action="store_true", help="print CSV, all rows; unknown values are empty")
    given = parser.parse_args(arguments)
    if not given.query:
        parser.print_help()
        return 0
    if given.query not in ready and " " not in given.query.strip():
        logs.log.error("there is no ready query %r; there are: %s", given.query, ", ".join(ready))
        return ConfigError.exit_code
    try:
        query(ready.get(given.query, ("", given.query))[1], given.csv, environment)
    except StageError as error:
        logs.log.error("%s", error)
        return error.exit_code
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
