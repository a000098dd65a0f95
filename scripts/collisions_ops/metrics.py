"""scripts/metrics: the pipeline's state as Prometheus text, from what its runs left in the lake.

A process asks the lake when it is scraped; nothing is pushed, so a run that fails or never starts shows all the same.
Times are Unix timestamps and not ages: an age that was written down would stand still together with its writer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collisions_ops.cluster import Cluster, lake_environment
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.run_records import Readings, RunRecord, read, span
from collisions_ops.settings import STAGES
from collisions_ops.settings import Settings as OpsSettings
from stages.errors import StageError
from stages.lake.manifests import Manifest
from stages.lake.store import ObjectStore, open_store
from stages.settings import Settings

ADDRESS = "127.0.0.1"
COUNTED = {  # of a manifest → its part of the metric's name, what it counts
    "rows_in": ("read", "read"),
    "rows_out": ("written", "wrote"),
    "quarantined": ("quarantined", "rejected, which are in quarantine with the reason"),
    "superseded": ("superseded", "left out for a newer version of the same record"),
}


# --- the metrics ------------------------------------------------------------------------------------------


def metrics(found: Readings) -> Iterator[Metric]:
    """The metrics; where nothing is known there is no sample, and a time that never was is 0."""
    published = found.published
    yield _gauge(
        "warehouse_published_timestamp_seconds",
        "When the newest warehouse was published; 0 if none ever was.",
        published.last_modified.timestamp() if published else 0,
    )
    yield _gauge("warehouse_size_bytes", "Size of the published warehouse.", {(): published.size} if published else {})
    rows: dict[tuple[str, ...], float] = {(dataset,): count for dataset, count in found.rows.items()}
    yield _gauge("warehouse_rows", "Rows of the published warehouse, one per published record.", rows, "dataset")
    failures: dict[tuple[str, ...], float] = {
        (stage,): found.failures[stage].timestamp() if stage in found.failures else 0 for stage in STAGES
    }
    yield _gauge(
        "stage_failed_timestamp_seconds",
        "When a stage last failed, in any run; 0: not within the 90 days that are kept.",
        failures,
        "stage",
    )
    yield _gauge(
        "unfinished_run_started_timestamp_seconds",
        "When the newest run began, if it is still running or was killed; 0: there is none.",
        found.unfinished.timestamp() if found.unfinished else 0,
    )
    if found.last and found.last.ended:
        yield from _of_last_run(found.last, found.last.ended, found.manifests)


def _of_last_run(last: RunRecord, ended: datetime, manifests: Sequence[Manifest]) -> Iterator[Metric]:
    """What the run did that ended last, well or badly: of a failed one, as far as it came."""
    yield _gauge("last_run_info", "The run that ended last, by its id.", {(last.run_id,): 1}, "run_id")
    yield _gauge("last_run_ended_timestamp_seconds", "When the last run ended.", ended.timestamp())
    yield _gauge("last_run_success", "1 if the last run ended well, 0 if it failed.", 0 if last.failed else 1)
    failed: dict[tuple[str, ...], float] = {(stage,): int(stage in last.failed) for stage in STAGES}
    yield _gauge("last_run_stage_failed", "1 if the stage failed in the last run.", failed, "stage")
    for name, (part, counted) in COUNTED.items():
        counts: Counter[tuple[str, ...]] = Counter()
        for manifest in manifests:
            counts[manifest["stage"], manifest["dataset"]] += manifest[name]
        text = f"Rows that the last run's stages {counted}."
        yield _gauge(f"last_run_{part}_rows", text, counts, "stage", "dataset")
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for manifest in manifests:
        spans.setdefault(manifest["stage"], []).append(span(manifest))
    took: dict[tuple[str, ...], float] = {(stage,): busy(of_stage).total_seconds() for stage, of_stage in spans.items()}
    yield _gauge("last_run_stage_duration_seconds", "How long the last run's stages worked.", took, "stage")


def busy(spans: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """How much time lies in at least one of the spans: chunks may overlap, and a stage may stand still between two."""
    total, until = timedelta(), None
    for start, end in sorted(spans):
        if until is None or end > until:
            total += end - (start if until is None else max(start, until))
            until = end
    return total


def _gauge(name: str, text: str, values: float | Mapping[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    """A gauge with one value, or with one for each combination of the labels' values."""
    family = GaugeMetricFamily(f"collisions_{name}", text, labels=labels)
    for of_labels, value in sorted((values if isinstance(values, Mapping) else {(): values}).items()):
        family.add_metric(of_labels, value)
    return family


# --- the command ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LakeCollector(Collector):
    """Reads the lake anew each time it is asked. `on_error` is told why it could not be; without it, that is raised."""

    open_lake: Callable[[], ObjectStore]
    on_error: Callable[[str], None] | None = None

    def collect(self) -> Iterator[Metric]:
        """The metrics, with one that says whether the lake could be read."""
        found = None
        try:
            found = read(self.open_lake())
        except (OpsError, StageError, OSError) as error:
            if self.on_error is None:
                raise
            self.on_error(str(error))
        yield _gauge("lake_up", "1 if the lake could be read; 0 if not, and then this is all.", int(found is not None))
        if found is not None:
            yield from metrics(found)


def show(settings: OpsSettings, cluster: Cluster | None, console: Console, textfile: Path | None) -> None:
    """Print the metrics of the embedded lake or the cluster's, or replace a file of node_exporter's by them."""
    if textfile and not textfile.parent.is_dir():
        raise OpsError(f"there is no folder {textfile.parent}; name the one of --collector.textfile.directory")
    collector = LakeCollector(lambda: open_lake(settings, cluster))
    try:
        if textfile:
            write_to_textfile(str(textfile), collector)
        else:
            console.print(generate_latest(collector).decode(), end="")
    except StageError as error:
        raise OpsError(str(error)) from None


def listen(settings: OpsSettings, cluster: Cluster | None, console: Console, port: int) -> None:
    """Serve the metrics on 127.0.0.1 until Ctrl-C; each request reads the lake."""
    registry = CollectorRegistry()
    registry.register(LakeCollector(lambda: open_lake(settings, cluster), console.error))
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise OpsError(f"cannot listen on {ADDRESS}:{port}: {error.strerror}; choose another port") from None
    console.note(f"http://{ADDRESS}:{server.server_port}/metrics, until Ctrl-C")
    try:
        thread.join()
    finally:
        server.shutdown()
        server.server_close()


def open_lake(settings: OpsSettings, cluster: Cluster | None) -> ObjectStore:
    """The embedded lake, or `cluster`'s."""
    return open_store(Settings.from_environment(lake_environment(settings, cluster)))
