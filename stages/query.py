"""Asks the published warehouse, wherever the lake is: `python -m stages.query [NAME | SQL]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stages.errors import ConfigError, ObjectMissing, StageError
from stages.settings import Settings
from stages.shared import layers, logs
from stages.shared.object_store import open_store

QUERIES = Path(__file__).parent / "sql" / "queries"


def ready_queries() -> dict[str, tuple[str, str]]:
    """The ready queries: name → what it answers (its first line), and its SQL."""
    texts = {path.stem: path.read_text() for path in sorted(QUERIES.glob("*.sql"))}
    return {name: (text.partition("\n")[0].removeprefix("-- "), text) for name, text in texts.items()}


def ask(sql: str, as_csv: bool) -> None:
    """Run one query on the published warehouse, read-only, and print its answer."""
    import duckdb

    store = open_store(Settings.from_environment())
    try:
        with store.local(layers.WAREHOUSE) as path, duckdb.connect(str(path), read_only=True) as warehouse:
            answer = warehouse.sql(sql)
            if answer is None:
                raise ConfigError("this statement gives no rows; the published warehouse is read-only")
            if as_csv:
                answer.df().to_csv(sys.stdout, index=False)
            else:
                answer.show(max_width=200, max_rows=200)
    except ObjectMissing:
        raise ConfigError(
            f"{store.describe(layers.WAREHOUSE)}: nothing is published yet; run the pipeline first"
        ) from None
    except duckdb.Error as error:
        raise ConfigError(f"the query fails: {error}") from None


def main() -> int:
    """Parse the arguments, answer, and end as the stages do."""
    logs.set_up()
    ready = ready_queries()
    names = "\n".join(f"  {name:12} {does}" for name, (does, _) in ready.items())
    parser = argparse.ArgumentParser(
        prog="scripts/query",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Ask the published warehouse: one of the ready queries by name, or any SQL (DuckDB's).",
        epilog=f"ready queries:\n{names}\n\nThe lake is COLLISIONS_LAKE; without it, the demo's.",
    )
    parser.add_argument("query", nargs="?", metavar="NAME | SQL", help="without it, this help")
    parser.add_argument("--csv", action="store_true", help="print CSV, whole; unknown values are empty")
    given = parser.parse_args()
    if not given.query:
        parser.print_help()
        return 0
    if given.query not in ready and " " not in given.query.strip():
        logs.log.error("no ready query is called %r; there are: %s", given.query, ", ".join(ready))
        return ConfigError.exit_code
    try:
        ask(ready.get(given.query, ("", given.query))[1], given.csv)
    except StageError as error:
        logs.log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
