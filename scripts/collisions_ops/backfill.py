"""scripts/backfill: run days again, or for the first time, oldest first, by Airflow's own backfill."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from collisions_ops.airflow_api import POLL_SECONDS, STALL_SECONDS, Airflow
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG


def backfill(
    airflow: Airflow, console: Console, first: date, last: date, *, dry_run: bool = False, allow_shrink: bool = False
) -> int:
    """Create the backfill of [first, last] and follow its runs; returns 1 if one failed."""
    if first > last:
        raise OpsError(f"--from {first} is after --to {last}")
    # Airflow takes points in time; a day's run has its date at 06:00 New York, so between these two midnights of UTC.
    scope: dict[str, Any] = {
        "dag_id": DAG,
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{last + timedelta(days=1)}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 1,  # in order; the publishing stage takes one run at a time anyway
        "dag_run_conf": {"allow_shrink": True} if allow_shrink else {},
    }
    days = [run["logical_date"] for run in airflow.send("POST", "/api/v2/backfills/dry_run", scope)["backfills"]]
    console.print(f"{len(days)} runs: {', '.join(day[:10] for day in days)}")
    if dry_run:
        return 0
    if not days:
        raise OpsError("nothing to do: these days are running now, or are not over yet")
    airflow.require_unpaused()
    await_earlier(airflow, console)
    airflow.send("POST", "/api/v2/backfills", scope)
    failed = 0
    for day in sorted(days):
        runs = airflow.get("dagRuns", logical_date_gte=day, logical_date_lte=day)["dag_runs"]
        if not runs:
            raise OpsError(f"the run of {day[:10]} was not created: see Backfills in the UI at {airflow.address}")
        run_id = runs[0]["dag_run_id"]
        console.print(f"{day[:10]}  {run_id}")
        state = airflow.follow(run_id, console)
        console.print(f"{day[:10]}  {state}")
        failed += state != "success"
    return 1 if failed else 0


def await_earlier(
    airflow: Airflow,
    console: Console,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for an earlier backfill: Airflow allows one at a time, and notices only twice a minute that one has ended.

    Raises OpsError if that one is paused, or no run has been active for a long time.
    """
    said, moved = False, clock()
    while earlier := [b for b in airflow.get("/api/v2/backfills", dag_id=DAG)["backfills"] if not b["completed_at"]]:
        name = f"the backfill from {earlier[0]['from_date'][:10]}"
        see = f"see Backfills in the UI at {airflow.address}"
        if not said:
            console.print(f"waiting for {name} to end")
            said = True
        if earlier[0].get("is_paused"):
            raise OpsError(f"{name} is paused, so it will not end: {see}")
        airflow.require_unpaused()
        if airflow.get("dagRuns", state=["running"], limit=1)["dag_runs"]:
            moved = clock()
        elif clock() - moved > STALL_SECONDS:
            raise OpsError(f"{name} does not end, and no run has been active for {clock() - moved:.0f} s: {see}")
        pause(POLL_SECONDS)
