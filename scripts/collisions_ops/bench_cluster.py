"""scripts/bench --cluster: what a stage's pod costs on top of the work in it, and how long a daily run takes.

In one session, on the running cluster: bare pods, started and watched with nothing between; a chain of tasks
by a plain KubernetesPodOperator; the same chain by the pipeline's own operator; then whole daily runs of the pipeline.
Every pod but the last ones' sleeps for a second in the stages' image.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from collisions_ops.airflow_api import ENDED, Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.errors import OpsError
from collisions_ops.preflight import chart_words
from collisions_ops.settings import CONTEXT, DAG, Settings
from collisions_ops.shell import Shell

TASKS = 4
ROUNDS = 3
LOOKBACK_DAYS = 21
MAX_RATIO, MAX_DAILY_SECONDS = 1.2, 20.0

WORK = ["python", "-c", "import time; time.sleep(1); print('INFO: done')"]

# Mounted next to the pipeline's DAG during the measurement. Both chains run pods of the same specification.
BENCH_DAGS = f"""
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, chain
from collisions_operators.pod import PodStageOperator, cluster_defaults

SPECIFICATION = ("in_cluster", "kubernetes_conn_id", "namespace", "image", "env_from", "labels", "service_account_name",
                 "container_resources", "security_context", "container_security_context", "volumes", "volume_mounts")

def plain(task_id):
    same = {{name: value for name, value in cluster_defaults().items() if name in SPECIFICATION}}
    return KubernetesPodOperator(task_id=task_id, name=task_id, cmds={WORK!r}, **same)

def ours(task_id):
    return PodStageOperator(task_id=task_id, cmds={WORK!r}, arguments=[])

for operator in (plain, ours):
    with DAG(f"bench_{{operator.__name__}}", schedule=None):
        chain(*[operator(f"task_{{number}}") for number in range({TASKS})])
"""

# Runs in the scheduler's pod, with its client and its rights.
BARE_PODS = f"""
import json, sys, time
sys.path.insert(0, "/opt/airflow/dags")
from collisions_operators.pod import PodStageOperator, StagePodManager, has_ended
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
client = KubernetesHook(conn_id=None, in_cluster=True).core_v1_client
manager, seconds = StagePodManager(kube_client=client), []
for number in range({TASKS}):
    pod = PodStageOperator(task_id="bench_bare", name="bench-bare", cmds={WORK!r}, arguments=[]).build_pod_request_obj()
    began = time.perf_counter()
    client.create_namespaced_pod(pod.metadata.namespace, pod)
    manager.watch(pod, has_ended, 120)
    seconds.append(time.perf_counter() - began)
    manager.delete_pod(pod)
print(json.dumps(seconds))
"""

SCHEDULER = ("--namespace", "airflow", "exec", "--stdin", "airflow-scheduler-0", "--container", "scheduler", "--")
PROCESSOR = ("--namespace", "airflow", "exec", "--stdin", "deployment/airflow-dag-processor", "--")


def within(cluster: Cluster, where: tuple[str, ...], *command: str, stdin: str = "") -> str:
    """A command's output in one of Airflow's pods."""
    return cluster.kubectl(*where, *command, stdin=stdin)


@contextmanager
def beside_the_pipeline(cluster: Cluster, name: str, source: str) -> Iterator[None]:
    """Meanwhile Airflow has the DAG file `name`.py too: two releases, each of which restarts it, mount and remove it,
    for what is in the image cannot be written to.
    """
    helm = ("helm", "--kube-context", CONTEXT, "--namespace", "airflow")
    ours = json.loads(cluster.shell.output(*helm, "get", "values", "airflow", "--output", "json"))

    def release(**values: list[dict[str, Any]]) -> None:
        # The chart's Jobs cannot be changed, and one of the last release may be there still.
        cluster.kubectl(
            "--namespace", "airflow", "delete", "job", "--selector", "release=airflow", "--ignore-not-found"
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "values.json")
            file.write_text(json.dumps(values))
            options = ("--reuse-values", "--values", file, "--timeout", "10m", "--wait")
            cluster.shell.output_of_both(*helm, "upgrade", "airflow", *chart_words(cluster.settings), *options)

    mount = {"name": name, "mountPath": f"/opt/airflow/dags/{name}.py", "subPath": f"{name}.py"}
    config_map = {"metadata": {"name": name, "namespace": "airflow"}, "data": {f"{name}.py": source}}
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **config_map})
    cluster.kubectl("apply", "--filename", "-", stdin=manifest)
    try:
        release(
            volumes=[*ours["volumes"], {"name": name, "configMap": {"name": name}}],
            volumeMounts=[*ours["volumeMounts"], mount],
        )
        # at once, not within the processor's half a minute
        within(cluster, PROCESSOR, "airflow", "dags", "reserialize")
        yield
    finally:
        release(volumes=ours["volumes"], volumeMounts=ours["volumeMounts"])
        cluster.kubectl("--namespace", "airflow", "delete", "configmap", name)


def bare_pods(cluster: Cluster) -> list[float]:
    """Seconds of each bare pod, from its creation until its end is known."""
    seconds: list[float] = json.loads(within(cluster, SCHEDULER, "python", "-", stdin=BARE_PODS).splitlines()[-1])
    return seconds


def run_dag(airflow: Airflow, dag: str, conf: dict[str, str]) -> tuple[float, list[float]]:
    """Start a run: seconds from the request to the run's end, and of each task."""
    began = datetime.now(UTC)
    path = f"/api/v2/dags/{dag}/dagRuns"
    run_id = airflow.send("POST", path, {"logical_date": None, "conf": conf})["dag_run_id"].replace("+", "%2B")
    while (run := airflow.get(f"{path}/{run_id}"))["state"] not in ENDED:
        time.sleep(0.5)
    if run["state"] != "success":
        raise OpsError(f"{dag}: the run {run['state']}")
    tasks = airflow.get(f"{path}/{run_id}/taskInstances")["task_instances"]
    return (datetime.fromisoformat(run["end_date"]) - began).total_seconds(), [task["duration"] for task in tasks]


def main(environ: Mapping[str, str]) -> int:
    """Measure, print, and keep the results; a missed target is reported, not a failure."""
    settings = Settings.from_environment(environ)
    cluster = Cluster(settings, Shell(environ))
    airflow = Airflow.on(cluster)
    names = ("plain", "ours")
    bare: list[float] = []
    tasks: dict[str, list[float]] = {name: [] for name in names}
    chains: dict[str, list[float]] = {name: [] for name in names}
    with beside_the_pipeline(cluster, "bench-pods", BENCH_DAGS):
        for name in names:
            airflow.send("PATCH", f"/api/v2/dags/bench_{name}", {"is_paused": False})
        run_dag(airflow, "bench_ours", {})  # the first tasks after a release pay for what is imported once
        for _ in range(ROUNDS):
            bare += bare_pods(cluster)
            for name in names:
                whole, seconds = run_dag(airflow, f"bench_{name}", {})
                chains[name].append(whole)
                tasks[name].extend(seconds)
    for name in names:
        airflow.send("DELETE", f"/api/v2/dags/bench_{name}", {})
    newest = date.fromisoformat(newest_day(settings))
    scope = {"start": str(newest - timedelta(days=LOOKBACK_DAYS)), "end": str(newest + timedelta(days=1))}
    daily = [run_dag(airflow, DAG, scope)[0] for _ in range(ROUNDS)]

    middle = statistics.median
    results = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bare_pod_seconds": bare,
        "plain_task_seconds": tasks["plain"],
        "our_task_seconds": tasks["ours"],
        "chain_seconds": chains,
        "daily_scope": scope,
        "daily_seconds": daily,
        "ratio": middle(tasks["ours"]) / middle(bare),
    }
    path = settings.state / "bench/cluster.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    print_table(
        ("median of the rounds", "seconds", ""),
        ("bare pod, from create to its end", middle(bare), ""),
        ("task, plain KubernetesPodOperator", middle(tasks["plain"]), f"{middle(tasks['plain']) / middle(bare):.2f} x"),
        (
            "task, the pipeline's own operator",
            middle(tasks["ours"]),
            f"{results['ratio']:.2f} x   target {MAX_RATIO} x",
        ),
        (f"chain of {TASKS}, plain", middle(chains["plain"]), ""),
        (f"chain of {TASKS}, ours", middle(chains["ours"]), ""),
        ("daily run, trigger to published warehouse", middle(daily), f"target {MAX_DAILY_SECONDS:.0f} s"),
    )
    print(f"\n{path}")
    return 0


def print_table(*lines: tuple[str, float | str, str]) -> None:
    """What, how many seconds, and beside what."""
    for what, seconds, beside in lines:
        print(f"{what:44} {seconds if isinstance(seconds, str) else format(seconds, '7.2f'):>8}   {beside}")


def newest_day(settings: Settings) -> str:
    """The last day of collisions in the published warehouse."""
    sql = "select max(crash_date)::date as day from fct_collisions"
    done = subprocess.run(
        [settings.scripts / "query", "--cluster", "--csv", sql], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OpsError(f"nothing is published yet: scripts/land, then scripts/trigger ({done.stderr.strip()})")
    return done.stdout.split()[-1][:10]
