"""The city's API as a source, on the cluster: a server that behaves like it, in a pod of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cluster import Cluster, like_a_stage
from collisions_ops.sample import main as sample
from lake import REPOSITORY, Lake, crashes_csv, rows
from socrata.server import SocrataServer
from socrata.table import Table, read_csv

from stages.datasets.crashes import DATASET

pytestmark = pytest.mark.extended

PORT, PAGE = 8443, 100
CODE = REPOSITORY / "tests/socrata"
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=30)
LATE = [TODAY - timedelta(days=days) for days in (14, 13, 12)]  # three days to which records are added


def policy(name: str, labels: dict[str, str], **rules: list[dict[str, Any]]) -> dict[str, Any]:
    """A network policy for the pods with these labels; `rules` has the directions that it allows."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "collisions"},
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": [direction.capitalize() for direction in rules],
            **rules,
        },
    }


# The server can be reached, and by ingest_raw: the way out of k8s/network.yaml leaves out the cluster's own networks.
TO_SERVER = {"to": [{"podSelector": {"matchLabels": {"app": "city"}}}], "ports": [{"port": PORT}]}
POLICIES = [
    policy("city-from-ingest", {"app": "city"}, ingress=[{"ports": [{"port": PORT}]}]),
    policy("ingest-to-city", {"source-access": "true"}, egress=[TO_SERVER]),
]
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "city", "namespace": "collisions"},
    "spec": {"selector": {"app": "city"}, "ports": [{"port": PORT}]},
}
# A policy takes a moment to reach a new pod: what stays reached after some seconds is open.
REACH = f"""
import socket, time

def reach(name, port):
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        try:
            socket.create_connection((name, port), timeout=3).close()
            time.sleep(0.2)
        except OSError:
            return "closed"
    return "reached"

print("city", reach("city", {PORT}))
print("minio", reach("minio", 9000))
"""


class City:
    """The server's pod: what it serves, and what it has been asked since it started."""

    def __init__(self, cluster: Cluster, certificate: Path) -> None:
        self.cluster, self.certificate = cluster, certificate

    def kubectl(self, *arguments: str, **options: str) -> str:
        return self.cluster.kubectl("--namespace", "collisions", *arguments, **options)

    def serve(self, files: Sequence[Path], *options: str) -> None:
        """A new pod that serves these files, over TLS."""
        self.stop()
        self.kubectl("create", "configmap", "city-code", *(f"--from-file={file}" for file in CODE.glob("*.py")))
        self.kubectl("create", "configmap", "city-files", *(f"--from-file={file}" for file in files))
        self.kubectl("create", "secret", "generic", "city-tls", f"--from-file={self.certificate}")
        served = [f"/files/{file.name}" for file in files]
        command = ["python", "-m", "socrata", "--host=0.0.0.0", f"--port={PORT}", *options]
        command += [f"--tls=/tls/{self.certificate.name}", *served]
        pod = like_a_stage("city", self.cluster.stage_image, command, {"app": "city"})
        [container] = pod["spec"]["containers"]
        container["env"] = [{"name": "PYTHONPATH", "value": "/code:/opt/collisions"}]
        container["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
        container["volumeMounts"] = [
            {"name": "code", "mountPath": "/code/socrata"},
            {"name": "files", "mountPath": "/files"},
            {"name": "tls", "mountPath": "/tls"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 the pod's own
        ]
        pod["spec"]["volumes"] = [
            {"name": "code", "configMap": {"name": "city-code"}},
            {"name": "files", "configMap": {"name": "city-files"}},
            {"name": "tls", "secret": {"secretName": "city-tls"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
        ]
        self.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        self.kubectl("wait", "pod/city", "--for=condition=Ready", "--timeout=120s")

    def asked(self) -> list[tuple[str, str]]:
        """The requests: kind, and address or query."""
        kinds = ("probe", "count", "page", "export")
        lines = (line.partition(" ") for line in self.kubectl("logs", "city").splitlines())
        return [(kind, request) for kind, _, request in lines if kind in kinds]

    def stop(self) -> None:
        """No pod, no files."""
        made = ("pod/city", "configmap/city-code", "configmap/city-files", "secret/city-tls")
        self.kubectl("delete", *made, "--ignore-not-found")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """A file for each dataset, `now`, and without the late records of crashes, `before`."""
    folder = tmp_path_factory.mktemp("city")
    sample(["--rows", "400", "--start", str(FIRST), "--end", str(TODAY), str(folder / "now")])
    now = sorted((folder / "now").glob("*/*.csv"))
    [crashes] = (file for file in now if file.parent.name == "crashes")
    lines = crashes.read_text().splitlines(keepends=True)
    late = tuple(f"{day:%m/%d/%Y}" for day in LATE)
    (folder / crashes.name).write_text("".join(line for line in lines if not line.startswith(late)))
    return {"now": now, "before": [folder / crashes.name, *(file for file in now if file != crashes)]}


@pytest.fixture(scope="module")
def city(
    cluster: Cluster, tables: Mapping[str, list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[City]:
    """A server, the source switched on, and an empty lake; afterwards neither server nor source."""
    folder = tmp_path_factory.mktemp("release")
    few = folder / "crashes_few.csv"
    few.write_text(crashes_csv(rows(3)))
    cluster.land_anew(few)  # which also switches the DAG on
    cluster.settle()
    cluster.lake.wipe("landing/", "raw/", "clean/", "curated/", "warehouse/", "_runs/")
    authority = trustme.CA()
    authority.issue_cert("city").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    served = City(cluster, folder / "server.pem")
    served.kubectl("create", "configmap", "source-ca", f"--from-file={folder / 'ca.pem'}")
    secret = {"COLLISIONS_SOURCE_URL": f"https://city:{PORT}", "COLLISIONS_SOURCE_PAGE_ROWS": str(PAGE)}
    secret["SSL_CERT_FILE"] = "/etc/source-ca/ca.pem"
    served.kubectl(
        "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*POLICIES, SERVICE]})
    )
    served.kubectl(
        "create",
        "secret",
        "generic",
        "stage-source",
        *(f"--from-literal={key}={value}" for key, value in secret.items()),
    )
    try:
        served.serve(tables["before"])
        cluster.release(folder, env=[{"name": "COLLISIONS_SOURCE", "value": "socrata"}])
        cluster.settle()
        yield served
    finally:
        served.stop()
        served.kubectl("delete", "service/city", "secret/stage-source", "configmap/source-ca", "--ignore-not-found")
        for made in POLICIES:
            served.kubectl("delete", "networkpolicy", made["metadata"]["name"], "--ignore-not-found")
        cluster.lake.wipe("landing/")
        cluster.release(folder, env=[{"name": "COLLISIONS_SOURCE", "value": ""}])
        cluster.settle()


def landed_by_hand(folder: Path, files: Sequence[Path]) -> dict[str, tuple[int, str]]:
    """The warehouse's contents if these files were landed on this machine."""
    lake = Lake(lake=str(folder))
    for file in files:
        lake.land(file, dataset=next(name for name in ("crashes", "vehicles", "persons") if name in file.name))
    lake.run()
    return lake.contents()


def test_a_scheduled_run_fetches_the_whole_tables(
    cluster: Cluster, city: City, tables: Mapping[str, list[Path]], tmp_path: Path
) -> None:
    """The warehouse is that of the same files landed by hand; each table is asked for once."""
    run_id = cluster.airflow.get("dagRuns", run_type="scheduled", order_by="-id", limit=1)["dag_runs"][0]["dag_run_id"]
    cluster.clear(run_id)
    assert cluster.finish(run_id) == "success"
    assert cluster.lake.contents() == landed_by_hand(tmp_path, tables["before"])
    assert [kind for kind, _ in city.asked()].count("export") == 3
    assert "page" not in dict(city.asked())


def test_a_backfill_fetches_its_days(
    cluster: Cluster, city: City, tables: Mapping[str, list[Path]], tmp_path: Path
) -> None:
    """Records that came late to three days are in the warehouse after these days' backfill."""
    city.serve(tables["now"])
    cluster.run("scripts/backfill", "--from", str(LATE[0]), "--to", str(LATE[-1]))
    assert cluster.lake.contents() == landed_by_hand(tmp_path, tables["now"])
    asked = [request for kind, request in city.asked() if kind == "page" and "crash_date <" in request]
    for day in LATE:
        assert any(f"crash_date < '{day + timedelta(days=1)}T" in request for request in asked), day


def test_a_killed_fetch_is_resumed_by_the_next_try(
    cluster: Cluster, city: City, tables: Mapping[str, list[Path]]
) -> None:
    """The pod is deleted while the third page drips in: the next try's pod asks for that page and those after it."""
    before = cluster.lake.contents()
    city.serve(tables["now"], "--fault=drip@page:2")
    run_id = cluster.start(start=str(FIRST), end=str(TODAY), datasets=["crashes"])
    cluster.until(lambda: [kind for kind, _ in city.asked()].count("page") == 3, "the third page is asked for")
    pod = cluster.running_pod(run_id, "ingest_raw")
    cluster.kubectl("--namespace", "collisions", "delete", "pod", pod, "--grace-period=0", "--force")
    assert cluster.finish(run_id) == "success"
    assert cluster.tries(run_id)["ingest_raw"] == 2
    assert cluster.lake.contents() == before
    collisions = len(read_csv(next(file for file in tables["now"] if "crashes" in file.name)))
    pages = [request for kind, request in city.asked() if kind == "page"]
    assert len(pages) == -(-collisions // PAGE) + 1
    assert len(set(pages)) == len(pages) - 1
    assert pages[2] == pages[3]


def test_no_pod_but_ingest_raw_reaches_the_source(cluster: Cluster, city: City) -> None:
    """By the labels that the pods of a run have, and by a connection with either set of them."""
    run_id = cluster.start(start=str(LATE[0]), end=str(LATE[-1]))
    labels: dict[str, dict[str, str]] = {}

    def seen() -> bool:
        for pod in cluster.pods():
            labels[pod["metadata"]["labels"]["task_id"]] = pod["metadata"]["labels"]
        return cluster.airflow.run(run_id)["state"] in ("success", "failed")

    cluster.until(seen, "the run's end", 600)
    assert cluster.airflow.run(run_id)["state"] == "success"
    assert [task for task, own in labels.items() if "source-access" in own] == ["ingest_raw"]
    others = {own["lake-access"] for task, own in labels.items() if task != "ingest_raw"}
    assert others == {"true"}
    assert cluster.probe(REACH, {"app": "probe", "lake-access": "true"}) == {"city": "closed", "minio": "reached"}
    allowed = {"app": "probe", "lake-access": "true", "source-access": "true"}
    assert cluster.probe(REACH, allowed) == {"city": "reached", "minio": "reached"}


def test_what_is_fetched_by_hand_is_in_the_clusters_landing(
    cluster: Cluster, city: City, tables: Mapping[str, list[Path]]
) -> None:
    """From this machine, through the port-forward; a dry run lands nothing."""
    [crashes] = (file for file in tables["now"] if "crashes" in file.name)
    dates = ("--start", str(LATE[0]), "--end", str(LATE[-1]), "--dataset", "crashes")
    with SocrataServer([Table(DATASET, read_csv(crashes))]) as server:
        before = cluster.lake.objects()
        fetch = ("env", f"COLLISIONS_SOURCE_URL={server.url}", "scripts/fetch", "--cluster", *dates)
        said = cluster.run(*fetch, "--dry-run")
        assert "would fetch" in said
        assert cluster.lake.objects() == before
        cluster.run(*fetch)
    [made] = set(cluster.lake.objects()) - set(before)
    assert f"_{LATE[-1]}_asof_" in made
    assert cluster.lake.store.metadata(made)["covers-end"] == str(LATE[-1])
