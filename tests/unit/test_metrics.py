"""The metrics of given records: what counts as the last run, what became of it, and the text that Prometheus reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from collisions_ops.metrics import busy, metrics
from collisions_ops.run_records import Readings, RunRecord, run_records
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from stages.lake import keys
from stages.lake.store import ObjectInfo

NINE = datetime(2024, 7, 2, 9, tzinfo=UTC)
STAGE_FAILED = "collisions_last_run_stage_failed"


def at(minute: float) -> datetime:
    return NINE + timedelta(minutes=minute)


def listed(**minutes: float) -> list[ObjectInfo]:
    """A listing of one run, `clean` done or `clean_failed` at some minute after nine."""
    names = {
        "ingest": "ingest_raw",
        "clean": "transform_clean",
        "curated": "transform_curated",
        "model": "model_analytics",
    }
    found = []
    for name, minute in minutes.items():
        stage = names[name.partition("_")[0]]
        key = keys.failure("one", stage) if name.endswith("_failed") else keys.manifest("one", stage, "crashes")
        found.append(ObjectInfo(key, 1, "etag", at(minute)))
    return found


def manifest(
    stage: str, dataset: str = "crashes", minute: float = 0, seconds: float = 6, **counts: int
) -> dict[str, Any]:
    none = dict.fromkeys(("rows_in", "rows_out", "quarantined", "superseded"), 0)
    return {
        "stage": stage,
        "dataset": dataset,
        "started_at": at(minute).isoformat(),
        "seconds": seconds,
        **none,
        **counts,
    }


@dataclass
class Given(Collector):
    """Metrics of these readings."""

    readings: Readings

    def collect(self) -> Iterator[Metric]:
        return metrics(self.readings)


def samples(readings: Readings) -> dict[tuple[str, ...], float]:
    """Name and labels' values → value, by way of the text."""
    text = generate_latest(Given(readings)).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("minutes", "ended", "failed"),
    [
        ({"ingest": 1}, None, []),
        ({"ingest": 1, "clean": 2, "curated": 3, "model": 4}, 4, []),
        ({"ingest_failed": 1}, 1, ["ingest_raw"]),
        ({"ingest": 1, "clean_failed": 2}, 2, ["transform_clean"]),
        # tried again: made good by itself, or as far as a later stage has run
        ({"ingest_failed": 1, "ingest": 2, "clean_failed": 3}, 3, ["transform_clean"]),
        ({"ingest_failed": 1, "ingest": 2}, None, []),
        ({"ingest_failed": 1, "ingest": 2, "clean": 3}, None, []),
        ({"ingest": 1, "clean": 2, "curated": 3, "model_failed": 4, "model": 5}, 5, []),
        # another chunk of the stage ends after the one that failed
        ({"ingest": 1, "clean_failed": 2, "clean": 3}, 2, ["transform_clean"]),
        # some datasets' records are of an earlier try that ended well
        ({"ingest": 1, "clean": 2, "curated": 3, "model": 4, "ingest_failed": 5}, 5, ["ingest_raw"]),
    ],
)
def test_a_run_has_ended_once_its_last_stage_is_done_or_a_failure_stands(
    minutes: dict[str, float], ended: float | None, failed: list[str]
) -> None:
    [record] = run_records(listed(**minutes))
    assert (record.ended, list(record.failed)) == (None if ended is None else at(ended), failed)


def test_the_run_that_did_something_last_comes_first_and_other_objects_are_no_runs() -> None:
    listing = [
        ObjectInfo(keys.manifest("old", "ingest_raw", "crashes"), 1, "e", at(1)),
        ObjectInfo(keys.manifest("old", "transform_clean", "crashes", "2024-01..2024-02"), 1, "e", at(9)),
        ObjectInfo(keys.manifest("new", "ingest_raw", "crashes"), 1, "e", at(5)),
        ObjectInfo(keys.failure("failed", "transform_clean", "crashes:2024-01..2024-02"), 1, "e", at(2)),
        ObjectInfo(keys.failure("failed", "transform_clean", "crashes:2024-03..2024-04,persons"), 1, "e", at(3)),
        ObjectInfo("_runs/notes.txt", 1, "e", at(20)),
        ObjectInfo("_runs/other/some_stage/crashes.json", 1, "e", at(20)),
    ]
    records = run_records(listing)
    assert [record.run_id for record in records] == ["old", "new", "failed"]
    assert records[-1].failures == {"transform_clean": at(3)}


def test_without_any_run_a_time_that_never_was_is_0_and_the_rest_is_absent() -> None:
    found = samples(Readings())
    assert found.pop(("collisions_warehouse_published_timestamp_seconds",)) == 0
    assert found.pop(("collisions_unfinished_run_started_timestamp_seconds",)) == 0
    assert {name for name, *_ in found} == {"collisions_stage_failed_timestamp_seconds"}
    assert set(found.values()) == {0}


def test_the_last_run_is_told_by_stage_and_dataset_its_chunks_together() -> None:
    record = RunRecord("scheduled__1", [ObjectInfo(keys.manifest("r", "model_analytics", "crashes"), 1, "e", at(4))])
    manifests = [
        manifest("ingest_raw", rows_in=10, rows_out=9, quarantined=1),
        manifest("transform_clean", minute=1, rows_in=4, rows_out=3, superseded=1),
        manifest("transform_clean", minute=1.05, rows_in=5, rows_out=5),
        manifest("transform_clean", "persons", minute=2, rows_in=7, rows_out=7),
    ]
    published = ObjectInfo(keys.WAREHOUSE, 4096, "e", at(3))
    found = samples(Readings(published, {"crashes": 8, "persons": 7}, record, manifests, {"ingest_raw": at(-60)}))
    assert found["collisions_warehouse_published_timestamp_seconds",] == at(3).timestamp()
    assert found["collisions_warehouse_size_bytes",] == 4096
    assert found["collisions_warehouse_rows", "crashes"] == 8
    assert found["collisions_last_run_info", "scheduled__1"] == 1
    assert found["collisions_last_run_success",] == 1
    assert found["collisions_last_run_ended_timestamp_seconds",] == at(4).timestamp()
    assert found["collisions_last_run_read_rows", "crashes", "transform_clean"] == 9
    assert found["collisions_last_run_written_rows", "persons", "transform_clean"] == 7
    assert found["collisions_last_run_quarantined_rows", "crashes", "ingest_raw"] == 1
    assert found["collisions_last_run_superseded_rows", "crashes", "transform_clean"] == 1
    assert found["collisions_last_run_stage_duration_seconds", "transform_clean"] == 15  # 9 s, a pause, 6 s
    assert found["collisions_stage_failed_timestamp_seconds", "ingest_raw"] == at(-60).timestamp()
    assert {stage: found[STAGE_FAILED, stage] for stage in ("ingest_raw", "model_analytics")} == {
        "ingest_raw": 0,
        "model_analytics": 0,
    }


def test_names_and_units_follow_the_rules_of_prometheus() -> None:
    record = RunRecord('a "quoted" \\ id', [], {"ingest_raw": at(1)})
    readings = Readings(ObjectInfo("k", 1, "e", NINE), {"crashes": 1}, record, [manifest("ingest_raw")])
    families = list(text_string_to_metric_families(generate_latest(Given(readings)).decode()))
    assert len(families) > 10
    for family in families:
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert re.fullmatch(r"collisions_[a-z_]+_(seconds|bytes|rows|info|success|failed)", family.name)
    labels = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert 'a "quoted" \\ id' in labels


def test_time_in_which_nothing_works_does_not_count() -> None:
    assert busy([]) == timedelta()
    assert busy([(at(5), at(6)), (at(0), at(2)), (at(1), at(3)), (at(1), at(1.5))]) == timedelta(minutes=4)
