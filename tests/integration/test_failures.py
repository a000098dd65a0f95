"""A stage that fails records it in the lake, for monitoring; no stage takes the record for work that was done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from lake import Lake, WatchedStore

from stages.errors import Stopped, StoreUnavailable
from stages.lake import keys


def land(lake: Lake, sample: Callable[..., list[Path]]) -> None:
    for file in sample("--rows=60", "--start=2024-01-01", "--end=2024-02-20"):
        lake.land(file)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Stopped(15), OSError(28, "No space left on device")])
def test_whatever_ends_a_stage_is_recorded_with_its_chunk(
    folder_lake: Lake, sample: Callable[..., list[Path]], error: BaseException
) -> None:
    land(folder_lake, sample)
    log = folder_lake.stage("ingest_raw", "--run-id=one", "--dataset=crashes").log
    chunk = re.findall(r"(crashes:\S+)", log)[-1]

    def fail() -> NoReturn:
        raise error

    store = WatchedStore(folder_lake.store, "put", "clean/", fail)
    arguments = ("transform_clean", "--run-id=one", f"--chunk={chunk}")
    if isinstance(error, OSError):
        assert folder_lake.stage(*arguments, store=store).code == 75
    else:
        with pytest.raises(type(error)):
            folder_lake.stage(*arguments, store=store)
    record = json.loads(folder_lake.store.read(keys.failure("one", "transform_clean", chunk)))
    assert folder_lake.store.head(f"_runs/one/failed/transform_clean/{chunk.replace(',', '+')}")
    assert (record["run_id"], record["stage"], record["chunk"]) == ("one", "transform_clean", chunk)
    assert (record["error"], record["message"]) == (type(error).__name__, str(error))
    assert (str(Stopped(15)), Stopped(15).code) == ("by SIGTERM", 143)


def test_a_record_that_cannot_be_written_hides_no_error(folder_lake: Lake, sample: Callable[..., list[Path]]) -> None:
    def unavailable() -> NoReturn:
        raise StoreUnavailable("the store is away")

    store = WatchedStore(folder_lake.store, "put", "_runs/", unavailable)
    done = folder_lake.stage("ingest_raw", "--run-id=one", store=store)  # nothing is landed
    assert done.code == 65
    assert "WARNING: ingest_raw: this failure could not be recorded in the lake: the store is away" in done.log
    assert "no landed files" in done.last

    land(folder_lake, sample)
    before = folder_lake.objects()
    store = WatchedStore(folder_lake.store, "list", "landing/", unavailable)
    done = folder_lake.stage("ingest_raw", "--run-id=one", store=store)
    assert (done.code, folder_lake.objects()) == (75, before)  # a store that is away is not asked again


def test_the_record_of_a_failure_does_not_let_a_warehouse_be_built_of_half_a_run(
    folder_lake: Lake, sample: Callable[..., list[Path]]
) -> None:
    land(folder_lake, sample)
    folder_lake.run("--run-id=good")
    folder_lake.land("no,crashes\n1,2\n", "broken.csv")
    assert folder_lake.stage("ingest_raw", "--run-id=bad").code == 65
    assert folder_lake.stage("model_analytics", "--run-id=bad").code == 65
