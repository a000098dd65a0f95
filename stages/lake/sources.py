"""The record of what the raw layer holds of each landed file: `raw/<dataset>/_sources.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stages.errors import PreconditionFailed, SourceError
from stages.lake import keys
from stages.lake.records import sound
from stages.lake.scope import Scope
from stages.lake.store import ObjectInfo, ObjectStore

# Where a raw row came from: columns added to the published ones → their names from the clean layer on.
PROVENANCE = {"_source": "source", "_line": "source_line", "_extracted_at": "extracted_at"}
# Where its month first had a record, in the clean layer: provenance of the newest version → of the oldest.
FIRST_SEEN = {"source": "first_source", "extracted_at": "first_extracted_at"}
AHEAD = timedelta(days=1)  # how far a file's clock may be ahead of ours
RAW_FORMAT = 5  # raise it when the reader makes other rows of the same landed file


@dataclass
class Source:
    """What the raw layer holds of one landed file, as the rules of version `made_by` read it.

    `months` counts its rows by month; `written` has the ETag of each of its raw partitions. `pending` has, for
    each month whose rows have not yet been carried to the warehouse, the run that last changed them in the raw layer.
    A file that is no longer landed has `removed_at`; one that was fetched has `source_newest`, the newest date that the
    whole source had then. `digest` is the SHA-256 of the bytes that were read.
    """

    name: str
    key: str
    etag: str
    size: int
    last_modified: str
    extracted_at: str
    covers_start: str | None
    covers_end: str | None
    made_by: str
    form: str = ""
    unknown_columns: list[str] = field(default_factory=list)
    rows: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    months: dict[str, int] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    removed_at: str | None = None
    source_newest: str | None = None
    digest: str = ""

    @property
    def left_in_landing(self) -> dict[str, int]:
        """Its rows of months that the raw layer does not hold; none where it is no longer landed."""
        if self.removed_at:
            return {}
        return {month: rows for month, rows in self.months.items() if month not in self.written}

    @property
    def covers(self) -> Scope | None:
        """The dates for which it declares to have every record."""
        if not (self.covers_start and self.covers_end):
            return None
        return Scope.parse(self.covers_start, self.covers_end)

    @property
    def declares(self) -> tuple[object, ...]:
        """What decides which records of other files it withdraws: its content, and what it declares to cover."""
        content = self.digest or self.content
        return (content, self.extracted_at, self.covers_start, self.covers_end, self.made_by, self.removed_at)

    @property
    def described(self) -> tuple[object, ...]:
        """What tells one landed file from another before either is read."""
        declared = (self.extracted_at, self.covers_start, self.covers_end, self.source_newest)
        return (self.key, self.size, *declared, self.made_by, self.removed_at)

    def has_rows_of(self, other: Source) -> bool:
        """Whether both describe the same rows: those of one landing of the file, or of two of the same bytes."""
        landed_again = bool(self.digest) and (self.digest, self.described) == (other.digest, other.described)
        return landed_again or (self.content == other.content and self.made_by == other.made_by)

    @property
    def content(self) -> tuple[str, str]:
        """What tells one version of a landed file from another."""
        return self.etag, self.last_modified

    def part(self, dataset: str, month: str) -> str:
        """Key of this source's raw partition of a month."""
        return keys.partition("raw", dataset, month, self.name)

    def is_of(self, info: ObjectInfo) -> bool:
        """Whether it still describes the landed file."""
        landed = (info.key, info.etag, info.last_modified.isoformat())
        return (self.key, *self.content) == landed and self.removed_at is None


def new_source(store: ObjectStore, name: str, info: ObjectInfo, made_by: str) -> Source:
    """A new entry of a landed file; its extraction time is the declared one, or its modification time.

    Raises SourceError where its metadata is malformed, or it is of the future.
    """
    metadata = store.metadata(info.key)
    extracted = metadata.get("extracted-at")
    try:
        moment = datetime.fromisoformat(extracted) if extracted else info.last_modified
        first, end = metadata.get("covers-start"), metadata.get("covers-end")
        newest = metadata.get("source-newest", "")[:10] or None
        for day in filter(None, (first, end, newest)):
            date.fromisoformat(day)
    except ValueError as error:
        raise SourceError(info.key, None, f"its metadata is malformed ({error})") from None
    if moment.tzinfo is None or (first is None) != (end is None) or (first and end and first >= end):
        raise SourceError(
            info.key,
            None,
            "its metadata is malformed (extracted-at without a time zone, or an incomplete or empty covers range)",
        )
    refuse_future(info.key, moment, declared=bool(extracted))
    modified = info.last_modified.isoformat()
    described = (name, info.key, info.etag, info.size, modified, moment.isoformat(), first, end, made_by)
    return Source(*described, source_newest=newest)


def refuse_future(key: str, moment: datetime, *, declared: bool) -> None:
    """Raise SourceError where a landed file's extraction time, `declared` or that of its modification, lies ahead."""
    if moment <= datetime.now(UTC) + AHEAD:
        return
    remedy = (
        "correct its extracted-at metadata (one that a run fetched: remove it, and the next run fetches what it had)"
        if declared
        else "fix its modification time (touch)"
    )
    raise SourceError(
        key,
        None,
        f"its extraction time, {moment:%Y-%m-%d %H:%M} UTC, is in the future: its records would win over every other"
        f" version; {remedy}, or fix this machine's clock",
    )


def newest_fetched(sources: Iterable[Source]) -> Source | None:
    """The landed file that was fetched last and says how new its source was; None where none does."""
    fetched = [source for source in sources if source.source_newest and not source.removed_at]
    return max(fetched, key=lambda source: datetime.fromisoformat(source.extracted_at), default=None)


def carries(manifest: Mapping[str, Any] | None, month: str) -> bool:
    """Whether the run of a model_analytics manifest (None: it has not finished) worked on a month."""
    if manifest is None:
        return False
    return Scope.parse(manifest["start"], manifest["end"]).touches(month) or month in manifest.get("months", [])


def load_sources(store: ObjectStore, dataset: str) -> tuple[dict[str, Source], str | None]:
    """The record's entries by name, and its ETag (None without a record). Raises DataError where it is damaged."""
    info = store.head(keys.sources(dataset))
    if info is None:
        return {}, None
    fields = Source.__dataclass_fields__.keys()  # an older or newer version's record may have others
    with sound(store, info.key, "then a run without dates reads every landed file again"):
        return {
            name: Source(**{field: value for field, value in entry.items() if field in fields})
            for name, entry in json.loads(store.read(info.key)).items()
        }, info.etag


def save_sources(store: ObjectStore, dataset: str, sources: dict[str, Source], known: dict[str, Source]) -> None:
    """Write the record; `known` is what it held when landing was listed.

    What other runs have recorded since then is kept. Raises PreconditionFailed if that is a newer version of one of our
    files: our raw partitions of it are then those of a file that no longer exists.
    """
    for _ in range(20):
        now, etag = load_sources(store, dataset)
        merged = {name: source for name, source in now.items() if name not in known} | sources
        for name, source in sources.items():
            other, before = now.get(name), known.get(name)
            if other is None or source.removed_at:
                continue
            if other.has_rows_of(source):
                source.written = other.written | source.written
                since = {
                    month: run for month, run in other.pending.items() if before and before.pending.get(month) != run
                }
                source.pending = since | source.pending
            elif before is None or other.content != before.content:
                raise PreconditionFailed(
                    f"{source.key}: was landed again, and another run has already read it; a new try will do"
                )
        content = json.dumps({name: asdict(source) for name, source in sorted(merged.items())}, indent=1).encode()
        try:
            store.put(keys.sources(dataset), content, expect=etag)
            return
        except PreconditionFailed:
            continue
    raise PreconditionFailed(f"{keys.sources(dataset)}: other runs keep writing it; a new try will do")
