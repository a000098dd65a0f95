"""The manifests and the rendered chart are valid for the Kubernetes that the pipeline is tried on; versions agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
KUBERNETES = "1.34"
CHART = Path.home() / ".cache/collisions/airflow-1.22.0.tgz"


def rendered(*command: str) -> Iterator[dict[str, Any]]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield from filter(None, yaml.safe_load_all(done.stdout))


def check(resource: dict[str, Any]) -> str | None:
    """What is wrong with a resource."""
    try:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{resource['kind']} {resource['metadata'].get('name')}: {error.message}"
    return None


def test_the_manifests_are_valid() -> None:
    files = sorted((REPOSITORY / "k8s").glob("*.yaml"))
    resources = [it for path in files for it in yaml.safe_load_all(path.read_text()) if it]
    ours = [it for it in resources if it["kind"] not in {"Kustomization", "Cluster"}]
    assert len(ours) > 15
    assert [problem for it in ours if (problem := check(it))] == []


def test_the_kustomization_is_valid() -> None:
    resources = list(rendered("kubectl", "kustomize", "k8s"))
    assert {"ConfigMap", "NetworkPolicy", "StatefulSet"} <= {it["kind"] for it in resources}
    assert [problem for it in resources if (problem := check(it))] == []


def test_the_chart_with_our_values_is_valid() -> None:
    if not CHART.exists():
        pytest.skip(f"no chart at {CHART}")
    resources = chart()
    assert {"CronJob", "Deployment", "StatefulSet", "Job"} <= {it["kind"] for it in resources}
    assert [problem for it in resources if (problem := check(it))] == []


def chart() -> list[dict[str, Any]]:
    """The chart's manifests with our values."""
    values = ("--namespace", "airflow", "--values", "helm-values/airflow.yaml", "--set", "images.airflow.tag=tag")
    return list(rendered("helm", "template", "airflow", str(CHART), *values))


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod's spec of each workload, by its name."""
    found = {}
    for it in resources:
        spec = it["spec"].get("jobTemplate", it).get("spec", {}) if "spec" in it else {}
        if "template" in spec:
            found[it["metadata"]["name"]] = spec["template"]["spec"]
    return found


@pytest.mark.skipif(not CHART.exists(), reason=f"no chart at {CHART}")
def test_no_container_of_airflow_can_write_to_its_root_and_only_the_scheduler_has_a_token() -> None:
    resources = chart()
    accounts = {it["metadata"]["name"]: it for it in resources if it["kind"] == "ServiceAccount"}
    with_token = set()
    for name, pod in pods(resources).items():
        account = pod["serviceAccountName"]
        assert account == "airflow-scheduler" or accounts[account]["automountServiceAccountToken"] is False
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, f"{name} {container['name']}"
            if any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"]):
                with_token.add(f"{name} {container['name']}")
    assert "airflow-scheduler" not in accounts  # k8s/access.yaml has it, without a token of its own
    assert with_token == {"airflow-scheduler scheduler", "airflow-scheduler wait-for-airflow-migrations"}


def test_a_bucket_elsewhere_takes_the_place_of_minio() -> None:
    resources = list(rendered("kubectl", "kustomize", "stores/own-bucket"))
    assert [problem for it in resources if (problem := check(it))] == []
    names = {(it["kind"], it["metadata"]["name"]) for it in resources}
    assert not [name for _, name in names if "minio" in name]
    assert ("NetworkPolicy", "stage-to-store") in names
    [settings] = [it["data"] for it in resources if it["metadata"]["name"] == "stage-settings"]
    assert set(settings) == {f"COLLISIONS_{name}" for name in ("LAKE", "S3_ENDPOINT", "S3_REGION", "S3_SECURE")}
    assert "minio" not in " ".join(settings.values())


def test_seaweedfs_takes_the_place_of_minio_and_only_the_stages_reach_it() -> None:
    resources = list(rendered("kubectl", "kustomize", "stores/seaweedfs"))
    assert [problem for it in resources if (problem := check(it))] == []
    assert not [it for it in resources if "minio" in it["metadata"]["name"]]
    [settings] = [it["data"] for it in resources if it["metadata"]["name"] == "stage-settings"]
    assert settings["COLLISIONS_S3_ENDPOINT"] == "seaweedfs.collisions.svc.cluster.local:8333"
    [pod] = [
        it["spec"]["template"]["spec"]
        for it in resources
        if it["metadata"]["name"] == "seaweedfs" and "Set" in it["kind"]
    ]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    policies = {it["metadata"]["name"]: it["spec"] for it in resources if it["kind"] == "NetworkPolicy"}
    assert policies["store-from-stages"]["ingress"] == [
        {
            "from": [{"podSelector": {"matchLabels": {"lake-access": "true"}}}],
            "ports": [{"port": 8333, "protocol": "TCP"}],
        }
    ]
    assert "-ip.bind=127.0.0.1" in container["args"]  # all of it but S3


def test_the_stages_way_out_of_the_cluster_is_one_of_its_own() -> None:
    policies = [it for it in yaml.safe_load_all((REPOSITORY / "k8s/network.yaml").read_text()) if it]
    out = [
        (it["spec"]["podSelector"], rule["ports"])
        for it in policies
        if it["metadata"]["namespace"] == "collisions"
        for rule in it["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule.get("to", [{"ipBlock": "everywhere"}]))
    ]
    assert out == [({"matchLabels": {"source-access": "true"}}, [{"port": 443, "protocol": "TCP"}])]


def test_a_misspelt_field_is_found() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"container": []}}
    assert "a: " in (check(pod) or "")


def test_repeated_versions_agree() -> None:
    """Airflow's is pinned in pyproject.toml, the chart's in the operators' settings."""

    def found(file: str, pattern: str) -> set[str]:
        versions = set(re.findall(pattern, (REPOSITORY / file).read_text()))
        assert versions, f"{file} has nothing like {pattern}"
        return versions

    airflow = found("pyproject.toml", r"apache-airflow==([\d.]+)")
    assert found("dags/Dockerfile", r"apache/airflow:([\d.]+)") == airflow
    assert found("helm-values/airflow.yaml", r"airflowVersion: \"?([\d.]+)") == airflow
    chart = found("scripts/collisions_ops/settings.py", r"CHART_VERSION = \"([\d.]+)\"")
    for file in ("README.md", "docs/operations.md", "helm-values/airflow.yaml"):
        assert found(file, r"(?:chart |airflow |--version |airflow-)(1\.[\d.]+\d)") == chart
