"""
### New York City's motor vehicle collisions: CSV in, a DuckDB warehouse out

`ingest_raw >> transform_clean >> transform_curated >> model_analytics`, each task one command of the `stages` package:
a local process in the embedded runtime, a pod on Kubernetes. This file says what runs, when and over which dates;
what is done to the data is in `stages/`. `ingest_raw` cuts the work into chunks of months and datasets, and the two
transforms run once for each; a day's work is one chunk.

**What a run takes in** (dates are New York's, half-open; a stage works on whole months)

| run | months |
|---|---|
| scheduled | that of its data interval, and those of every landed file not yet fully taken in, whatever its dates |
| backfill | that of its data interval |
| manual, with params `start` and/or `end` | those of `[start, end)`; an open side has no limit |
| manual, with param `years` | those of these years |
| manual, without dates | all: everything in landing |

The city revises reports for months: a scheduled run finds the revisions by the files that bring them, not by their
dates. The run of 2 July 06:00 has the data interval 1 July 06:00 to 2 July 06:00 and owns the date 1 July, whole: it
begins when 1 July has been over for six hours. A run whose interval lies within a day works on that day's month, so any
cron expression will do. `start`, `end` or `years` in the configuration of a scheduled or backfilled run win over its
interval, and it then takes in nothing else. What a manual or backfilled run leaves in landing, the next scheduled run
takes in. `datasets` limits a run to some of them. `allow_shrink` lets a run publish a warehouse that has lost more rows
than the settings allow; with `full_refresh` it is built anew from the whole curated layer, after the source's whole
tables have been fetched, if there is a source. An unknown param, or a `start` that is not before `end`, fails in the
first task, before any pod starts: Airflow ignores the one, and checks each param alone. "Data interval" in the form
changes nothing for a manual run: its dates are its params.

**The result.** Each published warehouse updates the asset `collisions_warehouse`, whose event says in `extra` how many
rows there are by dataset, the newest date, and the run. Schedule a DAG on it to follow: `schedule=[Asset(...)]`.

**Source.** With `COLLISIONS_SOURCE=socrata` in Airflow's environment, `ingest_raw` first fetches the run's dates from
the city's API; a scheduled run also fetches what has changed elsewhere, and now and then the whole tables.

**Rerun.** Clear the task, or the run: a stage replaces its own month partitions whole, so a rerun leaves the same rows.
The warehouse is published once every chunk is good: clear the failed ones with what follows them.

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
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from collisions_operators import chunk_name
from collisions_operators.alerts import report_failure
from jinja2 import pass_context

if TYPE_CHECKING:
    from airflow.sdk import Context

# Chunks at once by runtime: two processes on a laptop; four pods are what k8s/limits.yaml leaves beside MinIO.
FAN_OUT = {"local": 2, "kubernetes": 4}
NEW_YORK = ZoneInfo("America/New_York")


class Scope(NamedTuple):
    """What a run takes in, as arguments of the stages; '' is no limit."""

    start: str = ""
    end: str = ""
    years: str = ""
    take_in: str = "dates"


@pass_context
def scope(context: Context) -> Scope:
    """What a run takes in: the only place that decides it (the table above). Called from the tasks' arguments."""
    check_names(context["dag_run"].conf or {}, context["dag"].params)
    params = context["params"]
    start, end = params.get("start") or "", params.get("end") or ""
    years = ",".join(map(str, sorted(set(params.get("years") or []))))
    run_type = context["dag_run"].run_type
    if years and (start or end):
        raise AirflowFailException("Params years and start or end: give the years or the dates, not both")
    if not start and not end and not years and run_type in ("scheduled", "backfill"):
        # A manual run may have no data interval at all; these two always have one.
        interval = (context["data_interval_start"], context["data_interval_end"])
        first, last = (moment.astimezone(NEW_YORK).date() for moment in interval if moment)
        last = max(last, first + timedelta(days=1))
        return Scope(str(first), str(last), take_in="new" if run_type == "scheduled" else "dates")
    if start and end and date.fromisoformat(start) >= date.fromisoformat(end):
        raise AirflowFailException(f"No dates in [{start}, {end}): param start must be before end, which is exclusive")
    return Scope(start, end, years)


def check_names(conf: Iterable[str], params: Iterable[str]) -> None:
    """Raise if the run's configuration has a param that the DAG does not: Airflow ignores it."""
    known = list(params)
    unknown = []
    for name in conf:
        if name not in known:
            likely = get_close_matches(name, known, n=1)
            unknown.append(f"{name!r}{f' (did you mean {likely[0]}?)' if likely else ''}")
    if unknown:
        raise AirflowFailException(f"There is no param {', '.join(unknown)}; there are: {', '.join(known)}")


def arguments(stage: str) -> list[str]:
    """What follows `python -m stages`, the same for a process and a pod."""
    dates = [f"--{name.replace('_', '-')}={{{{ scope().{name} }}}}" for name in Scope._fields]
    flags = [f"--{name.replace('_', '-')}={{{{ params.{name} }}}}" for name in ("allow_shrink", "full_refresh")]
    own = {
        "ingest_raw": ["--datasets={{ (params.datasets or []) | join(',') }}"],
        "transform_clean": ["--chunk={{ task.chunk }}"],
        "transform_curated": ["--chunk={{ task.chunk }}"],
    }
    return [stage, "--run-id={{ run_id }}", *dates, *flags, *own.get(stage, [])]


def runtime() -> str:
    """What runs the stages, by COLLISIONS_RUNTIME: local (processes) or kubernetes (pods)."""
    name = os.environ.get("COLLISIONS_RUNTIME") or "kubernetes"
    if name not in FAN_OUT:
        raise AirflowException(f"COLLISIONS_RUNTIME is {name!r}: set it to local or kubernetes")
    return name


def fan_out() -> int:
    """How many chunks of a run are worked on at once."""
    given = os.environ.get("COLLISIONS_FAN_OUT") or str(FAN_OUT[runtime()])
    if not (given.isascii() and given.isdecimal() and int(given) > 0):
        raise AirflowException(f"COLLISIONS_FAN_OUT is {given!r}: set it to a whole number from 1")
    return int(given)


def operator() -> Any:
    """The class of the tasks."""
    if runtime() == "local":
        from collisions_operators.local import LocalStageOperator

        return LocalStageOperator
    from collisions_operators.pod import PodStageOperator

    return PodStageOperator


def stage_task(stage: str, **options: Any) -> BaseOperator:
    """The task of a stage that does a run's work as a whole."""
    task: BaseOperator = operator()(task_id=stage, arguments=arguments(stage), **options)
    return task


def chunk_tasks(stage: str, chunks: Any) -> Any:
    """The tasks of a stage that does its work by chunks: one for each that `ingest_raw` returns."""
    return (
        operator()
        .partial(
            task_id=stage,
            arguments=arguments(stage),
            map_index_template="{{ chunk_name(task.chunk) }}",
            max_active_tis_per_dagrun=fan_out(),
        )
        .expand(chunk=chunks)
    )


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
        "start": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Start",
            description="First date, YYYY-MM-DD (New York's). Without dates the run takes in everything.",
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date",
            title="End",
            description="The day after the last date, YYYY-MM-DD; later than the start. Empty: no limit.",
        ),
        "years": Param(
            None,
            type=["null", "array"],
            items={"type": "integer", "minimum": 2012, "maximum": 2099},
            uniqueItems=True,
            title="Years",
            description="In place of start and end: a list of years, such as [2023, 2024].",
        ),
        "datasets": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
            uniqueItems=True,
            title="Datasets",
            description="Names of the datasets to work on, one a line. Empty: all.",
        ),
        "full_refresh": Param(
            False,
            type="boolean",
            title="Full refresh",
            description="Fetch the source's whole tables, if there is a source, and build the warehouse anew from all.",
        ),
        "allow_shrink": Param(
            False,
            type="boolean",
            title="Allow shrink",
            description="Publish a warehouse even if it has lost more rows than the settings allow.",
        ),
    },
    user_defined_macros={"scope": scope, "chunk_name": chunk_name},
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
    ingest_raw = stage_task("ingest_raw")
    transform_clean = chunk_tasks("transform_clean", ingest_raw.output)
    transform_curated = chunk_tasks("transform_curated", ingest_raw.output)
    # One publisher at a time, across backfills too, which max_active_runs does not limit.
    model_analytics = stage_task("model_analytics", max_active_tis_per_dag=1, outlets=[Asset("collisions_warehouse")])

    ingest_raw >> transform_clean >> transform_curated >> model_analytics
