"""scripts/status: what runs on the cluster, how the last runs ended, which failed pods are kept."""

from __future__ import annotations

import json

from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.settings import DAG

STAGES_NAMESPACE = ("--namespace", "collisions")
FAILED_PODS = ("pods", "--selector", "app=stage", "--field-selector", "status.phase=Failed")


def status(cluster: Cluster, console: Console) -> None:
    """Print pods, runs, and the failed pods that are kept."""
    for namespace in ("airflow", "collisions"):
        for pod in json.loads(cluster.kubectl("--namespace", namespace, "get", "pods", "--output", "json"))["items"]:
            labels, phase = pod["metadata"].get("labels", {}), pod["status"]["phase"]
            if "kubernetes_pod_operator" in labels or phase == "Succeeded":
                continue
            containers = pod["status"].get("containerStatuses", [])
            ready = f"{sum(c['ready'] for c in containers)}/{len(containers)}"
            restarts = sum(c["restartCount"] for c in containers)
            console.print(
                f"{namespace:11} {pod['metadata']['name']:44} {phase:9} {ready} ready, {restarts} restarts",
                style=None if phase == "Running" else "yellow",
            )
    airflow = Airflow.on(cluster)
    dag = airflow.get("")
    switch = "PAUSED" if dag["is_paused"] else "on"
    console.print(f"\n{DAG}: {switch}; next run {dag['next_dagrun_run_after']}; {airflow.address}")
    for run in airflow.get("dagRuns", order_by="-id", limit=5)["dag_runs"]:
        states = " ".join(f"{task['task_id']}={task['state']}" for task in airflow.tasks(run["dag_run_id"]))
        took = f"{run['duration']:.0f} s" if run["duration"] else ""
        shown = states if run["state"] != "success" else ""
        console.print(
            f"  {run['state']:8} {run['dag_run_id']:55} {took:6} {shown}",
            style="red" if run["state"] == "failed" else None,
        )
    failed = cluster.kubectl(*STAGES_NAMESPACE, "get", *FAILED_PODS, "--output", "name").split()
    if failed:
        console.print(
            f"\n{len(failed)} failed pods are kept for a look; kubectl --namespace collisions logs NAME, then"
        )
        console.print(f"  kubectl {' '.join([*STAGES_NAMESPACE, 'delete', *FAILED_PODS])}")
        console.print("\n".join(f"  {name}" for name in failed))
