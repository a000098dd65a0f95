"""The pipeline's cluster: kubectl on it, its secrets, the lake in it."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass

from collisions_ops.errors import CommandFailed, OpsError
from collisions_ops.forwards import Forwards
from collisions_ops.settings import CLUSTER, CONTEXT, DAG, Settings
from collisions_ops.shell import Shell, Word, paste

LAKE = "COLLISIONS_LAKE"


def no_cluster(cluster: Cluster) -> OpsError:
    """The error where there is no cluster, or none that was made here, with the embedded runtime's commands."""
    settings = cluster.settings
    home = settings.airflow_home

    def embedded(*command: Word) -> str:
        return paste(*command, **settings.chosen_folders)

    problem = "there is no cluster; scripts/up makes it."
    if cluster.exists():
        problem = (
            f"the cluster was made by another checkout or user, or with another STATE than {settings.state}; use that"
            " one."
        )
    return OpsError(
        f"{problem} The embedded runtime needs none (docs/operations.md):\n"
        f"  land files and run   {embedded('scripts/demo', 'FILE.csv')}\n"
        f"  run                  {embedded('scripts/airflow', 'dags', 'test', DAG)}\n"
        f"  run, with its UI up  {embedded('scripts/airflow', 'dags', 'trigger', DAG)}\n"
        f"  backfill, likewise   {embedded('scripts/airflow', 'backfill', 'create')} ...\n"
        f"  runs                 {embedded('scripts/airflow', 'dags', 'list-runs', DAG)}\n"
        f"  logs                 {home}/demo.log, {home}/logs/"
    )


def lake_environment(settings: Settings, cluster: Cluster | None) -> dict[str, str]:
    """The environment with the settings of the embedded lake, or of `cluster`'s."""
    lake = cluster.lake_environment() if cluster else {LAKE: settings.embedded_lake}
    return {**settings.environ, **lake}


@dataclass(frozen=True)
class Cluster:
    """The kind cluster `collisions` on this machine."""

    settings: Settings
    shell: Shell

    @property
    def forwards(self) -> Forwards:
        """Its port-forwards."""
        return Forwards(self.settings, self.shell)

    def exists(self) -> bool:
        """Has kind made it?"""
        return CLUSTER in self.shell.attempt("kind", "get", "clusters").out.split()

    def require(self) -> None:
        """Raise OpsError unless the cluster is there and answers."""
        if not (self.exists() and self.shell.attempt("kubectl", "config", "get-contexts", CONTEXT).ok):
            raise no_cluster(self)
        if self.shell.attempt("kubectl", "--context", CONTEXT, "get", "--raw", "/readyz").out != "ok":
            raise OpsError("the cluster does not answer; scripts/up starts it again")

    def kubectl(self, *arguments: Word, stdin: str = "") -> str:
        """The output of kubectl on the cluster."""
        try:
            return self.shell.output("kubectl", "--context", CONTEXT, *arguments, stdin=stdin)
        except CommandFailed as error:
            raise CommandFailed(f"{error} (is the cluster up? scripts/up)", error.code, error.output) from None

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret's values."""
        found = json.loads(self.kubectl("--namespace", namespace, "get", "secret", name, "--output", "json"))
        return {key: b64decode(value).decode() for key, value in found["data"].items()}

    def lake_environment(self) -> dict[str, str]:
        """The settings by which this machine reaches the lake, as the stages' own user: a store in the cluster through
        the port-forward, a bucket elsewhere as the stages do.
        """
        self.require()
        text = self.kubectl("--namespace", "collisions", "get", "configmap", "stage-settings", "--output", "json")
        settings = {
            name: value for name, value in json.loads(text)["data"].items() if name.startswith(("COLLISIONS_S3_", LAKE))
        }
        if self.settings.store_port:
            self.forwards.ensure()
            port = self.settings.ports.MINIO_PORT
            self.forwards.await_port(port, "the store")
            settings |= {"COLLISIONS_S3_ENDPOINT": f"127.0.0.1:{port}", "COLLISIONS_S3_SECURE": "false"}
        return settings | self.secret("collisions", "stage-store")
