"""One fault at a time, in the middle of a run: the state shown is true, the error says why, the end is green."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cluster import Cluster
from collisions_ops.bench_cluster import beside_the_pipeline
from collisions_ops.sample import main as sample
from lake import REPOSITORY

ROWS = 400_000  # collisions, with their vehicles and persons: stages of some seconds each, time enough to strike

# A stage that takes longer than it may, put beside the pipeline's DAG for the time of a test.
SLEEPER = """
from datetime import timedelta

from airflow.sdk import DAG
from collisions_operators.pod import PodStageOperator

with DAG("sleeper", schedule=None):
    PodStageOperator(
        task_id="sleep",
        cmds=["python", "-c", "import time; time.sleep(600)"],
        arguments=[],
        execution_timeout=timedelta(seconds=15),
        retries=0,
    )
"""

pytestmark = pytest.mark.usefixtures("undisturbed_after")


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Generated landing files, and the hashes of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("landing")
    days = ("--start", "2022-01-01", "--end", "2024-01-01", "--split", "year")
    sample(["--rows", str(ROWS), *days, str(folder)])
    cluster.land_anew(*sorted(folder.rglob("*.csv")))
    assert cluster.finish(cluster.start()) == "success"
    return cluster.lake.contents()


@pytest.fixture
def undisturbed_after(cluster: Cluster, undisturbed: dict[str, tuple[int, str]]) -> Iterator[None]:
    """After each fault: the warehouse of the undisturbed run, no orphan pod, everything ready."""
    cluster.settle()
    yield
    cluster.settle()
    assert cluster.lake.contents() == undisturbed
    cluster.no_orphans()


@pytest.fixture
def small_chunks(cluster: Cluster) -> Iterator[None]:
    """A run has many chunks meanwhile, where it has one otherwise."""
    settings = ("-n", "collisions", "patch", "configmap", "stage-settings", "--patch")
    cluster.kubectl(*settings, '{"data": {"COLLISIONS_CHUNK_MIB": "8"}}')
    yield
    cluster.kubectl(*settings, '{"data": {"COLLISIONS_CHUNK_MIB": null}}')


def three_chunks_run(cluster: Cluster) -> None:
    """Wait until three chunks of transform_clean are worked on at once."""

    def they_run() -> bool:
        running = [name for name, phase in cluster.stage_pods().items() if phase == "Running"]
        return sum(name.startswith("transform-clean") for name in running) >= 3

    cluster.until(they_run, "three running pods of transform_clean")


def test_stage_pod_deleted(cluster: Cluster) -> None:
    """Someone deletes a running stage's pod: that try fails and says so, the next succeeds."""
    run_id = cluster.start()
    pod = cluster.running_pod(run_id, "transform_clean")
    cluster.kubectl("-n", "collisions", "delete", "pod", pod, "--wait=false")
    assert cluster.finish(run_id) == "success"
    assert list(cluster.tries(run_id).values()) == [1, 2, 1, 1]
    assert "was deleted while it ran" in cluster.log(run_id, "transform_clean")


@pytest.mark.extended
def test_stage_pod_out_of_memory(cluster: Cluster) -> None:
    """The kernel kills the stage for its pod's memory: the error names it and the limit; the next try succeeds."""
    run_id = cluster.start()
    pod = cluster.running_pod(run_id, "transform_clean")
    # Many small processes in the stage's container until its limit is reached: the largest, the stage, is killed.
    hog = "import os,time;[os.fork() for _ in range(6)];x=b'x'*(40<<20);time.sleep(20)"
    cluster.kubectl("-n", "collisions", "exec", pod, "--", "python", "-c", hog, check=False)
    assert cluster.finish(run_id) == "success"
    assert cluster.tries(run_id)["transform_clean"] == 2
    log = cluster.log(run_id, "transform_clean")
    assert "OOMKilled: more than its memory limit of 2Gi" in log


def test_operator_stops_a_task_and_clears_it(cluster: Cluster, tmp_path: Path) -> None:
    """Set to failed, a running task stays failed, its pod goes, nothing follows. Cleared, scripts/logs follows it."""
    run_id = cluster.start()
    with cluster.held(run_id, "transform_clean") as pod:
        task = cluster.instance(run_id, "transform_clean", pod)
        cluster.airflow.send("PATCH", task, {"new_state": "failed"})
        assert cluster.finish(run_id) == "failed"
        cluster.until(lambda: pod not in cluster.stage_pods(), "the stopped task's pod is gone")
    assert list(cluster.states(run_id).values()) == [
        {"success"},
        {"success", "failed"},  # the other chunk's own
        {"upstream_failed"},
        {"upstream_failed"},
    ]
    assert "shouldn't be running anymore" in cluster.log(run_id, "transform_clean")

    cluster.clear(run_id)
    said = tmp_path / "said"
    with cluster.held(run_id, "transform_clean"), said.open("w") as file:
        logs = subprocess.Popen(["scripts/logs", "transform_clean"], cwd=REPOSITORY, stdout=file)
        cluster.until(
            lambda: re.search(r"transform_clean \w+ \S+: scope", said.read_text()), "the stage's first line", 60
        )
        assert "running" in cluster.states(run_id)["transform_clean"]
    assert logs.wait(timeout=120) == 0
    assert re.search(r"transform_clean \w+ \S+: rows in", said.read_text())
    assert cluster.finish(run_id) == "success"


@pytest.fixture
def sleeper(cluster: Cluster) -> Iterator[str]:
    """Where the API has a DAG whose only task takes longer than it may."""
    dag = "/api/v2/dags/sleeper"
    with beside_the_pipeline(cluster.commands, "sleeper", SLEEPER):
        cluster.settle()
        cluster.airflow.send("PATCH", dag, {"is_paused": False})
        yield dag
    cluster.run("scripts/up")  # the release as it was made
    cluster.airflow.send("DELETE", dag, {})


@pytest.mark.extended
def test_stage_outlives_its_timeout(cluster: Cluster, sleeper: str) -> None:
    """The task fails and names the timeout, and its pod does not run on."""
    run_id = cluster.airflow.send("POST", f"{sleeper}/dagRuns", {"logical_date": None})["dag_run_id"]
    task = f"{sleeper}/dagRuns/{quote(run_id)}/taskInstances/sleep"

    def running() -> str | None:
        pods = cluster.stage_pods().items()
        return next((name for name, phase in pods if name.startswith("sleep-") and phase == "Running"), None)

    pod = cluster.until(running, "the sleeping pod")
    cluster.until(lambda: cluster.airflow.get(task)["state"] in ("success", "failed"), "the task's end")
    assert cluster.airflow.get(task)["state"] == "failed"
    assert "AirflowTaskTimeout" in json.dumps(cluster.airflow.get(f"{task}/logs/1", full_content="true"))
    cluster.until(lambda: pod not in cluster.stage_pods(), "the pod is gone", 30)


def test_minio_away_for_a_minute(cluster: Cluster) -> None:
    """The store is gone for a minute in the middle of a run: transient, retried, green."""
    run_id = cluster.start()
    cluster.running_pod(run_id, "transform_clean")
    cluster.kubectl("-n", "collisions", "scale", "statefulset/minio", "--replicas=0")
    time.sleep(60)  # the fault itself
    cluster.kubectl("-n", "collisions", "scale", "statefulset/minio", "--replicas=1")
    assert cluster.finish(run_id) == "success"
    attempts = cluster.tries(run_id)
    retried = [stage for stage, number in attempts.items() if number > 1]
    assert retried
    for stage in retried:
        assert "transient fault" in cluster.log(run_id, stage)


@pytest.mark.extended
def test_postgres_pod_deleted(cluster: Cluster) -> None:
    """Airflow's database restarts under a running task: the run goes on."""
    run_id = cluster.start()
    cluster.running_pod(run_id, "transform_clean")
    cluster.kubectl("-n", "airflow", "delete", "pod", "postgres-0", "--wait=false")
    assert cluster.finish(run_id) == "success"


@pytest.mark.extended
def test_scheduler_pod_deleted(cluster: Cluster, small_chunks: None) -> None:
    """The scheduler, in which the tasks run, is replaced while chunks are worked on: their tasks end in peace."""
    run_id = cluster.start()
    three_chunks_run(cluster)
    cluster.kubectl("-n", "airflow", "delete", "pod", "airflow-scheduler-0", "--wait=false")
    assert cluster.finish(run_id) == "success"
    assert cluster.tries(run_id)["transform_clean"] == 1


def test_scheduler_killed_without_grace(cluster: Cluster) -> None:
    """As by a lost node: no process can clean up. The next try takes the stage up, or does it again."""
    run_id = cluster.start()
    cluster.running_pod(run_id, "transform_clean")
    cluster.kubectl("-n", "airflow", "delete", "pod", "airflow-scheduler-0", "--force", "--grace-period=0")
    assert cluster.finish(run_id) == "success"


@pytest.mark.extended
def test_stage_fails_while_its_task_is_dead(cluster: Cluster) -> None:
    """A stage fails while nobody watches: the next try says how and keeps its pod, the one after that succeeds."""
    run_id = cluster.start()
    scheduler = cluster.container("airflow", "airflow-scheduler-0", "scheduler")
    with cluster.held(run_id, "transform_clean") as pod:
        cluster.kubectl("-n", "airflow", "delete", "pod", "airflow-scheduler-0", "--force", "--grace-period=0")
        cluster.until(lambda: scheduler not in cluster.ctr("tasks", "list", "--quiet"), "the scheduler is dead")
        cluster.kubectl("-n", "collisions", "exec", pod, "--", "python", "-c", "import os; os.kill(1, 15)")
    cluster.until(lambda: cluster.stage_pods().get(pod) == "Failed", "the stage has failed", 30)
    assert cluster.finish(run_id) == "success"
    assert "was killed by SIGTERM" in cluster.log(run_id, "transform_clean", 2)
    assert cluster.stage_pods().get(pod) == "Failed"  # kept for a look


@pytest.mark.extended
def test_kubernetes_api_restarts(cluster: Cluster) -> None:
    """The API server dies and comes back under a running stage: its pod runs on, and so does its task."""
    run_id = cluster.start()
    with cluster.held(run_id, "transform_clean"):
        api = cluster.container("kube-system", "kube-apiserver-collisions-control-plane", "kube-apiserver")
        cluster.ctr("tasks", "kill", "--signal", "SIGKILL", api)
        cluster.until(lambda: api not in cluster.ctr("tasks", "list", "--quiet"), "the API server is dead")
        cluster.until(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False) == "ok", "it is back")
    assert cluster.finish(run_id) == "success"
    assert set(cluster.tries(run_id).values()) == {1}


@pytest.mark.extended
def test_helm_upgrade(cluster: Cluster, tmp_path: Path) -> None:
    """A release that replaces every pod of Airflow while a stage runs."""
    run_id = cluster.start()
    cluster.running_pod(run_id, "transform_clean")
    cluster.release(tmp_path)
    assert cluster.finish(run_id) == "success"
    assert cluster.tries(run_id)["transform_clean"] == 1
    cluster.run("scripts/up")


def test_bad_csv(cluster: Cluster) -> None:
    """A file that is not CSV fails the run at once, with its name; removed, the next run is green."""
    lake = cluster.lake
    lake.land(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "crashes_broken.csv")
    said = cluster.run("scripts/trigger", check=False)
    assert "run failed" in said
    assert "ERROR: " in said
    run_id = said.split()[0]
    assert list(cluster.states(run_id).values()) == [{"failed"}, *[{"upstream_failed"}] * 3]
    assert cluster.tries(run_id)["ingest_raw"] == 1
    assert "crashes_broken.csv" in cluster.log(run_id, "ingest_raw")
    assert list(cluster.stage_pods().values()) == ["Failed"]  # kept for a look
    lake.wipe("landing/crashes/crashes_broken.csv")
    assert cluster.finish(cluster.start()) == "success"


@pytest.fixture
def wrong_credentials(cluster: Cluster) -> Iterator[Callable[[], None]]:
    """The stages' secret key is wrong, until this is called."""

    def put(value: str) -> None:
        patch = {"data": {"COLLISIONS_S3_SECRET_KEY": base64.b64encode(value.encode()).decode()}}
        cluster.kubectl("-n", "collisions", "patch", "secret", "stage-store", "--patch", json.dumps(patch))

    right = cluster.secret("collisions", "stage-store")["COLLISIONS_S3_SECRET_KEY"]
    put("wrong" + right)
    yield lambda: put(right)
    put(right)


def test_wrong_credentials(cluster: Cluster, wrong_credentials: Callable[[], None]) -> None:
    """MinIO turns the stages away: settings, so no retry, and the error says whose; put right and cleared, green."""
    run_id = cluster.start()
    assert cluster.finish(run_id) == "failed"
    assert cluster.tries(run_id)["ingest_raw"] == 1
    assert "COLLISIONS_S3_" in cluster.log(run_id, "ingest_raw")
    wrong_credentials()
    cluster.clear(run_id)
    assert cluster.finish(run_id) == "success"


@pytest.mark.extended
def test_image_missing(cluster: Cluster) -> None:
    """The node has lost the stages' image and cannot pull it: the error says so; loaded again, a retry succeeds."""
    image = cluster.stage_image
    cluster.ctr("images", "rm", f"docker.io/library/{image}")
    try:
        run_id = cluster.start()
        cluster.until(lambda: cluster.task(run_id, "ingest_raw")["try_number"], "the first try")
        cluster.until(
            lambda: any(w in cluster.log(run_id, "ingest_raw") for w in ("cannot be pulled", "took too long to start")),
            "the error of the missing image",
            240,
        )
        assert cluster.task(run_id, "ingest_raw")["state"] != "success"
    finally:
        cluster.run("kind", "load", "docker-image", image, "--name", "collisions")
    assert cluster.finish(run_id) == "success"
    assert cluster.tries(run_id)["ingest_raw"] > 1
