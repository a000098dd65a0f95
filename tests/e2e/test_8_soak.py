"""Many runs in a row, each with new landing data, and a random fault in every fifth: all green, and nothing grows.

It takes half an hour or more, so it runs only if its file is named: scripts/e2e tests/e2e/test_8_soak.py. Settings
(environment): SOAK_RUNS (60) and SOAK_SEED (random; the output begins with it).
"""

from __future__ import annotations

import os
import random
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from datetime import date, timedelta
from pathlib import Path

import pytest
from cluster import Cluster
from collisions_ops.sample import main as sample
from lake import Lake

pytestmark = pytest.mark.soak

RUNS = int(os.environ.get("SOAK_RUNS", "60"))
SEED = int(os.environ.get("SOAK_SEED", time.time_ns() % 1_000_000))
FIRST = date(2024, 1, 1)  # the day that the first run takes in; two years before it are there from the start
BEFORE = 100_000  # collisions of these years, so that a stage takes long enough to be struck
EVERY_DAY = 250

AIRFLOW = ("--namespace", "airflow")
STATISTICS = "cat /sys/fs/cgroup/memory.stat 2>/dev/null || cat /sys/fs/cgroup/memory/memory.stat"  # cgroup 2, 1


def stage_deleted(cluster: Cluster, pod: str) -> None:
    """The pod of the stage that runs is deleted."""
    cluster.kubectl("--namespace", "collisions", "delete", "pod", pod, "--wait=false", "--ignore-not-found")


def stage_killed(cluster: Cluster, pod: str) -> None:
    """The process of the stage that runs is killed."""
    path = "jsonpath={.status.containerStatuses[0].containerID}"
    here = ("--namespace", "collisions")
    cluster.kubectl(*here, "wait", f"pod/{pod}", f"--for={path}", "--timeout=60s", check=False)
    container = cluster.kubectl(*here, "get", "pod", pod, "--ignore-not-found", "--output", path, check=False)
    if container.startswith("containerd://"):  # else it has ended already
        cluster.ctr("tasks", "kill", "--signal", "SIGKILL", container.removeprefix("containerd://"), check=False)


def scheduler_killed(cluster: Cluster, _pod: str) -> None:
    """The scheduler is gone without grace."""
    cluster.kubectl(*AIRFLOW, "delete", "pod", "airflow-scheduler-0", "--force", "--grace-period=0")


def store_deleted(cluster: Cluster, _pod: str) -> None:
    """MinIO restarts."""
    cluster.kubectl("--namespace", "collisions", "delete", "pod", "minio-0", "--wait=false")


def database_deleted(cluster: Cluster, _pod: str) -> None:
    """Airflow's database restarts."""
    cluster.kubectl(*AIRFLOW, "delete", "pod", "postgres-0", "--wait=false")


def kubernetes_killed(cluster: Cluster, _pod: str) -> None:
    """Kubernetes' API server is killed, and comes back."""
    api = cluster.container("kube-system", "kube-apiserver-collisions-control-plane", "kube-apiserver")
    cluster.ctr("tasks", "kill", "--signal", "SIGKILL", api)


FAULTS: list[Callable[[Cluster, str], None]] = [
    stage_deleted,
    stage_killed,
    scheduler_killed,
    store_deleted,
    database_deleted,
    kubernetes_killed,
]


@dataclass
class Reading:
    """What could grow, after some runs."""

    runs: int
    retried: int  # tasks of the runs since the reading before that took more than one try
    seconds: float  # median of the runs since the reading before that no fault struck
    dag_runs: int
    database_mib: float
    logs_mib: float
    failed_pods: int
    lake_objects: int
    lake_mib: float
    scheduler_mib: float  # memory without the cache of files
    processor_mib: float
    server_mib: float
    store_mib: float

    @classmethod
    def take(cls, cluster: Cluster, runs: int, retried: int, seconds: list[float]) -> Reading:
        """Read the cluster."""

        def in_pod(namespace: str, pod: str, script: str) -> str:
            return cluster.kubectl("--namespace", namespace, "exec", pod, "--", "sh", "-c", script)

        def memory(namespace: str, pod: str) -> float:
            found = re.search(r"^(?:total_rss|anon) (\d+)$", in_pod(namespace, pod, STATISTICS), re.MULTILINE)
            assert found
            return int(found[1]) / 2**20

        sql = "select count(*), pg_database_size('airflow') from dag_run"
        rows, size = in_pod("airflow", "postgres-0", f'psql -U airflow -d airflow -tAF " " -c "{sql}"').split()
        logs = in_pod("airflow", "airflow-scheduler-0", "du -sk /opt/airflow/logs").split()[0]
        objects = cluster.lake.store.list("")
        return cls(
            runs,
            retried,
            statistics.median(seconds),
            int(rows),
            int(size) / 2**20,
            int(logs) / 1024,
            list(cluster.stage_pods().values()).count("Failed"),
            len(objects),
            sum(info.size for info in objects) / 2**20,
            memory("airflow", "airflow-scheduler-0"),
            memory("airflow", "deployment/airflow-dag-processor"),
            memory("airflow", "deployment/airflow-api-server"),
            memory("collisions", "minio-0"),
        )


def begun(cluster: Cluster, stage: str) -> str:
    """Wait for a pod of the stage that has not ended; returns its name."""

    def find() -> str | None:
        pods = cluster.stage_pods().items()
        return next((name for name, phase in pods if name.startswith(stage) and phase in ("Pending", "Running")), None)

    found: str = cluster.until(find, f"a pod of {stage}", 300)
    return found


def row(cells: tuple[object, ...]) -> str:
    """A line of the table."""
    return " ".join(f"{cell:>13.1f}" if isinstance(cell, float) else f"{cell:>13}" for cell in cells)


@pytest.mark.timeout(4 * 3600)
def test_many_runs_with_faults(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run succeeds, at once or retried; the warehouse is the one of a run over all files at once."""
    choose = random.Random(SEED)
    first = str(FIRST - timedelta(days=730))
    sample(["--rows", str(BEFORE), "--start", first, "--end", str(FIRST), str(tmp_path / "before")])
    landed = sorted((tmp_path / "before").rglob("*.csv"))
    cluster.land_anew(*landed)
    assert cluster.finish(cluster.start()) == "success"
    readings: list[Reading] = []
    retried, seconds = 0, list[float]()
    with capsys.disabled():
        print(f"\nSOAK_SEED={SEED}")
        print(row(tuple(field.name.removesuffix("_mib") for field in fields(Reading))), flush=True)
    for number in range(1, RUNS + 1):
        day = FIRST + timedelta(days=number - 1)
        end, folder = day + timedelta(days=1), tmp_path / str(day)
        sample(["--rows", str(EVERY_DAY), "--start", str(day), "--end", str(end), str(folder)])
        new = sorted(folder.rglob("*.csv"))
        landed += new
        cluster.run("scripts/land", *new)
        began = time.monotonic()
        run_id = cluster.start(start=str(day), end=str(end))
        if number % 5 == 0:
            fault = choose.choice(FAULTS)
            stage = choose.choice(["ingest-raw", "transform-clean", "transform-curated", "model-analytics"])
            fault(cluster, begun(cluster, stage))
            with capsys.disabled():
                print(f"run {number}: {fault.__name__} in {stage}", flush=True)
        assert cluster.finish(run_id) == "success", (SEED, number, run_id)
        if number % 5:
            seconds.append(time.monotonic() - began)
        retried += sum(tries > 1 for tries in cluster.tries(run_id).values())
        if number % 10 == 0 or number == RUNS:
            cluster.settle()
            readings.append(Reading.take(cluster, number, retried, seconds))
            retried, seconds = 0, []
            with capsys.disabled():
                print(row(astuple(readings[-1])), flush=True)
    here = Lake(lake=str(tmp_path / "lake"))
    for file in landed:
        here.land(file, dataset=file.parent.name)
    here.run()
    assert cluster.lake.contents() == here.contents()
    for name in ("scheduler_mib", "processor_mib", "server_mib", "store_mib"):
        assert getattr(readings[-1], name) < 1.5 * getattr(readings[0], name) + 50, (name, readings)
