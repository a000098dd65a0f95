"""scripts/trigger: start a run on the cluster and follow it; the exit code is the run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collisions_ops import query, report
from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import DAG


def trigger(cluster: Cluster, console: Console, conf: Mapping[str, Any]) -> int:
    """Start a run with these params, print each stage's log lines, then the ledger."""
    airflow = Airflow.on(cluster)
    airflow.require_unpaused()
    run_id = airflow.trigger(conf)
    console.print(f"{run_id}   {airflow.address}/dags/{DAG}/runs/{run_id}")
    state = airflow.follow(run_id, console)
    console.print(f"run {state}")
    if state != "success":
        console.note("the whole log of a task: scripts/logs TASK; its pod is kept: scripts/status")
        return 1
    query.on_cluster(cluster, ["ledger"])
    try:
        console.print(f"report: {report.on_cluster(cluster)}")
    except OpsError as error:  # the run has succeeded all the same
        console.note(f"warning: {error}")
    return 0
