"""OpenLineage events of real runs: none unless asked for, in the lake or to a server, and never in a stage's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lake import STAGES, Lake
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import error_message_run, output_statistics_output_dataset, parent_run
from openlineage.client.serde import Serde

from stages.errors import ConfigError
from stages.lake import lineage
from stages.lake.job import Run as StageRun
from stages.lake.scope import Scope
from stages.lake.store.folder import FolderStore
from stages.settings import Settings

Event = dict[str, Any]


def land(lake: Lake, sample: Callable[..., list[Path]]) -> None:
    for file in sample("--rows=60", "--start=2024-01-01", "--end=2024-02-20"):
        lake.land(file)


def events(lake: Lake, run: str) -> list[Event]:
    """A run's events in the lake, in the order of their keys."""
    store = lake.store
    return [json.loads(store.read(info.key)) for info in store.list(f"_runs/{run}/lineage/")]


def name(lake: Lake, table: str) -> tuple[str, str]:
    """Namespace and name of a dataset as OpenLineage has them."""
    root = lake.environment["COLLISIONS_LAKE"]
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    return (f"s3://{bucket}", f"{prefix}/{table}".lstrip("/")) if "://" in root else ("file", f"{root}/{table}")


def names(of: list[Event]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in of]


def test_a_run_says_what_each_stage_read_and_wrote(lake: Lake, sample: Callable[..., list[Path]]) -> None:
    land(lake, sample)
    lake.environment["COLLISIONS_LINEAGE"] = "file"
    lake.run("--run-id=one")
    found = events(lake, "one")
    expected = [(kind, f"collisions_pipeline.{stage}") for stage in STAGES for kind in ("START", "COMPLETE")]
    assert [(event["eventType"], event["job"]["name"]) for event in found] == expected
    assert len({event["run"]["runId"] for event in found}) == len(STAGES)
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in found}) == 1
    ingest, clean, curated, model = found[1::2]
    tables = ["curated/collision_vehicles", "curated/collisions"]
    for event, read, wrote in (
        (ingest, ["landing/crashes"], ["raw/crashes"]),
        (clean, ["raw/crashes"], ["clean/crashes"]),
        (curated, ["clean/crashes"], tables),
        (model, tables, ["warehouse/collisions.duckdb"]),
    ):
        assert names(event["inputs"]) == [name(lake, table) for table in read]
        assert names(event["outputs"]) == [name(lake, table) for table in wrote]
    counts = model["outputs"][0]["outputFacets"]["outputStatistics"]
    assert counts["rowCount"] == lake.one("select count(*) from fct_collisions")
    assert counts["size"] == lake.store.head("warehouse/collisions.duckdb").size  # type: ignore[union-attr]
    assert counts["fileCount"] == 1


def test_without_the_setting_there_is_none(folder_lake: Lake) -> None:
    folder_lake.stage("ingest_raw", "--run-id=one")
    assert events(folder_lake, "one") == []


def test_a_failure_says_why_and_the_next_try_is_another_run(
    folder_lake: Lake, sample: Callable[..., list[Path]]
) -> None:
    folder_lake.environment["COLLISIONS_LINEAGE"] = "file"
    assert folder_lake.stage("ingest_raw", "--run-id=one").code == 65
    land(folder_lake, sample)
    assert folder_lake.stage("ingest_raw", "--run-id=one").code == 0
    start, fail, again, complete = events(folder_lake, "one")
    assert [event["eventType"] for event in (start, fail, again, complete)] == ["START", "FAIL", "START", "COMPLETE"]
    assert "no landed files" in fail["run"]["facets"]["errorMessage"]["message"]
    assert start["run"]["runId"] == fail["run"]["runId"] != again["run"]["runId"] == complete["run"]["runId"]


# --- over HTTP --------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server that keeps what is posted to it in `received`, and answers with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.received.append((self.path, content))  # type: ignore[attr-defined]
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.received, running.status = [], 201  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_events_are_posted_to_a_server_and_one_that_refuses_them_stops_nothing(
    folder_lake: Lake, sample: Callable[..., list[Path]], server: Any
) -> None:
    land(folder_lake, sample)
    folder_lake.environment["COLLISIONS_LINEAGE"] = f"http://127.0.0.1:{server.server_port}/"
    folder_lake.run(stages=STAGES[:1])
    assert [(path, event["eventType"]) for path, event in server.received] == [
        ("/api/v1/lineage", "START"),
        ("/api/v1/lineage", "COMPLETE"),
    ]
    assert events(folder_lake, "by-hand_first_last") == []
    server.status = 500
    done = folder_lake.stage("ingest_raw")
    assert done.code == 0
    assert "WARNING: ingest_raw: the lineage event COMPLETE could not be sent: Server error '500" in done.log


def test_a_server_that_is_away_stops_nothing(folder_lake: Lake, sample: Callable[..., list[Path]]) -> None:
    land(folder_lake, sample)
    done = folder_lake.stage("ingest_raw", lineage="http://127.0.0.1:1")
    assert done.code == 0
    assert done.log.count("could not be sent") == 2


# --- as the library has it --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, ValueError("why")])
def test_an_event_is_what_the_library_makes(tmp_path: Path, error: Exception | None) -> None:
    settings = Settings(lake="s3://bucket/prefix", code_version="abc")
    run = StageRun(FolderStore(tmp_path), settings, Scope(None, None), "scheduled__1")
    given = lineage.Lineage(run, "transform_clean", ["crashes"])
    output = {"key": "clean/crashes/crash_month=2024-01/data.parquet", "rows": 7, "size": 80}
    manifest = {"inputs": [{"key": "raw/crashes/crash_month=2024-01/a.parquet"}], "outputs": [output]}
    at = datetime(2024, 7, 2, 9, tzinfo=UTC)
    kind = RunState.FAIL if error else RunState.COMPLETE
    found = lineage.event(given, kind.value, at, [manifest], error)

    set_producer(found["producer"])
    parent = found["run"]["facets"]["parent"]["run"]["runId"]
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=parent), job=parent_run.Job(namespace="collisions", name="collisions_pipeline")
        )
    }
    if error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message="why", programmingLanguage="PYTHON")
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=7, size=80, fileCount=1)
    made = RunEvent(
        eventType=kind,
        eventTime=at.isoformat(),
        run=Run(runId=given.attempt, facets=facets),
        job=Job(namespace="collisions", name="collisions_pipeline.transform_clean"),
        inputs=[InputDataset(namespace="s3://bucket", name="prefix/raw/crashes")],
        outputs=[
            OutputDataset(
                namespace="s3://bucket", name="prefix/clean/crashes", outputFacets={"outputStatistics": statistics}
            )
        ],
        producer=found["producer"],
    )
    assert without_empty(found) == without_empty(Serde.to_dict(made))


def without_empty(value: Any) -> Any:
    """Without the empty mappings that the library writes for what is not stated."""
    if isinstance(value, dict):
        return {key: without_empty(of) for key, of in value.items() if of not in ({}, [])}
    return [without_empty(of) for of in value] if isinstance(value, list) else value


@pytest.mark.parametrize("value", ["no", "http://", "ftp://a", "http://user:secret@a", "http://a b"])
def test_a_malformed_setting_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="must be file, or the address of a server") as refused:
        Settings.from_environment({"COLLISIONS_LAKE": "a", "COLLISIONS_LINEAGE": value})
    assert "COLLISIONS_LINEAGE" in str(refused.value)
    assert "secret" not in str(refused.value)
