"""The pipeline on a real cluster. These tests take the cluster `collisions` for themselves; scripts/e2e runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster import SCRIPTS, Cluster, run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without scripts/e2e these tests are skipped: they need Docker, kind, helm and many minutes."""
    if not os.environ.get("E2E"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs Docker and kind, and takes the cluster: scripts/e2e"))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, up to date with this work tree."""
    run(SCRIPTS / "up", timeout=1800)
    found = Cluster()
    found.settle()
    return found
