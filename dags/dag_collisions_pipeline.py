"""
### New York City's motor vehicle collisions: CSV in, a DuckDB warehouse out

`ingest_raw >> transform_clean >> transform_curated >> model_analytics`, each task one command of the `stages` package:
a local process in the embedded runtime, a pod on Kubernetes. This file says what runs, when and over which dates;
what is done to the data is in `stages/`.

**What a run takes in** (dates are New York's, half-open; a stage works on whole months)

| run | months |
|---|---|
| scheduled | that of its data interval, and those of every landed file not yet fully taken in, whatever its dates |
| backfill | that of its data interval |
| manual, with params `start` and/or `end` | those of `[start, end)`; an open side has no limit |
| manual, without params | all: everything in landing |

The city revises reports for months: a scheduled run finds the revisions by the files that bring them, not by their
dates. The run of 2 July 06:00 has the data interval 1 July 06:00 to 2 July 06:00 and owns the date 1 July, whole: it
begins when 1 July has been over for six hours. `start` and `end` in the configuration of a scheduled or backfilled run
win over its interval, and it then takes in nothing else. What a manual or backfilled run leaves in landing, the next
scheduled run takes in. `allow_shrink` lets a run publish a warehouse that has lost more rows than the settings allow.

**Rerun.** Clear the task, or the run: a stage replaces its own month partitions whole, so a rerun leaves the same rows.

**Backfill.** `airflow backfill create --dag-id collisions_pipeline --from-date 2024-07-01 --to-date 2024-07-04
--max-active-runs 1 --reprocess-behavior completed` runs the days 1, 2 and 3 July: the end is the day after the last, as
in all ranges here but `scripts/backfill --to`, which names the last day (the dates given are midnights in UTC, and a
day's run is dated 06:00 in New York). One wide range is quicker as one manual run with `start` and `end`.

**When it fails.** The task's log ends with `ERROR:` lines: what, where, what to do. A transient fault (an unreachable
store, a killed process) is retried with increasing pauses; bad data and wrong settings fail at once and publish
nothing. Rejected rows, with their reasons: `quarantine/` in the lake. What each stage did: `_runs/<run_id>/` in the
lake and the `meta_*` tables of the warehouse. Mail goes out when a connection `smtp_default` exists, a Slack message
when `slack_default` does: docs/operations.md, "Alerts", has the commands.
"""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from collisions_operators.alerts import report_failure
from jinja2 import pass_context

if TYPE_CHECKING:
    from airflow.sdk import Context

STAGES = ("ingest_raw", "transform_clean", "transform_curated", "model_analytics")
NEW_YORK = ZoneInfo("America/New_York")


class Scope(NamedTuple):
    """What a run takes in, as arguments of the stages; '' is no limit."""

    start: str
    end: str
    take_in: str = "dates"


@pass_context
def scope(context: Context) -> Scope:
    """What a run takes in: the only place that decides it (the table above). Called from the tasks' arguments."""
    start, end = context["params"].get("start") or "", context["params"].get("end") or ""
    run_type = context["dag_run"].run_type
    if not start and not end and run_type in ("scheduled", "backfill"):
        # A manual run may have no data interval at all; these two always have one.
        interval = (context["data_interval_start"], context["data_interval_end"])
        first, last = (moment.astimezone(NEW_YORK).date() for moment in interval if moment)
        return Scope(str(first), str(last), "new" if run_type == "scheduled" else "dates")
    if start and end and date.fromisoformat(start) >= date.fromisoformat(end):
        raise AirflowFailException(f"No dates in [{start}, {end}): param start must be before end, which is exclusive")
    return Scope(start, end)


def arguments(stage: str) -> list[str]:
    """What follows `python -m stages`, the same for a process and a pod."""
    return [
        stage,
        "--run-id={{ run_id }}",
        "--start={{ scope().start }}",
        "--end={{ scope().end }}",
        "--take-in={{ scope().take_in }}",
        "--allow-shrink={{ params.allow_shrink }}",
    ]


def stage_task(stage: str, **options: Any) -> BaseOperator:
    """The task of one stage, in the runtime that COLLISIONS_RUNTIME names."""
    runtime = os.environ.get("COLLISIONS_RUNTIME") or "kubernetes"
    if runtime == "local":
        from collisions_operators.local import LocalStageOperator

        return LocalStageOperator(task_id=stage, arguments=arguments(stage), **options)
    if runtime == "kubernetes":
        from collisions_operators.pod import PodStageOperator

        return PodStageOperator(task_id=stage, arguments=arguments(stage), **options)
    raise AirflowException(f"COLLISIONS_RUNTIME is {runtime!r}: set it to local or kubernetes")


with DAG(
    dag_id="collisions_pipeline",
    description="Published collision CSVs to a checked DuckDB warehouse",
    doc_md=__doc__,
    tags=["collisions", "nyc", "batch"],
    # The day's report files are out by the morning; an explicit interval, since @daily has none in Airflow 3.
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="America/New_York"),
    start_date=datetime(2012, 7, 1, tzinfo=NEW_YORK),  # the first day of the published data
    catchup=False,
    max_active_runs=1,
    params={
        "start": Param(None, type=["null", "string"], format="date", description="First date, YYYY-MM-DD"),
        "end": Param(None, type=["null", "string"], format="date", description="Date after the last, YYYY-MM-DD"),
        "allow_shrink": Param(False, type="boolean", description="Publish even if many rows are gone"),
    },
    user_defined_macros={"scope": scope},
    default_args={
        "owner": "data-engineering",
        # Transient faults only: an operator fails at once on any other. Pauses of 10, 20, 40, 80 s outlast a restart.
        "retries": 4,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": report_failure,
    },
):
    ingest_raw, transform_clean, transform_curated = (stage_task(stage) for stage in STAGES[:-1])
    # One publisher at a time, across backfills too, which max_active_runs does not limit.
    model_analytics = stage_task(STAGES[-1], max_active_tis_per_dag=1)

    ingest_raw >> transform_clean >> transform_curated >> model_analytics
