"""What docs/operations.md tells operators to do, done as it is printed there; and what it says of a missing policy."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from cluster import Cluster
from collisions_ops.backfill import run_of
from collisions_ops.settings import DAG
from lake import REPOSITORY

pytestmark = pytest.mark.extended

BLOCKS = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "docs/operations.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def january(cluster: Cluster, extract: Callable[[str], Path]) -> None:
    """An empty lake, then the real January 2022, run once."""
    cluster.land_anew(extract("crashes_2022-01.csv"))
    assert "run success" in cluster.run("scripts/trigger")


@pytest.fixture
def same_answers_after(cluster: Cluster) -> Iterator[None]:
    """Whatever is done to it, the pipeline then runs green and publishes the same warehouse."""
    before = cluster.lake.contents()
    yield
    assert "run success" in cluster.run("scripts/trigger")
    assert cluster.lake.contents() == before


def follow(cluster: Cluster, *words: str) -> None:
    """Do what the block with these words says."""
    [block] = [block for block in BLOCKS if all(word in block for word in words)]
    cluster.run("bash", "-c", f"set -euo pipefail\n{block}", timeout=1200)


def test_a_missing_network_policy_breaks_the_run_and_the_error_says_where(
    cluster: Cluster, same_answers_after: None
) -> None:
    """Without the way to MinIO a stage fails as transient and names the address; with it again, a retry is green."""
    cluster.kubectl("-n", "collisions", "delete", "networkpolicy", "minio-from-stages")
    try:
        run_id = cluster.start()
        cluster.until(lambda: cluster.task(run_id, "ingest_raw")["state"] == "up_for_retry", "a failed try")
        log = cluster.log(run_id, "ingest_raw")
        assert "transient fault" in log
        assert "no valid response from minio.collisions.svc.cluster.local:9000" in log
    finally:
        cluster.kubectl("apply", "-k", str(REPOSITORY / "k8s"))
    assert cluster.finish(run_id) == "success"
    cluster.no_orphans()


@pytest.mark.parametrize(
    ("namespace", "secret", "key"),
    [
        ("collisions", "stage-store", "COLLISIONS_S3_SECRET_KEY"),
        ("collisions", "minio-root", "MINIO_ROOT_PASSWORD"),
        ("airflow", "airflow-admin", "password"),
        ("airflow", "airflow-metadata", "password"),
    ],
)
def test_a_secret_is_rotated(cluster: Cluster, same_answers_after: None, namespace: str, secret: str, key: str) -> None:
    """There is a new value, everything works with it, and Airflow's history is still there."""
    old, runs = cluster.secret(namespace, secret)[key], cluster.airflow.get("dagRuns")["total_entries"]
    follow(cluster, "delete secret", secret)
    assert cluster.secret(namespace, secret)[key] != old
    cluster.settle()
    assert cluster.airflow.get("dagRuns")["total_entries"] >= runs


def test_airflows_history_is_backed_up_and_restored(cluster: Cluster, same_answers_after: None) -> None:
    """What happened after the back-up is gone, what happened before is there."""
    before = cluster.start()
    assert cluster.finish(before) == "success"
    try:
        follow(cluster, "pg_dump")
        after = cluster.start()
        assert cluster.finish(after) == "success"
        follow(cluster, "pg_restore")
    finally:
        (REPOSITORY / "airflow.dump").unlink(missing_ok=True)
    cluster.settle()
    runs = {run["dag_run_id"] for run in cluster.airflow.get("dagRuns", limit=["1000"])["dag_runs"]}
    assert before in runs
    assert after not in runs


def test_a_release_is_rolled_back(cluster: Cluster, same_answers_after: None, tmp_path: Path) -> None:
    """The release before the last is there again, then the work tree's."""

    def annotations() -> dict[str, str]:
        scheduler = cluster.kubectl("-n", "airflow", "get", "pod", "airflow-scheduler-0", "-o", "json")
        return json.loads(scheduler)["metadata"].get("annotations", {})

    cluster.release(tmp_path)
    assert "restarted" in annotations()
    follow(cluster, "helm rollback")
    assert "restarted" not in annotations()
    cluster.settle()
    assert "run success" in cluster.run("scripts/trigger")
    cluster.run("scripts/up")


def test_a_cancelled_backfills_run_is_told_and_freed(cluster: Cluster, same_answers_after: None) -> None:
    """A run cleared after its backfill was cancelled stays queued: the next backfill says so, and how to free it."""
    days = [date(2022, 1, day) for day in (10, 11, 12)]
    scope = {"dag_id": DAG, "from_date": f"{days[0]}T00:00:00Z", "to_date": f"{days[-1]}T23:00:00Z"}
    one_by_one = {"reprocess_behavior": "completed", "max_active_runs": 1}
    made = cluster.airflow.send("POST", "/api/v2/backfills", scope | one_by_one)
    first = cluster.until(lambda: run_of(cluster.airflow, days[0]), "the first day's run")["dag_run_id"]
    cluster.running_pod(first, "ingest_raw")
    cluster.airflow.send("PUT", f"/api/v2/backfills/{made['id']}/cancel", {})
    cluster.until(lambda: cluster.airflow.run(first)["state"] in ("success", "failed"), "the first day's end", 300)
    where = f"dagRuns/{urllib.parse.quote(first)}"
    cluster.airflow.send("POST", f"{where}/clear", {"dry_run": False, "only_failed": False})
    cluster.until(lambda: cluster.airflow.run(first)["state"] == "queued", "the cleared run is queued")

    again = ("scripts/backfill", "--from", str(days[0]), "--to", str(days[-1]))
    said = cluster.run(*again, "--dry-run", check=False)
    assert "2 of 3 days" in said
    assert f"{days[0]}  left out: in flight: {first} is queued; its backfill has ended" in said
    assert "mark the run as failed in the UI" in said
    cluster.airflow.send("PATCH", where, {"state": "failed"})
    assert "3 of 3 days" in cluster.run(*again)
    assert [run_of(cluster.airflow, day)["state"] for day in days] == ["success"] * 3


def test_a_container_runtime_that_stands_still_is_survived(cluster: Cluster, same_answers_after: None) -> None:
    """For three minutes no port-forward works; afterwards the commands answer again without anybody's help."""
    run_id = cluster.start()
    cluster.running_pod(run_id, "ingest_raw")
    node = ("docker", "exec", "collisions-control-plane", "systemctl")
    cluster.run(*node, "kill", "--signal=SIGSTOP", "containerd")
    try:
        time.sleep(180)  # the fault itself: longer than any timeout on the way
    finally:
        cluster.run(*node, "kill", "--signal=SIGCONT", "containerd")
    began = time.monotonic()
    assert f"{DAG}: on" in cluster.run("scripts/status")
    print(f"scripts/status answered {time.monotonic() - began:.0f} s after containerd went on")
    assert cluster.finish(run_id) == "success"
    cluster.no_orphans()


def test_up_after_the_node_was_stopped(cluster: Cluster, same_answers_after: None) -> None:
    """As after a restart of the machine: one call of scripts/up, and all is as before."""
    before = cluster.airflow.get("dagRuns")["total_entries"]
    cluster.run("docker", "stop", "collisions-control-plane")
    began = time.monotonic()
    cluster.run("scripts/up", timeout=1200)
    print(f"scripts/up took {time.monotonic() - began:.0f} s")
    cluster.settle()
    assert cluster.airflow.get("dagRuns")["total_entries"] >= before
