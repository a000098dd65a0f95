"""scripts/land --prune: landed files that a later covering one has made superfluous, named or removed."""

from __future__ import annotations

from collections.abc import Iterable

from collisions_ops.cluster import Cluster, lake_environment
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings as OpsSettings
from stages import datasets
from stages.errors import StageError
from stages.lake.sources import Source, load_sources
from stages.lake.store import ObjectStore, open_store
from stages.landing.socrata.plan import read_name
from stages.landing.socrata.superfluous import superfluous
from stages.logs import human_bytes
from stages.settings import Settings
from stages.warehouse.making import rejected_by_source


def prune(settings: OpsSettings, cluster: Cluster | None, console: Console, *, remove: bool) -> None:
    """Print the superfluous files of the embedded lake, or of `cluster`'s, and remove them if asked to.

    Raises OpsError where the lake cannot be read.
    """
    environ = lake_environment(settings, cluster)
    try:
        store = open_store(Settings.from_environment(environ))
        found = [pair for name in datasets.names() for pair in superfluous_of(store, name).values()]
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
        console.print(f"removed {len(found)} files, {size}; the next run removes their rows from the raw layer,")
        console.print("and from meta_revisions the revisions that only they show")
    else:
        console.print(f"{len(found)} files, {size}; nothing is removed without --yes")
        console.print("no number would change, but meta_revisions would lose the revisions that only they show")


def superfluous_of(store: ObjectStore, dataset: str) -> dict[str, tuple[Source, Source]]:
    """A dataset's superfluous files: those that the raw layer knows and that are in landing as it read them."""
    recorded, _ = load_sources(store, dataset)
    sources = [
        source for source in recorded.values() if (info := store.head(source.key)) is not None and source.is_of(info)
    ]
    return superfluous(dataset, sources, rejected_by_source(store, dataset), last_followed(store, dataset, sources))


def last_followed(store: ObjectStore, dataset: str, sources: Iterable[Source]) -> str:
    """Key of the last file with which a run followed the source; '' without one."""
    fetched = [(one.moment, source.key) for source in sources if (one := read_name(source.key, dataset)) and one.moment]
    return next(
        (key for _, key in sorted(fetched, reverse=True) if store.metadata(key).get("source-followed") == "true"), ""
    )
