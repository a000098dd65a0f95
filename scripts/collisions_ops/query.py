"""scripts/query: query the published warehouse, in the embedded runtime's lake or the cluster's."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.settings import Settings

MODULE = "stages.warehouse.query"


def embedded(settings: Settings, console: Console, arguments: Sequence[str]) -> int:
    """Query the warehouse of the lake that COLLISIONS_LAKE names; without it, that of the last demo, named on standard
    error. Returns the exit code.
    """
    lake = settings.embedded_lake
    if arguments and not settings.environ.get("COLLISIONS_LAKE"):
        console.note(f"lake: {lake}")
    return _run(settings, {"COLLISIONS_LAKE": lake}, arguments)


def on_cluster(cluster: Cluster, arguments: Sequence[str]) -> int:
    """Query the warehouse in the cluster's lake; returns the exit code."""
    return _run(cluster.settings, cluster.lake_environment(), arguments)


def _run(settings: Settings, lake: Mapping[str, str], arguments: Sequence[str]) -> int:
    environ = {**settings.environ, **lake, "PYTHONPATH": str(settings.root)}
    command = [str(settings.python), "-P", "-m", MODULE, *arguments]
    return subprocess.run(command, env=environ, check=False).returncode
