"""OpenLineage events (https://openlineage.io): which datasets a stage read and which it wrote; off unless set.

COLLISIONS_LINEAGE is `file`, for objects in the lake beside the run's manifests, or the address of a server that takes
OpenLineage. An event that does not arrive is a warning: lineage never fails a stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from stages.errors import StoreDenied, StoreUnavailable
from stages.lake import keys
from stages.lake.job import CHUNKED, Run
from stages.lake.manifests import Manifest, read_manifest
from stages.logs import log

FILE = "file"
NAMESPACE, DAG = "collisions", "collisions_pipeline"
SPEC = "https://openlineage.io/spec"
SECONDS = 10  # that a server may take
Event = dict[str, Any]


@dataclass
class Lineage:
    """The events of one try of a stage: START, then one of COMPLETE, FAIL and ABORT."""

    run: Run
    stage: str
    datasets: Sequence[str]
    attempt: str = field(default_factory=lambda: str(uuid4()))

    def began(self) -> None:
        """Say that the stage has started."""
        self._emit("START")

    def done(self) -> None:
        """Say what it read and wrote, by its manifests."""
        self._emit("COMPLETE")

    def failed(self, error: BaseException) -> None:
        """Say why it has failed, or that it was stopped."""
        if self.run.settings.lineage == FILE and isinstance(error, (StoreUnavailable, StoreDenied)):
            return
        self._emit("FAIL" if isinstance(error, Exception) else "ABORT", error)

    def _emit(self, kind: str, error: BaseException | None = None) -> None:
        target = self.run.settings.lineage
        if not target:
            return
        try:
            content = event(self, kind, datetime.now(UTC), self._manifests() if kind == "COMPLETE" else [], error)
            if target == FILE:
                self.run.store.put(self._key(content), (json.dumps(content) + "\n").encode())
            else:
                import httpx

                server = f"{target.rstrip('/')}/api/v1/lineage"
                httpx.post(server, json=content, timeout=SECONDS).raise_for_status()
        except Exception as problem:  # whatever it is: the stage matters more
            log.warning("%s: the lineage event %s could not be sent: %s", self.stage, kind, problem)

    def _manifests(self) -> list[Manifest]:
        chunk = self.run.chunk if self.stage in CHUNKED else {}
        found = [
            read_manifest(self.run.store, self.run.run_id, self.stage, dataset, chunk.get(dataset, ""))
            for dataset in self.datasets
        ]
        return [manifest for manifest in found if manifest]

    def _key(self, content: Event) -> str:
        """A key of its own for each event; in the order of the keys the run's events are in that of time."""
        name = f"{content['eventTime']}-{self.stage}-{content['eventType']}-{self.attempt[:8]}"
        return f"{keys.run(self.run.run_id)}lineage/{keys.safe_name(name)}"


def event(
    lineage: Lineage, kind: str, at: datetime, manifests: Iterable[Manifest], error: BaseException | None = None
) -> Event:
    """One event. A dataset is a layer's table: all of its partitions that the stage read or wrote."""
    run = lineage.run
    producer = f"urn:collisions-pipeline:{run.settings.code_version or 'work-tree'}"

    def facet(schema: str, **content: Any) -> dict[str, Any]:
        name = schema.partition("/")[2]
        return {"_producer": producer, "_schemaURL": f"{SPEC}/facets/{schema}.json#/$defs/{name}", **content}

    parent = {
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{run.settings.lake}/{run.run_id}"))},
        "job": {"namespace": NAMESPACE, "name": DAG},
    }
    facets = {"parent": facet("1-2-0/ParentRunFacet", **parent)}
    if error:
        message = str(error) or type(error).__name__
        facets["errorMessage"] = facet("1-0-1/ErrorMessageRunFacet", message=message, programmingLanguage="PYTHON")
    read, wrote = datasets_of(manifests)
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "run": {"runId": lineage.attempt, "facets": facets},
        "job": {"namespace": NAMESPACE, "name": f"{DAG}.{lineage.stage}"},
        "inputs": [address(run.settings.lake, name) for name in read],
        "outputs": [
            address(run.settings.lake, name)
            | {"outputFacets": {"outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet", **counts)}}
            for name, counts in wrote.items()
        ],
        "producer": producer,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def datasets_of(manifests: Iterable[Manifest]) -> tuple[list[str], dict[str, dict[str, int]]]:
    """The names of the datasets that were read, and those that were written with rows, bytes and files.

    Several jobs may have written one object: the warehouse has rows of each dataset.
    """
    read: set[str] = set()
    wrote: dict[str, dict[str, int]] = {}
    seen: set[str] = set()
    for manifest in manifests:
        read |= {_table(entry["key"]) for entry in manifest["inputs"]}
        for output in manifest["outputs"]:
            counts = wrote.setdefault(_table(output["key"]), {"rowCount": 0, "size": 0, "fileCount": 0})
            counts["rowCount"] += output["rows"]
            if output["key"] not in seen:
                counts["size"] += output["size"]
                counts["fileCount"] += 1
            seen.add(output["key"])
    return sorted(read), dict(sorted(wrote.items()))


def address(lake: str, name: str) -> dict[str, str]:
    """A dataset's namespace and name by OpenLineage's rules: the bucket and the key, or `file` and the path."""
    if lake.startswith("s3://"):
        bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        return {"namespace": f"s3://{bucket}", "name": "/".join(part for part in (prefix.strip("/"), name) if part)}
    return {"namespace": "file", "name": str(Path(lake).absolute() / name)}


def _table(key: str) -> str:
    """`clean/TABLE` of a partition's key, `warehouse/collisions.duckdb` of the warehouse's."""
    return "/".join(key.split("/")[:2])
