"""What the runs left in the lake, as monitoring reads it: one listing, and the manifests of the newest few runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collisions_ops.settings import STAGES
from stages.lake import keys
from stages.lake.manifests import Manifest, read_listed
from stages.lake.store import ObjectInfo, ObjectStore

PUBLISHER = STAGES[-1]
CHUNKED = STAGES[1:-1]


@dataclass
class RunRecord:
    """What a run's folder in the lake lists: its manifests, and when its stages failed."""

    run_id: str
    manifests: list[ObjectInfo] = field(default_factory=list)
    failures: dict[str, datetime] = field(default_factory=dict)  # stage → its newest

    @property
    def newest(self) -> datetime:
        """When one of its stages last ended, well or badly."""
        return max([*(info.last_modified for info in self.manifests), *self.failures.values()])

    @property
    def published(self) -> list[ObjectInfo]:
        """The manifests of its last stage. A stage that begins again deletes those of the stages after it."""
        return [info for info in self.manifests if _stage(info.key) == PUBLISHER]

    @property
    def failed(self) -> dict[str, datetime]:
        """The stages that have failed, without those that have been made good since: a later stage has run, or the
        stage itself has succeeded. Of a stage in chunks that cannot be told: another chunk may have.
        """
        moments = [(_stage(info.key), info.last_modified) for info in self.manifests]
        succeeded = [(STAGES.index(stage) + (stage not in CHUNKED), at) for stage, at in moments]
        failed = [(STAGES.index(stage), at) for stage, at in self.failures.items()]
        return {
            stage: failed_at
            for stage, failed_at in self.failures.items()
            if not any(place > STAGES.index(stage) and at > failed_at for place, at in (*succeeded, *failed))
        }

    @property
    def ended(self) -> datetime | None:
        """When the run came to its end or failed; None while it is at work, or if it was killed."""
        return max([*self.failed.values(), *(info.last_modified for info in self.published)], default=None)


@dataclass(frozen=True)
class Readings:
    """What the metrics are made of.

    `published` is the warehouse, `rows` its rows by dataset. `last` is the run that ended last, `manifests` are those
    of its stages. `failures` has the newest failure of each stage, in any run. `unfinished` is when the newest run
    began, if it has not ended.
    """

    published: ObjectInfo | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    last: RunRecord | None = None
    manifests: Sequence[Manifest] = ()
    failures: Mapping[str, datetime] = field(default_factory=dict)
    unfinished: datetime | None = None


def run_records(listing: Iterable[ObjectInfo]) -> list[RunRecord]:
    """The runs of a listing of `_runs/`, the one that did something last first."""
    found: dict[str, RunRecord] = {}
    for info in listing:
        run, _, rest = info.key.removeprefix(keys.RUNS).partition("/")
        kind, _, below = rest.partition("/")
        record = found.setdefault(run, RunRecord(run))
        if kind in STAGES and keys.is_manifest(rest):
            record.manifests.append(info)
        elif kind == keys.FAILED and (stage := below.partition("/")[0]) in STAGES:
            record.failures[stage] = max(info.last_modified, record.failures.get(stage, info.last_modified))
    told = [record for record in found.values() if record.manifests or record.failures]
    return sorted(told, key=lambda record: record.newest, reverse=True)


def read(store: ObjectStore) -> Readings:
    """Read the lake: one listing, and the manifests of the newest few runs; raises StageError where it cannot be."""
    published = store.head(keys.WAREHOUSE)
    records = run_records(store.list(keys.RUNS))
    failures: dict[str, datetime] = {}
    for record in records:
        for stage, at in record.failures.items():
            failures[stage] = max(at, failures.get(stage, at))
    ended = {record.ended: record for record in reversed(records) if record.ended}
    last = ended[max(ended)] if ended else None
    at_work = [] if not records or records[0] is last else read_listed(store, records[0].manifests)
    return Readings(
        published=published,
        rows=published_rows(store, published, records) if published else {},
        last=last,
        manifests=read_listed(store, last.manifests) if last else [],
        failures=failures,
        unfinished=min((span(manifest)[0] for manifest in at_work), default=None),
    )


def published_rows(store: ObjectStore, published: ObjectInfo, records: Iterable[RunRecord]) -> dict[str, int]:
    """The warehouse's rows by dataset, as the run that published it recorded them; {} where none of the lake's did."""
    publishers = sorted(
        (record for record in records if record.published),
        key=lambda record: max(info.last_modified for info in record.published),
        reverse=True,
    )
    for record in publishers:
        found = read_listed(store, record.published)
        if any(manifest["outputs"] for manifest in found):  # a run without any curated rows publishes nothing
            return {
                manifest["dataset"]: manifest["rows_out"]
                for manifest in found
                if any(output["etag"] == published.etag for output in manifest["outputs"])
            }
    return {}


def span(manifest: Manifest) -> tuple[datetime, datetime]:
    """When a job began and ended its work."""
    start = datetime.fromisoformat(manifest["started_at"])
    return start, start + timedelta(seconds=manifest["seconds"])


def _stage(key: str) -> str:
    """The stage of a manifest's key."""
    return key.removeprefix(keys.RUNS).split("/")[1]
