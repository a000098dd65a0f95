"""The record of a stage that failed, beside the manifests of those that finished."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stages.errors import DataError, ObjectMissing, StageError, StoreDenied, StoreUnavailable
from stages.lake import keys
from stages.lake.chunks import text
from stages.lake.records import sound
from stages.lake.store import ObjectStore
from stages.logs import log

if TYPE_CHECKING:
    from stages.lake.job import Run


def record_failure(run: Run, stage: str, error: BaseException) -> None:
    """Note in the lake that a stage of a run has failed. The same work's next failure in that run replaces the note.

    No stage reads it, only people and monitoring: where it cannot be written there is a warning, and where the store
    itself has failed it is not even tried.
    """
    if isinstance(error, (StoreUnavailable, StoreDenied)):
        return
    chunk = text(dict(run.chunk))
    record = {
        "run_id": run.run_id,
        "stage": stage,
        "chunk": chunk,
        "failed_at": datetime.now(UTC).isoformat(),
        "error": type(error).__name__,
        "message": str(error),
        "image": run.settings.image,
        "code_version": run.settings.code_version,
    }
    try:
        run.store.put(keys.failure(run.run_id, stage, chunk), json.dumps(record, indent=1).encode())
    except (StageError, OSError) as problem:
        log.warning("%s: this failure could not be recorded in the lake: %s", stage, problem)


def last_failure(store: ObjectStore, since: datetime | None) -> str | None:
    """Which stage of which run last failed after a moment (None: ever), when and why, in one line; None if none did.

    If its record is damaged, the line says so and names the record.
    """
    found = [
        info
        for info in store.list(keys.RUNS)
        if info.key.split("/")[2] == keys.FAILED and (since is None or info.last_modified > since)
    ]
    if not found:
        return None
    last = max(found, key=lambda info: info.last_modified)
    others = len({info.key.split("/")[1] for info in found}) - 1
    try:
        with sound(store, last.key, "that failure is then forgotten"):
            record = json.loads(store.read(last.key))
            return (
                f"run {record['run_id']} failed in {record['stage']} at {record['failed_at'][:19]} UTC"
                f"{f', and {others} more before it' if others else ''}: {record['error']}: {record['message']}"
            )
    except ObjectMissing:  # removed meanwhile, as old records are
        return None
    except DataError as damage:  # said beside an answer or another error, which stands
        return f"a run failed, and its record cannot be read: {damage}"
