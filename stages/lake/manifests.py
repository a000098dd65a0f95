"""What the stages of a run recorded: a manifest for each stage and dataset, or one for each chunk of these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from stages.errors import ObjectMissing
from stages.lake import keys
from stages.lake.records import sound
from stages.lake.store import ObjectInfo, ObjectStore
from stages.parallel import parallel

Manifest = dict[str, Any]

SUMMED = ("rows_in", "rows_out", "quarantined", "superseded", "files", "bytes", "seconds")
JOINED = ("inputs", "outputs", "unjudged")


def read_manifest(store: ObjectStore, run_id: str, stage: str, dataset: str, span: str = "") -> Manifest | None:
    """A manifest, or None where that stage has not finished."""
    return _read(store, keys.manifest(run_id, stage, dataset, span))


def read_listed(store: ObjectStore, listed: Iterable[ObjectInfo]) -> list[Manifest]:
    """The manifests of a listing, without those that a stage which has begun again has deleted meanwhile."""
    found = parallel(lambda info: _read(store, info.key), listed)
    return [manifest for manifest in found if manifest is not None]


def _read(store: ObjectStore, key: str) -> Manifest | None:
    try:
        with sound(store, key, "that stage of that run then counts as not finished"):
            found: Manifest = json.loads(store.read(key))
            if missing := {"run_id", "stage", "dataset", "started_at"} - found.keys():
                raise KeyError(*sorted(missing))
            return found
    except ObjectMissing:
        return None


def merged(manifests: Iterable[Manifest]) -> list[Manifest]:
    """One manifest for each stage of a run and dataset, from those of its chunks: counts are added, so are seconds."""

    def work(manifest: Manifest) -> tuple[str, str, str]:
        return manifest["run_id"], manifest["stage"], manifest["dataset"]

    return [_one(list(chunks)) for _, chunks in groupby(sorted(manifests, key=work), work)]


def _one(chunks: Sequence[Manifest]) -> Manifest:
    first = min(chunks, key=lambda manifest: str(manifest["started_at"]))
    if len(chunks) == 1:
        return first
    rules: Counter[str] = Counter()
    by_file: Counter[tuple[str, str | None, str]] = Counter()
    for chunk in chunks:
        rules.update(chunk["rules"])
        for row in chunk.get("by_file", []):
            by_file[row["source"], row["column"], row["rule"]] += row["rows"]
    return first | {
        **{name: sum(chunk[name] for chunk in chunks) for name in SUMMED},
        **{name: [entry for chunk in chunks for entry in chunk.get(name, [])] for name in JOINED},
        "months": sorted({month for chunk in chunks for month in chunk["months"]}),
        "rules": dict(sorted(rules.items())),
        "by_file": [
            {"source": source, "column": column, "rule": rule, "rows": rows}
            for (source, column, rule), rows in by_file.items()
        ],
        "seconds": round(sum(chunk["seconds"] for chunk in chunks), 3),
    }
