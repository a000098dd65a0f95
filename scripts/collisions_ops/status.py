"""scripts/status: what runs on the cluster, how the last runs ended, what is stuck, which volumes fill up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from collisions_ops.airflow_api import Airflow, name_of
from collisions_ops.backfill import how_to_free
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import CONTEXT, DAG
from stages.lake.sources import Source, newest_fetched
from stages.logs import counted

STAGES_NAMESPACE = ("--namespace", "collisions")
FAILED_PODS = ("pods", "--selector", "app=stage", "--field-selector", "status.phase=Failed")
QUEUED_MINUTES = 30  # a run waits for the one before it; longer than this, something holds it
FULL_PERCENT = 85  # of a volume: time to act while everything still works


class Volume(NamedTuple):
    """A volume by where it is mounted."""

    namespace: str
    pod: str
    container: str
    folder: str


VOLUMES = (  # what grows
    Volume("airflow", "airflow-scheduler-0", "scheduler", "/opt/airflow/logs"),
    Volume("airflow", "postgres-0", "postgres", "/var/lib/postgresql/data"),
    Volume("collisions", "minio-0", "minio", "/data"),
    Volume("collisions", "seaweedfs-0", "seaweedfs", "/data"),
)


def status(cluster: Cluster, console: Console) -> None:
    """Print pods, volumes, sources, runs, runs that are stuck, and the failed pods that are kept."""
    cluster.require()
    names = show_pods(cluster, console)
    for volume in VOLUMES:
        if volume.pod in names:
            show_volume(cluster, console, volume)
    show_sources(cluster, console)
    airflow = Airflow.on(cluster)
    dag = airflow.get("")
    switch = "PAUSED" if dag["is_paused"] else "on"
    console.print(f"\n{DAG}: {switch}; next run {dag['next_dagrun_run_after']}; {airflow.address}")
    for run in airflow.get("dagRuns", order_by="-id", limit=5)["dag_runs"]:
        states = " ".join(f"{name_of(task)}={task['state']}" for task in airflow.tasks(run["dag_run_id"]))
        took = f"{run['duration']:.0f} s" if run["duration"] else ""
        shown = states if run["state"] != "success" else ""
        console.print(
            f"  {run['state']:8} {run['dag_run_id']:55} {took:6} {shown}",
            style="red" if run["state"] == "failed" else None,
        )
    show_stuck(airflow, console, datetime.now(UTC))
    failed = cluster.kubectl(*STAGES_NAMESPACE, "get", *FAILED_PODS, "--output", "name").split()
    if failed:
        console.print(
            f"\n{len(failed)} failed pods are kept for a look; kubectl --namespace collisions logs NAME, then"
        )
        console.print(f"  kubectl {' '.join([*STAGES_NAMESPACE, 'delete', *FAILED_PODS])}")
        console.print("\n".join(f"  {name}" for name in failed))


def show_pods(cluster: Cluster, console: Console) -> set[str]:
    """Print what runs besides the stages; returns the names of the pods that run."""
    running = set()
    for namespace in ("airflow", "collisions"):
        for pod in json.loads(cluster.kubectl("--namespace", namespace, "get", "pods", "--output", "json"))["items"]:
            labels, phase = pod["metadata"].get("labels", {}), pod["status"]["phase"]
            if "kubernetes_pod_operator" in labels or phase == "Succeeded":
                continue
            name = pod["metadata"]["name"]
            containers = pod["status"].get("containerStatuses", [])
            ready = f"{sum(c['ready'] for c in containers)}/{len(containers)}"
            restarts = sum(c["restartCount"] for c in containers)
            console.print(
                f"{namespace:11} {name:44} {phase:9} {ready} ready, {restarts} restarts",
                style=None if phase == "Running" else "yellow",
            )
            if phase == "Running":
                running.add(name)
    return running


def show_volume(cluster: Cluster, console: Console, volume: Volume) -> None:
    """Print how full a volume is: red from FULL_PERCENT on, and "unknown" where it cannot be told."""
    where = ("--context", CONTEXT, "--namespace", volume.namespace)
    df = ("exec", volume.pod, "--container", volume.container, "--", "df", "-Pk", volume.folder)
    done = cluster.shell.attempt("kubectl", *where, *df)
    percent = percent_used(done.out) if done.ok else None
    name = f"{volume.namespace:11} {volume.pod} {volume.folder}"
    if percent is None:
        reason = (done.err or done.out).strip().partition("\n")[0]
        console.print(f"{name}: how full it is, is unknown: {reason}", style="yellow")
        return
    full = percent >= FULL_PERCENT
    hint = '; "Common failures" in docs/operations.md says what to do' if full else ""
    console.print(f"{name}: {percent} % full{hint}", style="red" if full else None)


def percent_used(text: str) -> int | None:
    """How full a file system is, from what `df -P` prints of it; None where it prints something else."""
    lines = text.splitlines()
    words = lines[1].split() if len(lines) == 2 else []
    return int(words[4].removesuffix("%")) if len(words) >= 6 and words[4].removesuffix("%").isdigit() else None


def show_sources(cluster: Cluster, console: Console) -> None:
    """Print how new the datasets are that were fetched from a source; nothing about files that were landed by hand."""
    from stages import datasets
    from stages.errors import StageError
    from stages.lake.sources import load_sources
    from stages.lake.store import open_store
    from stages.settings import Settings

    try:
        settings = Settings.from_environment(cluster.lake_environment())
        store = open_store(settings)
        recorded = {name: load_sources(store, name)[0].values() for name in datasets.names()}
    except (OpsError, StageError) as error:
        console.print(f"how new the sources are, is unknown: {error}", style="yellow")
        return
    for name, sources in recorded.items():
        if fetched := newest_fetched(sources):
            line, is_stale = how_new(fetched, datetime.now(UTC), settings.stale_days)
            console.print(f"{name:11} {line}", style="yellow" if is_stale else None)


def how_new(fetched: Source, now: datetime, stale_days: int) -> tuple[str, bool]:
    """When a file was fetched and how old the source's newest record is, in words, and whether that is too old."""
    newest = date.fromisoformat(fetched.source_newest or "")
    days = (now.date() - newest).days
    is_stale = days > stale_days
    said = f": it has stood still for over {stale_days} days" if is_stale else ""
    return (
        f"fetched {fetched.extracted_at[:16]}Z; the source's newest record: {newest}, {counted(days, 'day')} ago{said}",
        is_stale,
    )


def show_stuck(airflow: Airflow, console: Console, now: datetime) -> None:
    """Name the runs that have been queued for longer than QUEUED_MINUTES, and how to free each."""
    for run in airflow.get("dagRuns", state=["queued"], limit=50)["dag_runs"]:
        since = run["queued_at"] and datetime.fromisoformat(run["queued_at"])
        if since and now - since > timedelta(minutes=QUEUED_MINUTES):
            minutes = (now - since).total_seconds() / 60
            console.print(
                f"  queued for {minutes:,.0f} minutes: {run['dag_run_id']}: {how_to_free(airflow, run)}", style="red"
            )
