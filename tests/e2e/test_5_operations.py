"""What docs/operations.md tells operators to do, done as it is printed there; and what it says of a missing policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster
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
