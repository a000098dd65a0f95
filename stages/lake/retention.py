"""How long the lake keeps the records of runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from stages.lake import keys
from stages.lake.store import ObjectStore


def forget_runs(store: ObjectStore, days: int, now: datetime) -> int:
    """Delete the records of runs in which no stage has ended for that many days before `now` (UTC); returns how many
    objects that were.

    What the runs wrote stays. A run that is cleared after so long starts from `ingest_raw` again.
    """
    newest: dict[str, datetime] = {}
    found = store.list(keys.RUNS)
    for info in found:
        run = info.key.removeprefix(keys.RUNS).partition("/")[0]
        newest[run] = max(newest.get(run, info.last_modified), info.last_modified)
    old = {run for run, last in newest.items() if last < now - timedelta(days=days)}
    forgotten = [info for info in found if info.key.removeprefix(keys.RUNS).partition("/")[0] in old]
    count = 0
    for info in forgotten:
        if store.head(info.key) == info:  # else the run was cleared meanwhile, and is at work again
            store.delete(info.key)
            count += 1
    return count
