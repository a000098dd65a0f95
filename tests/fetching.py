"""Runs with a source, the server of socrata/, and what they leave."""

from __future__ import annotations

from typing import Any

from lake import STAGES, Lake, rows
from socrata.server import SocrataServer

from stages.lake import keys

DAY = ("--start=2024-03-05", "--end=2024-03-06")
NEW = "--take-in=new"
ONLY = "--dataset=crashes"  # the server's one table
INJURED = "select collision_id, persons_injured from fct_collisions order by 1"


def records(days: int = 3, each: int = 4) -> list[dict[str, str]]:
    """Collisions of some days from 4 March 2024 on: ids 100, 101 … on the first, 200, 201 … on the second."""
    return [row for day in range(days) for row in rows(each, (day + 1) * 100, CRASH_DATE=f"03/{4 + day:02}/2024")]


class Source:
    """A server with one table, and the settings that name it."""

    def __init__(self, server: SocrataServer) -> None:
        self.server, (self.table,) = server, server.tables

    def settings(self, **others: str) -> dict[str, Any]:
        stated = {"source": "socrata", "source_url": self.server.url, "source_retry_seconds": "5"}
        stated |= {"lookback_days": "0", "full_refresh_days": "0", "stale_days": "3650", "max_shrink_ratio": "1"}
        return stated | others

    def asked(self) -> list[str]:
        """The kinds of the requests since the last call."""
        kinds = [kind for kind, _ in self.server.requests]
        self.server.requests.clear()
        return kinds


def ids(lake: Lake) -> list[int]:
    return [number for (number,) in lake.ask("select collision_id from fct_collisions order by 1")]


def fetched(lake: Lake) -> dict[str, dict[str, str]]:
    """The fetched files' names without their times → what they declare."""
    found = [info.key for info in lake.store.list(keys.landing("crashes")) if "_asof_" in info.key]
    return {key.rpartition("/")[2].partition("_asof_")[0]: lake.store.metadata(key) for key in found}


def run(lake: Lake, source: Source, *arguments: str, **settings: str) -> str:
    """The four stages with the source switched on; each must succeed."""
    log = ""
    for stage in STAGES:
        only = () if stage == "model_analytics" else (ONLY,)
        done = lake.stage(stage, *only, *arguments, **source.settings(**settings))
        assert done.code == 0, done.log
        log += done.log
    return log


def ingest(lake: Lake, source: Source, *arguments: str, **settings: str) -> str:
    """The first stage alone."""
    done = lake.stage("ingest_raw", ONLY, *arguments, **source.settings(**settings))
    assert done.code == 0, done.log
    return done.log
