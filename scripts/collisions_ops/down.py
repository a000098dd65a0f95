"""scripts/down: delete the cluster with all that it holds."""

from __future__ import annotations

import shutil
import sys

import typer

from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import AIRFLOW_IMAGE, CLUSTER, STAGES_IMAGE


def down(cluster: Cluster, console: Console, yes: bool) -> int:
    """Delete the cluster and the project's images, end the port-forwards; returns 1 if the person said no."""
    shell = cluster.shell
    if not shell.find("kind"):
        raise OpsError("kind is not installed: it is what deletes the cluster")
    if not shell.attempt("docker", "info").ok:
        raise OpsError("Docker does not answer: start it, so that the cluster can be deleted")
    exists = cluster.exists()
    if exists and not yes:
        if not sys.stdin.isatty():
            raise OpsError("this deletes the cluster and its data; confirm with scripts/down --yes")
        if not typer.confirm(f"Delete cluster {CLUSTER} with all its data?"):
            return 1
    cluster.forwards.stop()
    if exists:
        with console.waiting(f"deleting cluster {CLUSTER}"):
            console.note(shell.output_of_both("kind", "delete", "cluster", "--name", CLUSTER).rstrip())
    references = [word for image in (STAGES_IMAGE, AIRFLOW_IMAGE) for word in ("--filter", f"reference={image}")]
    listed = shell.output("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", *references)
    for image in listed.split():
        shell.output("docker", "rmi", "--force", image)
    shutil.rmtree(cluster.settings.cluster_state, ignore_errors=True)
    console.print("Nothing of it is left (base images and the build cache stay).")
    return 0
