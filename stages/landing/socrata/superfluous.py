"""Which fetched files landing no longer needs: a later one covers their dates, so that no row of theirs counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from stages.lake.sources import Source
from stages.landing.socrata.plan import Extraction, is_as_fetched, read_name, replaces


def superfluous(
    dataset: str,
    sources: Iterable[Source],
    rejected: Mapping[str, int],
    records: Callable[[Source], Set[tuple[str, str]]],
) -> dict[str, tuple[Source, Source]]:
    """Key → the fetched file, and a later one that makes it superfluous; the curated layer is the same without it.

    `rejected` counts the rows of each file that transform_clean has rejected. A file that has rows which could not be
    read or were rejected stays, for they are kept in quarantine, and removes nothing: a record that seems to be missing
    from it may be one of these rows. So does one that no run has carried whole to the warehouse: what would be
    rejected of it is not known yet. `records` reads the months and keys of a file's rows.
    """
    fetched: list[tuple[Extraction, Source]] = []
    for source in sources:
        one = read_name(source.key, dataset)
        lacks_rows = source.quarantined or source.left_in_landing or source.pending or rejected.get(source.name)
        if one and is_as_fetched(one, source) and not source.removed_at and not lacks_rows:
            fetched.append((one, source))
    found = {}
    for one, source in fetched:
        for later, covering in fetched:
            assert one.moment
            assert later.moment
            if not covering.rows or later.moment <= one.moment or not replaces(later, one):
                continue
            # A record that the later file lacks was withdrawn, or is in another month now. Of what its month had before
            # it moved into these dates, the earlier file would no longer tell that it is out of date.
            if later.whole or records(source) <= records(covering):
                found[source.key] = source, covering
    return found
