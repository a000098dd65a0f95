"""scripts/logs: print a task's log from Airflow, and follow it while the task runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from collisions_ops.airflow_api import (
    ENDED,
    POLL_SECONDS,
    UNDER_WAY,
    Airflow,
    Json,
    Watch,
    map_index,
    name_of,
    print_entry,
)
from collisions_ops.console import Console
from collisions_ops.errors import OpsError


def logs(
    airflow: Airflow,
    console: Console,
    stage: str,
    run: str | None,
    attempt: int | None,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Print the log of a stage's try, to the end of that try."""
    run_id, found = find(airflow, stage, run)
    attempt, chunk = attempt or found["try_number"], map_index(found)
    console.note(f"--- {run_id}, {name_of(found)}, try {attempt}")
    watch = Watch(airflow, run_id, console)
    printed = 0
    while True:
        state = str(airflow.run(run_id)["state"])
        tasks = airflow.tasks(run_id)
        task = next(task for task in tasks if (task["task_id"], map_index(task)) == (stage, chunk))
        entries = airflow.log(run_id, stage, attempt, chunk)
        for entry in entries[printed:]:
            print_entry(console, entry)
        printed = len(entries)
        if task["try_number"] != attempt or task["state"] in ENDED or task["state"] == "up_for_retry":
            return
        watch.look(state, tasks)
        pause(POLL_SECONDS)


def find(airflow: Airflow, stage: str, run: str | None) -> tuple[str, Json]:
    """A run in which the stage has started, and its task: of the given run, else of the newest such.

    Of several chunks the one most worth reading: a failed one, else one that is under way, else the first.
    """
    runs = [run] if run else [r["dag_run_id"] for r in airflow.get("dagRuns", order_by="-id", limit=20)["dag_runs"]]
    for run_id in runs:
        started = [task for task in airflow.tasks(run_id) if task["task_id"] == stage and task["try_number"]]
        for wanted in ({"failed", "up_for_retry"}, UNDER_WAY, {task["state"] for task in started}):
            for task in started:
                if task["state"] in wanted:
                    return run_id, task
    raise OpsError(f"{stage} has not started in {run or 'any of the last runs'}")
