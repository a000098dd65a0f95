"""From nothing to a cluster and back, by the scripts and by hand. Last, for they take the cluster away."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from lake import REPOSITORY


def generations(cluster: Cluster) -> dict[str, str]:
    """What would differ if something were changed or restarted."""
    objects = "pods,statefulsets,deployments,secrets,configmaps,services,networkpolicies"
    found = json.loads(cluster.kubectl("get", objects, "-A", "-o", "json"))["items"]
    return {
        f"{o['kind']} {o['metadata']['namespace']}/{o['metadata']['name']}": o["metadata"]["uid"]
        + str(o["metadata"].get("generation", ""))
        for o in found
        if o["metadata"]["namespace"] in ("airflow", "collisions")
        and "minio-setup-" not in o["metadata"]["name"]
        and o["metadata"].get("labels", {}).get("app") != "stage"  # a scheduled run's
        and "database-cleanup" not in o["metadata"]["name"]  # a job of the night
    }


def test_up_again_changes_nothing_and_is_quick(cluster: Cluster) -> None:
    """The same objects, not one restarted, in under a minute."""
    before, began = generations(cluster), time.monotonic()
    cluster.run("scripts/up")
    assert time.monotonic() - began < 60
    assert generations(cluster) == before


def test_up_shows_the_login_to_a_person_and_to_no_log(cluster: Cluster) -> None:
    """On a terminal the passwords, so that one can log in at once; elsewhere the commands that show them."""
    on_a_terminal = cluster.run(sys.executable, "-c", "import pty; pty.spawn('scripts/up')")
    elsewhere = cluster.run("scripts/up")
    for password in (
        cluster.secret("airflow", "airflow-admin")["password"],
        cluster.secret("collisions", "minio-root")["MINIO_ROOT_PASSWORD"],
    ):
        assert password in on_a_terminal
        assert password not in elsewhere
    shows = re.findall(r"kubectl .*", elsewhere)
    assert [cluster.run("bash", "-c", command) for command in shows] == [
        cluster.secret("airflow", "airflow-admin")["password"],
        " ".join(cluster.secret("collisions", "minio-root")[f"MINIO_ROOT_{name}"] for name in ("USER", "PASSWORD")),
    ]


def leftovers(cluster: Cluster) -> list[str]:
    """Whatever of the cluster is on this machine."""
    found = cluster.run("kind", "get", "clusters").split()
    found = ["cluster"] if "collisions" in found else []
    found += cluster.run("docker", "ps", "-aq", "--filter", "label=io.x-k8s.kind.cluster=collisions").split()
    found += cluster.run("docker", "images", "-q", "--filter", "reference=collisions-*").split()
    found += cluster.run("bash", "-c", "pgrep -af 'kubectl --context [k]ind-collisions' || true").splitlines()
    found += ["state"] if (REPOSITORY / ".collisions/cluster").exists() else []
    return found


@pytest.mark.extended
def test_down_leaves_nothing_and_up_makes_it_all(
    cluster: Cluster, extract: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """scripts/down, then from nothing to the first green run; the times are printed."""
    cluster.run("scripts/down", "--yes")
    assert leftovers(cluster) == []
    began = time.monotonic()
    steps = cluster.run("scripts/up", timeout=1800)
    cluster.run("scripts/land", extract("crashes_2022-01.csv"))
    assert "run success" in cluster.run("scripts/trigger")
    with capsys.disabled():
        print(f"\n{steps}\nfrom nothing to the first green run: {time.monotonic() - began:.0f} s")


def commands_by_hand() -> str:
    """The block of commands that the documentation shows."""
    for page in ("README.md", "docs/operations.md"):
        path = REPOSITORY / page
        blocks = re.findall(r"```bash\n(.*?)```", path.read_text(), re.DOTALL) if path.exists() else []
        for block in blocks:
            if "kind create cluster" in block:
                return block
    raise AssertionError("no page shows the commands by hand")


# What the test adds to the printed commands: the base images where this machine has them, for the node of one without a
# way out cannot pull them; whether it all works; the end of the port-forward.
BEFORE = "trap 'kill $(jobs -p)' EXIT\n"
LOAD = """
for image in IMAGES; do
  if docker image inspect $image >/dev/null 2>&1; then
    kind load docker-image --name collisions $image || true # what Docker cannot export, the node pulls
  fi
done
"""
AFTER = """
kubectl --namespace collisions wait --for condition=Complete job --selector app=minio-setup --timeout 120s
SECONDS=0
version=http://127.0.0.1:8080/api/v2/version
until python3 -c "import urllib.request as u; u.urlopen('$version', timeout=5)" 2>/dev/null; do
  ((SECONDS < 120)) || { echo "$version does not answer"; exit 1; }
  sleep 0.2
done
"""


@pytest.mark.extended
def test_by_hand_as_printed(cluster: Cluster) -> None:
    """Each command that the documentation shows works as it is printed there."""
    cluster.run("scripts/down", "--yes")
    manifests = "".join(path.read_text() for path in sorted((REPOSITORY / "k8s").glob("*.yaml")))
    load = LOAD.replace("IMAGES", " ".join(re.findall(r"image: (\S+:\S+)", manifests)))
    commands, loads = re.subn(r"(?m)^kind load .*$", lambda printed: printed[0] + load, commands_by_hand())
    assert loads == 1
    chart = os.environ.get("AIRFLOW_CHART") or Path.home() / ".cache/collisions/airflow-1.22.0.tgz"
    settings = f"KIND_NODE_IMAGE=${{KIND_NODE_IMAGE:-kindest/node:v1.34.0}}; CHART={chart}\n"
    script = "set -euo pipefail\n" + BEFORE + settings + commands + AFTER
    cluster.run("bash", "-c", script, timeout=1800)
    pods = cluster.kubectl("get", "pods", "-A", "-o", "wide")
    for name in ("airflow-scheduler-0", "postgres-0", "minio-0"):
        assert re.search(rf"{name}\s+(\d)/\1\s+Running", pods), pods
    cluster.run("scripts/down", "--yes")
    assert leftovers(cluster) == []
