"""Airflow for the tests of the DAG: a home and a SQLite of its own, set before anything imports airflow."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="collisions-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

assert "airflow" not in sys.modules, "airflow was imported before its settings were made"
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "COLLISIONS_"))]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "COLLISIONS_RUNTIME": "local",
}

# Plays `python -m stages` by plan.json, {stage: [one shell script a try, the last for ever]}, and notes its arguments.
# A stage's script may be told by a chunk, `stage chunk`. Results are those of results.json.
STUB = """
import json, os, pathlib, sys
here, stage = pathlib.Path.cwd(), sys.argv[1]
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
plan, results = (json.loads((here / f"{name}.json").read_text()) for name in ("plan", "results"))
chunk = next((word.removeprefix("--chunk=") for word in sys.argv if word.startswith("--chunk=")), "")
work = f"{stage} {chunk}" if f"{stage} {chunk}" in plan else stage
calls = map(json.loads, (here / "calls.jsonl").open())
tries = sum(call[0] == stage and (work == stage or f"--chunk={chunk}" in call) for call in calls)
scripts = plan.get(work, ["exit 0"])
if stage in results:
    pathlib.Path(os.environ["COLLISIONS_RESULT"]).write_text(json.dumps(results[stage]))
os.execvp("sh", ["sh", "-c", scripts[min(tries, len(scripts)) - 1]])
"""


class StubStages:
    """A folder whose `stages` package behaves as planned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "stages").mkdir()
        (folder / "stages" / "__main__.py").write_text(STUB)
        self.plan()
        self.chunks("crashes:2024-07..2024-07")

    def plan(self, **scripts: list[str]) -> None:
        """What each stage, or each `stage chunk`, does, try by try: shell scripts."""
        (self.folder / "plan.json").write_text(json.dumps(scripts))

    def chunks(self, *chunks: str) -> None:
        """What ingest_raw returns."""
        warehouse = {"run": "r", "rows": {"crashes": 3}, "newest_date": "2024-07-01"}
        results = {"ingest_raw": chunks, "model_analytics": warehouse}
        (self.folder / "results.json").write_text(json.dumps(results))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every stage started, in order."""
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def started(self) -> list[str]:
        """The names of the stages started, in order."""
        return [arguments[0] for arguments in self.calls]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubStages:
    """Stub stages in place of the real ones."""
    import collisions_operators.local

    monkeypatch.setattr(collisions_operators.local, "REPOSITORY", tmp_path)
    return StubStages(tmp_path)


@pytest.fixture(scope="session")
def metadata() -> None:
    """Airflow's metadata database, made once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def dag(metadata: None):
    """The DAG as Airflow parses it, retrying without a pause."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(REPOSITORY / "dags")
    assert bag.import_errors == {}
    for task in (dag := bag.dags["collisions_pipeline"]).tasks:
        task.retry_delay = timedelta(0)
    return dag


@pytest.fixture
def run(dag, stub: StubStages, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """
    Run the DAG over the stub stages by Airflow's own dag.test(), as a run of the type given.

    dag.test() itself knows manual runs only, so the run's type and data interval are set as it creates the run.
    """
    from airflow.models import dagrun

    create = dagrun.get_or_create_dagrun

    def start(conf: dict | None = None, run_type: str = "manual", interval: tuple[datetime, datetime] | None = None):
        def create_as(**arguments):
            created = create(**arguments)
            created.run_type = run_type
            created.data_interval_start, created.data_interval_end = interval or (None, None)
            arguments["session"].commit()
            return created

        monkeypatch.setattr(dagrun, "get_or_create_dagrun", create_as)
        return dag.test(run_conf=conf, logical_date=interval[0] if interval else None)

    return start
