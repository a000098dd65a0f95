"""scripts/backfill: run days again, or for the first time, oldest first, by Airflow's own backfill."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from collisions_ops.airflow_api import POLL_SECONDS, STALL_SECONDS, Airflow
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG

IN_FLIGHT = ("queued", "running")
OVER_HOURS = 36  # after a day's first hour in UTC its run has been due for some hours


def backfill(
    airflow: Airflow, console: Console, first: date, last: date, *, dry_run: bool = False, allow_shrink: bool = False
) -> int:
    """Create the backfill of [first, last] and follow its runs; returns 1 if one failed or a day was left out."""
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
    found = airflow.send("POST", "/api/v2/backfills/dry_run", scope)["backfills"]
    days = sorted(date.fromisoformat(run["logical_date"][:10]) for run in found)
    asked = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    left_out = [day for day in asked if day not in days]
    console.print(f"{len(days)} of {len(asked)} days: {', '.join(map(str, days))}")
    for day in left_out:
        console.print(f"{day}  left out: {why_left_out(airflow, day)}", style="red")
    if dry_run or not days:
        return 1 if left_out else 0
    airflow.require_unpaused()
    await_earlier(airflow, console)
    airflow.send("POST", "/api/v2/backfills", scope)
    failed = 0
    for day in days:
        run = run_of(airflow, day)
        if run is None:
            raise OpsError(f"the run of {day} was not created: see Backfills in the UI at {airflow.address}")
        run_id = run["dag_run_id"]
        console.print(f"{day}  {run_id}")
        state = airflow.follow(run_id, console)
        console.print(f"{day}  {state}")
        failed += state != "success"
    if left_out:
        console.print(f"left out: {', '.join(map(str, left_out))}", style="red")
    return 1 if failed or left_out else 0


def run_of(airflow: Airflow, day: date) -> Any:
    """The run that Airflow has of a day; None without one."""
    between = {"logical_date_gte": f"{day}T00:00:00Z", "logical_date_lt": f"{day + timedelta(days=1)}T00:00:00Z"}
    runs = airflow.get("dagRuns", **between)["dag_runs"]
    return runs[0] if runs else None


def why_left_out(airflow: Airflow, day: date, now: datetime | None = None) -> str:
    """Why a backfill has no run of a day. Airflow's API does not tell the reason, so this judges as Airflow does: a run
    that is not over is "in flight", and stays as it is.
    """
    run = run_of(airflow, day)
    if run and run["state"] in IN_FLIGHT:
        return f"in flight: {run['dag_run_id']} is {run['state']}; {how_to_free(airflow, run)}"
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if begin + timedelta(hours=OVER_HOURS) > (now or datetime.now(UTC)):
        return "it is not over yet, or its run has only just become due"
    start = airflow.get("details").get("start_date")
    if start and str(day) < start[:10]:
        return f"it lies before {start[:10]}, the first day of {DAG}"
    return f"Airflow gives no reason; see Backfills in the UI at {airflow.address}"


def how_to_free(airflow: Airflow, run: Any) -> str:
    """What becomes of a run that is queued or running, and what to do where Airflow never starts it.

    A run of a backfill waits for its backfill, even once that was cancelled or has ended (seen with Airflow 3.3.2).
    """
    active = [b for b in airflow.get("/api/v2/backfills", dag_id=DAG)["backfills"] if not b["completed_at"]]
    if run["state"] == "queued" and run["run_type"] == "backfill" and not active:
        return (
            "its backfill has ended, so Airflow never starts it: mark the run as failed in the UI"
            f" ({airflow.address}/dags/{DAG}/runs/{run['dag_run_id']}), then run scripts/backfill for its day"
        )
    return "wait until it has ended"


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
