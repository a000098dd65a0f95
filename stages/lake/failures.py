"""The record of a stage that failed, beside the manifests of those that finished: what monitoring reads of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from stages.errors import StageError, StoreDenied, StoreUnavailable
from stages.lake import keys
from stages.lake.chunks import text
from stages.lake.job import Run
from stages.logs import log


def record_failure(run: Run, stage: str, error: BaseException) -> None:
    """Note in the lake that a stage of a run has failed. The same work's next failure in that run replaces the note.

    Nothing reads it but people and monitoring: where it cannot be written there is a warning, and where the store
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
