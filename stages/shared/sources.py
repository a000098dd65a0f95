"""The record of what the raw layer holds of each landed file: `raw/<dataset>/_sources.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from stages.shared import layers
from stages.shared.errors import PreconditionFailed
from stages.shared.object_store import ObjectInfo, ObjectStore

# Where a raw row came from: columns beside the published ones → their names from the clean layer on.
PROVENANCE = {"_source": "source", "_line": "source_line", "_extracted_at": "extracted_at"}
RAW_FORMAT = 3  # raise it when the same landed file must be read anew by newer code


@dataclass
class Source:
    """What the raw layer holds of one landed file. `months` counts its rows; `written` has the ETag of each
    partition there.
    """

    name: str
    key: str
    etag: str
    size: int
    last_modified: str
    extracted_at: str
    covers_start: str | None
    covers_end: str | None
    raw_format: int = RAW_FORMAT
    form: str = ""
    unknown_columns: list[str] = field(default_factory=list)
    rows: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    months: dict[str, int] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def part(self, dataset: str, month: str) -> str:
        """Key of this source's raw partition of a month."""
        return layers.partition("raw", dataset, month, self.name)


def version(source: Source) -> tuple[str, str]:
    """Tells one content of a landed file from another."""
    return source.etag, source.last_modified


def same_file(source: Source, info: ObjectInfo) -> bool:
    """Whether what is recorded of a landed file is still true of it."""
    return (source.key, *version(source)) == (info.key, info.etag, info.last_modified.isoformat())


def load_sources(store: ObjectStore, dataset: str) -> tuple[dict[str, Source], str | None]:
    """The record of the raw layer's sources, and its ETag (None where there is none yet)."""
    info = store.head(layers.sources(dataset))
    if info is None:
        return {}, None
    stored = json.loads(store.read(info.key))
    current = {name: entry for name, entry in stored.items() if entry["raw_format"] == RAW_FORMAT}
    return {name: Source(**entry) for name, entry in current.items()}, info.etag


def save_sources(store: ObjectStore, dataset: str, sources: dict[str, Source], known: dict[str, Source]) -> None:
    """Write the record anew; `known` is what it held when landing was listed.

    What another run has recorded since then is kept. Raises PreconditionFailed where that is a newer landed file of the
    same name as one of ours: our raw partitions of it are those of a file that is gone.
    """
    for _ in range(20):
        now, etag = load_sources(store, dataset)
        merged = {name: source for name, source in now.items() if name not in known} | sources
        for name, source in sources.items():
            other = now.get(name)
            if other and version(other) == version(source):
                source.written = other.written | source.written
            elif other and (name not in known or version(other) != version(known[name])):
                raise PreconditionFailed(f"{source.key}: landed anew and read by another run meanwhile; run again")
        content = json.dumps({name: asdict(source) for name, source in sorted(merged.items())}, indent=1).encode()
        try:
            store.put(layers.sources(dataset), content, expect=etag)
            return
        except PreconditionFailed:
            continue
    raise PreconditionFailed(f"{layers.sources(dataset)}: other runs keep writing it; run again")
