"""What was fetched of a dataset, in the order in which it was landed: `_fetch/<dataset>.json`.

A file in landing says what it has; the journal says of which state of the source that was, and up to which state a run
has followed it. So it is known, too, what is missing once a fetched file is gone from landing, whether a run has taken
it in or not. Without the journal nothing counts as followed, and the next scheduled run fetches the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

from stages.errors import PreconditionFailed
from stages.lake import keys
from stages.lake.records import sound
from stages.lake.store import ObjectStore
from stages.landing.socrata.plan import Extraction, State, read_name, replaces


def read_journal(store: ObjectStore, dataset: str) -> tuple[list[Extraction], str | None]:
    """The extractions of a dataset since the last whole table, oldest first, and the journal's ETag (None without).

    Raises DataError where it is damaged.
    """
    info = store.head(keys.fetched(dataset))
    if info is None:
        return [], None
    with sound(store, info.key, "the next scheduled run then fetches the whole table"):
        return [_extraction(entry, dataset) for entry in json.loads(store.read(info.key))], info.etag


def _extraction(entry: dict[str, Any], dataset: str) -> Extraction:
    named = read_name(entry["key"], dataset)
    if named is None:
        raise ValueError(f"{entry['key']} is no fetched file's name")
    return replace(named, state=State(**entry["state"]), followed=entry["followed"])


def note(store: ObjectStore, dataset: str, landed: Extraction, forgotten: Collection[str]) -> None:
    """Add an extraction that has just been landed, and leave out those `forgotten` (keys), for it makes up for them;
    what was landed after these does not count as followed any more.

    What lies before a whole table is left out too. Raises PreconditionFailed where others keep writing the journal.
    """
    for _ in range(20):
        entries, etag = read_journal(store, dataset)
        kept = [] if landed.whole else without(entries, dataset, forgotten)
        content = [
            {"key": one.key(dataset), "followed": one.followed, "state": one.state and asdict(one.state)}
            for one in [*kept, landed]
        ]
        try:
            store.put(keys.fetched(dataset), json.dumps(content, indent=1).encode(), expect=etag)
            return
        except PreconditionFailed:
            continue
    raise PreconditionFailed(f"{keys.fetched(dataset)}: other runs keep writing it; a new try will do")


def what_counts(
    entries: Sequence[Extraction], dataset: str, there: Collection[str]
) -> tuple[list[Extraction], list[str]]:
    """What counts of the journal, newest first, where only the files `there` (keys) are in landing; and what is lost.

    A file that is gone is lost unless one that was landed after it replaces it: then its state counts on, but nothing
    need be found in it.
    """
    lost = [
        one.key(dataset)
        for number, one in enumerate(entries, 1)
        if one.key(dataset) not in there
        and not any(replaces(later, one) for later in entries[number:] if later.key(dataset) in there)
    ]
    found = [
        one if one.key(dataset) in there else replace(one, covers=None, whole=False)
        for one in without(entries, dataset, lost)
    ]
    return found[::-1], lost


def without(entries: Sequence[Extraction], dataset: str, lost: Collection[str]) -> list[Extraction]:
    """The extractions but those `lost` (keys). One that was landed after a lost one does not count as followed: it
    rests on that one.
    """
    found: list[Extraction] = []
    sound = True
    for one in entries:
        if one.key(dataset) in lost:
            sound = False
        else:
            found.append(replace(one, followed=one.followed and sound))
    return found
