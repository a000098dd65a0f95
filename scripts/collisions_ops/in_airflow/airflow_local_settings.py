"""Airflow's connections to SQLite in the embedded runtime: writers wait for one another instead of failing.

Airflow imports this module by its name from PYTHONPATH, and calls both functions instead of its own. SQLite has one
writer. With Python's defaults another fails with "database is locked" in two cases:

- It has waited for 5 s.
- Its transaction began with a read, a second process wrote, and now it wants to write itself: SQLite refuses that at
  once, whatever the time-out. `airflow backfill create` reads first in a SAVEPOINT for each run.

So a transaction that is to write takes the write lock as it begins, and waits for it. Reads need no lock: the database
is in WAL mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

WAIT_SECONDS = 300  # for the write lock, which a backfill of 100 days held for 80 s on a very busy machine
CONNECT = {"timeout": WAIT_SECONDS, "isolation_level": "IMMEDIATE"}


def create_metadata_engine(
    sql_alchemy_conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]
) -> Engine:
    """The engine of Airflow's own processes."""
    engine = create_engine(sql_alchemy_conn, connect_args=connect_args | CONNECT, **engine_args)
    event.listen(engine, "savepoint", lock_for_writing)
    return engine


def create_async_metadata_engine(
    sql_alchemy_conn_async: str, *, connect_args: dict[str, Any], engine_args: dict[str, Any] | None = None
) -> AsyncEngine:
    """The engine of the API server's asynchronous requests."""
    engine = create_async_engine(sql_alchemy_conn_async, connect_args=connect_args | CONNECT, **(engine_args or {}))
    event.listen(engine.sync_engine, "savepoint", lock_for_writing)
    return engine


def lock_for_writing(connection: Connection, _name: str | None) -> None:
    """Take the write lock at a transaction's first SAVEPOINT, as Python's driver does at its first INSERT or UPDATE."""
    if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
