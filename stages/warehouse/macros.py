"""Macros for the project's own SQL. Each connection defines them for itself; the published file has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# Words of at most so many characters, for columns on a terminal.
CUT = "cut(words, most) as if(length(words) > most, words[: most - 1] || '…', words)"
# An aggregate: true if all values are whole numbers from 0 to 99,999,999 and no two are equal. It sets a bit for each,
# ten times as fast as grouping, which has to answer where this is false.
ALL_DIFFER = """
    all_differ(number) as
    bit_count(bitstring_agg(if(number between 0 and 99999999, number, null), 0, 99999999)) is not distinct from count(*)
"""


def define_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macros in a connection."""
    for macro in (CUT, ALL_DIFFER):
        connection.execute(f"create temp macro {macro}")
