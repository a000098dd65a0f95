"""scripts/query: query the published warehouse, in the embedded runtime's lake or the cluster's."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from collisions_ops.cluster import Cluster
from collisions_ops.settings import Settings

MODULE = "stages.warehouse.query"


def embedded(settings: Settings, arguments: Sequence[str]) -> int:
    """Query the warehouse of the lake that COLLISIONS_LAKE names; without it, the demo's. Returns the exit code."""
    return _run(settings, {"COLLISIONS_LAKE": settings.embedded_lake}, arguments)


def on_cluster(cluster: Cluster, arguments: Sequence[str]) -> int:
    """Query the warehouse in the cluster's lake; returns the exit code."""
    return _run(cluster.settings, cluster.lake_environment(), arguments)


def _run(settings: Settings, lake: Mapping[str, str], arguments: Sequence[str]) -> int:
    environ = {**settings.environ, **lake, "PYTHONPATH": str(settings.root)}
    command = [str(settings.python), "-P", "-m", MODULE, *arguments]
    return subprocess.run(command, env=environ, check=False).returncode
