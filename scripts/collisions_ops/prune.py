"""scripts/land --prune: landed files that a later covering one has made superfluous, named or removed."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq

from collisions_ops.cluster import Cluster, lake_environment
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings as OpsSettings
from stages import datasets
from stages.datasets.dataset import Dataset
from stages.errors import StageError
from stages.lake.raw_layer import forget_carried
from stages.lake.sources import Source, load_sources
from stages.lake.store import ObjectStore, open_store
from stages.landing.socrata.superfluous import superfluous
from stages.logs import counted, human_bytes
from stages.settings import Settings
from stages.warehouse.making import rejected_by_source


def prune(settings: OpsSettings, cluster: Cluster | None, console: Console, *, remove: bool) -> None:
    """Print the superfluous files of the embedded lake, or of `cluster`'s, and remove them if asked to.

    Raises OpsError where the lake cannot be read.
    """
    environ = lake_environment(settings, cluster)
    if cluster is None:
        console.note(f"lake: {settings.embedded_lake}")
    try:
        store = open_store(Settings.from_environment(environ))
        found = [pair for dataset in datasets.registry() for pair in superfluous_of(store, dataset).values()]
        for source, covering in found:
            if remove:
                store.delete(source.key)
            console.print(f"{'removed' if remove else 'superfluous'}  {source.key}  by {covering.key}")
    except StageError as error:
        raise OpsError(str(error)) from None
    size = human_bytes(sum(source.size for source, _ in found))
    if not found:
        console.print("no fetched file is superfluous")
    elif remove:
        console.print(
            f"removed {counted(len(found), 'file')}, {size}; the next run removes their rows from the raw layer,"
        )
        console.print("and from meta_revisions the revisions that only they show")
    else:
        console.print(f"{counted(len(found), 'file')}, {size}; nothing is removed without --yes")
        console.print("no number would change, but meta_revisions would lose the revisions that only they show")


def superfluous_of(store: ObjectStore, dataset: Dataset) -> dict[str, tuple[Source, Source]]:
    """A dataset's superfluous files: those that the raw layer knows and that are in landing as it read them."""
    recorded, _ = load_sources(store, dataset.name)
    sources = [
        source for source in recorded.values() if (info := store.head(source.key)) is not None and source.is_of(info)
    ]
    forget_carried(store, dataset.name, sources)

    @cache
    def records(source_name: str) -> frozenset[tuple[str, str]]:
        source = recorded[source_name]
        key = dataset.published(dataset.key, source.form)
        parts = {month: store.read(source.part(dataset.name, month)) for month in source.months}
        return frozenset(
            (month, str(value))
            for month, part in parts.items()
            for value in pq.read_table(pa.BufferReader(part), columns=[key])[key].to_pylist()
        )

    return superfluous(
        dataset.name,
        sources,
        rejected_by_source(store, dataset.name),
        lambda source: records(source.name),
    )
