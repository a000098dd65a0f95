"""What the raw layer holds of each landed file, and which months a run must therefore work on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from stages.lake import keys
from stages.lake.job import STAGES, Job
from stages.lake.manifests import Manifest, read_manifest
from stages.lake.sources import Source, carries
from stages.lake.store import ObjectStore


@dataclass
class RawLayer:
    """A dataset's raw partitions, by source and month: their ETags when the job began (`before`) and now.

    `known` is the record of landed files when the job began. A partition may be there without being recorded: a run
    that ended early wrote it. So what has changed is what differs from either.
    """

    job: Job
    known: dict[str, Source]
    before: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    now: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, job: Job, known: dict[str, Source]) -> RawLayer:
        """Claim the layer and sort what it holds."""
        job.claim("raw", job.dataset)
        raw = cls(job, known)
        for key, info in job.standing.items():
            source, month = keys.part_of(key), keys.month_of(key) or ""
            raw.before[source][month] = raw.now[source][month] = info.etag
        return raw

    def is_current(self, source: Source) -> bool:
        """Whether it holds, as recorded, what the run needs of a landed file: all of it, or this run's months."""
        held = self.now[source.name]
        wanted = [month for month in source.months if self.job.run.take_in_new or self.job.touches(month)]
        return bool(source.form) and all(
            month in source.written and held.get(month) == source.written[month] for month in wanted
        )

    def stale(self, source: Source) -> set[str]:
        """Months that held rows of a file's earlier content and hold none of today's."""
        begun = {month for month, run in source.pending.items() if run}  # perhaps by a run that emptied them
        earlier = self.before[source.name].keys() | self._recorded(source).keys() | begun
        return earlier if source.removed_at else earlier - source.months.keys()

    def covered(self, source: Source) -> set[str]:
        """The held months that a file declares to cover, or did, if it is new, changed or removed: there it decides
        which records of other files count.
        """
        recorded = self.known.get(source.name)
        if recorded and recorded.declares == source.declares:
            return set()
        held = {month for months in self.now.values() for month in months}
        scopes = [it.covers for it in (source, recorded) if it and it.covers]
        return {month for month in held for scope in scopes if scope.touches(month)}

    def affected(self, source: Source) -> set[str]:
        """The months whose clean rows may differ for what has become of a file."""
        before, recorded = self.before[source.name], self._recorded(source)
        changed = {
            month for month, etag in source.written.items() if not before.get(month) == recorded.get(month) == etag
        }
        return changed | self.stale(source) | self.covered(source)

    def _recorded(self, source: Source) -> dict[str, str]:
        recorded = self.known.get(source.name)
        return recorded.written if recorded else {}

    def orphans(self, sources: Iterable[str]) -> set[str]:
        """Months that hold rows of files other than these."""
        return {month for name in self.before.keys() - set(sources) for month in self.before[name]}

    def mark(self, sources: Iterable[Source]) -> None:
        """Mark the months whose changes have yet to reach the warehouse: as this run's if it works on them."""
        for source in sources:
            for month in self.affected(source) | source.pending.keys():
                if self.job.touches(month):
                    source.pending[month] = self.job.run.run_id
            for month in self.covered(source):
                source.pending.setdefault(month, "")


def forget_carried(store: ObjectStore, dataset: str, sources: Iterable[Source]) -> None:
    """Clear the marks of months whose rows a finished run has carried to the warehouse."""

    @cache
    def manifest(run_id: str) -> Manifest | None:
        return read_manifest(store, run_id, STAGES[-1], dataset)

    for source in sources:
        source.pending = {
            month: run for month, run in source.pending.items() if not (run and carries(manifest(run), month))
        }
