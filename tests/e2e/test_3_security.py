"""What a stage pod, the scheduler and MinIO's user cannot do, and where secrets are not."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster, like_a_stage
from lake import crashes_csv, rows
from minio import Minio

PROBE = """
import os, pathlib, socket
import urllib3

def reach(name, port):
    try:
        with socket.create_connection((name, port), timeout=3):
            return "reached"
    except OSError as error:
        return type(error).__name__

def ask_kubernetes():
    urllib3.disable_warnings()
    address = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + "/api/v1/namespaces/collisions/secrets"
    try:
        return urllib3.PoolManager(cert_reqs="CERT_NONE").request("GET", address, timeout=3, retries=False).status
    except urllib3.exceptions.HTTPError as error:
        return type(error).__name__

print("token", pathlib.Path("/var/run/secrets/kubernetes.io").exists())
print("kubernetes", ask_kubernetes())
print("postgres", reach("postgres.airflow.svc.cluster.local", 5432))
print("airflow", reach("airflow-api-server.airflow.svc.cluster.local", 8080))
print("console", reach("minio.collisions.svc.cluster.local", 9001))
print("minio", reach("minio.collisions.svc.cluster.local", 9000))
try:
    pathlib.Path("/opt/collisions/written").touch()
    print("root writable")
except OSError:
    print("root read-only")
print("uid", os.getuid())
"""


@pytest.fixture(scope="module")
def real(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A run of the pipeline on a few rows: its id, and one of its pods as Kubernetes has it."""
    file = tmp_path_factory.mktemp("landing") / "crashes_few.csv"
    file.write_text(crashes_csv(rows(100)))
    cluster.land_anew(file)
    cluster.settle()
    old = cluster.stage_pods()
    run_id = cluster.start()
    new = cluster.until(lambda: [pod for pod in cluster.pods() if pod["metadata"]["name"] not in old], "a stage's pod")
    assert cluster.finish(run_id) == "success"
    return run_id, new[0]


def test_a_stage_pod_reaches_minio_and_nothing_else(cluster: Cluster) -> None:
    """No token, no Kubernetes API, none of the other namespace's services, no root, nothing to write to."""
    said = cluster.probe(PROBE, {"app": "probe", "lake-access": "true"})
    assert said["minio"] == "reached"
    assert said["token"] == "False"
    for closed in ("postgres", "airflow", "console"):
        assert said[closed] != "reached", closed
    # The API server is on the node itself, where kind's network policies do not reach: then it must refuse.
    assert said["kubernetes"] in ("401", "403") or "Error" in said["kubernetes"]
    assert said["root"] == "read-only"
    assert said["uid"] != "0"


def test_a_pod_without_the_label_reaches_not_even_minio(cluster: Cluster) -> None:
    """Default deny holds, so the policies are in force here."""
    said = cluster.probe(PROBE, {"app": "probe"})
    assert "reached" not in (said["minio"], said["postgres"])
    assert said["kubernetes"] != "200"


def test_the_pipelines_own_pods_are_as_closed(real: tuple[str, dict[str, Any]]) -> None:
    """No root, no token, no rights, nothing to write to, not more than a share of the node, no setting by value."""
    spec = real[1]["spec"]
    [container] = spec["containers"]
    assert "initContainers" not in spec
    assert spec["serviceAccountName"] == "stage"
    assert spec["automountServiceAccountToken"] is False
    security = spec["securityContext"] | container["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    for kind in ("requests", "limits"):
        assert {"cpu", "memory"} <= container["resources"][kind].keys()
    assert container["env"] == [{"name": "COLLISIONS_RESULT", "value": "/dev/termination-log"}]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "stage-settings"}},
        {"secretRef": {"name": "stage-store"}},
    ]


@pytest.mark.parametrize("namespace", ["collisions", "airflow"])
def test_privileged_pods_are_refused(cluster: Cluster, namespace: str) -> None:
    """Pod Security "restricted" is enforced."""
    manifest = like_a_stage("probe", "busybox", [], {})
    manifest["metadata"]["namespace"] = namespace
    manifest["spec"].pop("serviceAccountName")
    manifest["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    said = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest), check=False)
    assert 'violates PodSecurity "restricted' in said


def test_rights_of_the_scheduler_and_of_stages(cluster: Cluster) -> None:
    """The scheduler manages pods in `collisions` and nothing else; a stage may do nothing."""

    def may(account: str, namespace: str, verb: str, kind: str, part: str = "") -> bool:
        whose = (f"--as=system:serviceaccount:{account}", "--namespace", namespace, f"--subresource={part}")
        return cluster.kubectl("auth", "can-i", verb, kind, *whose, check=False).startswith("yes")

    scheduler = "airflow:airflow-scheduler"
    assert may(scheduler, "collisions", "create", "pods")
    assert may(scheduler, "collisions", "get", "pods", "log")
    for namespace, verb, kind, *part in [
        ("collisions", "get", "secrets"),
        ("collisions", "create", "pods", "exec"),
        ("collisions", "update", "networkpolicies"),
        ("collisions", "delete", "persistentvolumeclaims"),
        ("airflow", "create", "pods"),
        ("airflow", "get", "secrets"),
        ("kube-system", "list", "pods"),
    ]:
        assert not may(scheduler, namespace, verb, kind, *part), f"{verb} {kind} {part} in {namespace}"
    assert not may("collisions:stage", "collisions", "get", "pods")
    assert not may("collisions:default", "collisions", "get", "secrets")


WAYS = """
import pathlib, socket

for name, port in [("1.1.1.1", 443), ("minio.collisions.svc.cluster.local", 9000), ("kubernetes.default.svc", 443),
                   ("postgres.airflow.svc.cluster.local", 5432), ("airflow-api-server", 8080)]:
    try:
        socket.create_connection((name, port), timeout=3).close()
        print(name, "reached")
    except OSError:
        print(name, "closed")
for folder in ("/opt/airflow", "/home/airflow", "/opt/airflow/dags"):
    try:
        pathlib.Path(folder, "written").touch()
        print(folder, "writable")
    except OSError:
        print(folder, "read-only")
"""


def test_the_scheduler_reaches_what_it_needs_and_writes_nowhere_else(cluster: Cluster) -> None:
    """Kubernetes, Postgres, the API server; not the outside, nor the lake. Only the scheduler itself has a token."""
    scheduler = ("-n", "airflow", "exec", "airflow-scheduler-0", "-c")
    said = cluster.kubectl(*scheduler, "scheduler", "--", "python", "-c", WAYS)
    assert dict(line.rsplit(" ", 1) for line in said.splitlines() if line) == {
        "1.1.1.1": "closed",
        "minio.collisions.svc.cluster.local": "closed",
        "kubernetes.default.svc": "reached",
        "postgres.airflow.svc.cluster.local": "reached",
        "airflow-api-server": "reached",
        "/opt/airflow": "read-only",
        "/home/airflow": "read-only",
        "/opt/airflow/dags": "read-only",
    }
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    cluster.kubectl(*scheduler, "scheduler", "--", "test", "-e", token)
    cluster.kubectl(*scheduler, "scheduler-log-groomer", "--", "test", "!", "-e", token)


@pytest.mark.extended
def test_airflows_metadata_is_cleaned(cluster: Cluster) -> None:
    """The nightly job, run now, under the policies of its namespace."""
    cluster.kubectl("-n", "airflow", "create", "job", "--from=cronjob/airflow-database-cleanup", "cleanup-now")
    try:
        wait = ("wait", "--for", "condition=Complete", "job/cleanup-now", "--timeout", "300s")
        cluster.kubectl("-n", "airflow", *wait)
    finally:
        cluster.kubectl("-n", "airflow", "delete", "job", "cleanup-now")


@pytest.fixture
def other_bucket(cluster: Cluster) -> Iterator[str]:
    """Another bucket on the same server, with an object in it."""
    keys = cluster.secret("collisions", "minio-root")
    root = Minio(cluster.minio, keys["MINIO_ROOT_USER"], keys["MINIO_ROOT_PASSWORD"], secure=False)
    root.make_bucket("other")
    root.put_object("other", "secret.txt", io.BytesIO(b"x"), 1)
    yield "other"
    root.remove_object("other", "secret.txt")
    root.remove_bucket("other")


def test_minio_user_has_the_lake_alone(cluster: Cluster, other_bucket: str) -> None:
    """It can neither see nor touch another bucket, nor make or delete one, nor administer."""
    keys = cluster.secret("collisions", "stage-store")
    user = Minio(cluster.minio, keys["COLLISIONS_S3_ACCESS_KEY"], keys["COLLISIONS_S3_SECRET_KEY"], secure=False)
    assert [bucket.name for bucket in user.list_buckets()] == ["collisions"]
    for forbidden in (
        lambda: list(user.list_objects(other_bucket)),
        lambda: user.get_object(other_bucket, "secret.txt"),
        lambda: user.put_object(other_bucket, "mine.txt", io.BytesIO(b"x"), 1),
        lambda: user.remove_object(other_bucket, "secret.txt"),
        lambda: user.make_bucket("third"),
        lambda: user.remove_bucket("collisions"),
        lambda: user.get_bucket_policy("collisions"),
    ):
        with pytest.raises(Exception, match=r"AccessDenied|Access Denied"):
            forbidden()


def test_secrets_are_nowhere_else(cluster: Cluster, real: tuple[str, dict[str, Any]]) -> None:
    """No secret's value stands in a pod's spec, in Helm's release, in a task's log or in what scripts/up wrote."""
    run_id, pod = real
    places = {
        "stage pod": json.dumps(pod),
        "pods": cluster.kubectl("get", "pods,jobs,configmaps,statefulsets,deployments", "-A", "-o", "yaml"),
        "release": cluster.run("helm", "--kube-context", "kind-collisions", "-n", "airflow", "get", "all", "airflow"),
        "task log": cluster.log(run_id, "ingest_raw"),
        "scheduler log": cluster.kubectl("-n", "airflow", "logs", "airflow-scheduler-0", "-c", "scheduler"),
        "minio-setup log": cluster.kubectl("-n", "collisions", "logs", "-l", "app=minio-setup"),
        "up": cluster.run("bash", "-c", "cat .collisions/cluster/*.log"),
    }
    for namespace, name in [
        ("airflow", "airflow-metadata"),
        ("airflow", "airflow-keys"),
        ("airflow", "airflow-admin"),
        ("collisions", "minio-root"),
        ("collisions", "stage-store"),
    ]:
        for key, value in cluster.secret(namespace, name).items():
            if key in ("username", "COLLISIONS_S3_ACCESS_KEY"):
                continue
            for place, text in places.items():
                assert value not in text, f"{namespace}/{name} {key} stands in {place}"
