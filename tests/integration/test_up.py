"""What scripts/up says on a machine that lacks something, and where a tool fails. The tools are there by name alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lake import REPOSITORY
from ports import free_ports

TOOLS = {"docker": "echo 8000000000", "kind": "", "kubectl": "", "helm": "echo v3.22.0"}
PORTS = ("UI_PORT", "MINIO_PORT", "MINIO_CONSOLE_PORT")
SYSTEM = ("bash", "cmp", "df", "dirname", "git")

Up = Callable[..., subprocess.CompletedProcess[str]]


def ports() -> dict[str, str]:
    """Settings that name free ports."""
    return {name: str(port) for name, port in zip(PORTS, free_ports(3), strict=True)}


@pytest.fixture
def up(tmp_path: Path) -> Up:
    """scripts/up on such a machine; a tool of None is missing, other words replace what it does."""

    def run(environment: dict[str, str] | None = None, **changed: str | None) -> subprocess.CompletedProcess[str]:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in SYSTEM:
            (programs / name).symlink_to(shutil.which(name) or name)
        for name, does in (TOOLS | changed).items():
            if does is not None:
                (programs / name).unlink(missing_ok=True)
                (programs / name).write_text(f"#!/bin/sh\n{does}\n")
                (programs / name).chmod(0o755)
        given = environment or {}
        others = {name: value for name, value in os.environ.items() if not name.endswith("_PORT")}
        return subprocess.run(
            [REPOSITORY / "scripts/up"],
            env=others | given | {"PATH": f"{programs}:{given.get('PATH', '')}", "STATE": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": None}, "kind is not installed"),
        ({"helm": "echo v2.17.0"}, "3.19 or newer is needed"),
        ({"docker": "echo cannot connect >&2; exit 1"}, "Docker does not answer"),
        ({"docker": "echo 4000000000"}, "Docker has 4 GB of memory; 6 are needed"),
        ({"df": "printf 'h\\nd 1 1 5242880 1 /\\n'"}, "5 GiB of disk are free; 10 are needed"),
    ],
)
def test_what_is_missing_is_reported_at_once(up: Up, changed: dict[str, str | None], said: str) -> None:
    done = up(**changed)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.endswith("nothing was made\n")


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        ({"kubectl": 'case "$*" in *apply*) exit 1 ;; esac'}, "namespaces, access, limits, network policies, secrets"),
        ({"kubectl": 'case "$*" in *statefulset/minio*) exit 1 ;; esac'}, "MinIO with its bucket and user, Postgres"),
        ({"kubectl": 'case "$*" in *airflow-scheduler*) exit 1 ;; esac'}, "Airflow, by Helm"),
        ({"helm": 'case "$*" in version*) echo v3.22.0 ;; *upgrade*) exit 1 ;; esac'}, "Airflow, by Helm"),
    ],
)
def test_the_first_failure_ends_it(up: Up, changed: dict[str, str], step: str) -> None:
    done = up({"PATH": os.environ["PATH"], **ports()}, **changed)
    assert done.returncode == 1
    assert done.stdout.endswith(f"{step}: FAILED\n")
    assert "what to look at:" in done.stderr


def test_without_a_chart_at_hand_helm_takes_it_from_its_repository(up: Up, tmp_path: Path) -> None:
    said = tmp_path / "helm"
    done = up(
        {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ports()},
        helm=f'case $1 in version) echo v3.22.0 ;; *) echo "$*" >>{said} ;; esac',
        kubectl='case "$*" in *airflow-scheduler*) exit 1 ;; esac',  # far enough
    )
    assert done.stdout.endswith("Airflow, by Helm: FAILED\n")
    assert "upgrade --install airflow airflow --repo https://airflow.apache.org --version 1.22.0" in said.read_text()


@pytest.mark.parametrize(
    ("volumes", "then"),
    [(0, ["delete cluster", "create cluster"]), (2, ["export kubeconfig"])],
    ids=["nothing in it: made anew", "with volumes: kept"],
)
def test_a_cluster_whose_kubeconfig_is_missing(up: Up, tmp_path: Path, volumes: int, then: list[str]) -> None:
    """kind writes it last, so its making was interrupted; or the file is another by now."""
    said = tmp_path / "kind"
    done = up(
        {"PATH": os.environ["PATH"], **ports()},
        kind=f'case "$*" in get*) grep -qs delete {said} || echo collisions ;; *) echo "$*" >>{said} ;; esac',
        docker=f'case "$*" in *wc*) echo {volumes} ;; *) echo 8000000000 ;; esac',
        kubectl='case "$*" in config*|*apply*) exit 1 ;; esac',
    )
    assert "cluster collisions, by kind\n" in done.stdout, done.stdout + done.stderr
    did = [line for line in said.read_text().splitlines() if not line.startswith("load")]
    assert [" ".join(line.split()[:2]) for line in did] == then


def test_a_bucket_elsewhere_needs_its_key_first(up: Up, tmp_path: Path) -> None:
    kubectl = f'echo "$*" >>{tmp_path}/kubectl; case "$*" in *stage-store*) exit 1 ;; esac'
    done = up({"PATH": os.environ["PATH"], "STORE": "own-bucket", **ports()}, kubectl=kubectl)
    assert done.returncode == 1
    assert "the Secret collisions/stage-store is missing" in done.stderr
    assert "create secret generic stage-store --from-env-file FILE" in done.stderr
    assert f"apply --kustomize {REPOSITORY}/stores/own-bucket" in (tmp_path / "kubectl").read_text()


def test_seaweedfs_gets_its_bucket_and_the_stages_key(up: Up, tmp_path: Path) -> None:
    said = tmp_path / "kubectl"
    done = up(
        {"PATH": os.environ["PATH"], "STORE": "seaweedfs", **ports()},
        kubectl=f"""
            echo "$*" >>{said}
            case "$*" in
              *"rollout status statefulset/airflow-scheduler"*) exit 1 ;; # far enough
              *"get secret stage-store"*go-template*) echo made-up ;;
              *"get secret"*) exit 1 ;;
              *create*) cat >>{said} ;;
              *"/usr/bin/weed shell"*)
                case "$(cat)" in
                  *list*) [ ! -e {said}.made ] || printf '  collisions\\tsize:0\\n' ;;
                  *create*) touch {said}.made ;;
                esac ;;
            esac""",
    )
    assert "SeaweedFS with its bucket, Postgres\n" in done.stdout, done.stdout + done.stderr
    asked = said.read_text()
    assert f"apply --kustomize {REPOSITORY}/stores/seaweedfs" in asked
    assert '"accessKey": "stages", "secretKey": "made-up"' in asked
    assert asked.count("rollout status statefulset/seaweedfs") == 1
    assert "minio" not in asked


def test_a_store_that_nobody_knows_is_refused(up: Up) -> None:
    assert "STORE is 'floppy': set it to one of minio, seaweedfs, own-bucket" in up({"STORE": "floppy"}).stderr


def test_down_without_kind_does_not_claim_that_all_is_gone(tmp_path: Path) -> None:
    for name in SYSTEM:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    given = os.environ | {"PATH": str(tmp_path), "STATE": str(tmp_path / "state")}
    command = [str(REPOSITORY / "scripts/down"), "--yes"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "kind is not installed" in done.stderr


def test_everything_missing_is_reported_at_once(up: Up) -> None:
    done = up(kind=None, helm=None)
    assert "kind is not installed" in done.stderr
    assert "helm is not installed" in done.stderr


def test_a_taken_port_and_a_missing_chart_are_named(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = up({"UI_PORT": port, "AIRFLOW_CHART": "/no/chart.tgz"})
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert "AIRFLOW_CHART is '/no/chart.tgz': no such file or folder" in done.stderr
