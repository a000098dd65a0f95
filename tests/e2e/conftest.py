"""The pipeline on a real cluster. These tests take the cluster `collisions` for themselves; scripts/e2e runs them."""

from __future__ import annotations

import os
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cluster import SCRIPTS, Cluster, run

NEW_YORK = ZoneInfo("America/New_York")
DAILY = time(6)  # the DAG's schedule
LONGEST_TEST = timedelta(minutes=6)


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


@pytest.fixture(autouse=True)
def clear_of_the_schedule(cluster: Cluster) -> None:
    """No test meets the DAG's own run of the day: one that is about to become due is waited for, to its end."""
    now = datetime.now(NEW_YORK)
    due = datetime.combine(now.date(), DAILY, NEW_YORK)
    if not now < due < now + LONGEST_TEST:
        return

    def has_begun() -> bool:
        runs = cluster.airflow.get("dagRuns", run_type="scheduled", run_after_gte=due.isoformat())["dag_runs"]
        return datetime.now(NEW_YORK) > due and bool(runs or cluster.airflow.get("")["is_paused"])

    cluster.until(has_begun, "the day's own run begins", LONGEST_TEST.total_seconds() + 300)
    cluster.settle()
